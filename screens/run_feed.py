"""A run's journal on its way to the screen: read on a thread, made safe, folded, and kept as lines a machine.

The thread and the screen share only what is here: the fold under a lock, and bounded deques whose ends are safe.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fleet.standing import Problem, Snapshot
from state.clock import Clock
from state.errors import Stopped
from state.events import Event, Kind
from state.printable import printable

if TYPE_CHECKING:
    from fleet.progress import Progress

#: As many lines of a machine are kept for looking back; the journal has them all.
KEPT_LINES = 2000
#: Characters that a terminal may show in another order or place than they are sent: left out like control codes.
_STEERING = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Line(NamedTuple):
    """A line and what it is, such as "plain", "mark", "done"."""

    kind: str
    text: str


class Output:
    """The last lines of a machine: any thread adds, the screen's takes.

    Attributes:
        lines: what was taken; only the screen's thread touches it.
        dropped: how many were before these and are not kept.
        told: how many came in all.
    """

    def __init__(self) -> None:
        self.lines: deque[Line] = deque(maxlen=KEPT_LINES)
        self.dropped = 0
        self.told = 0
        self._coming: deque[Line] = deque(maxlen=KEPT_LINES)
        self._step: tuple[str | None, str | None] = (None, None)

    def add(self, kind: str, text: str) -> None:
        """Adds a line; the oldest one goes when there are too many."""
        for line in text.splitlines() if "\n" in text else (text,):
            self._coming.append(Line(kind, line))
            self.told += 1

    def output(self, event: Event) -> None:
        """Adds what a machine printed, under the name of its step."""
        step = (event.recipe, event.step)
        if step != self._step:
            self._step = step
            self.add("mark", f"── {event.recipe} · {event.step}" if event.recipe else "──")
        self.add("plain", event.text)

    def drain(self) -> bool:
        """Takes what came since; whether anything did."""
        coming, lines = self._coming, self.lines
        count = len(coming)
        for _ in range(count):
            lines.append(coming.popleft())
        self.dropped = self.told - len(coming) - len(lines)
        return count > 0


class RunFeed:
    """One run, followed or read.

    Args:
        folder: of the run.
        clock: for the waits between two looks at the journal.
        live: it may still go on; else it is read as it is.
    """

    def __init__(self, folder: Path, clock: Clock, *, live: bool) -> None:
        self.folder = folder
        self.live = live
        self.outputs: dict[str, Output] = {}
        self._clock = clock
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._events = 0
        self._drawn = 0

    def follow(self) -> bool:
        """Reads until the run ends, its runner dies, or :meth:`stop`; belongs on a thread of its own.

        Returns:
            Whether it read to the end.

        Raises:
            StateError: the journal cannot be read.
        """
        # Not before: the first screen is drawn while this loads.
        from fleet.progress import Progress
        from state.journal import follow, read, runner_is_alive

        with self._lock:
            self._progress = Progress()
            self._events += 1
        events = follow(self.folder, self._stop, self._clock) if self.live else read(self.folder)
        try:
            for event in events:
                self._take(event)
        except Stopped:
            return False
        if self._stop.is_set():
            return False
        if self.live or not runner_is_alive(self.folder):
            why = self._why_silent()
            with self._lock:
                self._progress.cut_off(why)
                self._events += 1
        return True

    def stop(self) -> None:
        """Ends the reading soon; the run itself goes on."""
        self._stop.set()

    def _take(self, event: Event) -> None:
        """Takes one event; nothing in it can steer the terminal afterwards."""
        event = _safe(event)
        with self._lock:
            assert self._progress is not None
            self._progress.apply(event)
            self._events += 1
        self._tell(event)

    def snapshot(self) -> Snapshot | None:
        """How the run stands, None when nothing happened since it was asked last."""
        with self._lock:
            if self._progress is None or self._drawn == self._events:
                return None
            self._drawn = self._events
            return self._progress.snapshot()

    def drain(self) -> frozenset[str]:
        """Makes new lines visible in ``outputs``; the names of machines that have some ("" for the cloud)."""
        return frozenset(name for name, output in tuple(self.outputs.items()) if output.drain())

    def _tell(self, event: Event) -> None:
        output = self.outputs.get(event.machine or "")
        if output is None:
            output = self.outputs[event.machine or ""] = Output()
        data = event.data
        match event.kind:
            case Kind.OUTPUT:
                output.output(event)
            case Kind.ACTION_STARTED:
                output.add("doing", f"▶ {event.text}")
            case Kind.ACTION_FINISHED if data.get("ok"):
                output.add("done", f"✔ {event.text}")
            case Kind.ACTION_FINISHED:
                output.add("failed", f"✖ {event.text}")
                for line in str(data.get("detail") or "").splitlines():
                    output.add("plain", f"  {line}")
            case Kind.STEP_FINISHED if data.get("status") == "failed":
                output.add("failed", f"✖ {event.recipe} · {event.step}")
            case Kind.NOTE | Kind.RUN_STARTED | Kind.RUN_FINISHED:
                output.add("note", event.text)
            case Kind.PROBLEM:
                for line in event.text.splitlines():
                    output.add("failed", line)
            case _:
                pass

    def _why_silent(self) -> Problem:
        from fleet.runner import last_words

        said = printable(last_words(self.folder)).strip()
        return Problem(
            "The run ended before it could say how: its process is gone.",
            said or "It was ended from outside, or this machine was switched off. What was finished stays as it is.",
            "buildyard build goes on from here",
        )


def _safe(event: Event) -> Event:
    """The event with every text made safe to show, on one line where it is a name."""
    if event.kind is Kind.OUTPUT:  # the bulk, and nearly always safe already
        words = (event.text, event.machine, event.recipe, event.step)
        if all(word is None or word.isprintable() for word in words):
            return event
        return replace(
            event,
            text=one_line(event.text),
            machine=_name(event.machine),
            recipe=_name(event.recipe),
            step=_name(event.step),
        )
    return replace(
        event,
        text=_clean(event.text),
        machine=_name(event.machine),
        recipe=_name(event.recipe),
        step=_name(event.step),
        data=_data(event.data),
    )


def one_line(text: str) -> str:
    """A text as one line that is safe to show."""
    return _clean(text).expandtabs(8).replace("\n", " ").rstrip()


def _clean(text: str) -> str:
    return text if text.isprintable() else _STEERING.sub("", printable(text))


def _name(text: str | None) -> str | None:
    return text if text is None or text.isprintable() else one_line(text)


def _data(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping):
        return {_clean(str(key)): _data(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_data(each) for each in value]
    return value
