"""The autoscaler's service itself (not for people): systemd starts it on the autoscaler machine."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildyard.program import Program


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument("--folder", required=True, metavar="FOLDER", help="with settings.json and credentials.json")
    one.add_argument("--home", metavar="FOLDER", help="for journal and record; /var/lib/buildyard/autoscaler")


def run(arguments: argparse.Namespace, _program: Program) -> int:
    """Works until it is told to end."""
    # First of all: whoever ends a service that has just begun must be heard, not obeyed half-way.
    cancel = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cancel.set())

    from buildyard.on_machine import HOME, compose
    from fleet.autoscaler.at_work import surroundings
    from fleet.autoscaler.notify import Notify
    from fleet.autoscaler.service import serve
    from state.clock import SystemClock

    home = Path(arguments.home) if arguments.home else HOME
    there = compose(Path(arguments.folder), home, SystemClock(cancel))
    deployment, notify = there.deployment, Notify.from_environment(os.environ)
    with there.journal:
        notify.ready(f"{there.machine} of {deployment.settings.deployment}, program {there.version}")
        serve(deployment, surroundings(deployment, there.machine, cancel, notify.alive))
        notify.stopping()
    return 0
