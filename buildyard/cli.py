"""The command line: reads the words, hands them to the command's file, turns errors into sentences and exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage or answers, 3 done but degraded, 130 stopped by the user.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from state.errors import BuildyardError, Stopped, UsageError

if TYPE_CHECKING:
    from buildyard.program import Program

#: Command and what it is for; each is a file in ``buildyard/commands``.
COMMANDS = {
    "rehearse": "a whole deployment on this machine, for real, at no cost",
    "new": "ask for a new deployment's answers",
    "plan": "what build would do",
    "build": "make what the answers say, or mend it",
    "scale": "how many webservers there shall be, in production mode",
    "status": "is it well",
    "watch": "what the autoscaler sees and decides, as it happens",
    "pause": "let the autoscaler decide, and do nothing of it",
    "resume": "let the autoscaler act again",
    "replace": "make another webserver in the place of one",
    "drain": "keep one webserver without visitors, to look at it",
    "protect": "never end one webserver, or let it be like the others",
    "attach": "watch a run that goes on",
    "replay": "show an earlier run again",
    "ssh": "log in to a machine, or run one command on it",
    "logs": "what a machine's system says",
    "allow": "let this machine's (or another) address use SSH",
    "guardian": "who comes past the Gateway Guardian: add, remove, list, rotate",
    "recovery-key": "show the key that opens a lost stick's deployment",
    "adopt": "take a deployment over when the stick that built it is lost",
    "open": "show the site of a rehearsal on this machine",
    "simulate": "what the autoscaler would have done with a load",
    "reconcile": "what the account has that is ours, an orphan, missing or foreign",
    "doctor": "does this machine have what Buildyard needs",
    "destroy": "end the deployment and all it made",
}
#: Not for people: what the detached runner and the autoscaler's service are started with.
HIDDEN = ("run-detached", "autoscaler")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise UsageError(message, hint=f"{self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """All commands with all their words."""
    top = _Parser(prog="buildyard", description=__doc__.split("\n\n")[1] if __doc__ else None)
    top.set_defaults(plain=False, json=False)
    top.description = "From a build USB to a web application that runs on cloud machines."
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name in (*COMMANDS, *HIDDEN):
        module = importlib.import_module(f"buildyard.commands.{name.replace('-', '_')}")
        if name in COMMANDS:
            one = commands.add_parser(name, description=module.__doc__, help=COMMANDS[name])
        else:
            one = commands.add_parser(name, description=module.__doc__)
        one.add_argument("--deployment", metavar="NAME", help="which one; needed when there are several")
        one.add_argument("--plain", action="store_true", help="lines, no full screen")
        one.add_argument("--json", action="store_true", help="the last line on stdout is one JSON object")
        one.add_argument("--yes", action="store_true", help="ask nothing")
        module.add(one)
        one.set_defaults(run=module.run)
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit code.
    """
    words = sys.argv[1:] if words is None else words
    if not words:  # the commands are not even loaded: the first screen comes sooner
        return _full_screen(argparse.Namespace(plain=False, json=False))
    try:
        arguments = parser().parse_args(words)
    except UsageError as problem:
        return _tell(problem, as_json="--json" in words)
    if arguments.command is None:
        return _full_screen(arguments)
    from buildyard.program import Program

    try:
        code: int = arguments.run(arguments, Program.from_process(os.environ))
    except BuildyardError as problem:
        return _tell(problem, as_json=arguments.json)
    except KeyboardInterrupt:
        return _tell(Stopped("Stopped.", hint=f"buildyard {arguments.command}"), as_json=arguments.json)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _full_screen(arguments: argparse.Namespace) -> int:
    """`buildyard` alone: the wizard, or the dashboard; without a terminal the commands are listed."""
    from buildyard.full_screen import FullScreen, is_wanted

    if not is_wanted(arguments, os.environ):
        parser().print_help()
        return 2

    def make_program() -> Program:
        from buildyard.program import Program

        return Program.from_process(os.environ)

    try:
        return FullScreen(os.environ, make_program).everything()
    except BuildyardError as problem:
        return _tell(problem, as_json=False)


def _tell(problem: BuildyardError, *, as_json: bool) -> int:
    print(f"buildyard: {problem.text()}", file=sys.stderr)
    if as_json:
        print(json.dumps({"ok": False, "error": problem.summary, "detail": problem.detail, "hint": problem.hint}))
    return problem.exit_code
