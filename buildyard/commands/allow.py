"""Let an address use SSH: this machine's own, or the one that is given. Both firewall layers follow."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program

#: How long another run is waited for: a first build may take longer, a change of the autoscaler does not.
PATIENCE_S = 60.0


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument(
        "address", nargs="?", default="auto", metavar="ADDRESS", help="address or CIDR; else this machine's"
    )


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Writes the answer; under the lease changes the cloud's firewall and publishes the list; waits for SSH."""
    from buildyard.answering import with_operator
    from buildyard.recovery_copies import RecoveryCopies
    from fleet.allow import allow, settle
    from fleet.lease_store import lease_store
    from recipes.lockout import TIMEOUT_S
    from state.errors import LeaseHeld
    from state.lease import held

    def tell(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    paths = program.paths(arguments.deployment)
    with_operator(program, paths, arguments.address)
    deployment = program.open_built(paths, may_ask=not arguments.yes)
    record = deployment.record.load()
    try:
        with held(
            lease_store(deployment, paths),
            why="buildyard allow",
            clock=deployment.clock,
            lost=lambda: None,  # asked before each change
            tell=tell,
            least_epoch=record.epoch if record else 0,
            patience_s=PATIENCE_S,
        ) as lease:
            deployment.record.update(lambda old: replace(old, epoch=lease.epoch))
            # What was answered by now: another `allow` may have held the lease before.
            deployment = program.with_operators_of_now(deployment, paths)
            began = time.monotonic()
            allow(deployment, lease.ensure)
            RecoveryCopies(program, paths, deployment).keep_answers(tell)
    except LeaseHeld as problem:
        kept = "The answers name the new address, the firewalls do not yet."
        detail = "\n".join(part for part in (problem.detail, kept) if part)
        raise LeaseHeld(problem.summary, detail=detail, hint=f"buildyard allow again. {problem.hint}") from problem
    shut = settle(deployment, patient="auto" in deployment.settings.operators)
    for name in shut:
        print(
            f"{name} does not let this machine in. If the new list takes addresses away, somebody it lets in must"
            f" confirm it within {TIMEOUT_S} s (sudo buildyard-lockout confirm), or the one from before comes back.",
            file=sys.stderr,
        )
    seconds = round(time.monotonic() - began, 1)
    if arguments.json:
        print(json.dumps({"ok": True, "operators": list(deployment.operators), "seconds": seconds}))
    else:
        print(f"SSH is open for: {', '.join(deployment.operators)} (after {seconds:.0f} s).")
    return 0
