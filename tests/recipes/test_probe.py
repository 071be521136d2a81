"""The program that looks at webservers, as a process, at real TLS servers: every way a look can end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipes import prober
from recipes.steps import File
from tests.recipes.probe_process import Probe
from tests.recipes.test_roles import DATA, context_for
from tests.recipes.tls_sites import FIGURES, HEALTH, HOST, LOAD, PAGE, Authority, Habit, Sites, sites

#: Longer than the product's, because the machine that tests may be busy; a page here comes in milliseconds.
TIMEOUT_S = 3.0
EVERY_S = 0.5


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with sites(tmp_path_factory.mktemp("sites")) as made:
        yield made


@pytest.fixture
def probe(ground: Sites) -> Iterator[Probe]:
    made = Probe(settings(ground))
    yield made
    assert made.end() == ""
    assert made.process.returncode == 0


def settings(ground: Sites, **changes: Any) -> dict[str, Any]:
    return {
        "host": HOST,
        "path": "/",
        "expect": [HOST, "</html>"],
        "ca_pem": ground.authority.pem,
        "port": ground.port,
        "every_s": EVERY_S,
        "timeout_s": TIMEOUT_S,
        "prober": "as-1",
        **changes,
    }


def test_the_recipe_puts_it_where_it_is_called() -> None:
    (step,) = prober.steps(context_for(DATA))
    assert isinstance(step, File)
    assert (step.path, step.mode) == (prober.PROGRAM, 0o755)
    assert str(step.content).startswith("#!/usr/bin/python3\n")


def test_a_webserver_that_is_well(ground: Sites, probe: Probe) -> None:
    habit = Habit(load={**FIGURES, "more": "than is known"}, load_age_s=2.0)
    before = time.time()
    probe.look_at(ws_1=ground.serve(habit))
    look = probe.first_look("ws-1")
    assert (look["outcome"], look["detail"]) == ("ok", "")
    assert 0 < look["answer_ms"] < TIMEOUT_S * 1000
    assert before <= look["at"] <= time.time()
    assert look["address"].startswith("127.0.0.")
    (load, *_) = probe.loads("ws-1")
    assert load["load"] == FIGURES
    assert load["at"] < look["at"] - 0.5, "its age counts, by the webserver's own clock"
    assert habit.asked[:3] == [LOAD, HEALTH, "/"]


def test_it_looks_again_and_again_and_time_never_goes_back(ground: Sites, probe: Probe) -> None:
    probe.look_at(ws_1=ground.serve(Habit()))
    probe.until("four looks", lambda: len(probe.looks("ws-1")) >= 4)
    times = [look["at"] for look in probe.looks("ws-1")[:4]]
    assert times == sorted(times)
    assert times[3] - times[0] > 2 * EVERY_S, "it does not hurry"
    assert any("alive" in line for line in probe.lines)


@pytest.mark.parametrize(
    ("habit", "outcome", "detail"),
    [
        (Habit(status=500), "http-error", "HTTP 500 for /"),
        (Habit(status=404), "http-error", "HTTP 404 for /"),
        (Habit(health=502), "http-error", f"HTTP 502 for {HEALTH}"),
        (Habit(health=500), "http-error", f"HTTP 500 for {HEALTH}"),
        (
            Habit(health=500, cause={"cause": "database", "detail": "Connection refused"}),
            "database",
            "Connection refused",
        ),
        (Habit(health=500, cause={"cause": "disk", "detail": "0 MiB are free"}), "disk-full", "0 MiB are free"),
        (
            Habit(health=500, cause={"cause": "release", "detail": "none"}),
            "http-error",
            "HTTP 500: release: none",
        ),
        (Habit(page=b"<html>Welcome to nginx</html>"), "wrong-content", f"/ (29 bytes) lacks {HOST}"),
        (Habit(page=PAGE[:-7]), "wrong-content", f"/ ({len(PAGE) - 7} bytes) lacks </html>"),
        (Habit(page=b""), "wrong-content", f"/ (0 bytes) lacks {HOST}"),
        (Habit(page=b"x" * 9_000_000), "wrong-content", "/ is longer than 8388608 bytes"),
        (Habit(cut=True), "wrong-content", "the answer for / ended in the middle"),
        (Habit(redirect="https://elsewhere.example/"), "http-error", "HTTP 302 to https://elsewhere.example"),
        (Habit(redirect="/"), "http-error", "HTTP 302 for /"),
        (Habit(redirect=f"https://{HOST}/shop/?a=1"), "ok", ""),
        (Habit(closing=True), "ok", ""),
        (Habit(health=404, hang="/"), "http-error", f"HTTP 404 for {HEALTH}"),
    ],
)
def test_what_it_answers(ground: Sites, probe: Probe, habit: Habit, outcome: str, detail: str) -> None:
    probe.look_at(ws_1=ground.serve(habit))
    look = probe.first_look("ws-1")
    assert (look["outcome"], look["detail"]) == (outcome, detail)


def test_one_that_is_not_there_refuses_is_silent_or_cannot_be_reached(ground: Sites, probe: Probe) -> None:
    # TCP to a broadcast address goes nowhere: the kernel has no route for it
    probe.look_at(
        closed=ground.address(), mute=ground.mute(), hanging=ground.hanging_up(), far="255.255.255.255", v6="fe80::1"
    )
    assert probe.first_look("closed")["outcome"] == "refused"
    assert probe.first_look("closed")["detail"] == "nobody listens"
    assert probe.first_look("hanging")["outcome"] == "refused"
    assert probe.first_look("hanging")["detail"] == "hung up instead of an answer to the TLS handshake"
    assert probe.first_look("far")["outcome"] == "unreachable"
    assert probe.first_look("far")["detail"] == "Network is unreachable"
    assert probe.first_look("v6")["outcome"] == "unreachable"
    silent = probe.first_look("mute")
    assert (silent["outcome"], silent["detail"]) == ("silent", "no answer to the TLS handshake within 3 s")
    assert TIMEOUT_S * 1000 <= silent["answer_ms"] < TIMEOUT_S * 1000 + 2000


def test_a_slow_page_is_left_at_the_deadline_also_when_bytes_drip(ground: Sites, probe: Probe) -> None:
    hanging = Habit(hang="/", load=FIGURES)
    probe.look_at(
        drip=ground.serve(Habit(drip_s=0.3)), hang=ground.serve(hanging), php=ground.serve(Habit(hang=HEALTH))
    )
    for machine, path in (("drip", "/"), ("hang", "/"), ("php", HEALTH)):
        look = probe.first_look(machine)
        assert (look["outcome"], look["detail"]) == ("slow", f"no whole answer for {path} within 3 s")
        assert TIMEOUT_S * 1000 <= look["answer_ms"] < TIMEOUT_S * 1000 + 2000
    assert probe.loads("hang"), "what nginx alone answers is known of a webserver whose PHP hangs"


def test_certificates(ground: Sites, probe: Probe, tmp_path: Path) -> None:
    ours = ground.authority
    probe.look_at(
        expired=ground.serve(Habit(), ours.issue(tmp_path, days=-1)),
        other=ground.serve(Habit(), ours.issue(tmp_path, host="elsewhere.example")),
        unknown=ground.serve(Habit(), Authority("somebody").issue(tmp_path)),
        posing=ground.serve(Habit(), Authority().issue(tmp_path)),
    )
    for machine, detail in (
        ("expired", "expired"),
        ("other", "for another name"),
        ("unknown", "of an unknown authority"),
        ("posing", "of an unknown authority"),
    ):
        look = probe.first_look(machine)
        assert (look["outcome"], look["detail"]) == ("certificate", detail)


def test_one_that_hangs_delays_no_other(ground: Sites, probe: Probe) -> None:
    probe.look_at(mute=ground.mute(), well=ground.serve(Habit()))
    probe.until("the hanging look to end", lambda: probe.looks("mute"))
    well = [look for look in probe.looks("well") if look["at"] < probe.looks("mute")[0]["at"]]
    assert len(well) >= 3
    assert {look["outcome"] for look in well} == {"ok"}


def test_who_is_looked_at_may_change_at_any_time(ground: Sites, probe: Probe) -> None:
    first, second = Habit(), Habit()
    probe.look_at(ws_1=ground.serve(first))
    probe.first_look("ws-1")
    probe.look_at(ws_2=ground.serve(second))
    probe.first_look("ws-2")
    probe.until("two more looks", lambda: len(probe.looks("ws-2")) >= 3)
    seen, asked = len(probe.looks("ws-1")), len(first.asked)
    probe.until("two more looks", lambda: len(probe.looks("ws-2")) >= 5)
    assert (len(probe.looks("ws-1")), len(first.asked)) == (seen, asked)


@pytest.mark.parametrize("load", [{}, {**FIGURES, "cpu_percent": float("nan")}, ["no"], "text", {"cpu_percent": {}}])
def test_nonsense_instead_of_a_load_harms_nobody(ground: Sites, probe: Probe, load: Any) -> None:
    probe.look_at(ws_1=ground.serve(Habit(load=load)))
    assert probe.first_look("ws-1")["outcome"] == "ok"
    assert probe.loads("ws-1") == []


def test_nothing_is_left_when_its_input_ends_in_the_middle_of_a_look(ground: Sites) -> None:
    probe = Probe(settings(ground, timeout_s=120.0, database=True))
    probe.look_at(ws_1=ground.mute())
    probe.until("a sign of life", lambda: [line for line in probe.lines if "alive" in line])
    probe.until("a word on the database", lambda: [line for line in probe.lines if "database" in line])
    children = Path(f"/proc/{probe.process.pid}/task/{probe.process.pid}/children").read_text().split()
    assert len(children) == 1
    assert probe.end() == ""
    assert probe.process.returncode == 0
    probe.until("its child to end", lambda: not Path(f"/proc/{children[0]}/fd").exists())


def test_it_gives_up_roots_rights(ground: Sites, probe: Probe) -> None:
    probe.until("a sign of life", lambda: [line for line in probe.lines if "alive" in line])
    status = Path(f"/proc/{probe.process.pid}/status").read_text()
    uid = next(line.split()[1] for line in status.splitlines() if line.startswith("Uid:"))
    assert uid != "0"
    assert uid == (str(os.geteuid()) if os.geteuid() else "65534")


def test_where_there_is_no_database_it_says_so(ground: Sites) -> None:
    """On the machine that tests no MariaDB answers root over its socket."""
    probe = Probe(settings(ground, database=True))
    try:
        said = probe.until("a word", lambda: [line for line in probe.lines if "database" in line])[0]
    finally:
        probe.end()
    assert said["database"].startswith("MariaDB is ")
