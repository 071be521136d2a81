"""Who may talk to whom: the table of the design, section 2, against every TCP port seen from everywhere.

Each layer is looked at by itself too: with ufw off the cloud's firewall keeps the table, and the other way round.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import pytest

from rehearsal.room.room import Room
from tests.journeys.clouds import driver
from tests.journeys.conftest import Site
from tests.journeys.doors import answers, enter
from tests.journeys.scan import ALL_PORTS, Seen, scan

pytestmark = pytest.mark.machines

MACHINES = ("ws-1", "db-1")
#: nmap waits for silent ports more than it works; the machine has two cores.
SILENT_AT_ONCE = 3
REJECTED_AT_ONCE = 2
#: On a machine that does other things too.
LEAST_POLLS_PER_S = 10
#: What a closed port says, in nmap's words: the cloud's layer, and ufw.
PROHIBITED, SILENCE = "admin-prohibited", "no-response"
CHANGES = 40


@dataclass(frozen=True)
class Line:
    """A line of the table: these ports of these machines, on this side, from these places and no others."""

    machines: tuple[str, ...]
    side: str
    ports: tuple[int, ...]
    sources: tuple[str, ...]


EVERYBODY = ("build machine", "foreign host", "ws-1 public", "db-1 public")
#: Development mode, naked DNS: one webserver, one database machine, no autoscaler.
TABLE = (
    Line(MACHINES, "public", (1035,), ("build machine",)),
    Line(MACHINES, "private", (1035,), ("ws-1 private", "db-1 private")),
    Line(("db-1",), "private", (2035,), ("ws-1 private",)),
    Line(("ws-1",), "public", (80, 443), EVERYBODY),
    Line(("ws-1",), "private", (443,), ("db-1 private",)),
)


def policy(source: str, machine: str, side: str) -> frozenset[int]:
    """The ports that the table opens."""
    return frozenset(
        port
        for line in TABLE
        if machine in line.machines and side == line.side and source in line.sources
        for port in line.ports
    )


@dataclass(frozen=True)
class View:
    """A place to look from, and the addresses it looks at, all by one run of nmap."""

    source: str
    namespace: str
    targets: tuple[tuple[str, str, str], ...]


def views(site: Site) -> list[View]:
    """(machine, side, address) of all that is looked at; what somebody else may not even route to is looked at too."""

    def targets(machines: tuple[str, ...], *families: str) -> tuple[tuple[str, str, str], ...]:
        return tuple(
            (name, family.partition("_")[0], site.address(name, family)) for name in machines for family in families
        )

    block = Room(site.rehearsal).block
    found = []
    for source, namespace in (("build machine", ""), ("foreign host", site.cloud.namespaces.foreign)):
        found.append(View(source, namespace, targets(MACHINES, "public_ipv4", "private_ipv4")))
        found.append(View(source, namespace, targets(MACHINES, "public_ipv6")))
    for name, other in (MACHINES, MACHINES[::-1]):
        namespace = f"{block.prefix}-m{site.address(name, 'provider_id')}"
        found += [
            View(f"{name} {family.partition('_')[0]}", namespace, targets((other,), family))
            for family in ("public_ipv4", "public_ipv6", "private_ipv4")
        ]
    return found


def look(site: Site, *, silent: bool) -> dict[tuple[str, str, str], Seen]:
    """All ports of both machines from everywhere: (source, machine, address)."""
    wanted = views(site)
    with ThreadPoolExecutor(SILENT_AT_ONCE if silent else REJECTED_AT_ONCE) as pool:
        scans = pool.map(
            lambda view: scan(view.namespace, (address for *_, address in view.targets), silent=silent), wanted
        )
        return {
            (view.source, machine, address): seen[address]
            for view, seen in zip(wanted, scans, strict=True)
            for machine, _, address in view.targets
        }


def knock_again(site: Site, source: str, _machine: str, address: str, ports: frozenset[int]) -> frozenset[int]:
    """Which of these ports are open, asked one by one and with patience."""
    (namespace,) = {view.namespace for view in views(site) if view.source == source}
    return scan(namespace, (address,), silent=False, ports=ports)[address].open


def check_table(site: Site, *, refusal: str) -> None:
    """Everything is as the table says, and what is closed was closed by the layer that is on."""
    seen = look(site, silent=refusal == SILENCE)
    expected = {
        (view.source, machine, address): policy(view.source, machine, side)
        for view in views(site)
        for machine, side, address in view.targets
    }
    # a packet in a hundred thousand is lost on a busy machine: a door that shall be open is knocked at once more
    missed = {where: expected[where] - each.open for where, each in seen.items()}
    again = {where: knock_again(site, *where, ports) for where, ports in missed.items() if ports}
    opened = {where: each.open | again.get(where, frozenset()) for where, each in seen.items()}
    assert opened == expected
    # a port on which nobody listens today is kept by the firewall all the same
    assert {where: each.closed for where, each in seen.items() if each.closed} == {}
    private = {site.address(name, "private_ipv4") for name in MACHINES}
    for (source, machine, address), each in seen.items():
        routed = address not in private or source.endswith(" private")
        reason = refusal if routed else "net-unreach"
        # of a hundred thousand refusals some are lost on a busy machine
        assert each.refusals.get(reason, 0) > ALL_PORTS * 0.9, (source, machine, address)
        assert set(each.refusals) <= {reason, SILENCE}, (source, machine, address)


class Polled:
    """Connections from the foreign host, again and again at every door, while something is being changed.

    Args:
        closed: (address, port) that shall never answer.
        opened: (address, port) that shall always answer.
    """

    def __init__(self, site: Site, closed: list[tuple[str, int]], opened: list[tuple[str, int]]) -> None:
        self.wrong: list[str] = []
        self.per_s: dict[tuple[str, int], float] = {}
        self._namespace = Path("/run/netns", site.cloud.namespaces.foreign)
        self._done = threading.Event()
        doors = [(door, False) for door in closed] + [(door, True) for door in opened]
        self._threads = [threading.Thread(target=self._poll, args=each, daemon=True) for each in doors]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _poll(self, door: tuple[str, int], shall_answer: bool) -> None:
        assert enter(self._namespace)
        rounds, began = 0, time.monotonic()
        while not self._done.wait(0.005):
            if answers(*door, 2 if shall_answer else 0.02) is not shall_answer:
                self.wrong.append(f"{door} {'is silent' if shall_answer else 'answers'}")
            rounds += 1
        self.per_s[door] = rounds / (time.monotonic() - began)

    def check(self) -> None:
        """No door was ever as it should not be, and each was tried often enough to say so."""
        assert self.wrong == []
        assert len(self.per_s) == len(self._threads)
        assert min(self.per_s.values()) >= LEAST_POLLS_PER_S, self.per_s


def on(site: Site, machine: str, *words: str) -> str:
    """A command on a machine without SSH, which is among what is looked at."""
    done = Room(site.rehearsal).exec_in(int(site.address(machine, "provider_id")), words, timeout_s=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def doors(site: Site) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """What a foreign host may not and may reach: SSH, of both machines; the page."""
    families = ("public_ipv4", "public_ipv6")
    closed = [(site.address(name, family), 1035) for name in MACHINES for family in families]
    return closed, [(site.address("ws-1", family), 443) for family in families]


def test_port_22_was_never_open_from_the_first_second_on(site: Site) -> None:
    assert sorted((each.machine.rpartition("-m")[2], each.within) for each in site.doors.knocks) == sorted(
        (site.address(name, "provider_id"), within) for name in MACHINES for within in (False, True)
    )
    for knocks in site.doors.knocks:
        assert knocks.opened == set(), knocks
        assert knocks.rounds / knocks.seconds >= LEAST_POLLS_PER_S, knocks
        # the port that shall be open opened while we knocked: we came before sshd and would have seen it
        assert knocks.ssh_after_s is not None, knocks
        assert knocks.ssh_after_s > 0.1, knocks


def test_every_port_from_everywhere_is_as_the_policy_says(site: Site) -> None:
    check_table(site, refusal=PROHIBITED)


class TestTheCloudAlone:
    @pytest.fixture(scope="class", autouse=True)
    def ufw_off(self, site: Site) -> Iterator[None]:
        try:
            for name in MACHINES:
                on(site, name, "ufw", "disable")
            yield
        finally:
            mended = site.json("build")
        assert (mended["ok"], mended["changed"]) == (True, len(MACHINES))

    def test_it_keeps_the_policy(self, site: Site) -> None:
        check_table(site, refusal=PROHIBITED)

    def test_changing_its_rules_leaves_no_moment_without_them(self, site: Site) -> None:
        closed, opened = doors(site)
        with driver(site.cloud) as provider:
            standing = provider.firewalls("by-rehearsal-fw-")
            assert len(standing) == len(MACHINES)
            with Polled(site, closed, opened) as polled:
                for turn in range(CHANGES):
                    for each in standing:
                        more = (site.cloud.cloudflare_ranges[0], f"192.0.2.{turn}/32") if turn % 2 == 0 else ()
                        rules = tuple(
                            replace(rule, sources=rule.sources + more) if rule.port == 1035 else rule
                            for rule in each.inbound
                        )
                        provider.put_firewall(each.name, each.tag, rules)
            assert provider.firewalls("by-rehearsal-fw-") == standing
        polled.check()


@pytest.mark.campaign
class TestUfwAlone:
    @pytest.fixture(scope="class", autouse=True)
    def cloud_off(self, site: Site) -> Iterator[None]:
        try:
            with driver(site.cloud) as provider:
                for firewall in provider.firewalls("by-rehearsal-fw-"):
                    provider.delete_firewall(firewall.id)
            yield
        finally:
            mended = site.json("build")
        assert (mended["ok"], mended["changed"]) == (True, len(MACHINES))

    def test_it_keeps_the_policy(self, site: Site) -> None:
        check_table(site, refusal=SILENCE)

    def test_changing_its_rules_leaves_no_moment_without_them(self, site: Site) -> None:
        """The operators' list as each machine takes it over from the bucket, with and without more of them."""
        change = (
            "set -eu; own=/var/lib/buildyard/shared/operators; list=$(mktemp); "
            'for turn in 1 2 3; do { tail -n +2 "$own"; echo "192.0.2.$turn"; echo "2001:db8::$turn"; } >"$list"; '
            '/etc/buildyard/shared.d/operators "$list"; tail -n +2 "$own" >"$list"; '
            '/etc/buildyard/shared.d/operators "$list"; done; rm "$list"'
        )
        closed, opened = doors(site)
        before = {name: on(site, name, "ufw", "status") for name in MACHINES}
        with Polled(site, closed, opened) as polled, ThreadPoolExecutor(len(MACHINES)) as pool:
            list(pool.map(lambda name: on(site, name, "sh", "-c", change), MACHINES))
        polled.check()
        assert {name: sorted(on(site, name, "ufw", "status").splitlines()) for name in MACHINES} == {
            name: sorted(text.splitlines()) for name, text in before.items()
        }


def test_afterwards_both_layers_stand(site: Site) -> None:
    assert site.json("plan")["actions"] == []
    assert json.loads(site.buildyard("status", "--json").stdout.splitlines()[-1])["healthy"] is True
