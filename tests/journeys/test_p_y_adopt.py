"""The stick is lost: another one, with nothing but the recovery key, takes the production site over."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildyard.commands.adopt import KEY_VARIABLE
from tests.journeys.conftest import BUILD_TIMEOUT_S, Deployed, environment

pytestmark = pytest.mark.machines


@pytest.fixture(scope="module")
def key_file(production: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recovery key as its owner kept it."""
    path = tmp_path_factory.mktemp("safe") / "recovery-key"
    path.touch(mode=0o600)
    path.write_text(production.json("recovery-key")["recovery_key"] + "\n")
    return path


@pytest.fixture
def clean_home(production: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The lost stick's home is elsewhere; an empty one is in its place, because a rehearsal belongs to that place."""
    lost = tmp_path_factory.mktemp("lost") / "home"
    production.home.rename(lost)
    production.home.mkdir()
    try:
        yield production.home
    finally:
        shutil.rmtree(production.home)
        lost.rename(production.home)


def adopt(home: Path, key_file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "buildyard", "adopt", "--plain", "--yes", "--json"],
        env={**environment(home), KEY_VARIABLE: str(key_file)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def machines(production: Deployed) -> list[tuple[str, str]]:
    return sorted((each["name"], each["public_ip"]) for each in production.json("status")["machines"])


def test_a_home_that_has_it_is_left_as_it_is(production: Deployed, key_file: Path) -> None:
    done = adopt(production.home, key_file)
    assert done.returncode == 2
    assert "is on this build machine already" in answer(done)["error"]


def test_adopted_on_a_clean_home_nothing_is_to_do(production: Deployed, key_file: Path, clean_home: Path) -> None:
    assert production.buildyard("status").returncode == 2, "this home knows of nothing"
    done = adopt(clean_home, key_file)
    assert done.returncode == 0, done.stderr
    assert (answer(done)["ok"], answer(done)["mode"]) == (True, "production")
    assert answer(done)["machines"] == len(machines(production))
    assert production.json("plan")["actions"] == []
    again = production.json("build")
    assert (again["ok"], again["changed"]) == (True, 0)
    assert production.on("ws-1", "hostname").strip() == "ws-1"
    assert production.json("status")["healthy"]


def test_the_first_stick_turns_up_again_and_goes_on(production: Deployed) -> None:
    again = production.json("build")
    assert (again["ok"], again["changed"]) == (True, 0)
    assert production.json("status")["healthy"]
