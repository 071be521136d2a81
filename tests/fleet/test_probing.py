"""What the probers see comes together: a real program here and one over a real sshd, real TLS servers."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.autoscaler import prober as prober_module
from fleet.autoscaler.prober import Looking, Prober
from fleet.autoscaler.probing import KEPT, Probing
from fleet.autoscaler.view import Load, Observation, Outcome
from recipes.prober import FILE
from recipes.ssh import Link, open_link
from recipes.texts import path_of
from state.clock import SystemClock, wait_until
from state.errors import Unreachable
from tests.recipes.conftest import Sshd, sshd
from tests.recipes.tls_sites import FIGURES, HOST, Habit, Sites, sites

__all__ = ["sshd"]

EVERY_S = 0.4
TIMEOUT_S = 3.0
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with sites(tmp_path_factory.mktemp("sites")) as made:
        yield made


@pytest.fixture
def probing(ground: Sites) -> Iterator[Probing]:
    looking = Looking(
        HOST, (HOST, "</html>"), ground.authority.pem, every_s=EVERY_S, timeout_s=TIMEOUT_S, port=ground.port
    )
    with Probing(looking, CLOCK, first_pause_s=0.2, longest_pause_s=0.5) as made:
        yield made
    assert program_pids() == []


@pytest.fixture
def far(sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], Link]:
    """A way to a second machine (this one, over SSH), with the program in its place there."""
    place = tmp_path / FILE
    place.write_text(f'#!/bin/sh\nexec {sys.executable} -I {path_of(FILE)} "$@"\n')
    place.chmod(0o755)
    monkeypatch.setattr(prober_module, "PROGRAM", str(place))
    return lambda: open_link(sshd.address, sshd.key)


def program_pids() -> list[int]:
    """Processes of the program that this test process started itself, here or through its sshd."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    mine = [line.split(None, 1) for line in listed.splitlines() if f"-I {path_of(FILE)}" in line]
    return [int(pid) for pid, _ in mine if _session_of(int(pid))]


def _session_of(pid: int) -> bool:
    """Whether this process is among its ancestors."""
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def until(what: str, answer: Callable[[], Any], timeout_s: float = 40.0) -> Any:
    return wait_until(what, lambda: answer() or None, timeout_s=timeout_s, clock=CLOCK, first_s=0.02, longest_s=0.1)


def seen_by(probing: Probing, machine: str, prober: str) -> list[Observation]:
    return [each for each in probing.seen().observations.get(machine, ()) if each.prober == prober]


def test_two_machines_look(ground: Sites, probing: Probing, far: Callable[[], Link]) -> None:
    habit = Habit(load=FIGURES)
    probing.targets({"ws-1": ground.serve(habit), "ws-2": ground.address()})
    probing.look_from([Prober("as-1"), Prober("db-1", far, has_database=True)])
    assert probing.seen().database_problem is None
    assert set(probing.seen().troubles) == {"as-1", "db-1"}
    until("both to look", lambda: seen_by(probing, "ws-1", "as-1") and seen_by(probing, "ws-2", "db-1"))
    until("the load and the database", lambda: probing.seen().loads and probing.seen().database_problem)
    seen = probing.seen()
    assert seen.probers == ("as-1", "db-1")
    assert seen.troubles == {}
    assert {each.outcome for each in seen.observations["ws-1"]} == {Outcome.OK}
    assert {each.outcome for each in seen.observations["ws-2"]} == {Outcome.REFUSED}
    assert seen.loads["ws-1"] == Load(
        seen.loads["ws-1"].at, *(FIGURES[name] for name in ("cpu_percent", "requests_per_s", "connections")), 1.5, 60.0
    )
    assert abs(seen.loads["ws-1"].at - time.time()) < 20
    assert seen.database_problem is not None
    assert seen.database_problem.startswith("MariaDB is ")
    until("more than are kept", lambda: len(seen_by(probing, "ws-1", "as-1")) == KEPT)
    before = seen_by(probing, "ws-1", "as-1")
    until("the next", lambda: seen_by(probing, "ws-1", "as-1")[-1].at > before[-1].at)
    both = probing.seen().observations["ws-1"]
    assert len([each for each in both if each.prober == "as-1"]) == KEPT
    assert [each.at for each in both] == sorted(each.at for each in both)


def test_what_was_seen_of_an_earlier_machine_of_that_name_is_forgotten(ground: Sites, probing: Probing) -> None:
    well, closed = ground.serve(Habit(load=FIGURES)), ground.address()
    probing.look_from([Prober("as-1")])
    probing.targets({"ws-1": closed, "ws-2": well})
    until("looks", lambda: {"ws-1", "ws-2"} <= set(probing.seen().observations) and probing.seen().loads)
    probing.targets({"ws-1": well})
    after = probing.seen()
    assert after.observations == {}
    assert after.loads == {}
    until("a look", lambda: probing.seen().observations)
    assert {each.outcome for each in probing.seen().observations["ws-1"]} == {Outcome.OK}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_prober_that_ends_or_hangs_is_started_anew(
    ground: Sites, probing: Probing, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    monkeypatch.setattr(prober_module, "SILENCE_S", 4.0)
    probing.targets({"ws-1": ground.serve(Habit())})
    probing.look_from([Prober("as-1")])
    until("a look", lambda: probing.seen().observations)
    (pid,) = program_pids()
    os.kill(pid, how)
    until("another process", lambda: program_pids() not in ([], [pid]))
    begun = time.time()
    until("a look of it", lambda: seen_by(probing, "ws-1", "as-1")[-1].at > begun)
    assert probing.seen().troubles == {}


def test_a_second_machine_that_is_gone_only_gets_old(ground: Sites, probing: Probing) -> None:
    tried: list[float] = []

    def gone() -> Link:
        tried.append(time.monotonic())
        raise Unreachable("db-1 cannot be reached.", detail="No route to host")

    probing.targets({"ws-1": ground.serve(Habit())})
    probing.look_from([Prober("as-1"), Prober("db-1", gone, has_database=True)])
    until("a look and five tries", lambda: probing.seen().observations and len(tried) >= 5)
    seen = probing.seen()
    assert seen.probers == ("as-1", "db-1")
    assert seen.troubles == {"db-1": "db-1 cannot be reached. No route to host"}
    assert {each.prober for each in seen.observations["ws-1"]} == {"as-1"}
    assert seen.database_problem is None
    pauses = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert pauses[0] >= 0.2
    assert all(pause >= 0.4 for pause in pauses[1:]), "each pause is longer, up to a limit"


def test_probers_may_change(ground: Sites, probing: Probing, far: Callable[[], Link]) -> None:
    probing.targets({"ws-1": ground.serve(Habit())})
    probing.look_from([Prober("as-1"), Prober("db-1", far)])
    until("both", lambda: seen_by(probing, "ws-1", "as-1") and seen_by(probing, "ws-1", "db-1"))
    (pid,) = (pid for pid in program_pids() if int(Path(f"/proc/{pid}/stat").read_text().split()[3]) == os.getpid())
    probing.look_from([Prober("as-1"), Prober("as-2", far)])
    assert seen_by(probing, "ws-1", "db-1") == []
    assert seen_by(probing, "ws-1", "as-1")
    until("the new one", lambda: seen_by(probing, "ws-1", "as-2"))
    assert pid in program_pids(), "who stays is not disturbed"
    assert probing.seen().probers == ("as-1", "as-2")


@pytest.mark.parametrize("line", ["rubbish", "[]", "{}", '{"at": 1, "machine": "ws-1"}', '{"at": "x"}', "[" * 100_000])
def test_a_machine_that_says_what_is_no_look_is_left(
    sshd: Sshd, probing: Probing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str
) -> None:
    (tmp_path / "said").write_text(line + "\n")
    place = tmp_path / "program"
    place.write_text(f"#!/bin/sh\ncat '{tmp_path / 'said'}'\nexec cat >/dev/null\n")
    place.chmod(0o755)
    monkeypatch.setattr(prober_module, "PROGRAM", str(place))
    probing.look_from([Prober("db-1", lambda: open_link(sshd.address, sshd.key))])
    until("the reason", lambda: "what is no look" in probing.seen().troubles.get("db-1", ""))


def test_a_clock_that_is_wrong_over_there_does_not_matter() -> None:
    """Times are by the autoscaler's clock; a line that was long on its way is as old as it is."""
    clock = Hand()
    heard: list[float] = []
    session = prober_module._Session("db-1", {}, dict, lambda each: heard.append(each.at), clock)
    for passed, at in ((0.0, 9000.0), (5.0, 9005.0), (17.0, 9010.0), (0.1, 9020.0), (2.0, 9024.1)):
        clock.seconds += passed
        session.line(f'{{"at": {at}, "alive": true}}'.encode())
    epoch = Hand.EPOCH
    assert heard == pytest.approx([epoch, epoch + 5, epoch + 10, epoch + 20, epoch + 24.1])


class Hand:
    """A clock moved by hand."""

    EPOCH = 1_000_000.0

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.EPOCH + self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        raise AssertionError
