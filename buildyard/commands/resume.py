"""Lets the autoscaler act again after a pause."""

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
    from fleet.autoscaler.wishes import resume

    return bring(resume(), arguments, program)
