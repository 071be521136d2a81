"""Webservers on paper: they are built, answer, bear load and go by a virtual clock, as the decisions say.

For ``buildyard simulate``, and for tests that close the loop around :func:`fleet.autoscaler.decide.decide`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from fleet.autoscaler.decision import Act, Decision, Decisions
from fleet.autoscaler.load import remember
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.view import Load, Observation, Outcome, Phase, View, WebserverView

#: Answer time of an idle webserver; it grows as a queue's does, until a look is given up.
IDLE_ANSWER_MS = 50.0
LONGEST_ANSWER_MS = 2000.0
#: Looks kept of each prober.
LOOKS_KEPT = 10


@dataclass
class VirtualWebserver:
    """One webserver.

    Attributes:
        outcome: how looks at it end; of one prober, if it is named in ``seen_by``.
        built_s: how long it takes to build.
    """

    name: str
    phase: Phase
    since: float
    built_s: float
    in_dns: bool = False
    replaces: str = ""
    left_dns_at: float = 0.0
    outcome: Outcome = Outcome.OK
    seen_by: dict[str, Outcome] = field(default_factory=dict)
    looks: dict[str, deque[Observation]] = field(default_factory=dict)
    load: Load | None = None


@dataclass
class VirtualFleet:
    """All of them.

    Args:
        capacity_per_machine: requests per second that one can serve.
        build_s: from the decision until it serves.
        probers: who looks at them at each :meth:`pass_time`.
    """

    capacity_per_machine: float
    build_s: float
    price_per_webserver: Decimal | None = None
    price_of_others: Decimal = Decimal(0)
    probers: tuple[str, ...] = ("as-1", "db-1")
    looks_kept: int = LOOKS_KEPT
    database_problem: str | None = ""
    webservers: list[VirtualWebserver] = field(default_factory=list)
    scaled_out_at: float = 0.0
    scaled_in_at: float = 0.0
    recommended_before: tuple[tuple[float, int], ...] = ()

    @property
    def in_dns(self) -> list[VirtualWebserver]:
        """Those that visitors reach."""
        return [one for one in self.webservers if one.in_dns]

    def begin(self, number: int, now: float) -> None:
        """So many serve already."""
        for _ in range(number):
            self.webservers.append(VirtualWebserver(self._free_name(), Phase.SERVING, now - 86_400, self.build_s, True))

    def pass_time(self, now: float, requests_per_s: float) -> None:
        """What is built by now serves; everybody is looked at, and bears its part of the load."""
        for one in self.webservers:
            if one.phase is Phase.BUILDING and now - one.since >= one.built_s:
                one.phase, one.since = Phase.SERVING, now
        share = requests_per_s / max(1, len(self.in_dns))
        for one in self.webservers:
            self._look_at(one, now, share if one.in_dns else 0.0)

    def view(self) -> View:
        """As the autoscaler sees them."""
        return View(
            tuple(self._seen(one) for one in self.webservers),
            self.probers,
            self.database_problem,
            self.recommended_before,
            self.scaled_out_at,
            self.scaled_in_at,
            self.price_per_webserver,
            self.price_of_others,
        )

    def carry_out(self, decisions: Decisions, policy: ScalingPolicy, now: float) -> None:
        """Does what was decided, at once but for building."""
        self.recommended_before = remember(self.recommended_before, decisions, policy, now)
        by_name = {one.name: one for one in self.webservers}
        for decision in () if decisions.paused else decisions.acts:
            self._act(decision, by_name, now)

    def _act(self, decision: Decision, by_name: Mapping[str, VirtualWebserver], now: float) -> None:
        if decision.act is Act.BUILD:
            name = self._free_name()
            self.webservers.append(
                VirtualWebserver(name, Phase.BUILDING, now, self.build_s, replaces=decision.replaces)
            )
            if not decision.replaces:
                self.scaled_out_at = now
            return
        one = by_name[decision.machine]
        if decision.act is Act.DESTROY:
            self.webservers.remove(one)
            return
        if decision.act is Act.DRAIN and one.phase is not Phase.LEAVING:
            one.phase, one.since = Phase.LEAVING, now
            self.scaled_in_at = now
        if one.in_dns:
            one.left_dns_at = now
        one.in_dns = decision.act is Act.ENTER_DNS

    def _free_name(self) -> str:
        taken = {one.name for one in self.webservers}
        number = 1
        while f"ws-{number}" in taken:
            number += 1
        return f"ws-{number}"

    def _look_at(self, one: VirtualWebserver, now: float, requests_per_s: float) -> None:
        busy = requests_per_s / self.capacity_per_machine
        answer_ms = round(min(LONGEST_ANSWER_MS, IDLE_ANSWER_MS / max(1e-3, 1 - busy)))
        for prober in self.probers:
            outcome = one.seen_by.get(prober, one.outcome)
            if one.phase is Phase.BUILDING:
                outcome = Outcome.REFUSED
            looks = one.looks.setdefault(prober, deque(maxlen=self.looks_kept))
            looks.append(Observation(prober, now, outcome, answer_ms))
        if one.phase is not Phase.BUILDING and one.outcome is Outcome.OK:
            last_visit_s = 0.0 if requests_per_s > 0 else now - max(one.left_dns_at, one.since)
            served = min(requests_per_s, self.capacity_per_machine)
            one.load = Load(now, min(100.0, 100 * busy), requests_per_s, round(served), last_visit_s, 60.0)

    def _seen(self, one: VirtualWebserver) -> WebserverView:
        looks = tuple(look for prober in self.probers for look in one.looks.get(prober, ()))
        return WebserverView(one.name, one.phase, one.since, one.in_dns, looks, one.load, one.replaces, one.left_dns_at)
