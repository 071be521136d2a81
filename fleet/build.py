"""Builds: does each action of the plan, writes down what it made, and tells what happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from fleet import plan as ids
from fleet.context import ContextMaker
from fleet.deployment import Deployment, first_host_keys
from fleet.dns import bring_dns
from fleet.edge import expected, prepare
from fleet.firewalls import bring_firewalls
from fleet.graph import Action, Outcome, our_fault, perform
from fleet.ground import CHANGED, UNCHANGED, Tally, bring_network, bring_ssh_key, bring_store, bring_zone
from fleet.leftovers import end_machine, leftovers
from fleet.links import Links
from fleet.lockout import confirm
from fleet.machines import make_machine
from fleet.managed import bring_database, bring_sources, database_price, databases_of, own_database
from fleet.observe import Observed, observe, own_network
from fleet.plan import Plan, make_plan, policy_of
from fleet.policy import node_of
from fleet.scaling import bring_policy, policy_to_write
from fleet.seen import see_site
from fleet.settings import Mode
from fleet.slots import members, slot_machine, slots_of
from fleet.turns import Turns
from providers.databases import Engine
from recipes.context import Node, Role
from recipes.lockout import is_armed
from recipes.report import Report
from recipes.roles import Stage as RecipeStage
from recipes.roles import stages
from recipes.run import run_recipe
from state.errors import BuildyardError, MachineError, Stopped
from state.events import Event, Kind, StepStatus
from state.fleet_record import FleetRecord, MachineRecord, Stage

#: A recipe may install packages on a slow machine; each step has a shorter deadline of its own.
RECIPE_DEADLINE_S = 1800.0
#: Nobody's addresses (RFC 5737, RFC 3849), so that recipes of a machine to come can be listed.
UNMADE = ("192.0.2.1", "2001:db8::1", "192.0.2.1")


@dataclass(frozen=True, slots=True)
class Result:
    """How a build ended."""

    outcome: Outcome
    changed: int
    unchanged: int
    failed: int
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.outcome.failed and not self.outcome.not_begun


class Build:
    """One build of one deployment.

    Args:
        deployment: what to build.
        cancel: when set, nothing new begins and running recipes stop after their step.
        check_only: recipes only look (``plan``); nothing is changed anywhere.
        before_each: called before each action; raises when nothing may be changed any more (the lease is lost).
        turns: shared by all builds of this process.
        recipe_deadline_s: for one recipe on one machine.
    """

    def __init__(
        self,
        deployment: Deployment,
        cancel: threading.Event,
        *,
        check_only: bool = False,
        before_each: Callable[[], None] = lambda: None,
        turns: Turns | None = None,
        recipe_deadline_s: float = RECIPE_DEADLINE_S,
    ) -> None:
        self._all = deployment
        self._cancel = cancel
        self._check_only = check_only
        self._before_each = before_each
        self._turns = turns or Turns()
        self._recipe_deadline_s = recipe_deadline_s
        self._links = Links(deployment)
        self._contexts = ContextMaker(deployment)
        self._lock = threading.Lock()
        self._tallies: dict[str, Tally] = {}
        #: The edge's networks, as the plan saw them.
        self._ranges: tuple[str, ...] = ()
        self.reports: dict[str, Report] = {}
        #: How many steps a recipe's action has, by its id; known after :meth:`plan`.
        self.step_counts: dict[str, int] = {}

    def plan(self) -> Plan:
        """Looks at the provider and compares with the answers."""
        one = self._all
        observed = self._with_database(self._observe())
        record, edge = expected(one.settings, one.access.dns, self._record())
        self._ranges = record.edge_ranges
        recipes = {}
        for slot in slots_of(one.settings, record):
            name = slot_machine(one.names, slot)
            stages_there = self._stages_of(name, slot.role, record, observed)
            recipes[name] = [(stage.recipe.name, stage.after) for stage in stages_there]
            for stage in stages_there:
                self.step_counts[ids.recipe_action(name, stage.recipe.name)] = len(stage.recipe.steps)
        sizes = one.access.provider.sizes(one.settings.region)
        return make_plan(one.settings, observed, record, one.operators, sizes, recipes, policy_to_write(one), edge)

    def run(self, plan: Plan) -> Result:
        """Does it."""
        began = time.monotonic()
        try:
            threads = len({action.machine for action in plan.actions if action.machine}) + 2  # two for the cloud
            outcome = perform(plan.actions, self._act, cancel=self._cancel, threads=threads)
        finally:
            self._links.close()
        tallies = self._tallies.values()
        return Result(
            outcome,
            sum(changed for changed, _ in tallies),
            sum(unchanged for _, unchanged in tallies),
            len(outcome.failed),
            round(time.monotonic() - began, 1),
        )

    # one action -------------------------------------------------------------------------------------------------

    def _act(self, action: Action) -> None:
        emit = self._all.emit
        emit(
            Event(
                Kind.ACTION_STARTED,
                text=action.target,
                machine=action.machine,
                action=action.id,
                data={"change": action.change.value, "reason": action.reason},
            )
        )
        began = time.monotonic()
        try:
            with self._turns.of(action):
                self._before_each()
                changed, unchanged = self._do(action)
        except Exception as error:
            problem = error if isinstance(error, BuildyardError) else our_fault(action.target, error)
            emit(
                Event(
                    Kind.ACTION_FINISHED,
                    text=problem.summary,
                    machine=action.machine,
                    action=action.id,
                    data={
                        "ok": False,
                        "stopped": isinstance(problem, Stopped),
                        "seconds": round(time.monotonic() - began, 2),
                        "summary": problem.summary,
                        "detail": problem.detail,
                        "hint": problem.hint,
                    },
                )
            )
            raise
        with self._lock:
            self._tallies[action.id] = (changed, unchanged)
        emit(
            Event(
                Kind.ACTION_FINISHED,
                text=action.target,
                machine=action.machine,
                action=action.id,
                data={
                    "ok": True,
                    "seconds": round(time.monotonic() - began, 2),
                    "changed": changed,
                    "unchanged": unchanged,
                },
            )
        )

    def _do(self, action: Action) -> Tally:
        simple: Mapping[str, Callable[[], Tally]] = {
            ids.STORE: lambda: bring_store(self._all),
            ids.NETWORK: lambda: bring_network(self._all),
            ids.SSH_KEY: lambda: bring_ssh_key(self._all),
            ids.FIREWALLS: self._firewalls,
            ids.SOURCES: self._sources,
            ids.DATABASE: self._database,
            ids.ZONE: lambda: bring_zone(self._all),
            ids.EDGE: lambda: CHANGED if prepare(self._all) else UNCHANGED,
            ids.DNS: self._dns,
            ids.SITE: self._site,
            ids.SCALING: lambda: CHANGED if bring_policy(self._all) else UNCHANGED,
        }
        if action.id in simple:
            return simple[action.id]()
        kind, _, rest = action.id.partition(":")
        if kind == "machine":
            return self._machine(rest)
        if kind == "reach":
            return self._reach(rest)
        if kind == "leftover":
            return self._leftover(rest)
        machine, _, recipe = rest.partition(":")
        return self._recipe(action, machine, recipe)

    def _firewalls(self) -> Tally:
        """Both before machines exist (who may log in) and after (the fleet's exact addresses)."""
        return bring_firewalls(self._all, self._record())

    def _sources(self) -> Tally:
        """A new machine is let in everywhere before it needs it, at a managed database too."""
        one, record = self._all, self._record()
        both = zip(bring_firewalls(one, record), bring_sources(one, record), strict=True)
        changed, unchanged = map(sum, both)
        return (changed, unchanged)

    def _database(self) -> Tally:
        return CHANGED if bring_database(self._all, self._record(), self._cancel) else UNCHANGED

    def _machine(self, name: str) -> Tally:
        slots = slots_of(self._all.settings, self._record())
        slot = next(slot for slot in slots if slot_machine(self._all.names, slot) == name)
        return CHANGED if make_machine(self._all, slot, name, self._contexts) else UNCHANGED

    def _reach(self, name: str) -> Tally:
        machine = self._machine_record(name)
        self._links.to(machine, patient=True)
        if machine.stage in (Stage.ASKED, Stage.CREATED, Stage.RUNNING):
            self._advance(name, Stage.REACHED)
        return UNCHANGED

    def _recipe(self, action: Action, name: str, recipe: str) -> Tally:
        machine = self._machine_record(name)
        report = run_recipe(
            self._links.to(machine),
            self._stage(machine, recipe).recipe,
            machine=name,
            emit=lambda event: self._all.emit(replace(event, action=action.id)),
            redact=self._all.redact,
            check_only=self._check_only,
            cancel=self._cancel,
            deadline_s=self._recipe_deadline_s,
        )
        with self._lock:
            self.reports[action.id] = report
        if not self._check_only:
            self._note(name, recipe, report)
        changed = report.count(StepStatus.CHANGED) + report.count(StepStatus.WOULD_CHANGE)
        return (changed, report.count(StepStatus.UNCHANGED))

    def _note(self, name: str, recipe: str, report: Report) -> None:
        """The machine's own host key is written down before the next recipe puts it to use, and its use after."""
        own = report.facts.get("host key", "").strip()
        if own:
            key = " ".join(own.split()[:2])
            self._all.record.update(lambda old: old.with_machine(replace(_of(old, name), host_key=key)))
        machine = self._machine_record(name)
        if recipe == "host-key" and machine.stage not in (Stage.OWN_HOST_KEY, Stage.READY):
            self._advance(name, Stage.OWN_HOST_KEY)
            self._links.forget(name)  # the next connection is made with the new key: proof that it is in use
            self._links.to(self._machine_record(name), patient=True)
        if is_armed(report.facts):
            confirm(self._links, self._machine_record(name), self._all.clock)
        if recipe == "host-key":
            # Those of runs that were cut off too: after the key was made, or before it was forgotten.
            for secret in self._all.secrets.names():
                if secret.startswith(first_host_keys(name)):
                    self._all.secrets.delete(secret)

    def _dns(self) -> Tally:
        return bring_dns(self._all, self._observe(), self._record())

    def _leftover(self, machine_id: str) -> Tally:
        one = self._all
        found = {machine.id: machine for machine in leftovers(one.names, self._observe(), self._record())}
        if machine_id not in found:
            return UNCHANGED
        end_machine(one, machine_id, found[machine_id].name)
        return CHANGED

    def _site(self) -> Tally:
        one = self._all
        for machine in [each for each in self._record().machines if each.role == Role.WEBSERVER.value]:
            if machine.may_be_visited:
                see_site(one, self._links, machine)
                self._advance(machine.name, Stage.READY)
        for machine in self._record().machines:
            if machine.role != Role.WEBSERVER.value:
                self._advance(machine.name, Stage.READY)
        if one.settings.mode is Mode.PRODUCTION:
            one.record.update(lambda old: replace(old, handed_over=True))
        return UNCHANGED

    # what is known ----------------------------------------------------------------------------------------------

    def _observe(self) -> Observed:
        one = self._all
        return observe(one.access.provider, one.access.dns, one.names, one.settings.domain)

    def _with_database(self, observed: Observed) -> Observed:
        one = self._all
        if not one.settings.database_size:
            return observed
        sizes = databases_of(one.access.provider).database_sizes(one.settings.region, Engine.MYSQL)
        price = database_price(sizes, one.settings.database_size)
        return replace(observed, database=own_database(one), database_price=price)

    def _record(self) -> FleetRecord:
        record = self._all.record.load() or FleetRecord.new(self._all.settings.deployment)
        # who only looks compares with what a build would have written down by then
        return replace(record, edge_ranges=self._ranges) if self._check_only and self._ranges else record

    def _machine_record(self, name: str) -> MachineRecord:
        return _of(self._record(), name)

    def _advance(self, name: str, stage: Stage) -> None:
        self._all.record.update(
            lambda old: old if _of(old, name).stage is stage else old.with_machine(replace(_of(old, name), stage=stage))
        )

    def _stage(self, machine: MachineRecord, recipe: str) -> RecipeStage:
        for stage in self._stages(machine, self._record(), self._private_range()):
            if stage.recipe.name == recipe:
                return stage
        raise MachineError(f"{machine.name} has no recipe {recipe}.", hint="run buildyard plan")

    def _private_range(self) -> str:
        network = own_network(self._all.access.provider, self._all.names)
        return network.ip_range if network else ""

    def _stages_of(self, name: str, role: Role, record: FleetRecord, observed: Observed) -> tuple[RecipeStage, ...]:
        machine = record.machine(name) or MachineRecord(name, role.value, int(name.rpartition("-")[2]), 0)
        return self._stages(machine, record, observed.network.ip_range if observed.network else "")

    def _stages(self, machine: MachineRecord, record: FleetRecord, private_range: str) -> tuple[RecipeStage, ...]:
        policy = policy_of(self._all.settings, record, self._all.operators, private_range)
        node = node_of(machine) if machine.private_ipv4 else Node(machine.name, Role(machine.role), *UNMADE)
        context = self._contexts.make(node, self._whole_fleet(record))
        return stages(context, policy.ufw(node))

    def _whole_fleet(self, record: FleetRecord) -> tuple[Node, ...]:
        """A machine for every slot, and those that leave.

        One still to be made has a placeholder's address (only plans see that).
        """
        one = self._all
        nodes = {machine.name: node_of(machine) for machine in members(one.settings, record) if machine.private_ipv4}
        for slot in slots_of(one.settings, record):
            name = slot_machine(one.names, slot)
            nodes.setdefault(name, Node(name, slot.role, *UNMADE))
        return tuple(nodes[name] for name in sorted(nodes))


def _of(record: FleetRecord, name: str) -> MachineRecord:
    machine = record.machine(name)
    if machine is None:
        raise MachineError(f"{name} is not in the fleet record.", hint="run buildyard build")
    return machine
