"""Make what the answers say; where it exists already, look for what differs and mend it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


#: For whoever met a lease that a machine took with it when it died.
BREAK_LEASE = "take the lease from a run of which you are sure that it is dead; waits a minute to be sure too"


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("--answers", metavar="FILE", help="take these answers first")
    one.add_argument("--break-lease", action="store_true", help=BREAK_LEASE)


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Starts a run and shows it."""
    from buildyard.answering import take_answers
    from buildyard.running import run_and_watch, runner_words

    paths = take_answers(program, arguments)
    return run_and_watch(program, paths, runner_words("build", arguments), arguments)
