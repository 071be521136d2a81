"""Carries out decisions while new ones are made: each act in a thread of its own, all under the deployment's lease.

Nothing here decides. Everything is written into the fleet record before it is done, so that whoever leads next takes it
up: a webserver that is being built is built on, one that shall go goes, and DNS is made what the record says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from fleet.autoscaler.decision import Act, Decision
from fleet.autoscaler.edge_watch import EdgeWatch
from fleet.autoscaler.image import bring_image
from fleet.autoscaler.noted import is_noted
from fleet.autoscaler.webservers import (
    addresses,
    build_webserver,
    end_webserver,
    free_slot,
    introduce,
    webservers_of,
)
from fleet.deployment import Deployment
from fleet.dns import bring_dns, is_in_dns
from fleet.graph import our_fault
from fleet.images import image_name
from fleet.leftovers import end_machine, is_mould, leftovers
from fleet.machines import intend
from fleet.observe import observe
from fleet.slots import slot_machine
from fleet.turns import Turns
from recipes.context import Role
from state.errors import BuildyardError, LeaseHeld
from state.events import Event, Kind
from state.fleet_record import FleetRecord, MachineRecord, Stage
from state.lease import Lease
from state.lease_terms import SERVICE
from state.objects import CompareAndSet

#: An act that failed is tried again after this; twice as long each time it fails again.
RETRY_S = 10.0
LONGEST_RETRY_S = 300.0
#: DNS is compared with what the provider has this often, also when nothing was decided.
COMPARE_S = 60.0
#: An act; told by the event to stop after its step.
Work = Callable[[threading.Event], None]
DNS = "dns"
SWEEP = "sweep"
#: What new webservers are made from.
IMAGE = "image"
#: The edge's list of networks.
EDGE = "edge"
#: Everybody's lists of addresses.
INTRODUCTIONS = "introductions"
#: Decisions that could not be written down.
NOTES = "notes"
#: Why visitors do not come to a new webserver yet.
NOT_SEEN_YET = "it is new: visitors come when it was seen well"


class Acting:
    """The acts of one leader.

    Args:
        deployment: as the leader's machine sees it.
        leases: where the deployment's lease lies.
        me: name of this machine.
        holds: whether this machine still leads; asked before each change.
    """

    def __init__(self, deployment: Deployment, leases: CompareAndSet, me: str, holds: Callable[[], bool]) -> None:
        self._all = deployment
        self._leases = leases
        self._me = me
        self._holds = holds
        self._lock = threading.Lock()
        self._running: dict[str, Future[None]] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._turns = Turns()
        self._introduced = ""
        #: Set to stop one act after its step.
        self._cancels: dict[str, threading.Event] = {}
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="act")
        self._ends: frozenset[str] = frozenset()
        self._lease = Lease(
            leases,
            who="the autoscaler",
            where=me,
            why="keeps the webservers as the policy says",
            clock=deployment.clock,
            terms=SERVICE,
        )
        self._holding = ExitStack()
        self._compared_at = 0.0
        self._swept_at = 0.0
        self._edge = EdgeWatch(deployment, self._ensure)
        self._image_wanted: bool | None = None
        #: The image that was there, and when it was looked for.
        self._image: tuple[str | None, float] = (None, 0.0)
        #: Who keeps us from acting, "" when nobody does.
        self.waits_for = ""

    @property
    def under_way(self) -> tuple[str, ...]:
        """What is being done now, by machine (``dns``, ``sweep``, ``introductions``, ``image``, ``edge``)."""
        with self._lock:
            return tuple(name for name, future in self._running.items() if not future.done())

    def step(
        self, decisions: tuple[Decision, ...], record: FleetRecord, *, image: bool | None = None
    ) -> tuple[Decision, ...]:
        """Begins what is to be done and is not under way.

        Args:
            decisions: of this moment; empty while the owner paused it.
            record: the fleet as the decisions saw it.
            image: new webservers shall be made from an image; None leaves it as it is (the owner paused it).

        Returns:
            Those that were newly written down now.
        """
        self._collect()
        self._image_wanted = image
        new = (
            () if self._rests(NOTES) else tuple(each for each in decisions if not is_noted(each, record, self._doomed))
        )
        todo = [name for name in self._unfinished(record) if not self._rests(name)]
        if not new and not todo:
            self._give_back()
            return ()
        if not self._take():
            return ()
        noted = self._note_all(new, record)
        for name, work in self._unfinished(self._record()).items():
            self._begin(name, work)
        self._give_back()
        return noted

    def close(self) -> None:
        """Acts under way end after their step; what is unfinished is the next leader's."""
        with self._lock:
            for cancel in self._cancels.values():
                cancel.set()
        self._pool.shutdown(wait=True)
        self._holding.close()

    # what is to be done --------------------------------------------------------------------------------------------

    def _unfinished(self, record: FleetRecord) -> dict[str, Work]:
        """What the record says and the world does not show yet."""
        todo: dict[str, Work] = {}
        if not record.handed_over:
            return todo  # the first build is the build machine's
        now = self._all.clock.now()
        for machine in webservers_of(record):
            if machine.stage is Stage.READY:
                continue
            if machine.leaving:  # given up, maybe by an earlier leader: nobody ever visited it
                todo[machine.name] = partial(self._end, machine.name)
            else:
                todo[machine.name] = partial(self._build, machine.name)
        wanted, there = _addresses(record), {value for made in record.dns for value in made.values}
        if wanted and (wanted != there or now - self._compared_at >= COMPARE_S):
            todo[DNS] = self._bring_dns
        if now - self._swept_at >= COMPARE_S:
            todo[SWEEP] = self._sweep
        if self._edge.is_due(now):
            todo[EDGE] = self._edge.follow
        if addresses(record) != self._introduced:
            todo[INTRODUCTIONS] = self._introduce
        for name in self._doomed:
            if record.machine(name) is not None:
                todo[name] = partial(self._end, name)
        if self._image_is_due(record, now):
            todo[IMAGE] = self._bring_image
        return todo

    def _image_is_due(self, record: FleetRecord, now: float) -> bool:
        """While nobody is being built or leaves: those come first, and all of them come back to this."""
        if self._image_wanted is None:
            return False
        name, at = self._image
        wanted = image_name(self._all) if self._image_wanted else ""
        at_rest = all(machine.stage is Stage.READY and not machine.leaving for machine in webservers_of(record))
        return at_rest and (name != wanted or (bool(wanted) and now - at >= COMPARE_S))

    @property
    def _doomed(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._ends)

    def _note_all(self, decisions: tuple[Decision, ...], seen: FleetRecord) -> tuple[Decision, ...]:
        noted: list[Decision] = []
        try:
            noted.extend(decision for decision in decisions if self._note(decision, seen))
            self._failures.pop(NOTES, None)
        except BuildyardError as problem:
            # the lease is not kept for it: the build machine may be what mends it
            self._failed(NOTES, problem)
        return tuple(noted)

    def _note(self, decision: Decision, seen: FleetRecord) -> bool:
        """Writes a decision down; False when it was written down before.

        Args:
            seen: the fleet as the decision saw it.
        """
        name, now = decision.machine, self._all.clock.now()
        if decision.act is Act.BUILD:
            record = self._record()
            new = (each for each in webservers_of(record) if seen.machine(each.name) is None)
            if decision.replaces and any(each.replaces == decision.replaces for each in new):
                return False
            slot = free_slot(self._all, record)
            intend(
                self._all,
                slot,
                slot_machine(self._all.names, slot),
                replaces=decision.replaces,
                out_of_dns=NOT_SEEN_YET,
            )
            return True
        machine = self._record().machine(name)
        if machine is None:
            return False
        changed = machine
        if decision.act is Act.ENTER_DNS:
            changed = replace(machine, out_of_dns="")
        elif decision.act is Act.LEAVE_DNS:
            changed = replace(machine, out_of_dns=machine.out_of_dns or decision.reason)
        elif not machine.leaving:  # it is drained, or destroyed at once
            changed = replace(machine, leaving=decision.reason, leaving_since=now)
        self._put(machine, changed)
        if decision.act is not Act.DESTROY:
            return changed != machine
        with self._lock:
            known = name in self._ends
            self._ends = self._ends | {name}
            if not known:
                # It may be one that is still being built: that is not waited for, and how it failed delays nothing.
                self._failures.pop(name, None)
                if name in self._cancels:
                    self._cancels[name].set()
        return not known

    def _put(self, before: MachineRecord, after: MachineRecord) -> None:
        if before == after:
            return

        def change(old: FleetRecord) -> FleetRecord:
            there = old.machine(before.name)
            if there is None or there.epoch != before.epoch:
                return old
            return old.with_machine(
                replace(
                    there,
                    leaving=after.leaving,
                    leaving_since=after.leaving_since,
                    out_of_dns=after.out_of_dns,
                )
            )

        self._all.record.update(change)

    # the acts ------------------------------------------------------------------------------------------------------

    def _build(self, name: str, cancel: threading.Event) -> None:
        build_webserver(self._all, name, cancel, self._ensure, self._turns)

    def _end(self, name: str, _cancel: threading.Event) -> None:
        end_webserver(self._all, name, self._ensure)
        with self._lock:
            self._ends = self._ends - {name}

    def _introduce(self, cancel: threading.Event) -> None:
        known = addresses(self._record())
        introduce(self._all, cancel, self._ensure, self._turns)
        self._introduced = known

    def _bring_dns(self, _cancel: threading.Event) -> None:
        one = self._all
        self._ensure()
        record = self._record()
        bring_dns(one, observe(one.access.provider, one.access.dns, one.names, one.settings.domain), record)
        now = one.clock.now()
        self._compared_at = now
        left = {
            machine.name
            for machine in webservers_of(record)
            if not machine.may_be_visited and is_in_dns(machine, record)
        }

        def change(old: FleetRecord) -> FleetRecord:
            for name in left:
                there = old.machine(name)
                if there is not None:
                    old = old.with_machine(replace(there, left_dns_at=now))
            return old

        one.record.update(change)

    def _bring_image(self, cancel: threading.Event) -> None:
        wanted = bool(self._image_wanted)
        bring_image(self._all, wanted, cancel, self._ensure)
        self._image = (image_name(self._all) if wanted else "", self._all.clock.now())

    def _sweep(self, _cancel: threading.Event) -> None:
        """Webservers that an act left behind which was cut off, and that nobody knows."""
        one = self._all
        # The order matters: what is made between the two looks is in the record before the provider has it.
        observed = observe(one.access.provider, one.access.dns, one.names, one.settings.domain)
        record = self._record()
        role_tag = one.names.role_tag(Role.WEBSERVER)
        moulds = [machine for machine in observed.machines if is_mould(one.names, machine)]
        if IMAGE in self.under_way:
            moulds = []  # one is needed; that of an act that began after the look is not among them
        for machine in (*leftovers(one.names, observed, record), *moulds):
            if role_tag in machine.tags:
                self._ensure()
                self._tell(f"{machine.name} (id {machine.id}) was left behind by an act that was cut off: it goes.")
                end_machine(one, machine.id, machine.name)
        self._swept_at = one.clock.now()

    # threads and lease ---------------------------------------------------------------------------------------------

    def _begin(self, name: str, work: Work) -> None:
        with self._lock:
            if name not in self._running and not self._rests(name):
                self._cancels[name] = threading.Event()
                self._running[name] = self._pool.submit(work, self._cancels[name])

    def _rests(self, name: str) -> bool:
        """Whether it failed and is not tried again yet."""
        count, at = self._failures.get(name, (0, 0.0))
        return bool(count) and self._all.clock.now() < at + min(RETRY_S * 2 ** (count - 1), LONGEST_RETRY_S)

    def _collect(self) -> None:
        """Takes in what has ended; a failure is told and tried again later."""
        with self._lock:
            ended = [(name, future) for name, future in self._running.items() if future.done()]
            stopped = {name for name, _ in ended if self._cancels.pop(name).is_set()}
            for name, _ in ended:
                del self._running[name]
        for name, future in ended:
            problem = future.exception()
            if problem is None or name in stopped:
                self._failures.pop(name, None)
                continue
            self._failed(name, problem if isinstance(problem, BuildyardError) else our_fault(name, problem))

    def _failed(self, name: str, problem: BuildyardError) -> None:
        self._failures[name] = (self._failures.get(name, (0, 0.0))[0] + 1, self._all.clock.now())
        data = {"summary": problem.summary, "detail": problem.detail, "hint": problem.hint}
        machine = None if name in (DNS, SWEEP, INTRODUCTIONS, IMAGE, NOTES, EDGE) else name
        self._all.emit(Event(Kind.PROBLEM, problem.text(), machine=machine, data=data))

    def _take(self) -> bool:
        """Whether the deployment's lease is held now; acts of others go first."""
        if self._lease.holds():
            return True
        self._holding.close()
        known = self._all.record.last_seen()
        try:
            epoch = self._holding.enter_context(self._lease.hold(least_epoch=known.epoch if known else 0, watch=False))
        except LeaseHeld as held:
            if held.summary != self.waits_for:
                self._tell(f"{held.summary} The autoscaler waits.")
            self.waits_for = held.summary
            return False
        self.waits_for = ""
        self._all.record.update(lambda record: replace(record, epoch=max(record.epoch, epoch)))
        return True

    def _give_back(self) -> None:
        if not self.under_way:
            self._holding.close()

    def _ensure(self) -> None:
        if not self._holds():
            raise LeaseHeld("This autoscaler leads no longer.", hint="whoever leads now goes on")
        self._lease.ensure()

    def _record(self) -> FleetRecord:
        return self._all.record.load() or FleetRecord.new(self._all.settings.deployment)

    def _tell(self, text: str) -> None:
        self._all.emit(Event(Kind.NOTE, text=text))


def _addresses(record: FleetRecord) -> set[str]:
    """What shall be in DNS."""
    visited = (machine for machine in webservers_of(record) if machine.may_be_visited)
    return {address for machine in visited for address in (machine.public_ipv4, machine.public_ipv6) if address}
