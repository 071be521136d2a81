"""Exoscale's templates: the vendor's systems, and images of machines, which are made by way of a snapshot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from providers.contract import Image, Snapshot
from providers.exoscale import api
from providers.exoscale.zones import Zones
from providers.http import Api
from providers.named import named, only
from state.errors import UsageError

#: Seconds until a full disk has been copied, once for the snapshot and once for the template.
_COPIED_S = 3600.0

#: "Linux Debian 12 (Bookworm) 64-bit", "Linux Ubuntu 24.04 LTS 64-bit".
_SYSTEM = re.compile(r"Linux (Debian|Ubuntu) (\d+(?:\.\d+)?)((?: LTS)?(?: \([^)]*\))?) 64-bit")


@dataclass(frozen=True, slots=True)
class Templates:
    """The templates of all zones. A system's slug, such as ``debian-12``, is the same in each; its id is not."""

    zones: Zones

    def images(self) -> tuple[Image, ...]:
        """Debian's and Ubuntu's systems, the newest template of each."""
        return tuple(image for image, _ in self._systems(self.zones.home).values())

    def id_of(self, zone: str, image: str) -> str:
        """The vendor's id of a system, or of an image of a machine, in a zone.

        Raises:
            UsageError: it is not there.
        """
        if "@" in image:
            home, uuid = api.unzoned(image)
            if home != zone:
                raise UsageError(f"The image {image} is in {home}, not in {zone}.", hint="make one there")
            return uuid
        found = self._systems(self.zones.at(zone)).get(image)
        if found is None:
            raise UsageError(f"Exoscale has no system {image!r} in {zone}.", hint="choose one that the wizard shows")
        return found[1]

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        """Makes an image of a machine under that name; one that is there is returned."""
        zone, uuid = api.unzoned(machine_id)
        at = self.zones.at(zone)
        found = self._named(zone, at, name)
        if found is not None:
            return found
        copy_id = self._copy(at, uuid, name)

        def find() -> str | None:
            there = self._named(zone, at, name)
            return api.unzoned(there.id)[1] if there else None

        body = {"name": name, "ssh-key-enabled": True, "password-enabled": False}
        what = f"the image {name} of machine {machine_id}"
        self.zones.make(at, api.PROMOTE.at(id=copy_id), what, body=body, find=find, looked=True, timeout_s=_COPIED_S)
        # the image is a copy; the snapshot would be paid for as well
        self.zones.remove(at, api.DELETE_SNAPSHOT.at(id=copy_id), f"the snapshot that {name} was made of")
        return self.zones.until(what, lambda: self._named(zone, at, name), _COPIED_S)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        """Images of machines, in all zones, by the beginning of their names."""
        return named(self.zones.everywhere(self._private), name_prefix)

    def delete(self, snapshot_id: str) -> None:
        """Removes an image."""
        zone, uuid = api.unzoned(snapshot_id)
        self.zones.remove(self.zones.at(zone), api.DELETE_TEMPLATE.at(id=uuid), f"the image {snapshot_id}")

    def _copy(self, at: Api, machine_uuid: str, name: str) -> str:
        """The id of a new snapshot. Snapshots are named by the vendor: a new one is one that was not there before."""

        def ids() -> set[str]:
            listed = at.listed(api.SNAPSHOTS, lambda body: (str(body["id"]), str((body.get("instance") or {})["id"])))
            return {an_id for an_id, instance in listed if instance == machine_uuid}

        before = ids()
        what = f"the snapshot for {name}"
        copy_id = self.zones.make(
            at,
            api.CREATE_SNAPSHOT.at(id=machine_uuid),
            what,
            body=None,
            find=lambda: next(iter(sorted(ids() - before)), None),
            looked=True,
            timeout_s=_COPIED_S,
        )

        def copied() -> bool:
            # the description's last state is "ready"; since the vendor exports by itself it is "exported"
            return at.read(api.SNAPSHOT.at(id=copy_id), lambda body: str(body["state"])) in ("ready", "exported")

        self.zones.until(what, copied, _COPIED_S)
        return copy_id

    def _named(self, zone: str, at: Api, name: str) -> Snapshot | None:
        return only(self._private(zone, at), name)

    def _private(self, zone: str, at: Api) -> list[Snapshot]:
        return at.listed(api.TEMPLATES, lambda body: _read_snapshot(zone, body), query={"visibility": "private"})

    def _systems(self, at: Api) -> dict[str, tuple[Image, str]]:
        """Systems with the ids of their templates, by slug."""
        listed = at.listed(api.TEMPLATES, lambda body: body, query={"visibility": "public"})
        systems: dict[str, tuple[Image, str]] = {}
        for body in sorted(listed, key=lambda one: str(one.get("created-at") or "")):
            found = _SYSTEM.fullmatch(str(body.get("name") or ""))
            if found:
                slug = f"{found[1].lower()}-{found[2]}"
                systems[slug] = (Image(slug, f"{found[2]}{found[3]}", found[1]), str(body["id"]))
        return dict(sorted(systems.items()))


def _read_snapshot(zone: str, body: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        id=api.zoned(zone, str(body["id"])),
        name=str(body["name"]),
        size_gib=(Decimal(int(body.get("size") or 0)) / 1024**3).quantize(Decimal("0.01")),
        created_at=str(body.get("created-at") or ""),
    )
