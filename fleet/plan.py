"""The difference between the answers and what exists, as actions a person can read before anything happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fleet.dns import as_host, foreign_records, said, stale_records, visited, wanted_records
from fleet.graph import Action, Change
from fleet.leftovers import leftovers
from fleet.names import Names
from fleet.observe import Observed, relative
from fleet.policy import Policy, node_of
from fleet.settings import Mode, Settings
from fleet.slots import Slot, is_handed_over, members, roles_of, slot_machine, slots_of
from providers.contract import InboundRule, Machine, MachineStatus, Size
from recipes import database
from recipes.context import Role
from recipes.questions import MANAGED, MARIADB
from state.errors import AnswersError
from state.fleet_record import FleetRecord, Stage

STORE = "store"
NETWORK = "network"
SSH_KEY = "ssh-key"
FIREWALLS = "firewalls"
SOURCES = "sources"
DATABASE = "database"
ZONE = "zone"
EDGE = "edge"
DNS = "dns"
SITE = "site"
SCALING = "scaling"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, in a possible order.

    Attributes:
        actions: all of them, also those that only look.
        price_per_month: US dollars of all machines afterwards, None where a size is unknown.
    """

    actions: tuple[Action, ...]
    price_per_month: Decimal | None

    @property
    def changes(self) -> tuple[Action, ...]:
        """Those that change something."""
        return tuple(action for action in self.actions if action.change is not Change.CHECK)


def machine_action(name: str) -> str:
    return f"machine:{name}"


def reach_action(name: str) -> str:
    return f"reach:{name}"


def recipe_action(name: str, recipe: str) -> str:
    return f"recipe:{name}:{recipe}"


def leftover_action(machine_id: str) -> str:
    return f"leftover:{machine_id}"


def wanted_rules(policy: Policy, roles: Sequence[Role]) -> Mapping[Role, tuple[InboundRule, ...]]:
    """Each role's cloud firewall as it shall be."""
    return {role: policy.cloud(role) for role in roles}


def policy_of(
    settings: Settings,
    record: FleetRecord,
    operators: tuple[str, ...],
    private_range: str,
    *,
    filters_private: bool = True,
) -> Policy:
    """The policy as far as addresses are known.

    Behind an edge visitors are its networks by the last good list. There is one before anything is built behind it
    (the action ``edge``); without one everybody still comes to the webservers.
    """
    fleet = tuple(map(node_of, members(settings, record)))
    return Policy(
        fleet,
        operators,
        private_range,
        record.edge_ranges if settings.proxied else (),
        filters_private,
        serves_database=not settings.database_size,
    )


def make_plan(
    settings: Settings,
    observed: Observed,
    record: FleetRecord,
    operators: tuple[str, ...],
    sizes: Sequence[Size],
    recipes: Mapping[str, Sequence[tuple[str, tuple[tuple[Role, str], ...]]]],
    scaling: str = "",
    edge: str = "",
) -> Plan:
    """Compares.

    Args:
        settings: what shall be.
        observed: what the provider has.
        record: what we know.
        operators: CIDRs that may use SSH.
        sizes: for prices.
        recipes: for each machine's name its recipes in order, each with (role, recipe) it must wait for.
        scaling: why the scaling policy in the state bucket is written; "" where it is as the answers say.
        edge: why the edge before the site is not as it shall be; "" where it is, as far as one can see from outside.

    Raises:
        AnswersError: the answers ask for what cannot be done in place.
        StateError: the record is older than what the provider has.
    """
    names = Names(settings.deployment)
    prices = {size.slug: size.price_per_month for size in sizes}
    private_range = observed.network.ip_range if observed.network else ""
    policy = policy_of(settings, record, operators, private_range, filters_private=observed.filters_private)
    actions = [
        Action(STORE, Change.CHECK, "buckets", "state, shared configuration, artefacts and uploads lie there"),
        _exists(NETWORK, "private network", observed.network is not None, "machines talk to each other over it"),
        _exists(SSH_KEY, "SSH key", observed.ssh_key is not None, "Buildyard logs in with it"),
        _exists(ZONE, f"DNS zone of {settings.domain}", bool(observed.zone), "certificates are proven in it"),
        *_edge(settings, edge),
        _firewalls(settings, names, observed, policy),
    ]
    slots = _looked_after(settings, names, observed, record)
    _refuse_fewer_autoscalers(settings, names, record)
    _refuse_another_database(settings, record)
    if settings.mode is Mode.PRODUCTION:
        reason = scaling or "as the answers say"
        change = Change.CHANGE if scaling else Change.CHECK
        actions.append(Action(SCALING, change, "scaling policy", reason, (STORE,)))
    actions += [_machine(settings, names, slot, observed, record, prices) for slot in slots]
    machines = tuple(machine_action(slot_machine(names, slot)) for slot in slots)
    complete = all(_live(names, slot, observed, record) for slot in slots)
    actions.append(
        Action(
            SOURCES,
            Change.CHECK if complete else Change.CHANGE,
            "cloud firewalls",
            "their sources are the fleet's exact addresses",
            (*machines, FIREWALLS, ZONE),
        )
    )
    if settings.database_size:
        actions.append(_database(settings, names, observed, record))
    by_role: dict[Role, list[str]] = {}
    for slot in slots:
        by_role.setdefault(slot.role, []).append(slot_machine(names, slot))
    last: list[str] = []
    for slot in slots:
        name = slot_machine(names, slot)
        new = not _live(names, slot, observed, record)
        change = Change.CREATE if new else Change.CHECK
        before = reach_action(name)
        actions.append(Action(before, Change.CHECK, f"SSH to {name}", "with its pinned host key", (SOURCES,), name))
        for recipe, after in recipes[name]:
            waits = [
                before,
                *(recipe_action(other, needed) for role, needed in after for other in by_role.get(role, ())),
                *((DATABASE,) if settings.database_size and recipe == database.NAME else ()),
            ]
            before = recipe_action(name, recipe)
            reason = "the machine is new" if new else "look for what differs and mend it"
            actions.append(Action(before, change, f"{recipe} on {name}", reason, tuple(waits), name))
        last.append(before)
    actions.append(_dns(settings, observed, record, policy, tuple(last)))
    actions.append(Action(SITE, Change.CHECK, settings.url, "looked at from outside", (DNS,)))
    actions += map(_leftover, leftovers(names, observed, record))
    total = [prices.get(slot.size) for slot in slots]
    total += [observed.database_price] if settings.database_size else []
    return Plan(tuple(actions), sum((price for price in total if price), Decimal(0)) if all(total) else None)


def _looked_after(settings: Settings, names: Names, observed: Observed, record: FleetRecord) -> tuple[Slot, ...]:
    """The slots without webservers that are gone although the autoscaler owns their number: it sees to them itself."""
    owned = is_handed_over(settings, record)
    return tuple(
        slot
        for slot in slots_of(settings, record)
        if not (owned and slot.role is Role.WEBSERVER) or _live(names, slot, observed, record)
    )


def _refuse_fewer_autoscalers(settings: Settings, names: Names, record: FleetRecord) -> None:
    kept = {names.machine(Role.AUTOSCALER, number + 1) for number in range(settings.autoscalers)}
    for machine in record.machines:
        if machine.role == Role.AUTOSCALER.value and machine.name not in kept:
            raise AnswersError(
                f"{machine.name} exists, and the answers want {settings.autoscalers or 'no'} autoscaler machines.",
                detail="This version does not end an autoscaler machine, nor turn production into development mode.",
                hint=f"set mode to production and scaling.autoscalers to {machine.slot} again",
            )


def _refuse_another_database(settings: Settings, record: FleetRecord) -> None:
    """Content is not carried from one database to the other; the site would begin anew with an empty one."""
    own = any(each.role == Role.DATABASE.value and each.stage is Stage.READY for each in record.machines)
    problem = kind = ""
    if settings.database_size and own and not record.database_id:
        problem, kind = "is on the database machine, the answers want a managed database", MARIADB
    if not settings.database_size and record.database_id:
        problem, kind = "is in a managed database, the answers want one on a machine of its own", MANAGED
    if problem:
        raise AnswersError(
            f"The content {problem}.",
            detail="This version does not carry content from one database to another.",
            hint=f"set database.kind back to {kind}",
        )


def _database(settings: Settings, names: Names, observed: Observed, record: FleetRecord) -> Action:
    there, price = observed.database, observed.database_price
    target = f"managed database {names.database} ({settings.database_size}, {settings.region})"
    if there is None and record.database_id not in ("", names.database):
        reason = f"{names.database} is gone at the provider; the new one is empty"
        return Action(DATABASE, Change.REPLACE, target, reason, (SOURCES,), None, price)
    if there is None:
        return Action(DATABASE, Change.CREATE, target, "the provider keeps the content", (SOURCES,), None, price)
    if not there.ready:
        return Action(DATABASE, Change.CREATE, target, "the provider is still making it", (SOURCES,), None, price)
    return Action(DATABASE, Change.CHECK, target, "is there", (SOURCES,))


def _exists(action_id: str, target: str, there: bool, reason: str) -> Action:
    return Action(action_id, Change.CHECK if there else Change.CREATE, target, reason)


def _edge(settings: Settings, reason: str) -> tuple[Action, ...]:
    if not settings.proxied:
        return ()
    change = Change.CHANGE if reason else Change.CHECK
    return (Action(EDGE, change, f"{settings.dns} before the site", reason or "as it shall be", (ZONE,)),)


def _firewalls(settings: Settings, names: Names, observed: Observed, policy: Policy) -> Action:
    there = {firewall.name: firewall for firewall in observed.firewalls}
    differing = []
    for role, rules in wanted_rules(policy, roles_of(settings)).items():
        firewall = there.get(names.firewall(role))
        if firewall is None or same_rules(firewall.inbound) != same_rules(rules):
            differing.append(role.value)
    missing = [role for role in roles_of(settings) if names.firewall(role) not in there]
    change = Change.CREATE if missing else Change.CHANGE if differing else Change.CHECK
    reason = f"rules differ for: {', '.join(differing)}" if differing else "as the policy says"
    return Action(FIREWALLS, change, "cloud firewalls", reason, (NETWORK, *((EDGE,) if settings.proxied else ())))


def same_rules(rules: Sequence[InboundRule]) -> frozenset[tuple[str, int, str]]:
    """Rules in a form that compares: order and grouping do not matter."""
    return frozenset((rule.protocol.value, rule.port, source) for rule in rules for source in rule.sources)


def _live(names: Names, slot: Slot, observed: Observed, record: FleetRecord) -> Machine | None:
    name = slot_machine(names, slot)
    known = record.machine(name)
    return observed.machine(name, names.action_tag(name, known.epoch)) if known else None


def _machine(
    settings: Settings,
    names: Names,
    slot: Slot,
    observed: Observed,
    record: FleetRecord,
    prices: Mapping[str, Decimal],
) -> Action:
    name = slot_machine(names, slot)
    needs = (NETWORK, SSH_KEY, FIREWALLS, STORE)
    price = prices.get(slot.size)
    live = _live(names, slot, observed, record)
    known = record.machine(name)
    target = f"machine {name} ({slot.size}, {settings.region})"
    if live is None:
        gone = known is not None and known.provider_id != ""
        reason = f"{name} is gone at the provider" if gone else f"the fleet lacks its {slot.role.value}"
        change = Change.REPLACE if gone else Change.CREATE
        return Action(machine_action(name), change, target, reason, needs, name, price)
    if live.size != slot.size:
        raise AnswersError(
            f"{name} is a {live.size}, the answers say {slot.size}.",
            detail="A machine's size is not changed in place by this version: what is on its disk would be lost.",
            hint=f"set the size back to {live.size}",
        )
    if known is not None and known.image not in ("", settings.image):
        raise AnswersError(
            f"{name} was made from {known.image}, the answers say {settings.image}.",
            detail="A machine's image is not changed in place by this version: what is on its disk would be lost.",
            hint=f"set machines.image back to {known.image}",
        )
    if live.status is MachineStatus.OFF:
        return Action(machine_action(name), Change.CHANGE, target, "is switched off: it is started", needs, name)
    return Action(machine_action(name), Change.CHECK, target, "is there", needs, name)


def _leftover(machine: Machine) -> Action:
    return Action(
        leftover_action(machine.id),
        Change.DESTROY,
        f"machine {machine.name} (id {machine.id})",
        "Buildyard made it, and the fleet does not have it: left behind by a run that was cut off",
        (SITE,),
        None,
        -machine.price_per_month,
    )


def _dns(settings: Settings, observed: Observed, record: FleetRecord, policy: Policy, after: tuple[str, ...]) -> Action:
    may_be_visited = visited(record)
    fleet = [node for node in policy.fleet if node in may_be_visited]
    wanted = wanted_records(settings, fleet)
    there = {(each.name, each.type): tuple(sorted(each.values)) for each in observed.records}
    zone = observed.zone
    foreign = foreign_records(settings, observed, record)
    stale = stale_records(settings, zone, fleet, record)
    same = (
        bool(zone)
        and bool(wanted)
        and all(there.get((relative(host, zone), kind)) == values for host, kind, values in wanted)
    )
    turned = same and any(
        ((relative(host, zone), kind) in observed.proxied) is not settings.proxied for host, kind, _ in wanted
    )
    reasons = []
    if foreign:
        reasons.append(
            f"leads elsewhere by what Buildyard did not make ({said(foreign, zone)}): the build stops before it, "
            "until that record is deleted at the provider"
        )
    elif not same:
        reasons.append("shall point to the webservers")
    elif turned:
        reasons.append("visitors shall come to " + (f"{settings.dns} first" if settings.proxied else "the webservers"))
    if stale:
        old = ", ".join(f"{as_host(made.name, made.zone)} {made.type}" for made in stale)
        reasons.append(f"no longer the site's, removed: {old}")
    return Action(
        DNS,
        Change.CHANGE if reasons else Change.CHECK,
        f"DNS of {', '.join(settings.hosts)}",
        "; ".join(reasons) or "points to the webservers",
        after,
    )
