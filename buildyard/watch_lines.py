"""The autoscaler at work as lines, for terminals, logs and scripts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fleet.autoscaler.heard import Connection, Heard
from fleet.autoscaler.watch_rows import Known, Row, rows
from fleet.autoscaler.watched import Told, Watched
from state.clock import Clock
from state.errors import BuildyardError

Print = Callable[[str], None]
#: How often it is looked whether something came.
POLL_S = 0.25
#: Machines are told this often though nothing changed.
MACHINES_S = 60.0
#: What was told longer ago than this is not told again at the beginning.
HISTORY_S = 600.0
#: Record and prices are asked for again after so long.
KNOWN_S = 60.0


class Lines:
    """Tells what came since it was asked last.

    Args:
        tell: prints one line.
        as_json: one JSON object a line in place of words.
    """

    def __init__(self, tell: Print, *, as_json: bool) -> None:
        self._tell, self._as_json = tell, as_json
        self.connected = Connection()
        self._told_until: float | None = None
        self._machines: tuple[tuple[str, ...], float] = ((), 0.0)

    def connection(self, connection: Connection, now: float) -> None:
        """How the following goes from now on."""
        self.connected = connection
        if self._as_json:
            self._object("connection", now, text=connection.words, live=connection.live)
        else:
            self._line(now, f"following {connection.words}" if connection.live else f"… {connection.words}")

    def watched(self, watched: Watched, known: Known) -> None:
        """What is known now; of what was told long before the newest event, nothing is repeated."""
        if self._told_until is None:
            self._told_until = watched.at - HISTORY_S
        before = None
        for one in watched.told:
            if one.at > self._told_until:
                self._one(one, changed=one.wanted != before)
            before = one.wanted if one.wanted is not None else before
        self._told_until = max([self._told_until, *(one.at for one in watched.told)])
        if watched.sampled_at:
            self._all(watched, rows(watched, known))

    def _one(self, one: Told, *, changed: bool) -> None:
        if self._as_json:
            more: dict[str, Any] = {}
            if one.wanted is not None:
                more = {"wanted": one.wanted, "acts": list(one.acts), "held_back": list(one.held_back)}
            kind = "decision" if one.wanted is not None else one.tone.value
            self._object(kind, one.at, text=one.text, **more)
            return
        said = [f"▶ {text}" for text in one.acts] + [f"… {text}" for text in one.held_back]
        if one.wanted is None:
            said = [f"{'✖' if one.tone.value == 'problem' else '·'} {one.text}"]
        elif changed or not said:
            said.append(f"= {one.text}")
        for text in said:
            self._line(one.at, text)

    def _all(self, watched: Watched, machines: tuple[Row, ...]) -> None:
        at = watched.sampled_at
        if self._as_json:
            if at > self._machines[1]:
                self._machines = ((), at)
                self._object(
                    "machines",
                    at,
                    leader=watched.leader,
                    paused=watched.paused,
                    there=watched.there,
                    serving=watched.serving,
                    wanted=watched.sample.wanted,
                    waits_for=watched.sample.waits_for,
                    under_way=list(watched.sample.under_way),
                    machines=[_plain(row) for row in machines],
                )
            return
        gist = (*(f"{row.name} {row.words} {row.in_dns}" for row in machines), str(watched.paused))
        if gist == self._machines[0] and at - self._machines[1] < MACHINES_S:
            return
        self._machines = (gist, at)
        paused = "paused; " if watched.paused else ""
        number = f"{watched.serving} of {watched.there} webservers serve, {watched.sample.wanted} wanted"
        self._line(at, f"{paused}{number}: {', '.join(_words(row) for row in machines)}")

    def _line(self, at: float, text: str) -> None:
        self._tell(f"{time.strftime('%H:%M:%S', time.localtime(at))} {text}")

    def _object(self, kind: str, at: float, **more: Any) -> None:
        self._tell(json.dumps({"kind": kind, "at": round(at, 3), **more}))


def watch_in_lines(
    follow: Callable[[Heard, threading.Event], None],
    known_of: Callable[[], Known],
    tell: Print,
    clock: Clock,
    *,
    as_json: bool,
    seconds: float,
) -> None:
    """Tells what happens until so many seconds have passed, or the user stops it.

    Args:
        follow: follows the leader until the event is set; called on a thread of its own.
        known_of: what the journal does not say.
        seconds: 0 for ever.

    Raises:
        BuildyardError: nothing is known at all.
    """
    heard, stop = Heard(), threading.Event()
    known, asked_at = known_of(), clock.monotonic()
    end = clock.monotonic() + seconds if seconds else None
    lines = Lines(tell, as_json=as_json)
    thread = threading.Thread(target=follow, args=(heard, stop), name="follow", daemon=True)
    thread.start()
    latest, settled = None, False
    try:
        while end is None or clock.monotonic() < end:
            news = heard.news()
            if heard.connection != lines.connected:
                lines.connection(heard.connection, clock.now())
                settled = False
            latest = news or latest
            # What was written before comes in one burst: told when it is over, not half of it.
            settled = settled or news is None
            if latest is not None and settled and heard.connection.live:
                lines.watched(latest, known)
                latest = None
            if clock.monotonic() - asked_at >= KNOWN_S:
                asked_at = clock.monotonic()
                with suppress(BuildyardError):  # what was known stays
                    known = known_of()
            clock.sleep(POLL_S)
    finally:
        stop.set()
        thread.join(5)


def _words(row: Row) -> str:
    words = f"{row.name} {row.words}"
    if row.answer_ms is not None:
        words += f" {row.answer_ms:.0f} ms"
    if row.cpu_percent is not None:
        words += f" {row.cpu_percent:.0f} % cpu"
    return words


def _plain(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "role": row.role,
        "address": row.address,
        "health": row.words,
        "reason": row.reason,
        "in_dns": row.in_dns,
        "answer_ms": row.answer_ms,
        "cpu_percent": row.cpu_percent,
        "requests_per_s": row.requests_per_s,
        "since": row.born_at,
        "price_per_month": None if row.price is None else str(row.price),
        "protected": row.protected,
        "drained": row.drained,
        "replacing": row.replacing,
    }
