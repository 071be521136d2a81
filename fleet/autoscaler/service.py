"""The autoscaler at work: stands by until it leads; then looks, decides and acts, each second, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from fleet.autoscaler.acting import Acting
from fleet.autoscaler.codec import as_data, decision_data
from fleet.autoscaler.decide import decide
from fleet.autoscaler.decision import Decisions, gist
from fleet.autoscaler.looking import Memory, Prices, make_view
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.probing import Seen
from fleet.autoscaler.sample import Sample, webserver_samples
from fleet.autoscaler.view import View
from fleet.autoscaler.webservers import webservers_of
from fleet.deployment import Deployment
from fleet.slots import slots_of
from recipes.context import Role
from state.errors import BuildyardError, LeaseHeld
from state.events import Event, Kind
from state.fleet_record import FleetRecord, Stage
from state.lease import Lease
from state.lease_terms import SERVICE
from state.objects import CompareAndSet

#: Who leads; beside the deployment's lease, which is held only while something changes.
LEADER_KEY = "leader.json"
#: Between two decisions.
TICK_S = 1.0
#: The record and the policy are read anew after this, and at once after an act: others change them too.
READ_S = 5.0
#: A decision that says what the one before said is kept this often, so that the journal shows the time in between.
KEEP_S = 60.0
#: What is seen is written down this often and with each decision: `watch` reads that, not the decisions' long views.
SAMPLE_S = 10.0


class Eyes(Protocol):
    """Looks at webservers from two machines: :class:`fleet.autoscaler.probing.Probing`."""

    def targets(self, addresses: Mapping[str, str]) -> None:
        """Whom to look at: private addresses by name."""

    def seen(self) -> Seen:
        """What is known now."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the service is given.

    Attributes:
        me: name of this machine.
        leases: the state bucket, for leases.
        read_policy: the policy as its owner left it; raises a BuildyardError when it cannot be read.
        start_probing: begins to look; given the fleet record, for the second prober's address.
        publish: keeps the newest status where `status` and `watch` find it; may raise a BuildyardError.
        stop: set when the service shall end.
        alive: called each tick, for the watchdog of systemd.
        leads: called with whether this machine leads, when that changes.
    """

    me: str
    leases: CompareAndSet
    read_policy: Callable[[], ScalingPolicy]
    start_probing: Callable[[FleetRecord], Eyes]
    publish: Callable[[Mapping[str, Any]], None]
    stop: threading.Event
    alive: Callable[[], None]
    leads: Callable[[bool], None]


def serve(deployment: Deployment, around: Surroundings) -> None:
    """Runs until it is stopped; whatever fails is told and tried again."""
    told = ""
    lost = threading.Event()
    leadership = Lease(
        around.leases,
        LEADER_KEY,
        who="the autoscaler",
        where=around.me,
        why="leads",
        clock=deployment.clock,
        on_lost=lost.set,
        terms=SERVICE,
    )
    while not around.stop.is_set():
        around.alive()
        lost.clear()
        try:
            with leadership.hold(watch=False):
                told = ""
                around.leads(True)
                try:
                    _Leader(deployment, around, leadership).lead(lost)
                finally:
                    around.leads(False)
        except LeaseHeld:
            told = _once(deployment, told, f"{around.me} stands by: another autoscaler leads.")
        except BuildyardError as problem:
            told = _once(deployment, told, f"{around.me} cannot lead now: {problem.summary}")
        around.stop.wait(SERVICE.watch_s)


class _Leader:
    """One time of leading."""

    def __init__(self, deployment: Deployment, around: Surroundings, leadership: Lease) -> None:
        self._all = deployment
        self._around = around
        self._leadership = leadership
        self._memory = Memory(deployment.clock.now())
        self._prices: Prices | None = None
        self._record: FleetRecord | None = None
        self._policy: ScalingPolicy | None = None
        self._read_at = 0.0
        self._kept: tuple[Decisions | None, float] = (None, 0.0)
        self._sampled_at = 0.0
        self._trouble = ""

    def lead(self, lost: threading.Event) -> None:
        leads = {"leads": self._around.me, "epoch": self._leadership.epoch}
        self._tell(f"{self._around.me} leads (epoch {self._leadership.epoch}).", leads)
        acting = Acting(self._all, self._around.leases, self._around.me, self._leadership.holds)
        probing: Eyes | None = None
        try:
            while not self._around.stop.is_set() and not lost.is_set():
                self._around.alive()
                try:
                    self._read()
                    if self._record is not None and probing is None:
                        probing = self._around.start_probing(self._record)
                    if probing is not None:
                        self._tick(acting, probing)
                    self._trouble = ""
                except BuildyardError as problem:
                    # The bucket or the provider is away: what is known stays known, nothing new begins.
                    self._trouble = _once(self._all, self._trouble, f"The autoscaler waits: {problem.summary}")
                self._around.stop.wait(TICK_S)
        finally:
            acting.close()
            if probing is not None:
                probing.close()
            self._tell(f"{self._around.me} leads no longer.")

    def _tick(self, acting: Acting, probing: Eyes) -> None:
        record, policy = self._record, self._policy
        assert record is not None
        assert policy is not None
        probing.targets(
            {
                machine.name: machine.private_ipv4
                for machine in webservers_of(record)
                if machine.private_ipv4 and (machine.stage is Stage.READY or machine.leaving)
            }
        )
        seen, prices = probing.seen(), self._money()
        now = self._all.clock.now()  # after what was seen: nothing in the view is of the future
        view = make_view(record, seen, self._memory, prices)
        decisions = decide(view, policy, now)
        self._memory.decided(decisions, policy, now)
        image = None if decisions.paused else policy.from_image
        noted = acting.step(() if decisions.paused else decisions.acts, record, image=image)
        for decision in noted:
            self._memory.done(decision, now)
        if noted or acting.under_way:
            self._read_at = 0.0
        if self._keep(view, policy, decisions, now, acting) or now - self._sampled_at >= SAMPLE_S:
            self._sampled_at = now
            self._sample(view, decisions, now, acting)

    def _read(self) -> None:
        now = self._all.clock.monotonic()
        if self._record is None or now - self._read_at >= READ_S:
            self._policy = self._around.read_policy()
            self._record = self._all.record.load()
            self._read_at = now

    def _money(self) -> Prices:
        if self._prices is None:
            one = self._all
            sizes = {size.slug: size.price_per_month for size in one.access.provider.sizes(one.settings.region)}
            others = [sizes.get(s.size) for s in slots_of(one.settings, self._record) if s.role is not Role.WEBSERVER]
            webserver = sizes.get(one.settings.sizes[Role.WEBSERVER])
            self._prices = Prices(webserver, sum((price for price in others if price), Decimal(0)))
        return self._prices

    def _keep(self, view: View, policy: ScalingPolicy, decisions: Decisions, now: float, acting: Acting) -> bool:
        """Writes down what changed, and from time to time what did not; whether it did."""
        before, at = self._kept
        if before is not None and gist(before) == gist(decisions) and now - at < KEEP_S:
            return False
        self._kept = (decisions, now)
        sentences = (decisions.reason, *(decision.reason for decision in decisions.acts), *decisions.held_back)
        text = " ".join(sentences)
        data = decision_data(view, policy, now, decisions)
        self._all.emit(Event(Kind.DECISION, text=text, data=data))
        self._around.publish(
            {
                "leader": self._around.me,
                "epoch": self._leadership.epoch,
                "at": now,
                "waits_for": acting.waits_for,
                "under_way": list(acting.under_way),
                **data,
            }
        )
        return True

    def _sample(self, view: View, decisions: Decisions, now: float, acting: Acting) -> None:
        """Writes down what is seen; who writes such lines leads."""
        sample = Sample(
            webservers=webserver_samples(view, now),
            wanted=decisions.wanted,
            leader=self._around.me,
            epoch=self._leadership.epoch,
            database_problem=view.database_problem,
            under_way=acting.under_way,
            waits_for=acting.waits_for,
            price_per_webserver=view.price_per_webserver,
            price_of_others=view.price_of_others,
        )
        self._all.emit(Event(Kind.SAMPLE, data=as_data(sample)))

    def _tell(self, text: str, data: Mapping[str, Any] | None = None) -> None:
        self._all.emit(Event(Kind.NOTE, text=text, data=data or {}))


def _once(deployment: Deployment, told: str, text: str) -> str:
    """Tells what was not told just before."""
    if text != told:
        deployment.emit(Event(Kind.NOTE, text=text))
    return text
