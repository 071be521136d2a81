"""Exoscale's instances: made once, put on the private network, deleted and switched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from providers.contract import Machine, MachineSpec, MachineStatus, Size
from providers.exoscale import api, prices, user_data
from providers.exoscale.templates import Templates
from providers.exoscale.zones import IN_USE_S, Zones
from providers.http import Api
from providers.operations import Operation
from state.errors import Conflict, NotFound, Unavailable, UsageError

#: Seconds: a new machine, and a power action with whatever must end before it.
_MADE_S, _POWER_S = 600.0, 300.0

#: Sizes that serve pages; the others have GPUs or terabytes of disk.
_FAMILIES = ("standard", "cpu", "memory")

_STATUS: Mapping[str, MachineStatus] = {
    "starting": MachineStatus.BUILDING,
    "running": MachineStatus.RUNNING,
    "migrating": MachineStatus.RUNNING,
    "stopping": MachineStatus.RUNNING,
}
#: What is on its way out is no machine any more.
_GONE = ("destroying", "destroyed", "expunging")


@dataclass(frozen=True, slots=True)
class Member:
    """A machine and the security groups it is in; ``id`` is the vendor's."""

    zone: str
    id: str
    tags: tuple[str, ...]
    group_ids: tuple[str, ...]


@dataclass(slots=True)
class Machines:
    """The instances of an organization, in all zones."""

    zones: Zones
    templates: Templates
    _sizes: dict[str, Mapping[str, str]] = field(init=False, default_factory=dict)

    def sizes(self, zone: str) -> tuple[Size, ...]:
        """What a zone offers at a known price, the cheapest first; none where the zone is unknown."""
        if zone not in self.zones.names():
            return ()
        listed = self.zones.at(zone).listed(api.TYPES, lambda body: _read_size(body, zone))
        return tuple(sorted((one for one in listed if one), key=lambda one: (one.price_per_month, one.slug)))

    def create(self, spec: MachineSpec, action_tag: str, group_ids: tuple[str, ...]) -> Machine:
        """Asks for a machine, or adopts the one that carries ``action_tag``, and puts it on its network.

        Args:
            spec: the machine.
            action_tag: carried by this one alone.
            group_ids: security groups it is in from its first moment.
        """
        tags = tuple(dict.fromkeys((*spec.tags, action_tag)))
        for tag in tags:
            api.check_tag(tag)
        network_zone, network_id = api.unzoned(spec.network_id)
        if network_zone != spec.region:
            raise UsageError(f"The network of {spec.name} is in {network_zone}, the machine shall be in {spec.region}.")
        at = self.zones.at(spec.region)
        body: dict[str, Any] = {
            "name": spec.name,
            "instance-type": {"id": self._type_id(spec.region, spec.size)},
            "template": {"id": self.templates.id_of(spec.region, spec.image)},
            "disk-size": prices.disk_gib(spec.size),
            "labels": api.labels_of(tags),
            "public-ip-assignment": "dual",
            "user-data": user_data.encoded(spec.user_data),
        }
        if spec.ssh_key_ids:
            body["ssh-keys"] = [{"name": key_id} for key_id in spec.ssh_key_ids]
        if group_ids:
            # without any the vendor puts it into the group "default"
            body["security-groups"] = [{"id": group_id} for group_id in group_ids]

        def find() -> str | None:
            found = [one for one in self._in_zone(at) if action_tag in api.tags_of(one.get("labels"))]
            oldest = min(found, key=lambda one: (str(one.get("created-at") or ""), str(one["id"])), default=None)
            return str(oldest["id"]) if oldest else None

        what = f"machine {spec.name}"
        machine_id = self.zones.make(at, api.CREATE_MACHINE, what, body=body, find=find, timeout_s=_MADE_S)
        self._join(at, network_id, machine_id, what)
        return self.one(api.zoned(spec.region, machine_id))

    def tagged(self, tag: str) -> tuple[Machine, ...]:
        """All machines with that tag, in all zones."""

        def look(zone: str, at: Api) -> list[Machine]:
            bodies = [body for body in self._in_zone(at) if tag in api.tags_of(body.get("labels"))]
            leases = self._leases(at, bodies)
            return [self._read(zone, body, leases) for body in bodies]

        return tuple(self.zones.everywhere(look))

    def one(self, machine_id: str) -> Machine:
        """Raises NotFound."""
        zone, uuid = api.unzoned(machine_id)
        at = self.zones.at(zone)
        body = self._body(at, uuid)
        return self._read(zone, body, self._leases(at, [body]))

    def members(self) -> list[Member]:
        """All machines there are, in all zones, with the security groups they are in."""

        def look(zone: str, at: Api) -> list[Member]:
            return [
                Member(
                    zone,
                    str(body["id"]),
                    api.tags_of(body.get("labels")),
                    tuple(str(group["id"]) for group in body.get("security-groups") or ()),
                )
                for body in self._in_zone(at)
            ]

        return self.zones.everywhere(look)

    def regroup(self, member: Member, group_id: str, *, inside: bool) -> None:
        """Puts a machine into a security group or takes it out; one that has gone is no error."""
        at = self.zones.at(member.zone)
        operation = (api.JOIN_GROUP if inside else api.LEAVE_GROUP).at(id=group_id)
        what = f"machine {member.id} to {'join' if inside else 'leave'} a security group"

        def done() -> bool:
            try:
                groups = self._body(at, member.id).get("security-groups") or ()
                if any(group["id"] == group_id for group in groups) == inside:
                    return True
                self.zones.do(at, operation, what, body={"instance": {"id": member.id}})
            except NotFound:
                return True
            except Conflict:
                return False
            return True

        self.zones.until(what, done, IN_USE_S)

    def delete(self, machine_id: str) -> None:
        """Deletes it as soon as no operation of its own runs any more."""
        zone, uuid = api.unzoned(machine_id)
        self.zones.remove(self.zones.at(zone), api.DELETE_MACHINE.at(id=uuid), f"machine {machine_id}")

    def power(self, machine_id: str, operation: Operation, state: str) -> None:
        """Does a power action, repeated until the machine is in that state."""
        zone, uuid = api.unzoned(machine_id)
        at = self.zones.at(zone)
        what = f"machine {machine_id} to be {state}"

        def reached() -> bool:
            if self._body(at, uuid)["state"] == state:
                return True
            try:
                # starting wants a body, in which nothing has to be
                body: dict[str, Any] | None = {} if operation is api.START else None
                self.zones.do(at, operation.at(id=uuid), what, body=body, timeout_s=_POWER_S)
            except (Conflict, Unavailable):
                return False  # another operation on it is not over, or the answer was lost: look again
            return bool(self._body(at, uuid)["state"] == state)

        self.zones.until(what, reached, _POWER_S)

    def _join(self, at: Api, network_id: str, machine_id: str, what: str) -> None:
        """Puts a machine on its private network; the create itself cannot."""

        def find() -> str | None:
            networks = self._body(at, machine_id).get("private-networks") or ()
            return network_id if any(network["id"] == network_id for network in networks) else None

        def joined() -> bool:
            body = {"instance": {"id": machine_id}}
            try:
                operation = api.JOIN_NETWORK.at(id=network_id)
                self.zones.make(at, operation, f"the network of {what}", body=body, find=find)
            except Conflict:
                return False  # another operation on the machine is not over
            return True

        self.zones.until(f"{what} to be on its private network", joined, IN_USE_S)

    def _body(self, at: Api, uuid: str) -> Mapping[str, Any]:
        def read(answer: Any) -> dict[str, Any]:
            return {**answer, "state": answer["state"], "id": answer["id"]}

        body = at.read(api.MACHINE.at(id=uuid), read)
        if body["state"] in _GONE:
            raise NotFound(f"Exoscale is deleting machine {uuid}.")
        return body

    def _in_zone(self, at: Api) -> list[Mapping[str, Any]]:
        return [body for body in at.listed(api.MACHINES, lambda body: body) if body.get("state") not in _GONE]

    def _leases(self, at: Api, bodies: list[Mapping[str, Any]]) -> dict[str, str]:
        """Private addresses by the machines' ids."""
        networks = {network["id"] for body in bodies for network in body.get("private-networks") or ()}
        leases: dict[str, str] = {}
        for network_id in sorted(networks):
            listed = at.read(api.NETWORK.at(id=network_id), lambda body: tuple(body.get("leases") or ()))
            leases |= {str(lease["instance-id"]): str(lease["ip"]) for lease in listed}
        return leases

    def _read(self, zone: str, body: Mapping[str, Any], leases: Mapping[str, str]) -> Machine:
        size = self._slug(zone, str(body["instance-type"]["id"]))
        return Machine(
            id=api.zoned(zone, str(body["id"])),
            name=str(body["name"]),
            status=_STATUS.get(str(body["state"]), MachineStatus.OFF),
            region=zone,
            size=size,
            tags=api.tags_of(body.get("labels")),
            public_ipv4=str(body.get("public-ip") or ""),
            public_ipv6=str(body.get("ipv6-address") or ""),
            private_ipv4=leases.get(str(body["id"]), ""),
            price_per_month=prices.price_per_month(size) or Decimal(0),
            created_at=str(body.get("created-at") or ""),
        )

    def _types(self, zone: str) -> Mapping[str, str]:
        """A zone's sizes: their slugs by the vendor's ids, asked for once."""
        if zone not in self._sizes:
            listed = self.zones.at(zone).listed(api.TYPES, lambda body: (str(body["id"]), _slug_of(body)))
            self._sizes[zone] = dict(listed)
        return self._sizes[zone]

    def _slug(self, zone: str, type_id: str) -> str:
        return self._types(zone).get(type_id, type_id)

    def _type_id(self, zone: str, slug: str) -> str:
        found = next((type_id for type_id, one in self._types(zone).items() if one == slug), None)
        if found is None:
            raise UsageError(f"Exoscale has no size {slug!r} in {zone}.", hint="choose one that the wizard shows")
        return found


def _slug_of(body: Mapping[str, Any]) -> str:
    return f"{body['family']}.{body['size']}"


def _read_size(body: Mapping[str, Any], zone: str) -> Size | None:
    slug = _slug_of(body)
    price = prices.price_per_month(slug)
    if price is None or body["family"] not in _FAMILIES or not body.get("authorized") or zone not in body["zones"]:
        return None
    return Size(
        slug=slug,
        cpus=int(body["cpus"]),
        memory_mib=int(body["memory"]) // 1024**2,
        disk_gib=prices.disk_gib(slug),
        price_per_month=price,
        regions=tuple(body["zones"]),
    )
