"""Makes another webserver in the place of one, though it is not ill: the new one comes first, then the old one goes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("machine", metavar="MACHINE", help="a webserver that serves, such as ws-2")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Changes the policy in the deployment's state bucket.

    Raises:
        UsageError: there is no such webserver, it does not serve, or it is protected or drained.
    """
    from buildyard.autoscaled import bring_for_one
    from fleet.autoscaler.wishes import another

    return bring_for_one(another, arguments, program)
