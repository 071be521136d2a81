"""Whatever ails a webserver, it is replaced and the reason names it; many come and go, and visitors notice nothing.

The long ones: only in the campaign.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable

import pytest

from rehearsal.room.cgroup import cgroup_of
from tests.journeys.autoscaling import JOURNAL, SHORT, comes_true, opened, policy, reasons, settled, webservers
from tests.journeys.conftest import Deployed
from tests.journeys.visitors import visiting

pytestmark = [pytest.mark.machines, pytest.mark.campaign]

#: Three failures of five looks, a proof of 20 s, a machine made: of a slow trouble the looks take longer.
REPLACED_S = 240.0


def host_name(site: Deployed, machine: str) -> str:
    """What the rehearsal calls the machine on this host."""
    return f"{site.cloud.namespaces.router.removesuffix('-router')}-m{provider_id(site, machine)}"


def provider_id(site: Deployed, machine: str) -> str:
    record = opened(site).record.load()
    assert record is not None
    known = record.machine(machine)
    assert known is not None
    return known.provider_id


def power_off(site: Deployed, machine: str) -> None:
    opened(site).access.provider.power_off(provider_id(site, machine))


def fill_disk(site: Deployed, machine: str) -> None:
    """As whoever may use what is reserved for root, too."""
    site.on(machine, "sudo", "-n", "sh", "-c", "cat /dev/zero >/var/tmp/filled 2>/dev/null; true")


def cut_network(site: Deployed, machine: str) -> None:
    space = f"/run/netns/{host_name(site, machine)}"
    listed = subprocess.run(
        ["nsenter", f"--net={space}", "ip", "-json", "link"], capture_output=True, text=True, check=True
    )
    for link in json.loads(listed.stdout):
        if link["ifname"] != "lo":
            subprocess.run(
                ["nsenter", f"--net={space}", "ip", "link", "set", "dev", link["ifname"], "down"], check=True
            )


def freeze(site: Deployed, machine: str) -> None:
    name = host_name(site, machine)
    cgroup_of(name.rpartition("-")[0], name).freeze(True)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (power_off, ("it is silent", "there is no route to it")),
        (fill_disk, ("its disk is full",)),
        (cut_network, ("it is silent", "there is no route to it")),
        (freeze, ("it is silent",)),
    ],
)
def test_an_ailing_webserver_is_replaced_and_the_reason_is_right(
    production: Deployed, trouble: Callable[[Deployed, str], None], words: tuple[str, ...]
) -> None:
    settled(production)
    victim = max(webservers(production))
    gone = provider_id(production, victim)
    with policy(production, **SHORT), visiting(production, per_s=5) as visits:
        t0 = time.time()
        trouble(production, victim)

        def replaced() -> bool:
            machines = opened(production).access.provider.machines(opened(production).names.tag)
            return gone not in {machine.id for machine in machines} and len(webservers(production)) == 2

        took = comes_true(production, f"{victim} to be replaced", replaced, REPLACED_S) - t0
    said = [line for line in reasons(production, t0).splitlines() if f"{victim} is ill" in line]
    print(
        f"{trouble.__name__}: replaced and gone after {took:.0f} s; {len(visits.failed)} of {len(visits.all)} failed."
    )
    assert said, reasons(production, t0)
    assert any(word in said[0] for word in words), said[0]
    # 3 s for each attempt at an address that is silent: nobody is refused a page
    assert len(visits.failed) <= len(visits.all) / 100


def test_cpu_burnt_on_one_webserver_is_that_ones_only(production: Deployed) -> None:
    settled(production)
    one, other = sorted(webservers(production))
    production.on(one, "sh", "-c", "for n in 1 2; do (timeout 60 sh -c 'while :; do :; done' >/dev/null 2>&1 &); done")

    def figures() -> dict[str, float]:
        lines = production.on("as-1", "sudo", "-n", "tail", "-n", "40", JOURNAL).splitlines()
        samples = [event for event in map(json.loads, lines) if event["kind"] == "sample"]
        return {each["name"]: each["cpu_percent"] or 0.0 for each in samples[-1]["data"]["webservers"]}

    comes_true(production, f"{one} to be busy", lambda: figures()[one] > 40 > 2 * figures()[other], 60)
    settled(production)


@pytest.mark.parametrize("drain", [SHORT, {}], ids=["short drain", "production's drain"])
def test_two_to_five_to_two_without_a_failed_request(production: Deployed, drain: dict[str, float]) -> None:
    settled(production)
    ttl_s = 60.0 if not drain else 5.0
    with (
        policy(production, **drain, target=5),
        visiting(production, per_s=10, visitors=30, ttl_s=ttl_s) as fresh,
        visiting(production, per_s=5, visitors=19, keep_alive=True, ttl_s=ttl_s) as kept,
        # one that keeps an answer for longer than it may
        visiting(production, per_s=1, visitors=1, ttl_s=2 * ttl_s) as stubborn,
    ):
        five = comes_true(
            production, "five addresses", lambda: len(production.resolve(production.domain, "A")) == 5, 400
        )
        comes_true(production, "some visits to all five", lambda: time.time() - five > 15, 30)
        settled(production)
        way_in = time.time()
        assert production.json("scale", "2")["target"] == 2
        comes_true(production, "two to be left", lambda: len(webservers(production)) == 2, 1500, every_s=5.0)
        settled(production)
    everybody = (fresh, kept, stubborn)
    print(f"{sum(len(each.all) for each in everybody)} requests, {sum(len(each.failed) for each in everybody)} failed.")
    for each in everybody:
        assert len(each.all) > 50
        assert [visit for visit in each.failed if visit.at >= way_in] == []
        assert each.failed == []


def test_four_webservers_and_then_a_build_changes_nothing(production: Deployed) -> None:
    settled(production)
    with policy(production, **SHORT, target=4):
        four = lambda: len(production.resolve(production.domain, "A")) == 4  # noqa: E731
        comes_true(production, "four addresses", four, 300)
        settled(production)
        again = production.json("build")
        assert (again["ok"], again["changed"]) == (True, 0), again
        assert production.json("scale", "2")["target"] == 2
    settled(production)
