"""Is it well: looked at now, from outside, not remembered."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from fleet.autoscaler.published import FRESH_S, published
from fleet.cost import is_free
from fleet.deployment import Deployment
from fleet.jobs import failed_jobs
from fleet.links import Links
from fleet.managed import is_managed, own_database
from fleet.observe import Observed, observe, relative
from fleet.scaling import opened_state, policy_in_force
from fleet.seen import page_of
from fleet.settings import Mode
from fleet.site import Page
from fleet.slots import slots_of
from providers.contract import Machine, MachineStatus
from providers.databases import ManagedDatabase
from recipes.context import Role
from state.errors import BuildyardError
from state.fleet_bucket import FleetBucket
from state.fleet_record import FleetRecord, MachineRecord

#: The unit that makes a role what it is, beside the page that a webserver must serve.
UNITS: Mapping[Role, tuple[str, ...]] = {
    Role.AUTOSCALER: ("buildyard-autoscaler", "cron"),
    Role.DATABASE: ("mariadb", "cron"),
    Role.WEBSERVER: ("nginx", "cron"),
}


@dataclass(frozen=True, slots=True)
class MachineHealth:
    """One machine as it is now; the field names are what scripts read from ``status --json``."""

    name: str
    role: str
    public_ip: str
    private_ip: str
    state: str
    healthy: bool
    reason: str
    milliseconds: int
    price_per_month: str
    #: what a person should know though the machine does its work
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """One look; see :class:`MachineHealth` for the names."""

    deployment: str
    mode: str
    provider: str
    url: str
    healthy: bool
    reason: str
    cost_per_month: str
    machines: tuple[MachineHealth, ...]
    dns: tuple[Mapping[str, Any], ...]
    autoscaler: Mapping[str, Any]
    certificate: Mapping[str, Any]
    backups: tuple[Mapping[str, Any], ...]
    #: the one that the provider runs: name, host, state, healthy, sources; empty where there is none
    database: Mapping[str, Any] = field(default_factory=dict)
    #: what a person should know of the look itself
    remarks: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def look_at(deployment: Deployment) -> Status:
    """Asks provider, DNS, every machine and the page itself, at the same time.

    Raises:
        BuildyardError: the provider cannot be asked; a sick machine is no error but a result.
    """
    one = deployment
    record = one.record.load()
    known = record.machines if record is not None else ()
    observed = observe(one.access.provider, one.access.dns, one.names, one.settings.domain)
    links = Links(one)
    try:
        with ThreadPoolExecutor(max(1, len(known)), thread_name_prefix="look") as pool:
            looked = list(pool.map(lambda machine: _machine(one, links, observed, machine), known))
    finally:
        links.close()
    machines = tuple(health for health, _ in looked)
    pages = [page for _, page in looked if page is not None]
    days = [page.certificate_days for page in pages if page.certificate_days is not None]
    dns = _dns(one, observed)
    managed = own_database(one) if is_managed(one, record) else None
    database = _database(one, record, managed)
    reason = _reason(one, record, machines, dns) or str(database.get("reason", ""))
    return Status(
        deployment=one.settings.deployment,
        mode=one.settings.mode.value,
        provider=one.settings.provider,
        url=one.settings.url,
        healthy=not reason,
        reason=reason or "all machines are well and the page is served",
        cost_per_month=str(_cost(observed, managed)),
        machines=machines,
        dns=dns,
        autoscaler=_autoscaler(one, machines),
        database=database,
        remarks=(*_remarks(one), *_price_remarks(one, managed)),
        certificate={"days_left": min(days) if days else None},
        backups=(),
    )


def _machine(
    one: Deployment, links: Links, observed: Observed, known: MachineRecord
) -> tuple[MachineHealth, Page | None]:
    live = observed.machine(known.name, one.names.action_tag(known.name, known.epoch))
    if live is None or live.status is not MachineStatus.RUNNING:
        state = "missing" if live is None else live.status.value
        return _health(known, live, state, False, "not running at the provider", 0), None
    page: Page | None = None
    if known.role == Role.WEBSERVER.value:
        page = page_of(one, links, known)
        if not page.ok:
            return _health(known, live, "running", False, f"page: {page.reason}", page.milliseconds), page
    stopped = _stopped_units(links, known, managed=bool(one.settings.database_size))
    reason = stopped or ("serving" if page else "well")
    health = _health(known, live, "running", not stopped, reason, page.milliseconds if page else 0)
    # one that cannot be reached is not waited for twice
    return (health if stopped else replace(health, remarks=failed_jobs(links, known))), page


def _stopped_units(links: Links, known: MachineRecord, *, managed: bool = False) -> str:
    role = Role(known.role)
    # beside a managed database its machine runs none
    units = ("cron",) if managed and role is Role.DATABASE else UNITS.get(role, ("cron",))
    try:
        answer = links.to(known).run(("systemctl", "is-active", *units), timeout_s=10)
    except BuildyardError as problem:
        return problem.summary
    states = answer.stdout.decode(errors="replace").split()
    # What systemctl did not say is not known, and what is not known is not well.
    said = zip(units, [*states, *["unknown"] * len(units)], strict=False)
    return ", ".join(f"{unit} is {state}" for unit, state in said if state != "active")


def _health(
    known: MachineRecord, live: Machine | None, state: str, healthy: bool, reason: str, milliseconds: int
) -> MachineHealth:
    price = str(live.price_per_month) if live is not None else "0"
    return MachineHealth(
        known.name, known.role, known.public_ipv4, known.private_ipv4, state, healthy, reason, milliseconds, price
    )


def _dns(one: Deployment, observed: Observed) -> tuple[Mapping[str, Any], ...]:
    names = [(host, relative(host, observed.zone)) for host in one.settings.hosts] if observed.zone else []
    return tuple(
        {
            "name": host,
            "addresses": sorted(
                value
                for each in observed.records
                if each.name == name and each.type in ("A", "AAAA")
                for value in each.values
            ),
        }
        for host, name in names
    )


def _database(one: Deployment, record: FleetRecord | None, managed: ManagedDatabase | None) -> Mapping[str, Any]:
    """The managed database as a script reads it; whether it answers is seen on the pages, which need it."""
    if not is_managed(one, record):
        return {}
    name = one.names.database
    if managed is None:
        reason = f"the managed database {name} is missing at the provider"
        return {"name": name, "host": "", "state": "missing", "healthy": False, "reason": reason, "sources": []}
    state, reason = ("running", "") if managed.ready else ("building", f"the managed database {name} is not ready")
    sources = sorted(managed.sources)
    found = {"name": name, "host": managed.host, "state": state, "healthy": managed.ready, "reason": reason}
    return {**found, "sources": sources}


def _cost(observed: Observed, managed: ManagedDatabase | None) -> Decimal:
    prices = [machine.price_per_month for machine in observed.machines]
    known = managed.price_per_month if managed is not None else None
    return sum(prices, known or Decimal(0))


def _price_remarks(one: Deployment, managed: ManagedDatabase | None) -> tuple[str, ...]:
    if managed is None or managed.price_per_month is not None or is_free(one.settings.provider):
        return ()
    return (f"The price is without the managed database {managed.name}: the provider's API does not tell it.",)


def _reason(
    one: Deployment, record: FleetRecord | None, machines: tuple[MachineHealth, ...], dns: tuple[Mapping[str, Any], ...]
) -> str:
    """Why it is not well; "" when it is."""
    wanted = len(slots_of(one.settings, record))
    if len(machines) < wanted:
        return f"{len(machines)} of {wanted} machines exist"
    for machine in machines:
        if not machine.healthy:
            return f"{machine.name}: {machine.reason}"
    serving = {machine.public_ip for machine in machines if machine.role == Role.WEBSERVER.value}
    for host in one.settings.hosts:
        found = {address for entry in dns if entry["name"] == host for address in entry["addresses"]}
        if not serving & found:
            return f"DNS of {host} does not point to a webserver"
    return ""


def _autoscaler(one: Deployment, machines: tuple[MachineHealth, ...]) -> Mapping[str, Any]:
    count = sum(machine.role == Role.WEBSERVER.value for machine in machines)
    found: dict[str, Any] = {"leader": None, "target": 1, "minimum": 1, "maximum": 1, "have": count}
    found |= {"last_decision": None, "waits_for": ""}
    if one.settings.mode is not Mode.PRODUCTION:
        return {**found, "reason": "development mode has no autoscaler; the database machine is caretaker"}
    found |= {"target": None, "minimum": None, "maximum": None}
    try:
        state = opened_state(one)
        policy = policy_in_force(state) if state is not None else None
        if state is None or policy is None:
            return {**found, "reason": "no build has written a scaling policy yet"}
        found |= {"target": policy.target, "minimum": policy.minimum, "maximum": policy.maximum}
        return {**found, **_leading(published(state), one.clock.now())}
    except BuildyardError as problem:
        return {**found, "reason": problem.summary}


def _leading(told: Mapping[str, Any] | None, now: float) -> Mapping[str, Any]:
    """Who leads and what was decided last, by the leader's own word."""
    if told is None:
        return {"reason": "no autoscaler has led yet"}
    decisions = told["decisions"]
    last = {"at": told["at"], "reason": decisions["reason"], "acts": [act["reason"] for act in decisions["acts"]]}
    if now - float(told["at"]) > FRESH_S:
        reason = f"nobody leads: {told['leader']} was heard {now - float(told['at']):.0f} s ago, nothing is healed"
        return {"last_decision": last, "reason": reason}
    return {
        "leader": told["leader"],
        "last_decision": last,
        "waits_for": told["waits_for"],
        "reason": "the target is the policy's",
    }


def _remarks(one: Deployment) -> tuple[str, ...]:
    away = one.record.away if isinstance(one.record, FleetBucket) else ""
    if not away:
        return ()
    return (f"The fleet record is as it was last seen here: the state bucket is away ({away})",)
