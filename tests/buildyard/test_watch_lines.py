"""The autoscaler at work as lines and as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Self

import pytest

from buildyard.watch_lines import HISTORY_S, watch_in_lines
from fleet.autoscaler.heard import Heard
from fleet.autoscaler.watch_rows import Known
from state.clock import SystemClock, wait_until
from state.errors import BuildyardError, UsageError
from state.events import Event, Kind
from tests.fleet.autoscaler_journal import calm, decision, leads, line, record, replacement, sample, server
from tests.fleet.autoscaler_views import NOW, policy, view

RULE = policy(target=2, minimum=2, maximum=6)
EVENTS = tuple(replacement(NOW))


class Watching:
    """Somebody who watches in lines; ended by the clock's stop."""

    def __init__(self, *, as_json: bool, events: tuple[Event, ...] = EVENTS) -> None:
        self.printed: list[str] = []
        self.heard: Heard | None = None
        self._stop = threading.Event()
        self._events = events
        self._thread = threading.Thread(target=self._run, args=(as_json,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.comes("the machines", lambda: any("ws-1" in line for line in self.printed))
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def comes(self, what: str, condition: Callable[[], bool]) -> None:
        wait_until(what, condition, timeout_s=30, clock=SystemClock(), first_s=0.02, longest_s=0.1)

    def tell(self, *events: Event) -> None:
        assert self.heard is not None
        for event in events:
            self.heard.line(line(event))

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.printed]

    def _follow(self, heard: Heard, stop: threading.Event) -> None:
        heard.stands("connecting to as-1", live=False)
        heard.follows("as-1")
        for event in self._events:
            heard.line(line(event))
        heard.stands("as-1", live=True)
        self.heard = heard
        stop.wait()

    def _run(self, as_json: bool) -> None:
        known = Known(record(2), {"ws-1": Decimal("6.50")})
        try:
            watch_in_lines(
                self._follow, lambda: known, self.printed.append, SystemClock(self._stop), as_json=as_json, seconds=0
            )
        except BuildyardError:  # stopped
            return


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr("time.localtime", time.gmtime)


def test_lines_say_what_was_decided_and_how_the_machines_stand() -> None:
    with Watching(as_json=False) as watching:
        text = "\n".join(watching.printed)
        assert "following as-1" in text
        assert "08:20:20 ▶ ws-2 is ill, it is silent: as-1 saw it 5 of 5 times" in text
        assert "08:20:20 … ws-2 is not replaced yet" in text
        last = next(line for line in watching.printed if "webservers serve" in line)
        assert "1 of 3 webservers serve, 2 wanted: as-1 leads, as-2 stands by, ws-1 serving 270 ms 88 % cpu" in last
        assert "as-1 leads (epoch 3)" not in text, "what is older than ten minutes is not repeated"
        assert EVENTS[-1].at - NOW > HISTORY_S

        at = EVENTS[-1].at + 5
        seen = view(*(server(f"ws-{number}", at) for number in (1, 2, 3)))
        watching.tell(decision(seen, replace(RULE, target=3, paused=True), at), sample(seen, RULE, at))
        watching.comes("the news", lambda: any("paused; 3 of 3 webservers serve" in line for line in watching.printed))
        assert any("= 3 webservers wanted: the target is 3." in line for line in watching.printed)


def test_nothing_new_prints_nothing() -> None:
    with Watching(as_json=False) as watching:
        count = len(watching.printed)
        at = EVENTS[-1].at
        for later in (10, 20, 30):
            # The same machines, other figures.
            seen = view(
                server("ws-1", at + later, answer_ms=100 + later),
                server("ws-2", at + later, pattern="ssssssssss", in_dns=False),
            )
            watching.tell(sample(seen, RULE, at + later))
        watching.comes("the change", lambda: len(watching.printed) > count)
        watching.tell(Event(Kind.NOTE, "the end", at=at + 40))
        watching.comes("the end", lambda: watching.printed[-1].endswith("the end"))
        assert len(watching.printed) == count + 2, "ws-3 went, and the note; no line for each figure"


def test_json_is_one_object_a_line() -> None:
    with Watching(as_json=True) as watching:
        watching.comes("the machines", lambda: any(one["kind"] == "machines" for one in watching.objects))
        assert {one["kind"] for one in watching.objects} == {"connection", "decision", "machines"}
        decided = [one for one in watching.objects if one["kind"] == "decision"]
        assert decided[0]["acts"][0].startswith("ws-2 is ill")
        assert decided[0]["wanted"] == 2
        now = next(one for one in watching.objects if one["kind"] == "machines")
        assert (now["leader"], now["paused"], now["there"], now["serving"], now["wanted"]) == ("as-1", False, 3, 1, 2)
        assert now["under_way"] == ["ws-3"]
        ws_1 = next(one for one in now["machines"] if one["name"] == "ws-1")
        assert ws_1["address"] == "203.0.113.21"
        assert (ws_1["health"], ws_1["in_dns"], ws_1["answer_ms"]) == ("serving", True, 270.0)
        assert ws_1["price_per_month"] == "6.50"
        assert set(ws_1) >= {"role", "reason", "cpu_percent", "requests_per_s", "since", "protected"}


def test_each_sample_is_an_object() -> None:
    events = (leads(NOW), *calm(2, NOW + 1, 20, RULE))
    with Watching(as_json=True, events=events) as watching:
        watching.comes("the machines", lambda: any(one["kind"] == "machines" for one in watching.objects))
        for event in calm(2, NOW + 31, 10, RULE):
            watching.tell(event)
            at = event.at
            if event.kind is Kind.SAMPLE:
                watching.comes("the sample", lambda at=at: watching.objects[-1]["at"] == at)


def test_it_ends_by_itself_after_the_seconds_it_was_given() -> None:
    ended = threading.Event()

    def follow(_heard: Heard, stop: threading.Event) -> None:
        stop.wait(20)
        ended.set()

    printed: list[str] = []
    watch_in_lines(follow, Known, printed.append, SystemClock(), as_json=False, seconds=0.3)
    assert ended.is_set()


def test_what_cannot_be_watched_says_why() -> None:
    def known() -> Known:
        raise UsageError("shop is in development mode: it has no autoscaler.")

    with pytest.raises(UsageError, match="no autoscaler"):
        watch_in_lines(lambda _heard, _stop: None, known, print, SystemClock(), as_json=False, seconds=0)
