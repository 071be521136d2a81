"""The rehearsal from the command line: ``python -m rehearsal up|down|describe|reconcile --directory DIR``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rehearsal import cloud, habits
from rehearsal.server import serve
from state.clock import SystemClock
from state.errors import BuildyardError, Stopped


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; what it reports goes to standard output as one JSON object, progress to standard error.

    Returns:
        the exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description="A cloud on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_ in (
        ("up", "start or adopt everything"),
        ("down", "remove machines, services and network"),
        ("describe", "how a rehearsal that is up is reached"),
        ("reconcile", "compare what was promised with what is there, and mend it"),
        ("serve", "the API itself; `up` starts it where it belongs"),
    ):
        command = commands.add_parser(name, help=help_)
        command.add_argument("--directory", type=Path, required=True, help="the rehearsal's folder")
        command.add_argument("--json", action="store_true", help="the answer is always JSON; taken for symmetry")
        if name == "up":
            command.add_argument(
                "--habit",
                action="append",
                metavar="NAME[=VALUE]",
                help=f"do as another vendor does: {', '.join(habits.NAMES)}; {habits.NONE} takes all back. Kept.",
            )
        if name == "serve":
            command.add_argument("--supervisor", type=int, required=True, metavar="PID", help="who starts it again")
        if name == "down":
            command.add_argument("--purge", action="store_true", help="objects, records, keys and the CA too")
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except BuildyardError as error:
        print(error.text(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return Stopped.exit_code
    return 0


def _run(options: argparse.Namespace) -> None:
    directory: Path = options.directory
    match options.command:
        case "up":
            chosen = habits.parse(options.habit) if options.habit else None
            answer = cloud.up(directory, chosen=chosen).as_data()
        case "down":
            cloud.down(directory, purge=options.purge)
            answer = {"ok": True}
        case "describe":
            answer = cloud.describe(directory).as_data()
        case "reconcile":
            answer = cloud.reconcile(directory).as_data()
        case _:
            serve(directory.resolve(), SystemClock(), options.supervisor)
            return
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    sys.exit(main())
