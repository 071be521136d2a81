"""One webserver more, one fewer: the build's own actions for one machine, and what the others must know of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from fleet import plan as ids
from fleet.build import Build
from fleet.context import published_operators
from fleet.deployment import Deployment
from fleet.graph import Action, Change, Outcome
from fleet.leftovers import end_machine
from fleet.plan import Plan
from fleet.site import look
from fleet.slots import Slot
from fleet.turns import Turns
from recipes import base, database, firewall, wordpress
from recipes.context import Role
from recipes.roles import recipe_names
from state.clock import wait_until
from state.errors import BuildyardError, MachineError, StateError
from state.fleet_record import FleetRecord, MachineRecord, Stage

#: A finished webserver shows its page within this; PHP and caches are cold.
PAGE_DEADLINE_S = 90.0
#: Each recipe of an introduction is done in two seconds; a machine that hangs must not keep the lease for longer.
INTRODUCTION_S = 60.0


def webservers_of(record: FleetRecord) -> tuple[MachineRecord, ...]:
    """All of them, whatever their state."""
    return tuple(machine for machine in record.machines if machine.role == Role.WEBSERVER.value)


def free_slot(deployment: Deployment, record: FleetRecord) -> Slot:
    """The lowest number that no webserver has, of the size that the answers say."""
    taken = {machine.slot for machine in webservers_of(record)}
    number = next(number for number in range(1, len(taken) + 2) if number not in taken)
    return Slot(Role.WEBSERVER, number, deployment.settings.sizes[Role.WEBSERVER])


def build_webserver(
    deployment: Deployment, name: str, cancel: threading.Event, before_each: Callable[[], None], turns: Turns
) -> None:
    """Makes the webserver that the record intends, lets it in at the database, runs its recipes and looks at its page.

    What was done before is found done: an act that was cut off is taken up by calling this once more.

    Args:
        before_each: called before each action; raises when nothing may be changed any more.
        turns: of all acts.

    Raises:
        BuildyardError: it is not finished; why.
    """
    record = _record(deployment)
    known = _machine(record, name)
    outcome = (
        Build(_of_now(deployment), cancel, before_each=before_each, turns=turns)
        .run(Plan(_actions(known, record, deployment.settings.mode.value), None))
        .outcome
    )
    last = ids.recipe_action(name, recipe_names(Role.WEBSERVER, deployment.settings.mode.value)[-1][0])
    if last not in outcome.done:
        raise _why(name, outcome)
    _see_page(deployment, _machine(_record(deployment), name))
    now = deployment.clock.now()
    deployment.record.update(
        lambda old: old.with_machine(replace(_machine(old, name), stage=Stage.READY, ready_at=now))
    )


def end_webserver(deployment: Deployment, name: str, before_each: Callable[[], None]) -> None:
    """Ends the machine at the provider and forgets it; its addresses leave all lists by :func:`introduce`.

    Raises:
        StateError: nobody wrote down that it shall go; nothing was done.
        BuildyardError: it is still there.
    """
    known = _machine(_record(deployment), name)
    if not known.leaving:
        raise StateError(f"{name} shall not go: the fleet record says nothing of it.", hint="decide anew")
    before_each()
    if known.provider_id:
        end_machine(deployment, known.provider_id, name)
    deployment.record.update(lambda old: _forget(old, name) if _is_same(old.machine(name), known) else old)


def _forget(record: FleetRecord, name: str) -> FleetRecord:
    """Without it; whoever took its place does so no longer, for the next one of that name is another machine."""
    for other in record.machines:
        if other.replaces == name:
            record = record.with_machine(replace(other, replaces=""))
    return record.without(name)


def introduce(deployment: Deployment, cancel: threading.Event, before_each: Callable[[], None], turns: Turns) -> None:
    """Everybody's lists become what the record says: cloud firewalls, ufw, the database's accounts, /etc/hosts.

    A source too many lets nobody in: its address is nobody's any more. So this may come after a machine's end.

    Raises:
        BuildyardError: somebody does not know yet.
    """
    record = _record(deployment)
    settled = [each for each in record.machines if each.stage is Stage.READY and not each.leaving]
    actions = [_sources("the fleet's addresses changed", ()), *_let_in(settled, (ids.SOURCES,), names=True)]
    one = _of_now(deployment)
    build = Build(one, cancel, before_each=before_each, turns=turns, recipe_deadline_s=INTRODUCTION_S)
    outcome = build.run(Plan(tuple(actions), None)).outcome
    for action, problem in outcome.failed.items():
        raise MachineError(f"Not everybody knows the fleet's addresses: {action}: {problem.summary}")
    if outcome.not_begun:
        raise MachineError("Not everybody knows the fleet's addresses: it was stopped.")


def addresses(record: FleetRecord) -> str:
    """What everybody must know of the others, and of who comes to webservers; the same text, the same knowledge."""
    known = sorted((each.name, each.private_ipv4, each.public_ipv4, each.public_ipv6) for each in record.machines)
    return repr([each for each in known if each[1]]) + " ".join(record.edge_ranges)


def _of_now(deployment: Deployment) -> Deployment:
    """With the operators that may use SSH by now: `allow` moves them without a word to the autoscaler."""
    return replace(deployment, operators=published_operators(deployment))


def _actions(known: MachineRecord, record: FleetRecord, mode: str) -> tuple[Action, ...]:
    name = known.name
    machine, reach = ids.machine_action(name), ids.reach_action(name)
    reason = f"takes the place of {known.replaces}" if known.replaces else "one webserver more"
    actions = [
        Action(machine, Change.CREATE, f"machine {name}", reason, (), name),
        _sources(f"{name} is let in where it belongs", (machine,)),
        Action(reach, Change.CHECK, f"SSH to {name}", "with its pinned host key", (ids.SOURCES,), name),
    ]
    databases = [each for each in record.machines if each.role == Role.DATABASE.value]
    let_in = tuple(_let_in(databases, (ids.SOURCES,)))
    accounts = [action.id for action in let_in]
    before = reach
    for recipe, _ in recipe_names(Role.WEBSERVER, mode):
        waits = (before, *accounts) if recipe == wordpress.NAME else (before,)
        before = ids.recipe_action(name, recipe)
        actions.append(Action(before, Change.CREATE, f"{recipe} on {name}", "the machine is new", waits, name))
    return (*actions, *let_in)


def _sources(reason: str, waits: tuple[str, ...]) -> Action:
    return Action(ids.SOURCES, Change.CHANGE, "cloud firewalls", reason, waits)


def _let_in(machines: list[MachineRecord], waits: tuple[str, ...], *, names: bool = False) -> list[Action]:
    actions = []
    for each in machines:
        before = waits
        # MariaDB's accounts are each webserver's own, by its address; the fleet's names stand in /etc/hosts
        accounts = (database.NAME,) if each.role == Role.DATABASE.value else ()
        for recipe in (firewall.NAME, *accounts, *((base.NAME,) if names else ())):
            action = ids.recipe_action(each.name, recipe)
            reason = "the fleet's addresses changed"
            actions.append(Action(action, Change.CHANGE, f"{recipe} on {each.name}", reason, before, each.name))
            before = (action,)
    return actions


def _see_page(deployment: Deployment, machine: MachineRecord) -> None:
    seen = ""

    def serving() -> bool:
        nonlocal seen
        page = look(machine.private_ipv4, deployment.settings.domain, deployment.access.site_ca_pem)
        seen = page.reason
        return page.ok

    try:
        wait_until(f"the page from {machine.name}", serving, timeout_s=PAGE_DEADLINE_S, clock=deployment.clock)
    except BuildyardError as problem:
        raise MachineError(problem.summary, detail=f"The last answer: {seen}.") from problem


def _why(name: str, outcome: Outcome) -> BuildyardError:
    ours = [problem for action, problem in outcome.failed.items() if name in action.split(":")]
    first = next(iter([*ours, *outcome.failed.values()]), None)
    summary = first.summary if first is not None else "it was stopped"
    return MachineError(f"{name} is not finished: {summary}", detail=first.detail if first is not None else "")


def _is_same(there: MachineRecord | None, known: MachineRecord) -> bool:
    return there is not None and (there.epoch, there.provider_id) == (known.epoch, known.provider_id)


def _record(deployment: Deployment) -> FleetRecord:
    record = deployment.record.load()
    if record is None:
        raise StateError("There is no fleet record.", hint="run buildyard build")
    return record


def _machine(record: FleetRecord, name: str) -> MachineRecord:
    machine = record.machine(name)
    if machine is None:
        raise StateError(f"{name} is not in the fleet record (any more).", hint="decide anew")
    return machine
