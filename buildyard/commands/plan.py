"""What build would do: the provider is asked, every machine is looked at, nothing is changed."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("--answers", metavar="FILE", help="take these answers first")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Looks and prints."""
    from buildyard.answering import take_answers
    from fleet.cost import per_month
    from fleet.preview import preview

    paths = take_answers(program, arguments)
    deployment = program.open(paths, lambda _event: None, may_ask=not arguments.yes)
    seen = preview(deployment)
    price = "unknown" if seen.price_per_month is None else str(seen.price_per_month)
    if arguments.json:
        actions: list[dict[str, Any]] = [
            {
                "id": each.action.id,
                "change": each.action.change.value,
                "target": each.action.target,
                "reason": each.action.reason,
                "machine": each.action.machine,
                "waits_for": list(each.action.waits_for),
                "price_per_month": None if each.action.price_per_month is None else str(each.action.price_per_month),
                "steps": list(each.steps),
            }
            for each in seen.changes
        ]
        print(json.dumps({"ok": True, "actions": actions, "price_per_month": price}))
        return 0
    costs = per_month(seen.price_per_month, deployment.settings.provider)
    if not seen.changes:
        print(f"{paths.name} is as the answers say: nothing to do. {costs}.")
        return 0
    for each in seen.changes:
        print(f"{each.action.change.value:8} {each.action.target}: {each.action.reason}")
        for step in each.steps:
            print(f"           ~ {step}")
        if each.differences:
            print("\n".join(f"             {line}" for line in each.differences.splitlines()))
    print(f"\n{len(seen.changes)} to do. Afterwards: {costs}.")
    return 0
