"""End the deployment and all it made: machines, firewalls, network, DNS records, buckets."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from buildyard.commands.build import BREAK_LEASE
from state.errors import UsageError

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("--break-lease", action="store_true", help=BREAK_LEASE)


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Asks for the name, then destroys."""
    from buildyard.running import run_and_watch, runner_words

    paths = program.paths(arguments.deployment)
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise UsageError("destroy asks for the deployment's name, and nobody is there.", hint="add --yes")
        if input(f"All of {paths.name} will be gone. Type its name: ").strip() != paths.name:
            raise UsageError("That is not its name; nothing was destroyed.")
    return run_and_watch(program, paths, runner_words("destroy", arguments), arguments)
