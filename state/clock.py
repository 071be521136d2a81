"""Time as a collaborator, so that waits can be tested without waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from state.errors import DeadlineExceeded, Stopped

T = TypeVar("T")


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Waits."""


@dataclass(frozen=True)
class SystemClock:
    """The real time; sleeping ends at once when ``stop`` is set.

    Args:
        stop: set by whoever wants every wait to end.
    """

    stop: threading.Event = field(default_factory=threading.Event)

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Stopped("Stopped while waiting.")


def wait_until(
    what: str,
    probe: Callable[[], T | None],
    *,
    timeout_s: float,
    clock: Clock,
    first_s: float = 0.2,
    longest_s: float = 2.0,
    hint: str = "",
) -> T:
    """Asks again and again until there is an answer; every wait in Buildyard is this one.

    Args:
        what: what is waited for, as the end of "waited 30 s for …".
        probe: returns a value when it is there, None (or False) when not yet.
        timeout_s: after this many seconds it gives up.
        clock: where time comes from.
        first_s: the first pause; each following one is half as long again.
        longest_s: the longest pause.
        hint: what to do when it ran out.

    Raises:
        DeadlineExceeded: names what was waited for and how long.
    """
    end = clock.monotonic() + timeout_s
    pause = first_s
    while True:
        value = probe()
        if value is not None and value is not False:
            return value
        left = end - clock.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"Waited {timeout_s:g} s for {what}.", hint=hint)
        clock.sleep(min(pause, left))
        pause = min(pause * 1.5, longest_s)
