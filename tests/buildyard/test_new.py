"""`new` with answers from a file: what no file may hold is asked for, and where nobody can be asked it is named."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.buildyard.test_cli import buildyard
from tests.buildyard.test_refusals import ANSWERS


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**ANSWERS, "provider": {"name": "digitalocean", "region": "lon1"}}))
    return path


def at_a_terminal(home: Path, until: str, *words: str) -> tuple[int, str]:
    """Until it asks for that; then Ctrl-C."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "BUILDYARD_HOME": str(home), "TERM": "dumb"}
    with subprocess.Popen(
        [sys.executable, "-m", "buildyard", *words],
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen, end = b"", time.monotonic() + 60
        while until.encode() not in seen and time.monotonic() < end:
            if select.select([ours], [], [], 1)[0]:
                seen += os.read(ours, 65536)
        os.write(ours, b"\x03")
        try:
            while data := os.read(ours, 65536):
                seen += data
        except OSError:
            pass  # the other end is closed
        os.close(ours)
    return process.returncode, seen.decode(errors="replace")


def test_the_token_is_asked_for_after_the_file_and_by_the_command_that_is_named(tmp_path: Path, answers: Path) -> None:
    home = tmp_path / "home"
    code, seen = at_a_terminal(home, "API token", "new", "--answers", str(answers))
    assert "API token" in seen
    assert code == 130, seen
    assert "buildyard new --deployment shop goes on from here" in seen
    code, seen = at_a_terminal(home, "API token", "new", "--deployment", "shop")
    assert "API token" in seen
    assert "The name" not in seen, "no other deployment is begun"
    assert code == 130, seen


def test_where_nobody_can_be_asked_the_missing_token_is_named(tmp_path: Path, answers: Path) -> None:
    home = tmp_path / "home"
    told = buildyard("new", "--yes", "--json", "--answers", str(answers), home=home)
    answer = json.loads(told.stdout.splitlines()[-1])
    assert (answer["ok"], answer["deployment"]) == (True, "shop")
    assert any("token" in label for label in answer["missing"])
    said = buildyard("new", "--yes", "--answers", str(answers), home=home).stdout
    assert "Next: buildyard new --deployment shop" in said
