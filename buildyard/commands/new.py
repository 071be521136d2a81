"""Ask for a new deployment's answers, one question after the other; what was answered is kept at once."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("--answers", metavar="FILE", help="take these answers; only what they lack is asked")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Asks."""
    from buildyard.answering import ask_for_answers, missing_secrets
    from buildyard.full_screen import FullScreen, is_wanted

    if not arguments.answers and is_wanted(arguments, program.environment):
        return FullScreen(program.environment, lambda: program).ask(arguments.deployment)
    paths = ask_for_answers(program, arguments)
    missing = missing_secrets(program, paths)
    if arguments.json:
        print(
            json.dumps({"ok": True, "deployment": paths.name, "answers": str(paths.answers), "missing": list(missing)})
        )
        return 0
    print(f"The answers are in {paths.answers}.")
    if missing:
        print(f"Still missing: {', '.join(missing)}.\nNext: buildyard new --deployment {paths.name}")
    else:
        print(f"Next: buildyard plan --deployment {paths.name}")
    return 0
