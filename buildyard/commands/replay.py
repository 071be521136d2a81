"""Show an earlier run again, all of it."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from buildyard.one_run import add_name, show_run
from state.files import file_error

if TYPE_CHECKING:
    from buildyard.program import Program
    from state.runs import Run


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    add_name(one)
    one.add_argument(
        "--expect-same",
        action="store_true",
        help="decide again what its autoscaler decided; 1 when it comes out otherwise",
    )


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Reads the journal as it is."""
    if arguments.expect_same:
        return _decide_again(arguments, program)
    return show_run(arguments, program, live=False, in_lines=lambda found: _in_lines(found, quiet=arguments.json))


def _decide_again(arguments: argparse.Namespace, program: Program) -> int:
    from fleet.autoscaler.codec import as_data, redecide
    from state import runs
    from state.journal import JOURNAL

    found = runs.run(program.paths(arguments.deployment), arguments.name)
    try:
        with (found.folder / JOURNAL).open("rb") as lines:
            count, differences = redecide(lines)
    except OSError as error:
        raise file_error(found.folder / JOURNAL, "read", error) from error
    for each in differences if not arguments.json else ():
        print(f"line {each.line}: {each.problem or 'comes out otherwise now'}")
        for label, decisions in (("was", each.was), ("is", each.is_now)):
            if decisions is not None:
                print(f"  {label:3} {json.dumps(as_data(decisions), sort_keys=True)}")
    if arguments.json:
        lines_of = [{"line": each.line, "at": each.now, "problem": each.problem} for each in differences]
        print(json.dumps({"ok": not differences, "run": found.id, "decisions": count, "different": lines_of}))
    else:
        print(f"{count} decisions, {len(differences)} of them come out otherwise or cannot be read.")
    return 1 if differences else 0


def _in_lines(found: Run, *, quiet: bool) -> int:
    from buildyard.plain_view import show
    from buildyard.running import summary
    from state import journal

    ending = show(journal.read(found.folder), (lambda _line: None) if quiet else print, verbose=True)
    if quiet:
        print(json.dumps({**summary(ending, found.id), "state": found.state.value}))
    elif ending.ok is None:
        print(f"\nThis run is {found.state.value}.")
    return 0
