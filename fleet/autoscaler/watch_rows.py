"""The machines as a watcher sees them, a row each: what the journal says, with what record and provider know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from fleet.autoscaler.sample import Stand, WebserverSample
from fleet.autoscaler.watched import Watched
from fleet.names import SHORT
from recipes.context import Role
from state.fleet_record import FleetRecord, MachineRecord, Stage

_ORDER = {Role.AUTOSCALER.value: 0, Role.WEBSERVER.value: 1, Role.DATABASE.value: 2}
_WELL_OUT = "well, no DNS"
_ROLES = {short: role.value for role, short in SHORT.items()}


class Look(StrEnum):
    """How good a row is; the words beside it say why."""

    GOOD = "good"
    DOING = "doing"
    DOUBTFUL = "doubtful"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal does not say; asked of fleet record and provider now and then.

    Attributes:
        record: None where there is none yet.
        prices: US dollars a month by machine.
        dns: addresses by host name, as the provider publishes them.
        certificate_days: whole days the site's certificate is still valid, None where unknown.
    """

    record: FleetRecord | None = None
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    dns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    certificate_days: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One machine.

    Attributes:
        address: its public one, "" where unknown.
        words: how it stands, in a word or two.
        reason: why, in a sentence; "" when there is nothing to say.
        in_dns: None for a machine that visitors never reach.
        answer_ms, cpu_percent, requests_per_s: None where unknown.
        born_at: seconds since the epoch, 0.0 where unknown.
        price: US dollars a month, None where unknown.
        protected: the policy forbids to end it.
        drained: its owner keeps it, without visitors.
        replacing: its owner wants another one in its place.
    """

    name: str
    role: str
    address: str
    look: Look
    words: str
    reason: str = ""
    in_dns: bool | None = None
    answer_ms: float | None = None
    cpu_percent: float | None = None
    requests_per_s: float | None = None
    born_at: float = 0.0
    price: Decimal | None = None
    protected: bool = False
    drained: bool = False
    replacing: bool = False


def rows(watched: Watched, known: Known) -> tuple[Row, ...]:
    """A row a machine: autoscalers, webservers by number, the database machine."""
    machines = {machine.name: machine for machine in known.record.machines} if known.record is not None else {}
    samples = {server.name: server for server in watched.sample.webservers}
    leader = {watched.leader} if watched.leader else set()
    names = sorted({*machines, *samples, *leader}, key=lambda name: _place(name, machines.get(name)))
    return tuple(_row(name, machines.get(name), samples.get(name), watched, known) for name in names)


def _row(
    name: str, machine: MachineRecord | None, sample: WebserverSample | None, watched: Watched, known: Known
) -> Row:
    role = _role(name, machine)
    look, words, reason = _stand(name, role, machine, sample, watched)
    price = known.prices.get(name)
    is_webserver = role == Role.WEBSERVER.value
    drained = name in watched.drained
    if drained and words == _WELL_OUT:
        words, reason = "drained", "its owner keeps it without visitors"
    return Row(
        name=name,
        role=role,
        address=machine.public_ipv4 if machine is not None else "",
        look=look,
        words=words,
        reason=reason,
        in_dns=sample.in_dns if sample is not None else False if is_webserver else None,
        answer_ms=sample.answer_ms if sample is not None else None,
        cpu_percent=sample.cpu_percent if sample is not None else None,
        requests_per_s=sample.requests_per_s if sample is not None else None,
        born_at=_born(machine, sample),
        price=watched.sample.price_per_webserver if price is None and is_webserver else price,
        protected=watched.policy is not None and name in watched.policy.protected,
        drained=drained,
        replacing=name in watched.replacing,
    )


def _stand(
    name: str, role: str, machine: MachineRecord | None, sample: WebserverSample | None, watched: Watched
) -> tuple[Look, str, str]:
    if role == Role.AUTOSCALER.value:
        return (Look.GOOD, "leads", "") if name == watched.leader else (Look.UNKNOWN, "stands by", "")
    if role == Role.DATABASE.value:
        return _database(watched)
    if sample is not None:
        return _webserver(sample, machine, watched)
    if machine is not None and machine.leaving:
        return Look.DOING, "leaving", machine.leaving
    if machine is not None and machine.stage is not Stage.READY:
        return Look.DOING, "building", _instead(machine.replaces)
    return Look.UNKNOWN, "not seen", "the autoscaler has not looked at it yet"


def _database(watched: Watched) -> tuple[Look, str, str]:
    problem = watched.sample.database_problem
    if not watched.sampled_at or problem is None:
        return Look.UNKNOWN, "unknown", "nothing is known of the database"
    return (Look.BAD, "not well", problem) if problem else (Look.GOOD, "well", "")


def _webserver(sample: WebserverSample, machine: MachineRecord | None, watched: Watched) -> tuple[Look, str, str]:
    out = machine.out_of_dns if machine is not None and not sample.in_dns else ""
    match sample.stand:
        case Stand.BUILDING:
            steps = [act.step or act.text for act in watched.under_way if act.machine == sample.name]
            reason = ", ".join(part for part in (_instead(sample.replaces), *steps[-1:]) if part)
            return Look.DOING, "building", reason
        case Stand.LEAVING:
            why = machine.leaving if machine is not None else ""
            return Look.DOING, "leaving", why or "out of DNS for good; it ends when its last visitors have left"
        case Stand.WELL if sample.in_dns:
            return Look.GOOD, "serving", ""
        case Stand.WELL:
            return Look.DOUBTFUL, _WELL_OUT, out or "it is well, visitors do not come to it yet"
        case Stand.UNSURE:
            return Look.DOUBTFUL, "unsure", sample.reason or out
        case Stand.ILL:
            return Look.BAD, "ill", sample.reason or out


def _instead(replaces: str) -> str:
    return f"takes the place of {replaces}" if replaces else ""


def _role(name: str, machine: MachineRecord | None) -> str:
    return machine.role if machine is not None else _ROLES.get(name.partition("-")[0], "")


def _place(name: str, machine: MachineRecord | None) -> tuple[int, int, str]:
    number = name.rpartition("-")[2]
    return _ORDER.get(_role(name, machine), 9), int(number) if number.isdecimal() else 0, name


def _born(machine: MachineRecord | None, sample: WebserverSample | None) -> float:
    if machine is not None and machine.created_at:
        try:
            return datetime.fromisoformat(machine.created_at).timestamp()
        except ValueError:
            return 0.0
    return sample.since if sample is not None else 0.0
