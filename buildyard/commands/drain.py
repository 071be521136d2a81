"""Takes one webserver out of DNS and keeps it, for its owner to look at: it does not count and is never ended."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("machine", metavar="MACHINE", help="a webserver that serves, such as ws-2")
    one.add_argument("--off", action="store_true", help="let it be like the others again")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Changes the policy in the deployment's state bucket.

    Raises:
        UsageError: there is no such webserver, or it does not serve.
    """
    from buildyard.autoscaled import bring, bring_for_one
    from fleet.autoscaler.wishes import drain, undrain

    if arguments.off:  # also one that is gone
        return bring(undrain(arguments.machine), arguments, program)
    return bring_for_one(drain, arguments, program)
