"""What a policy would have done with a load that was: the same decisions, a virtual clock, machines on paper."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fleet.autoscaler.decide import decide
from fleet.autoscaler.decision import Act, Decisions
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.virtual import VirtualFleet
from fleet.autoscaler.wanted import how_many
from state.errors import UsageError

#: Time between two decisions. More often changes nothing that lasts minutes, and costs time.
EVERY_S = 15.0
#: A change in the other direction within this time is a flap.
FLAP_S = 600.0
#: Vendors count 730 hours a month.
HOURS_PER_MONTH = 730
#: A trace of half a year, decided on every 15 s.
MOST_DECISIONS = 1_000_000
_LOOKS_KEPT = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a trace: that many requests per second from that moment on."""

    at: float
    requests_per_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """How it stood from a moment on.

    Attributes:
        serving: in DNS.
        machines: webservers there were, those being built or leaving among them.
    """

    at: float
    requests_per_s: float
    wanted: int
    serving: int
    machines: int
    overloaded: bool


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of it.

    Attributes:
        moments: one whenever something changed.
        decided: (seconds since the epoch, act, machine, reason).
        price: US dollars of the webservers in that time, None when a machine's price is not known. By the second:
            a vendor that counts whole hours asks for more.
        overloaded_s: seconds in which visitors asked for more than those in DNS could serve.
        flaps: changes of direction within ten minutes.
    """

    begin: float
    end: float
    moments: tuple[Moment, ...]
    decided: tuple[tuple[float, str, str, str], ...]
    machine_s: float
    overloaded_s: float
    flaps: int
    price: Decimal | None = None

    def as_json(self) -> dict[str, Any]:
        """As JSON values; the same for the same trace and policy, to the last byte."""
        return {
            "begin": self.begin,
            "end": self.end,
            "machines": {
                "least": min(one.machines for one in self.moments),
                "most": max(one.machines for one in self.moments),
                "average": round(self.machine_s / (self.end - self.begin), 3),
            },
            "price": None if self.price is None else str(self.price),
            "minutes_overloaded": round(self.overloaded_s / 60, 2),
            "flaps": self.flaps,
            "moments": [
                {
                    "at": one.at,
                    "requests_per_s": one.requests_per_s,
                    "wanted": one.wanted,
                    "serving": one.serving,
                    "machines": one.machines,
                    "overloaded": one.overloaded,
                }
                for one in self.moments
            ],
            "decisions": [
                {"at": at, "act": act, "machine": machine, "reason": reason}
                for at, act, machine, reason in self.decided
            ],
        }


def read_trace(lines: Iterable[str]) -> tuple[Sample, ...]:
    """A CSV of ``timestamp,value``; a first line that says so is passed over.

    Args:
        lines: timestamps are ISO 8601 (UTC where they say no offset) or seconds, and rise; values are requests per
            second of the whole site.

    Raises:
        UsageError: names the line and what is wrong with it.
    """
    found: list[Sample] = []
    for number, row in enumerate(csv.reader(lines), 1):
        if not row or (number == 1 and [word.strip().lower() for word in row] == ["timestamp", "value"]):
            continue
        try:
            at, value = row
            sample = Sample(_moment(at.strip()), float(value))
        except (ValueError, OverflowError) as error:
            raise UsageError(
                f"Line {number} of the trace is not timestamp,value: {','.join(row)!r}.", hint=_TRACE_HINT
            ) from error
        if not math.isfinite(sample.at) or not math.isfinite(sample.requests_per_s) or sample.requests_per_s < 0:
            raise UsageError(f"Line {number} of the trace has a figure that cannot be.", hint=_TRACE_HINT)
        if found and sample.at <= found[-1].at:
            raise UsageError(f"Line {number} of the trace is not later than the one before it.", hint=_TRACE_HINT)
        found.append(sample)
    if len(found) < 2:
        raise UsageError("A trace needs two lines or more.", hint=_TRACE_HINT)
    return tuple(found)


_TRACE_HINT = "such as 2027-01-15T08:30:00Z,120.5 (requests per second of the whole site); timestamps rise"


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@dataclass
class _Ledger:
    moments: list[Moment] = field(default_factory=list)
    decided: list[tuple[float, str, str, str]] = field(default_factory=list)
    machine_s: float = 0.0
    overloaded_s: float = 0.0
    flaps: int = 0
    _direction: int = 0
    _changed_at: float = -math.inf

    def enter(self, now: float, decisions: Decisions) -> None:
        for one in decisions.acts:
            self.decided.append((now, one.act.value, one.machine, one.reason))
            direction = {Act.BUILD: 1, Act.DRAIN: -1}.get(one.act, 0)
            if direction == 0 or decisions.paused:
                continue
            if direction == -self._direction and now - self._changed_at <= FLAP_S:
                self.flaps += 1
            self._direction, self._changed_at = direction, now

    def count(self, fleet: VirtualFleet, now: float, rate: float, wanted: int, seconds: float) -> None:
        # One that left still serves those that know its address, but nobody counts on it.
        serving = len(fleet.in_dns)
        overloaded = rate > serving * fleet.capacity_per_machine
        self.machine_s += seconds * len(fleet.webservers)
        self.overloaded_s += seconds if overloaded else 0.0
        moment = Moment(now, rate, wanted, serving, len(fleet.webservers), overloaded)
        last = self.moments[-1] if self.moments else None
        if last is None or _shown(last) != _shown(moment):
            self.moments.append(moment)


def _shown(one: Moment) -> tuple[float, int, int, int, bool]:
    return one.requests_per_s, one.wanted, one.serving, one.machines, one.overloaded


def simulate(
    trace: Sequence[Sample],
    policy: ScalingPolicy,
    *,
    capacity_per_machine: float,
    build_s: float = 90.0,
    price_per_machine: Decimal | None = None,
    every_s: float = EVERY_S,
) -> Simulation:
    """Runs the trace. The last line holds for as long as the one before it did.

    Args:
        trace: at least two samples, rising.
        policy: a sound one.
        capacity_per_machine: requests per second one webserver can serve.
        build_s: from the decision until a new one serves.
        price_per_machine: US dollars a month.
        every_s: time between two decisions.

    Raises:
        UsageError: it would take more than a million decisions.
    """
    begin, end = trace[0].at, trace[-1].at + (trace[-1].at - trace[-2].at)
    steps = math.ceil((end - begin) / every_s)
    if steps > MOST_DECISIONS:
        raise UsageError(
            f"This trace needs {steps} decisions, at most {MOST_DECISIONS} are made.", hint="take a part of the trace"
        )
    fleet = VirtualFleet(capacity_per_machine, build_s, price_per_machine, probers=("as-1",), looks_kept=_LOOKS_KEPT)
    _begin(fleet, policy, begin, trace[0].requests_per_s)
    ledger, index = _Ledger(), 0
    for step in range(steps):
        now = begin + step * every_s
        while index + 1 < len(trace) and trace[index + 1].at <= now:
            index += 1
        rate = trace[index].requests_per_s
        fleet.pass_time(now, rate)
        decisions = decide(fleet.view(), policy, now)
        ledger.enter(now, decisions)
        fleet.carry_out(decisions, policy, now)
        ledger.count(fleet, now, rate, decisions.wanted, min(every_s, end - now))
    price = None
    if price_per_machine is not None:
        hours = Decimal(repr(ledger.machine_s)) / 3600
        price = (hours * price_per_machine / HOURS_PER_MONTH).quantize(Decimal("0.01"))
    return Simulation(
        begin,
        end,
        tuple(ledger.moments),
        tuple(ledger.decided),
        ledger.machine_s,
        ledger.overloaded_s,
        ledger.flaps,
        price,
    )


def _begin(fleet: VirtualFleet, policy: ScalingPolicy, now: float, rate: float) -> None:
    """As many as the first value wants: that it began is no part of what is asked."""
    count = max(policy.minimum, min(policy.target, policy.maximum))
    fleet.begin(count, now)
    for _ in range(policy.maximum):
        fleet.pass_time(now, rate)
        wanted = how_many(fleet.view(), policy, now, len(fleet.webservers)).webservers
        if wanted <= len(fleet.webservers):
            break
        fleet.begin(wanted - len(fleet.webservers), now)
