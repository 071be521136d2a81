"""Exoscale's private networks: each in one zone, with addresses the vendor leases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from providers.contract import Network
from providers.exoscale import api
from providers.exoscale.zones import IN_USE_S, Zones
from providers.http import Api
from providers.named import named, only
from state.errors import Conflict

#: A network is a wire of its own, so all of them have the same addresses. The vendor leases none without a range.
_RANGE = IPv4Network("10.101.0.0/20")


@dataclass(frozen=True, slots=True)
class Networks:
    """The private networks of an organization, in all zones."""

    zones: Zones

    def ensure(self, name: str, zone: str) -> Network:
        """Makes the network unless it is there.

        Raises:
            Conflict: one of that name is in another zone.
        """
        standing = only(self.named(name), name)
        if standing is not None and standing.region != zone:
            raise Conflict(
                f"The network {name} is in {standing.region}, not in {zone}.",
                hint="Use another name for the deployment, or destroy the one that has it.",
            )
        if standing is not None:
            return standing
        at = self.zones.at(zone)
        body = {
            "name": name,
            "start-ip": str(_RANGE[10]),
            "end-ip": str(_RANGE[-2]),
            "netmask": str(_RANGE.netmask),
        }

        def find() -> str | None:
            there = only(self._in_zone(zone, at), name)
            return api.unzoned(there.id)[1] if there else None

        made = self.zones.make(at, api.CREATE_NETWORK, f"the network {name}", body=body, find=find, looked=True)
        return at.read(api.NETWORK.at(id=made), lambda answer: _read(zone, answer))

    def named(self, name_prefix: str) -> tuple[Network, ...]:
        """Networks by the beginning of their names."""
        return named(self.zones.everywhere(self._in_zone), name_prefix)

    def delete(self, network_id: str) -> None:
        """Removes it when its last machine has left; machines that are being deleted take a minute or two."""
        zone, uuid = api.unzoned(network_id)
        self.zones.remove(
            self.zones.at(zone),
            api.DELETE_NETWORK.at(id=uuid),
            f"the network {network_id}",
            timeout_s=IN_USE_S,
            hint="look in the portal what else is in that network; then repeat the command",
        )

    def _in_zone(self, zone: str, at: Api) -> list[Network]:
        return at.listed(api.NETWORKS, lambda body: _read(zone, body))


def _read(zone: str, body: Mapping[str, Any]) -> Network:
    """A network; one without a range of its own has no addresses that anybody knows."""
    start, mask = body.get("start-ip"), body.get("netmask")
    ip_range = str(IPv4Interface(f"{start}/{mask}").network) if start and mask else ""
    return Network(api.zoned(zone, str(body["id"])), str(body["name"]), zone, ip_range)
