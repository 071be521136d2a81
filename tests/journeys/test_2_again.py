"""The second time: nothing to do, exactly what a changed answer touches, and what somebody altered by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.journeys.conftest import Site

pytestmark = pytest.mark.machines


def answers_of(site: Site) -> Path:
    return site.home / "deployments" / "rehearsal" / "answers.yaml"


def test_building_again_changes_nothing(site: Site) -> None:
    again = site.json("build")
    assert again["ok"] is True
    assert again["changed"] == 0
    assert again["unchanged"] > 30
    assert site.json("plan")["actions"] == []


def test_a_changed_answer_touches_exactly_its_steps(site: Site) -> None:
    before = answers_of(site).read_text()
    answers = yaml.safe_load(before)
    answers["time_zone"] = "Europe/London"
    answers_of(site).write_text(yaml.safe_dump(answers))
    try:
        planned = site.json("plan")["actions"]
        # WordPress tells its own times in it too
        assert {action["id"] for action in planned} == {
            "recipe:ws-1:base",
            "recipe:db-1:base",
            "recipe:ws-1:wordpress",
        }
        # cron keeps the zone it began with until it begins again
        base = ["time zone", "time zone's name", "cron"]
        assert [action["steps"] for action in planned if action["id"].endswith(":base")] == [base, base]
        changed = site.json("build")
        assert changed["ok"] is True
        assert changed["changed"] == sum(len(action["steps"]) for action in planned)
        assert "BST" in site.on("ws-1", "date", "-d", "2026-07-01 12:00 UTC", "+%Z")
    finally:
        answers_of(site).write_text(before)
        assert site.json("build")["ok"] is True
    assert site.json("plan")["actions"] == []


def test_a_file_altered_by_hand_is_found_and_mended(site: Site) -> None:
    path = "/etc/cron.d/buildyard-pull"
    site.on("ws-1", "sudo", "-n", "sed", "-i", "$a # by hand", path)
    planned = site.json("plan")["actions"]
    assert [action["id"] for action in planned] == ["recipe:ws-1:shared-config"]
    assert len(planned[0]["steps"]) == 1
    assert site.json("build")["changed"] == 1
    assert "by hand" not in site.on("ws-1", "cat", path)


#: Keeps apt's lists locked, as a fresh machine does that updates itself, until apt-get was refused once.
LISTS_HELD = """\
import fcntl, glob, os, time

def updating():
    for place in glob.glob("/proc/[0-9]*/comm"):
        try:
            if open(place).read() == "apt-get\\n":
                return True
        except OSError:
            pass
    return False

lists = open("/var/lib/apt/lists/lock", "w")
fcntl.lockf(lists, fcntl.LOCK_EX)
os.system("systemd-notify --ready")
until = time.monotonic() + 120
for wanted in (True, False):
    while time.monotonic() < until and updating() is not wanted:
        time.sleep(0.002)
"""


def test_the_release_altered_by_hand_is_found_and_laid_out_anew(site: Site) -> None:
    login, added = "/srv/app/current/wp-login.php", "/srv/app/current/wp-content/mu-plugins/own.php"
    was = site.on("ws-1", "sha256sum", login)
    site.on(
        "ws-1", "sudo", "-n", "sh", "-c", f"echo '// by hand' >>{login}; mkdir ${{1%/*}}; echo '<?php' >$1", "sh", added
    )
    found = site.buildyard("plan").stdout
    assert "./wp-login.php" in found
    assert "./wp-content/mu-plugins/own.php" in found
    planned = site.json("plan")["actions"]
    assert [(action["id"], action["steps"]) for action in planned] == [("recipe:ws-1:wordpress", ["release"])]

    held = ("--collect", "--service-type=notify", "--property=NotifyAccess=all", "python3", "-c", LISTS_HELD)
    site.on("ws-1", "sudo", "-n", "systemd-run", "--quiet", *held)
    built = site.json("build")
    assert (built["ok"], built["changed"]) == (True, 1)
    assert site.on("ws-1", "sha256sum", login) == was
    assert "own.php" not in site.on("ws-1", "find", "/srv/app/current/wp-content/")
    assert site.json("plan")["actions"] == []


def test_a_right_changed_by_hand_in_the_release_is_mended(site: Site) -> None:
    """What the web server's user may write is as good as altered."""
    index = "/srv/app/current/index.php"
    site.on("ws-1", "sudo", "-n", "chown", "app:app", index)
    assert site.json("build")["changed"] == 1
    assert site.on("ws-1", "stat", "-c", "%U:%G %a", index).strip() == "root:root 644"
    # only root knows what is compared
    sums = site.on("ws-1", "sh", "-c", "stat -c '%U:%G %a' /srv/app/releases/*.sums")
    assert sums.split("\n")[:-1] == ["root:root 600"]


def test_an_earlier_run_can_be_seen_again(site: Site) -> None:
    replayed = site.buildyard("replay")
    assert replayed.returncode == 0
    assert "ws-1" in replayed.stdout
