"""What the autoscaler sees: the program ``buildyard-probe`` looks from several machines, here its lines come together.

On this machine the program is a subprocess, on others it is reached by SSH. One that ends, falls silent or cannot be
reached is started again, each time a little later; meanwhile what it saw simply gets old.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from fleet.autoscaler.prober import Heard, Looking, Prober, Watch
from fleet.autoscaler.view import Load, Observation
from state.clock import Clock

#: Observations that are kept of each webserver and prober.
KEPT = 10
#: What was said of the database longer ago is no knowledge any more.
DATABASE_FRESH_S = 20.0

__all__ = ["Looking", "Prober", "Probing", "Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One moment, for the View.

    Attributes:
        observations: by webserver, of all probers, oldest first; none of a webserver that nobody looked at yet.
        loads: by webserver: the last one it told.
        database_problem: as in the View: "" when it is well, None when nothing is known.
        probers: all that shall look, by name.
        troubles: by prober: why it does not look at the moment; one that looks is not in it.
    """

    observations: Mapping[str, tuple[Observation, ...]]
    loads: Mapping[str, Load]
    database_problem: str | None
    probers: tuple[str, ...]
    troubles: Mapping[str, str] = field(default_factory=dict)


class Probing:
    """Keeps all probers at work; every method may be called from any thread. ``with`` closes it.

    Args:
        looking: how webservers are looked at.
        clock: where time comes from.
        first_pause_s, longest_pause_s: between two starts of a prober that ends; each pause is twice as long.
    """

    def __init__(
        self, looking: Looking, clock: Clock, *, first_pause_s: float = 1.0, longest_pause_s: float = 30.0
    ) -> None:
        self._looking = looking
        self._clock = clock
        self._pauses_s = (first_pause_s, longest_pause_s)
        self._lock = threading.Lock()
        self._targets: dict[str, str] = {}
        self._watches: dict[str, Watch] = {}
        self._observations: dict[tuple[str, str], deque[Observation]] = {}  # by webserver and prober
        self._loads: dict[str, Load] = {}
        self._database: dict[str, tuple[float, str]] = {}  # by prober: when, what

    def targets(self, addresses: Mapping[str, str]) -> None:
        """Who is looked at from now on, instead of those before.

        What was seen of a webserver that left, or of an earlier one of the same name, is forgotten.

        Args:
            addresses: private address by webserver.
        """
        with self._lock:
            if addresses == self._targets:
                return
            before, self._targets = self._targets, dict(addresses)
            for machine, address in before.items():
                if addresses.get(machine) != address:
                    self._loads.pop(machine, None)
                    for key in [key for key in self._observations if key[0] == machine]:
                        del self._observations[key]

    def look_from(self, probers: Iterable[Prober]) -> None:
        """Who looks from now on, instead of those before; one that is the same as before goes on undisturbed."""
        wanted = {prober.name: prober for prober in probers}
        gone: list[Watch] = []
        with self._lock:
            for name, watch in list(self._watches.items()):
                if wanted.get(name) != watch.prober:
                    gone.append(self._watches.pop(name))
                    self._database.pop(name, None)
                    for key in [key for key in self._observations if key[1] == name]:
                        del self._observations[key]
            for watch in gone:
                watch.stop()
            for name, prober in wanted.items():
                if name not in self._watches:
                    self._watches[name] = Watch(
                        prober, self._looking, self._clock, self._current_targets, self._hear, self._pauses_s
                    )
                    self._watches[name].start()
        for watch in gone:
            watch.join()

    def seen(self) -> Seen:
        """All that is known now, as a value of its own."""
        now = self._clock.now()
        with self._lock:
            observations = {
                machine: tuple(
                    sorted(
                        (each for key, kept in self._observations.items() if key[0] == machine for each in kept),
                        key=lambda each: each.at,
                    )
                )
                for machine in self._targets
            }
            told = [said for said in self._database.values() if now - said[0] <= DATABASE_FRESH_S]
            return Seen(
                {machine: each for machine, each in observations.items() if each},
                dict(self._loads),
                max(told)[1] if told else None,
                tuple(self._watches),
                {name: watch.trouble for name, watch in self._watches.items() if watch.trouble},
            )

    def close(self) -> None:
        """Ends all probers; no process of them is left here, and none elsewhere once its connection has ended."""
        self.look_from(())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _current_targets(self) -> Mapping[str, str]:
        # replaced as a whole, never changed in place
        return self._targets

    def _hear(self, watch: Watch, heard: Heard) -> None:
        name = watch.prober.name
        with self._lock:
            if self._watches.get(name) is not watch:
                return  # it was replaced while it spoke
            if heard.database is not None:
                self._database[name] = (heard.at, heard.database)
            if self._targets.get(heard.machine) != heard.address:
                return  # a look that began before the targets changed
            if heard.observation is not None:
                kept = self._observations.setdefault((heard.machine, name), deque(maxlen=KEPT))
                kept.append(heard.observation)
            before = self._loads.get(heard.machine)
            if heard.load is not None and (before is None or heard.load.at >= before.at):
                self._loads[heard.machine] = heard.load
