"""How a build machine finds and reaches the leading autoscaler, and what it knows beside that one's journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from fleet.autoscaler.following import Leaders, Talks
from fleet.autoscaler.published import published
from fleet.autoscaler.watch_rows import Known
from fleet.deployment import Deployment
from fleet.links import Links
from fleet.observe import Observed, observe, relative
from fleet.seen import page_of
from recipes.context import Role
from state.errors import StateError, Unreachable
from state.fleet_record import FleetRecord
from state.objects import CompareAndSet

#: The page is fetched for its certificate only; one that takes longer is told by the probers.
PAGE_S = 4.0


@contextmanager
def leaders_of(deployment: Deployment, state: CompareAndSet) -> Iterator[Leaders]:
    """The autoscalers of a deployment; every connection is closed at the end.

    Args:
        state: the sealed state bucket.
    """
    links = Links(deployment)

    def who() -> str:
        status = published(state)
        if status is None or not status.get("leader"):
            raise StateError("No autoscaler has led yet.", hint="buildyard status shows whether they run")
        return str(status["leader"])

    def connect(name: str) -> Talks:
        record = deployment.record.load()
        machine = record.machine(name) if record is not None else None
        if machine is None or not machine.public_ipv4:
            raise Unreachable(f"{name} leads, but the fleet record has no address of it.", hint="run buildyard status")
        return links.to(machine)

    try:
        yield Leaders(who, connect)
    finally:
        links.close()


def known_of(deployment: Deployment) -> Known:
    """What fleet record, provider and site say now; several requests, by SSH only behind an edge.

    Raises:
        BuildyardError: the record or the provider cannot be asked.
    """
    one = deployment
    record = one.record.load()
    observed = observe(one.access.provider, one.access.dns, one.names, one.settings.domain)
    links = Links(one)
    try:
        days = _certificate_days(one, links, record)
    finally:
        links.close()
    return Known(record, _prices(one, record, observed), _dns(one, observed), days)


def _prices(one: Deployment, record: FleetRecord | None, observed: Observed) -> dict[str, Decimal]:
    found = {}
    for machine in record.machines if record is not None else ():
        live = observed.machine(machine.name, one.names.action_tag(machine.name, machine.epoch))
        if live is not None:
            found[machine.name] = live.price_per_month
    return found


def _dns(one: Deployment, observed: Observed) -> dict[str, tuple[str, ...]]:
    if not observed.zone:
        return {}
    names = {host: relative(host, observed.zone) for host in one.settings.hosts}
    return {
        host: tuple(
            sorted(
                value
                for each in observed.records
                if each.name == name and each.type in ("A", "AAAA")
                for value in each.values
            )
        )
        for host, name in names.items()
    }


def _certificate_days(one: Deployment, links: Links, record: FleetRecord | None) -> int | None:
    """As one of the webservers shows it that visitors come to."""
    for machine in record.machines if record is not None else ():
        if machine.role == Role.WEBSERVER.value and machine.may_be_visited and machine.public_ipv4:
            page = page_of(one, links, machine, timeout_s=PAGE_S)
            if page.certificate_days is not None:
                return page.certificate_days
    return None
