"""A whole deployment on this machine: real machines, firewalls, DNS and certificates, at no cost."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("--mode", choices=("development", "production"), help="else as it was rehearsed before")
    one.add_argument("--webservers", type=int, metavar="N", help="in production mode, where it is 2 else")
    one.add_argument("--answers", metavar="FILE", help="take these answers instead of the usual ones")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Writes the usual answers when there are none, then builds."""
    from buildyard.answering import rehearsal_answers
    from buildyard.running import run_and_watch, runner_words

    paths = rehearsal_answers(program, arguments)
    code = run_and_watch(program, paths, runner_words("build", arguments), arguments)
    if code == 0 and not arguments.json:
        domain = program.answers(paths).values["site.domain"]
        print(f"\nhttps://{domain}/ is served on this machine.")
        print("See it: ./start open       Its administrator: ./start status --password")
        print("Is it well: ./start status   End it: ./start destroy")
    return code
