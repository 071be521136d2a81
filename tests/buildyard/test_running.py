"""A run and who started it: Ctrl-C at its first moment, folders that are named from where the user stands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from fleet import runner
from state.clock import SystemClock, wait_until
from state.events import Kind
from state.journal import follow, read, runner_is_alive
from state.paths import Home
from tests.buildyard.test_refusals import ANSWERS
from tests.forked import ROOT

#: A cloud that is not asked: without a token a run ends before it could reach it.
PROVIDER = {"name": "digitalocean", "region": "lon1"}


@pytest.fixture
def ground(tmp_path: Path) -> Path:
    """A folder with a home and a passphrase in it, both named relative to it."""
    (tmp_path / "passphrase").touch(mode=0o600)
    (tmp_path / "passphrase").write_text("correct horse")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**ANSWERS, "provider": PROVIDER}))
    done = start(tmp_path, "new", "--yes", "--answers", "mine.yaml")
    assert done.communicate(timeout=60)[0].endswith("Next: buildyard new --deployment shop\n")
    return tmp_path


def start(ground: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "buildyard", *words],
        cwd=ground,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(ground),
            "BUILDYARD_HOME": "home",
            "BUILDYARD_PASSPHRASE_FILE": "passphrase",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "PYTHONPATH": str(ROOT),  # this checkout, whichever is installed
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def the_run(ground: Path) -> Path:
    folder = ground / "home" / "deployments" / "shop" / "runs"
    return wait_until(
        "the run",
        lambda: next(folder.iterdir(), None),
        timeout_s=60,
        clock=SystemClock(),
        first_s=0.001,
        longest_s=0.001,
    )


def test_a_home_and_a_passphrase_named_from_here_are_the_runs_too(ground: Path) -> None:
    began = time.monotonic()
    output, errors = (build := start(ground, "build", "--yes", "--plain")).communicate(timeout=60)
    assert build.returncode == 1, errors
    assert "The secret digitalocean.token is missing." in output
    assert "buildyard new --deployment shop asks for it" in output
    assert time.monotonic() - began < 25, "a runner that cannot begin is not waited for"


def test_ctrl_c_at_the_first_moment_stops_the_run(ground: Path) -> None:
    build = start(ground, "build", "--yes", "--json")
    folder = the_run(ground)
    os.killpg(build.pid, signal.SIGINT)
    output, errors = build.communicate(timeout=60)
    assert build.returncode == 130, errors
    assert "Stopping" in errors
    assert "Traceback" not in errors
    told = json.loads(output.splitlines()[-1])
    assert (told["ok"], told["changed"], told["run"]) == (False, 0, folder.name)
    wait_until("the runner to end", lambda: not runner_is_alive(folder), timeout_s=10, clock=SystemClock())
    assert not [event for event in read(folder) if event.kind is Kind.ACTION_STARTED]
    assert "Traceback" not in (folder / "runner.log").read_text()


def test_a_runner_that_cannot_begin_is_not_waited_for_and_its_reason_is_kept(ground: Path) -> None:
    paths = Home(ground / "home").deployment("shop")
    clock, environment = SystemClock(), {**os.environ, "BUILDYARD_HOME": str(ground / "elsewhere")}
    began = time.monotonic()
    started = runner.start(paths, ("--job", "build"), None, clock, environment)
    assert list(follow(started.folder, threading.Event(), clock, started.is_alive)) == []
    assert time.monotonic() - began < 25
    assert "There is no deployment shop" in runner.last_words(started.folder)
