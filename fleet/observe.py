"""What exists at the provider under this deployment's names and tags."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fleet.names import Names
from providers.contract import Dns, Firewall, Machine, Network, Provider, RecordSet, SshKey
from providers.databases import ManagedDatabase
from providers.edge import Edge
from recipes.context import Role


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at the provider.

    Attributes:
        zone: "" when no zone of the account covers the domain.
        filters_private: its firewall stands before private addresses too.
        proxied: (name, type) of the record sets whose visitors come to an edge.
        database: the managed one; looked for only where the answers want one.
        database_price: US dollars a month of the size that is wanted, None where it is unknown.
    """

    ssh_key: SshKey | None
    network: Network | None
    firewalls: tuple[Firewall, ...]
    machines: tuple[Machine, ...]
    zone: str
    records: tuple[RecordSet, ...]
    filters_private: bool = True
    proxied: frozenset[tuple[str, str]] = frozenset()
    database: ManagedDatabase | None = None
    database_price: Decimal | None = None

    def machine(self, name: str, action_tag: str) -> Machine | None:
        """The one machine that fills a slot: made by that action. Others of its name are leftovers."""
        ours = [machine for machine in self.machines if machine.name == name and action_tag in machine.tags]
        return min(ours, key=lambda machine: machine.created_at) if ours else None


def observe(provider: Provider, dns: Dns, names: Names, domain: str) -> Observed:
    """Asks the provider and who serves the zone; several requests, so the picture is of no single instant."""
    zone = zone_for(domain, dns.zones())
    keys = [key for key in provider.ssh_keys(names.ssh_key) if key.name == names.ssh_key]
    return Observed(
        ssh_key=keys[0] if keys else None,
        network=own_network(provider, names),
        firewalls=own_firewalls(provider, names),
        machines=provider.machines(names.tag),
        zone=zone,
        records=dns.record_sets(zone) if zone else (),
        filters_private=provider.capabilities.firewall_filters_private_network,
        proxied=dns.proxied_sets(zone) if zone and isinstance(dns, Edge) else frozenset(),
    )


def own_network(provider: Provider, names: Names) -> Network | None:
    """The deployment's private network; one whose name only begins so is another deployment's."""
    return next((each for each in provider.networks(names.network) if each.name == names.network), None)


def own_firewalls(provider: Provider, names: Names) -> tuple[Firewall, ...]:
    """The deployment's firewalls, likewise."""
    own = set(map(names.firewall, Role))
    return tuple(each for each in provider.firewalls(f"{names.prefix}-fw-") if each.name in own)


def zone_for(domain: str, zones: tuple[str, ...]) -> str:
    """The longest zone that covers the domain, "" when none does."""
    covering = [zone for zone in zones if domain == zone or domain.endswith("." + zone)]
    return max(covering, key=len, default="")


def relative(host: str, zone: str) -> str:
    """A host name inside its zone: ``@`` for the apex."""
    return "@" if host == zone else host.removesuffix("." + zone)
