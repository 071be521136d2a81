"""Log in to a machine with its pinned host key, or run one command there (after ``--``)."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from state.errors import UsageError

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("machine", metavar="MACHINE")
    one.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="run this and come back")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """One command by our own link; a shell by the system's ssh, told the same keys."""
    from buildyard.login import command_on, shell_on

    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if arguments.json and not words:
        raise UsageError("A shell cannot be shown as JSON.", hint="buildyard ssh --json MACHINE -- COMMAND")
    paths = program.paths(arguments.deployment)
    deployment = program.open_built(paths, may_ask=not arguments.yes)
    if words:
        answer = command_on(deployment, arguments.machine, words)
        if arguments.json:
            print(
                json.dumps(
                    {
                        "ok": answer.exit_code == 0,
                        "exit_code": answer.exit_code,
                        "stdout": answer.stdout.decode(errors="replace"),
                        "stderr": answer.stderr.decode(errors="replace"),
                    }
                )
            )
            return answer.exit_code
        sys.stdout.buffer.write(answer.stdout)
        sys.stderr.buffer.write(answer.stderr)
        return answer.exit_code
    return shell_on(deployment, arguments.machine)
