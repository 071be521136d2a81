"""The run that a command is about: the newest, or the one that is named; in a full screen where one is wanted."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program
    from state.runs import Run


def add_name(one: argparse.ArgumentParser) -> None:
    """The word by which a run is named."""
    one.add_argument(
        "name", nargs="?", default="", metavar="RUN", help="its id or the beginning of it; else the newest"
    )


def show_run(arguments: argparse.Namespace, program: Program, *, live: bool, in_lines: Callable[[Run], int]) -> int:
    """Shows it.

    Args:
        live: it is followed while it goes on, and may be stopped.
        in_lines: shows it where no full screen is wanted; returns the exit code.

    Raises:
        BuildyardError: there is no such run.
    """
    from buildyard.full_screen import FullScreen, is_wanted
    from state import runs

    paths = program.paths(arguments.deployment)
    found = runs.run(paths, arguments.name)
    if not is_wanted(arguments, program.environment):
        return in_lines(found)
    screen = FullScreen(program.environment, lambda: program)
    return screen.show(paths.name, found.folder, found.command, live=live)
