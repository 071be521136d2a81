"""Compare what the account has under our tags and names with what is known; orphans can be deleted, nothing else."""

from __future__ import annotations

import argparse
import json
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

from state.errors import UsageError

if TYPE_CHECKING:
    from buildyard.program import Program
    from fleet.reconcile import Thing


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument(
        "--delete-orphans",
        action="store_true",
        help="delete what a run of this deployment made and nobody needs; never what is foreign",
    )


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Shows everything with its price; deletes the orphans under the lease when asked to and agreed to.

    Returns:
        0: all is ours; 3: something is an orphan or missing.
    """
    from fleet.lease_store import lease_store
    from fleet.reconcile import Standing, delete_orphans, reconcile
    from state.lease import held

    paths = program.paths(arguments.deployment)
    deployment = program.open_built(paths, may_ask=not arguments.yes)
    things = reconcile(deployment)
    deleted = 0
    orphans = [thing for thing in things if thing.standing is Standing.ORPHAN]
    if arguments.delete_orphans and orphans:
        if not arguments.yes:
            _agree(orphans)
        record = deployment.record.load()
        with held(
            lease_store(deployment, paths),
            why="buildyard reconcile --delete-orphans",
            clock=deployment.clock,
            lost=lambda: None,  # asked before each
            tell=_tell,
            least_epoch=record.epoch if record else 0,
        ) as lease:
            # looked at again: what was an orphan a moment ago may have been adopted by a run that ended since
            deleted = delete_orphans(reconcile(deployment), lease.ensure, _tell)
        things = reconcile(deployment)
    left = [thing for thing in things if thing.standing in (Standing.ORPHAN, Standing.MISSING)]
    if arguments.json:
        print(json.dumps({"ok": not left, "deleted": deleted, "things": list(map(_as_data, things))}))
    else:
        for line in _lines(things):
            print(line)
        if any(thing.standing is Standing.ORPHAN for thing in left):
            print("Next: buildyard reconcile --delete-orphans")
    return 3 if left else 0


def _lines(things: tuple[Thing, ...]) -> list[str]:
    rows = [(thing.standing.value, thing.kind, thing.name, _price(thing.price_per_month)) for thing in things]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    lines = []
    for row, thing in zip(rows, things, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"{cells}  {thing.why}".rstrip())
    known = [thing.price_per_month for thing in things if thing.price_per_month is not None]
    unknown = sum(thing.price_per_month is None for thing in things)
    total = f"${sum(known, Decimal(0)):.2f} a month"
    lines.append(f"In all {total}" + (f", and {unknown} whose price is unknown." if unknown else "."))
    return lines


def _price(price: Decimal | None) -> str:
    if price is None:
        return "unknown"
    return f"${price:.2f}" if price else ""


def _as_data(thing: Thing) -> dict[str, str | None]:
    price = thing.price_per_month
    return {
        "kind": thing.kind,
        "name": thing.name,
        "id": thing.id,
        "standing": thing.standing.value,
        "why": thing.why,
        "price_per_month": None if price is None else str(price),
    }


def _agree(orphans: list[Thing]) -> None:
    if not sys.stdin.isatty():
        raise UsageError("reconcile asks before it deletes, and nobody is there.", hint="add --yes")
    for thing in orphans:
        print(f"{thing.kind} {thing.name}: {thing.why}")
    if input(f"Delete these {len(orphans)}? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("Nothing was deleted.")


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
