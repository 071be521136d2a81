"""Protects one webserver: no decision of the autoscaler ends it, whether it is ill or too many."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("machine", metavar="MACHINE", help="a webserver, such as ws-2")
    one.add_argument("--off", action="store_true", help="let decisions end it again")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Changes the policy in the deployment's state bucket.

    Raises:
        UsageError: there is no such webserver.
    """
    from buildyard.autoscaled import bring
    from fleet.autoscaler.asked import webserver
    from fleet.autoscaler.wishes import protect, unprotect

    if arguments.off:  # also one that is gone
        return bring(unprotect(arguments.machine), arguments, program)
    deployment = program.open_built(program.paths(arguments.deployment), may_ask=not arguments.yes)
    name = webserver(deployment.record.load(), arguments.machine).name
    return bring(protect(name), arguments, program)
