"""Nobody is locked out for long: SSH rules that no fresh login confirms go back by themselves, good ones stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import yaml

from buildyard.program import Program
from fleet.context import publish_operators
from rehearsal.room.room import Room
from state.clock import SystemClock, wait_until
from state.paths import Home
from tests.journeys.conftest import Site, environment
from tests.journeys.doors import SSH_PORT, answers

pytestmark = pytest.mark.machines

MACHINES = ("ws-1", "db-1")
#: Instead of five minutes.
DEADLINE_S = 20
#: Cron pulls each minute.
PULLED_S = 100
NOBODY = "192.0.2.7/32"


@pytest.fixture(scope="module", autouse=True)
def short_deadline(site: Site) -> Iterator[None]:
    path = "/etc/buildyard/lockout-timeout-s"
    for name in MACHINES:
        site.on(name, "sudo", "-n", "sh", "-c", f"echo {DEADLINE_S} >{path}")
    yield
    for name in MACHINES:
        site.on(name, "sudo", "-n", "rm", path)


def console(site: Site, machine: str, *words: str) -> str:
    """What a command there prints, for whom SSH is shut."""
    done = Room(site.rehearsal).exec_in(int(site.address(machine, "provider_id")), list(words))
    return str(done.stdout)


def rules(site: Site, machine: str) -> list[str]:
    return sorted(line for line in console(site, machine, "ufw", "show", "added").splitlines() if "1035" in line)


def settled(site: Site, machine: str) -> bool:
    """No change waits for its confirmation."""
    timer = console(site, machine, "systemctl", "show", "--property=ActiveState", "--value", "buildyard-lockout.timer")
    return timer.strip() == "inactive" and "lockout" not in console(site, machine, "ls", "/var/lib/buildyard").split()


def last_word(site: Site, machine: str) -> str:
    return console(site, machine, "cat", "/var/lib/buildyard/jobs/lockout.json")


def publish(site: Site, *operators: str) -> None:
    """Signs and puts up a list, whatever the answers say."""
    program = Program(Home(site.home), environment(site.home), SystemClock())
    deployment = program.open(program.paths(site.deployment), lambda _event: None, may_ask=False)
    publish_operators(replace(deployment, operators=operators))


def test_a_list_that_locks_the_operator_out_goes_back_by_itself_and_stays_back(site: Site) -> None:
    before = {name: rules(site, name) for name in MACHINES}
    publish(site, NOBODY)
    for name in MACHINES:
        address = site.address(name)
        wait_until(
            f"{name} to shut us out",
            lambda address=address: not answers(address, SSH_PORT, 1.0),
            timeout_s=PULLED_S,
            clock=SystemClock(),
            first_s=0.2,
            longest_s=0.5,
        )
    for name in MACHINES:
        wait_until(
            f"{name} to take it back",
            lambda name=name: rules(site, name) == before[name],
            timeout_s=DEADLINE_S + 30,
            clock=SystemClock(),
        )
        wait_until(f"{name} to have done so", lambda name=name: settled(site, name), timeout_s=20, clock=SystemClock())
        assert site.on(name, "hostname").strip() == name
        # the list lies in the bucket all the same; it was tried, and is not tried again
        site.on(name, "sudo", "-n", "buildyard-pull")
        assert rules(site, name) == before[name]
        assert settled(site, name)
    status = site.json("status")
    assert status["healthy"] is True
    for machine in status["machines"]:
        assert any("the allow-list: no fresh login confirmed it" in remark for remark in machine["remarks"])


def test_allow_publishes_the_right_list_again_and_nothing_is_left_of_the_wrong_one(site: Site) -> None:
    before = {name: rules(site, name) for name in MACHINES}
    assert site.json("allow", timeout_s=300)["ok"] is True
    for name in MACHINES:
        assert rules(site, name) == before[name]
        assert settled(site, name)
    assert [machine["remarks"] for machine in site.json("status")["machines"]] == [[], []]


def test_a_list_that_takes_an_address_away_stays_when_we_still_come_in(site: Site) -> None:
    path = site.home / "deployments" / "rehearsal" / "answers.yaml"
    before = path.read_text()
    kept = {name: rules(site, name) for name in MACHINES}
    assert site.json("allow", "198.51.100.77", timeout_s=300)["ok"] is True
    for name in MACHINES:
        assert any("198.51.100.77" in rule for rule in rules(site, name))
    answered = yaml.safe_load(path.read_text())
    assert answered["access"]["operators"] == ["auto", "198.51.100.77/32"]
    path.write_text(before)
    assert site.json("allow", timeout_s=300)["ok"] is True
    for name in MACHINES:
        assert rules(site, name) == kept[name]
        assert settled(site, name)
        assert "the allow-list: confirmed" in last_word(site, name)
    again = site.json("build")
    assert (again["ok"], again["changed"]) == (True, 0)


@pytest.mark.parametrize(
    ("by_hand", "confirmed"),
    [
        ('ufw allow proto tcp from 10.9.9.9 to "$1" port 1035', "the firewall's rules: confirmed"),
        ('echo "# $1" >>/etc/ssh/sshd_config.d/10-buildyard.conf', "sshd's settings: confirmed"),
    ],
)
def test_build_logs_in_anew_and_confirms_what_it_changed(site: Site, by_hand: str, confirmed: str) -> None:
    site.on("ws-1", "sudo", "-n", "sh", "-c", by_hand, "sh", site.address("ws-1"))
    site.on("ws-1", "sudo", "-n", "rm", "-f", "/var/lib/buildyard/jobs/lockout.json")
    built = site.json("build")
    assert built["ok"] is True
    assert built["changed"] >= 1
    assert confirmed in last_word(site, "ws-1")
    assert settled(site, "ws-1")
    assert site.json("plan")["actions"] == []


def test_the_connection_that_made_the_change_does_not_confirm_it(site: Site) -> None:
    program = "buildyard-lockout"
    said = site.on("ws-1", "sudo", "-n", "sh", "-c", f"{program} arm trying; {program} confirm 2>/dev/null; echo $?")
    assert said.strip() == "1"
    assert not settled(site, "ws-1")
    site.on("ws-1", "sudo", "-n", program, "confirm")
    assert settled(site, "ws-1")
