"""SIGKILL at any moment: building again ends in the same state, nothing is there twice, nothing is left over."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from state.encrypted_file import EncryptedFileStore
from state.secret import Secret
from tests.journeys.conftest import Site
from tests.journeys.killing import Killed, instants, inventory, reference_of

pytestmark = [pytest.mark.machines, pytest.mark.timeout(3600)]

#: Chosen once; another one is tried with each campaign, which says which.
SEED = 14


@pytest.fixture
def killed(site: Site) -> Iterator[Killed]:
    one = Killed(site)
    try:
        yield one
    finally:
        site.buildyard("destroy", "--yes", "--plain", "--deployment", one.name)
        one.forget()


def one_more_of_each(killed: Killed, before: dict[str, list[str]]) -> dict[str, list[str]]:
    """What one more deployment like the site adds to an inventory."""

    def renamed(text: str) -> str:
        return text.replace("by-rehearsal", f"by-{killed.name}")

    more = {}
    for key, things in before.items():
        if key == "machines running" or key == "namespaces":
            added = ["machine"] * 2
        elif key in ("disks", "loop devices"):
            added = ["disk"] * 2
        elif key.startswith("records of"):
            added = []
        else:
            added = [renamed(thing) for thing in things if "by-rehearsal" in thing]
        more[key] = sorted([*things, *added])
    domain = f"{killed.name}.rehearsal.test"
    more[f"records of {domain}"] = before["records of site.rehearsal.test"]
    return more


def build_through_kills(killed: Killed, tmp_path: Path, seed: int, runner: int, api: int) -> dict[str, int]:
    """One first build, killed again and again, then finished; compared with one that nobody disturbed."""
    before = inventory(killed.site)
    taken = killed.site.buildyard("new", "--answers", str(killed.answers(tmp_path)))
    assert taken.returncode == 0, taken.stderr
    count = {"runner": 0, "api": 0}
    for instant, outcome in killed.build_through(instants(reference_of(killed.site), seed, runner, api)):
        moment = f"{instant.victim} after {instant.marks} events + {instant.delay_s} s ({instant.during})"
        killed.report.append(f"seed {seed}: {moment}: {outcome}")
        print(killed.report[-1])
        count[instant.victim] += outcome == "killed"
    done = killed.build()
    assert done["ok"] is True, (done, killed.report)
    again = killed.build()
    assert (again["ok"], again["changed"]) == (True, 0), (again, killed.report)
    status = killed.site.json("status", "--deployment", killed.name)
    assert status["healthy"] is True, (status["reason"], killed.report)
    assert inventory(killed.site) == one_more_of_each(killed, before)
    assert first_host_keys(killed) == []
    return count


def first_host_keys(killed: Killed) -> list[str]:
    """Host keys for a first contact that is long over."""
    passphrase = Secret((killed.site.home / "rehearsal-passphrase").read_text())
    names = EncryptedFileStore(killed.folder / "secrets.encrypted", passphrase).names()
    return [name for name in names if name.startswith("first-host-key-")]


def kill_until(killed: Killed, tmp_path: Path, seed: int, runner: int, api: int) -> int:
    """First builds, each through as many kills as it lasts for, until there were so many; all ends as it was before.

    Returns:
        How many builds it took.
    """
    total = {"runner": 0, "api": 0}
    builds = 0
    before = inventory(killed.site)
    while total["runner"] < runner or total["api"] < api:
        assert builds < 3 + (runner + api) // 4, killed.report
        left = min(4, max(0, runner - total["runner"])), min(1, max(0, api - total["api"]))
        count = build_through_kills(killed, tmp_path, seed + builds, *left)
        total = {victim: total[victim] + count[victim] for victim in total}
        builds += 1
        destroyed = killed.site.buildyard("destroy", "--yes", "--plain", "--deployment", killed.name)
        assert destroyed.returncode == 0, destroyed.stderr
        after = inventory(killed.site)
        del after[f"records of {killed.name}.rehearsal.test"]  # the zone stays, by design
        before.pop(f"records of {killed.name}.rehearsal.test", None)
        assert after == before
    return builds


def test_a_build_killed_five_times_ends_as_if_it_had_not_been(killed: Killed, tmp_path: Path) -> None:
    kill_until(killed, tmp_path, SEED, runner=4, api=1)


@pytest.mark.campaign
def test_20_kills_of_the_runner_and_5_of_the_api(killed: Killed, tmp_path: Path) -> None:
    builds = kill_until(killed, tmp_path, SEED + 100, runner=20, api=5)
    folder = Path(os.environ.get("BUILDYARD_CAMPAIGN_LOG", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "kills.json"
    report.write_text(json.dumps({"builds": builds, "report": killed.report}, indent=1))
    print(f"the report of the kills: {report}")
