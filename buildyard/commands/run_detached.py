"""The runner itself (not for people): owns one run, in a session of its own, and writes its journal."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from state.clock import SystemClock
from state.secret import Secret

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("--run", required=True, dest="run_id", metavar="RUN")
    one.add_argument("--job", required=True, choices=("build", "destroy"))
    one.add_argument("--break-lease", action="store_true")


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Does the job; everything it has to say is in the journal."""
    # First of all: whoever stops a run that has just begun must be heard, not obeyed half-way.
    cancel = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cancel.set())

    from buildyard.jobs import do
    from state.journal import Journal, write_runner
    from state.process import ProcessIdentity

    paths = program.paths(arguments.deployment)
    folder: Path = paths.run(arguments.run_id)
    write_runner(folder, ProcessIdentity.of_this_process())
    told = json.loads(sys.stdin.read() or "{}")
    if told.get("passphrase"):
        program.passphrase = Secret(told["passphrase"])
        program.redact.add(program.passphrase)
    program.clock = SystemClock(cancel)
    with Journal(folder, program.redact) as journal:
        return do(arguments.job, program, paths, journal.emit, cancel, take_lease=arguments.break_lease)
