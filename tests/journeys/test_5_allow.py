"""The operator moves: SSH works from the new place, both layers know; a machine with a wrong host key is left alone."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from fleet.policy import as_cidr
from rehearsal.room.network import uplink
from rehearsal.room.room import Room
from state.clock import SystemClock, wait_until
from tests.journeys.clouds import driver
from tests.journeys.conftest import Deployed, Site

pytestmark = pytest.mark.machines

MACHINES = ("ws-1", "db-1")
#: What the design promises for SSH after `allow`.
ALLOWED_S = 90
#: The host's number on its link to the router; 10 and above are its other addresses.
NEW_PLACE = 10


def answers_of(site: Deployed) -> Path:
    return site.home / "deployments" / "rehearsal" / "answers.yaml"


def cloud_sources(site: Deployed) -> list[set[str]]:
    """Who may use SSH, in each role's firewall."""
    with driver(site.cloud) as provider:
        return [
            {source for rule in firewall.inbound if rule.port == 1035 for source in rule.sources}
            for firewall in provider.firewalls("by-rehearsal-fw-")
        ]


def ufw_sources(site: Deployed, machine: str) -> set[str]:
    """Who may use SSH on the machine's public addresses, as ufw says."""
    publics = {site.address(machine, family) for family in ("public_ipv4", "public_ipv6")}
    found = set()
    for line in site.on(machine, "sudo", "-n", "ufw", "show", "added").splitlines():
        words = line.split()
        if words[:2] == ["ufw", "allow"] and words[words.index("port") + 1 :][:1] == ["1035"]:
            source, to = words[words.index("from") + 1], words[words.index("to") + 1]
            if to in publics:
                found.add(str(ip_network(source)))
    return found


def greeting(site: Deployed, address: str) -> str:
    """What SSH there says first to the foreign host."""
    code = (
        "import socket,sys\n"
        "with socket.create_connection((sys.argv[1], 1035), 2) as s: s.settimeout(2); print(s.recv(99).decode())"
    )
    return site.foreign("python3", "-c", code, address).stdout


class TestTheOperatorMoves:
    @pytest.fixture(scope="class", autouse=True)
    def elsewhere(self, site: Site) -> Iterator[None]:
        room = Room(site.rehearsal)
        answers = answers_of(site).read_text()
        try:
            room.speak_from(NEW_PLACE)
            yield
        finally:
            room.speak_from(1)
            for address in (f"{room.block.uplink_v4(NEW_PLACE)}/24", f"{room.block.uplink_v6(NEW_PLACE)}/64"):
                subprocess.run(["ip", "addr", "del", address, "dev", uplink(room.block)], check=True)
            answers_of(site).write_text(answers)
            home = site.buildyard("allow", timeout_s=150)
        assert home.returncode == 0, home.stderr
        mended = site.json("build")
        assert (mended["ok"], mended["changed"]) == (True, 0)

    def test_ssh_works_again_within_90_s_of_allow_and_both_layers_follow(self, site: Site) -> None:
        block = Room(site.rehearsal).block
        old = {as_cidr(block.uplink_v4(1)), as_cidr(block.uplink_v6(1))}
        new = {as_cidr(block.uplink_v4(NEW_PLACE)), as_cidr(block.uplink_v6(NEW_PLACE))}
        refused = site.buildyard("ssh", "ws-1", "--", "true", timeout_s=60)
        assert refused.returncode == 1
        assert "buildyard allow" in refused.stderr

        began = time.monotonic()
        allowed = site.json("allow", timeout_s=150)
        assert allowed["ok"] is True
        assert set(allowed["operators"]) == new
        for name in MACHINES:
            assert site.on(name, "hostname").strip() == name
        assert time.monotonic() - began <= ALLOWED_S

        for sources in cloud_sources(site):
            assert sources >= new
            assert not sources & old
        for name in MACHINES:
            assert ufw_sources(site, name) == new
        again = site.json("build")
        assert (again["ok"], again["changed"]) == (True, 0)

    def test_another_operator_is_let_in_beside_this_machine(self, site: Site) -> None:
        block = Room(site.rehearsal).block
        other = block.foreign_v4.replace("0/24", "2")
        assert greeting(site, site.address("ws-1")) == ""
        began = time.monotonic()
        allowed = site.json("allow", other)
        assert f"{other}/32" in allowed["operators"]
        assert f"{block.uplink_v4(NEW_PLACE)}/32" in allowed["operators"]
        for name in MACHINES:
            address = site.address(name)
            wait_until(
                f"{name} to let {other} in",
                lambda address=address: greeting(site, address).startswith("SSH-2.0"),
                timeout_s=ALLOWED_S,
                clock=SystemClock(),
                longest_s=2,
            )
        assert time.monotonic() - began <= ALLOWED_S
        again = site.json("build")
        assert (again["ok"], again["changed"]) == (True, 0)


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0/0", "::/0", "128.0.0.0/1", "0.0.0.0", "somewhere", "", "-1"],
)
def test_everybody_nobody_and_what_is_no_address_are_refused_and_nothing_changes(site: Site, address: str) -> None:
    answers, sources = answers_of(site).read_bytes(), cloud_sources(site)
    words = ("allow", "--", address) if address.startswith("-") else ("allow", address)
    refused = site.buildyard(*words, timeout_s=60)
    assert refused.returncode == 2, refused.stdout
    assert "Next:" in refused.stderr
    assert answers_of(site).read_bytes() == answers
    assert cloud_sources(site) == sources


class TestAWrongHostKey:
    @pytest.fixture(autouse=True)
    def another_key(self, site: Site, tmp_path: Path) -> Iterator[str]:
        """The record has another key than the machine: as if another machine stood in its place."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
        wrong = " ".join((tmp_path / "key.pub").read_text().split()[:2])
        right = _pin(site, wrong)
        try:
            yield wrong
        finally:
            _pin(site, right)

    def test_nothing_is_sent_by_ssh_logs_or_build(self, site: Site) -> None:
        room, machine = Room(site.rehearsal), int(site.address("ws-1", "provider_id"))

        def journal(*words: str) -> str:
            return room.exec_in(machine, ["journalctl", "--quiet", "--no-pager", *words]).stdout

        cursor = journal("-n0", "--show-cursor").strip().removeprefix("-- cursor: ")
        for words in (("ssh", "ws-1", "--", "true"), ("logs", "ws-1"), ("build",)):
            done = site.buildyard(*words, timeout_s=300)
            said = done.stdout + done.stderr
            assert done.returncode == 1, said
            assert "its host key is not the pinned one. Nothing was sent." in said
            assert "shown: ssh-ed25519" in said
            assert "pinned: ssh-ed25519" in said
            assert "Next:" in said
        journal("--sync")
        # by name, not by unit: journald no longer finds the unit of a process that ended so soon
        seen = journal("-t", "sshd", f"--after-cursor={cursor}", "-o", "cat").splitlines()
        # sshd tells that somebody came and went before saying who he is: no name, no key, no authentication
        assert seen
        assert all(re.fullmatch(r"Connection (reset|closed) by \S+ port \d+ \[preauth\]", line) for line in seen), seen


def test_with_the_right_key_again_building_changes_nothing(site: Site) -> None:
    again = site.json("build")
    assert (again["ok"], again["changed"]) == (True, 0)


def _pin(site: Site, key: str) -> str:
    """Writes another pinned key of ws-1 into the record; returns the one before."""
    path = site.home / "deployments" / "rehearsal" / "fleet.json"
    record = json.loads(path.read_text())
    machine = next(each for each in record["machines"] if each["name"] == "ws-1")
    before, machine["host_key"] = machine["host_key"], key
    path.write_text(json.dumps(record))
    return str(before)
