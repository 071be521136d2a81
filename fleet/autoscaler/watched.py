"""What a watcher of the autoscaler knows at one moment, as a value: every view of it is drawn from this."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.sample import Sample, Stand

#: Of such machines nothing is asked.
_NOT_ASKED = (Stand.BUILDING, Stand.LEAVING)


class Point(NamedTuple):
    """A figure at a moment (seconds since the epoch)."""

    at: float
    value: float


class Count(NamedTuple):
    """Webservers at a moment: how many there are, how many of them serve well, how many are wanted."""

    at: float
    there: int
    serving: int
    wanted: int


class Tone(StrEnum):
    """What kind of thing was told."""

    DECISION = "decision"  # nothing is done: all is as it shall be, or it is held back
    ACTS = "acts"  # something is done
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Told:
    """Something that the autoscaler said.

    Attributes:
        at: seconds since the epoch when it was said first.
        until: when it was said last; a decision that stays the same is one thing.
        text: of a decision: why so many webservers are wanted.
        acts: a decision's: what is done and why.
        held_back: a decision's: what would have been done and why it is not.
        wanted: a decision's number of webservers.
    """

    at: float
    until: float
    tone: Tone
    text: str
    acts: tuple[str, ...] = ()
    held_back: tuple[str, ...] = ()
    wanted: int | None = None


@dataclass(frozen=True, slots=True)
class UnderWay:
    """An action that goes on.

    Attributes:
        machine: on which; "" for one at the provider.
        text: what it makes.
        step: what it does now, "" where that is not known.
        since: seconds since the epoch.
    """

    machine: str
    text: str
    step: str
    since: float


@dataclass(frozen=True, slots=True)
class Watched:
    """Everything.

    Attributes:
        at: of the newest event, seconds since the epoch; 0.0 before the first.
        sampled_at: when ``sample`` was true.
        leader: who leads, as its own journal says; "" where that is not known.
        leads_since: seconds since the epoch; 0.0 where that is not known.
        policy: what the newest decision obeyed; None before the first.
        told: decisions, notes and problems, the oldest first.
        answers: answer time in ms by webserver, the oldest point first.
        counts: the number of webservers, the oldest first.
        trouble: a sentence: what came and could not be understood; "" when all was.
    """

    at: float = 0.0
    sampled_at: float = 0.0
    leader: str = ""
    epoch: int = 0
    leads_since: float = 0.0
    policy: ScalingPolicy | None = None
    sample: Sample = field(default=Sample((), 0))
    told: tuple[Told, ...] = ()
    answers: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    counts: tuple[Count, ...] = ()
    under_way: tuple[UnderWay, ...] = ()
    trouble: str = ""

    @property
    def there(self) -> int:
        """Webservers there are, those being built among them."""
        return len(self.sample.webservers)

    @property
    def serving(self) -> int:
        """Webservers that serve and are well; a drained one has no visitors."""
        drained = self.drained
        return sum(server.stand is Stand.WELL and server.name not in drained for server in self.sample.webservers)

    @property
    def drained(self) -> frozenset[str]:
        """Names of those that their owner keeps without visitors."""
        return self._meant(self.policy.drained) if self.policy is not None else frozenset()

    @property
    def replacing(self) -> frozenset[str]:
        """Names of those in whose place their owner wants another one."""
        return self._meant(self.policy.replacing) - self.drained if self.policy is not None else frozenset()

    def _meant(self, asked: Iterable[Asked]) -> frozenset[str]:
        built = {one.name: one.since for one in self.sample.webservers if one.stand not in _NOT_ASKED}
        return frozenset(one.machine for one in asked if built.get(one.machine, math.inf) < one.asked_at)

    @property
    def paused(self) -> bool:
        """The owner paused it, as far as the newest decision knew."""
        return self.policy is not None and self.policy.paused

    @property
    def decision(self) -> Told | None:
        """The newest decision."""
        return next((one for one in reversed(self.told) if one.wanted is not None), None)
