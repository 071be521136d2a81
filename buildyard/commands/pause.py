"""Lets the autoscaler look and decide, and do nothing of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(_one: argparse.ArgumentParser) -> None:
    """It has no words of its own."""


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Changes the policy in the deployment's state bucket."""
    from buildyard.autoscaled import bring
    from fleet.autoscaler.wishes import pause

    return bring(pause(), arguments, program)
