"""What a machine's system says: the last lines of its journal."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("machine", metavar="MACHINE")
    one.add_argument("--lines", type=int, default=100, metavar="N")
    one.add_argument("--unit", metavar="UNIT", help="of one service only, such as nginx")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Asks journalctl on the machine."""
    from buildyard.login import command_on
    from state.printable import printable

    paths = program.paths(arguments.deployment)
    deployment = program.open_built(paths, may_ask=not arguments.yes)
    words = ["sudo", "-n", "journalctl", "--no-pager", "-o", "short-iso", "-n", str(arguments.lines)]
    words += ["-u", arguments.unit] if arguments.unit else []
    answer = command_on(deployment, arguments.machine, words)
    text = program.redact(printable(answer.stdout.decode(errors="replace")))
    problem = program.redact(printable(answer.stderr.decode(errors="replace")))
    if arguments.json:
        ok = answer.exit_code == 0
        print(json.dumps({"ok": ok, "machine": arguments.machine, "lines": text.splitlines(), "problem": problem}))
    else:
        sys.stdout.write(text)
        sys.stderr.write(problem)
    return answer.exit_code
