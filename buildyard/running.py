"""Starting a run and watching it: what build, rehearse, attach and destroy have in common."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Self

from buildyard.full_screen import FullScreen, is_wanted
from buildyard.plain_view import Ending, show
from buildyard.program import Program
from fleet import runner
from fleet.release import check_baseline
from fleet.settings import read_settings
from state.errors import BuildyardError, Stopped
from state.journal import follow
from state.paths import DeploymentPaths

#: With less than this a journal cannot be kept.
FULL_BYTES = 64 * 1024


def run_and_watch(program: Program, paths: DeploymentPaths, words: Sequence[str], arguments: argparse.Namespace) -> int:
    """Starts the run in a process of its own, shows it, and says how it ended.

    Ctrl-C stops the run, from the first moment on.

    Returns:
        The run's exit code: 0 done, 1 failed, 130 stopped.
    """
    with _CtrlC() as pressed:
        started = start_run(program, paths, words, may_ask=not arguments.yes)
        if is_wanted(arguments, program.environment):
            if pressed.count:
                started.stop()
            screen = FullScreen(program.environment, lambda: program)
            return screen.show(paths.name, started.folder, words[1], live=True)
        pressed.stops(started)
        try:
            ending = _show(program, started.folder, as_json=arguments.json, may_begin=started.is_alive)
        except KeyboardInterrupt:
            ending = Ending(None)
    resume = f"buildyard {'destroy' if 'destroy' in words else 'build'}"
    if pressed.left:
        problem = Stopped("Left. The run ends after the steps under way.", hint="buildyard attach shows it to its end")
        return _told(problem, ending, started.folder, as_json=arguments.json)
    if pressed.count and not ending.ok:
        problem = Stopped("Stopped. What was finished stays as it is.", hint=f"{resume} goes on from here")
        return _told(problem, ending, started.folder, as_json=arguments.json)
    return _ended(ending, started.folder, resume, as_json=arguments.json)


def start_run(program: Program, paths: DeploymentPaths, words: Sequence[str], *, may_ask: bool) -> runner.Runner:
    """Starts the run in a process of its own.

    Args:
        words: see :func:`runner_words`.
        may_ask: for the passphrase, in this terminal.
    """
    # Opened here first, so that a passphrase can be asked for while there is somebody to ask.
    answers = program.answers(paths)
    if "destroy" not in words:
        check_baseline(read_settings(answers.values))
    program.secret_store(paths, str(answers.values.get("provider.name", "")), may_ask=may_ask)
    return runner.start(paths, words, program.passphrase, program.clock, program.environment_elsewhere)


def runner_words(job: str, arguments: argparse.Namespace) -> tuple[str, ...]:
    """What the runner is told: the job, and what of the command's words is for it."""
    return ("--job", job, *(("--break-lease",) if getattr(arguments, "break_lease", False) else ()))


def attach(program: Program, folder: Path, *, as_json: bool) -> int:
    """Shows a run from its beginning until it ends; Ctrl-C ends the watching, not the run.

    Args:
        folder: the run's.
        as_json: progress goes to stderr, one JSON object to stdout.
    """
    try:
        ending = _show(program, folder, as_json=as_json)
    except KeyboardInterrupt:
        problem = Stopped("The watching ended; the run goes on.", hint="buildyard attach shows it again")
        return _told(problem, Ending(None), folder, as_json=as_json)
    return _ended(ending, folder, "buildyard build", as_json=as_json)


class _CtrlC:
    """What Ctrl-C does while a run is started and shown: the first stops the run, the second leaves it to itself."""

    def __init__(self) -> None:
        self.count = 0
        self.left = False
        self._runner: runner.Runner | None = None

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._pressed)
        return self

    def __exit__(self, *_exception: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def stops(self, started: runner.Runner) -> None:
        """Whom it stops; at once, when it was pressed while that process was being made."""
        self._runner = started
        if self.count:
            self._stop(started)

    def _pressed(self, _signal: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self._runner is None:
            return
        if self.count > 1:
            self.left = True
            raise KeyboardInterrupt
        self._stop(self._runner)

    def _stop(self, started: runner.Runner) -> None:
        started.stop()
        # Not print: this may interrupt one.
        with suppress(OSError):
            os.write(2, b"Stopping: the steps under way end first. Ctrl-C again to leave now.\n")


def _show(program: Program, folder: Path, *, as_json: bool, may_begin: Callable[[], bool] = lambda: True) -> Ending:
    out = sys.stderr if as_json else sys.stdout
    events = follow(folder, threading.Event(), program.clock, may_begin)
    return show(events, lambda line: print(line, file=out, flush=True))


def _ended(ending: Ending, folder: Path, resume: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(summary(ending, folder.name)))
    if ending.ok is None:
        print(f"buildyard: {_why_silent(folder)}\n\nNext: {resume}", file=sys.stderr)
    return ending.exit_code


def _told(problem: BuildyardError, ending: Ending, folder: Path, *, as_json: bool) -> int:
    print(f"buildyard: {problem.text()}", file=sys.stderr)
    if as_json:
        print(json.dumps({**summary(ending, folder.name), "error": problem.summary, "hint": problem.hint}))
    return problem.exit_code


def _why_silent(folder: Path) -> str:
    """A runner that could not say how it ended: killed, or there was no room to say it."""
    said = runner.last_words(folder).strip()
    if said:
        return f"the run ended before it was done.\n{said}"
    if shutil.disk_usage(folder).free < FULL_BYTES:
        return f"the disk with {folder} is full, so the run ended. Free some space; what was finished stays."
    return "the runner was ended from outside before it was done. What was finished stays."


def summary(ending: Ending, run_id: str) -> dict[str, object]:
    """What ``--json`` gives at the end of a run."""
    return {
        "ok": bool(ending.ok),
        "changed": ending.changed,
        "unchanged": ending.unchanged,
        "failed": ending.failed,
        "seconds": ending.seconds,
        "run": run_id,
        "problems": list(ending.problems),
    }
