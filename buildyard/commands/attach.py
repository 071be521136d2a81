"""Watch a run that goes on; Ctrl-C ends the watching, not the run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from buildyard.one_run import add_name, show_run

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    add_name(one)


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Follows the run's journal from its beginning to its end."""
    from buildyard.running import attach

    return show_run(
        arguments, program, live=True, in_lines=lambda found: attach(program, found.folder, as_json=arguments.json)
    )
