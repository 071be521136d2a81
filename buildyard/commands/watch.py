"""What the autoscaler sees and decides, as it happens; Ctrl-C ends the watching, not the autoscaler."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument(
        "--seconds", type=float, default=0.0, metavar="S", help="end by itself after so long (lines and JSON only)"
    )


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Follows the leader's journal; ``--json`` prints one object a line."""
    from buildyard.autoscaled import follow_leader, known
    from buildyard.full_screen import FullScreen, is_wanted
    from buildyard.watch_lines import watch_in_lines

    paths = program.paths(arguments.deployment)
    if is_wanted(arguments, program.environment) and not arguments.seconds:
        return FullScreen(program.environment, lambda: program).watch(paths.name)
    deployment = program.open_built(paths, may_ask=not arguments.yes)
    watch_in_lines(
        lambda heard, stop: follow_leader(deployment, heard, stop),
        lambda: known(deployment),
        lambda line: print(line, flush=True),
        program.clock,
        as_json=arguments.json,
        seconds=arguments.seconds,
    )
    return 0
