"""Linode's compute instances: made once, deleted, switched, and turned into images."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import yaml

from providers.contract import Machine, MachineSpec, MachineStatus, Snapshot
from providers.http import Api
from providers.linode import api
from providers.linode.labels import IMAGE, check_tag, label_of, machine_label, name_of
from providers.named import named, only
from providers.operations import Operation
from state.clock import Clock, wait_until
from state.errors import Conflict, NotFound, Unavailable

T = TypeVar("T")

#: Seconds: another job on the machine that must end first, a change of power, and an image of a full disk.
_BUSY_S, _POWER_S, _IMAGE_S = 300.0, 300.0, 3600.0


@dataclass(frozen=True, slots=True)
class Machines:
    """The Linodes of an account.

    Attributes:
        firewall_of: the id of the firewall that guards machines with these tags, None where there is none.
        public_keys: the SSH keys of these ids.
    """

    api: Api
    clock: Clock
    firewall_of: Callable[[tuple[str, ...]], int | None]
    public_keys: Callable[[tuple[str, ...]], tuple[str, ...]]
    _types: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def create(self, spec: MachineSpec, action_tag: str) -> Machine:
        """Asks for a machine, or adopts the one that carries ``action_tag``.

        Its firewall is part of the request: it is never up without one.
        """
        tags = tuple(dict.fromkeys((*spec.tags, action_tag)))
        for tag in tags:
            check_tag(tag)
        label = machine_label(spec.name, action_tag)

        def find() -> Machine | None:
            return min(self.tagged(action_tag), key=lambda machine: (machine.created_at, machine.id), default=None)

        found = find()
        if found is not None:
            return found
        body: dict[str, Any] = {
            "label": label,
            "region": spec.region,
            "type": spec.size,
            "image": spec.image,
            "tags": list(tags),
            "metadata": {"user_data": base64.b64encode(_named(spec).encode()).decode()},
            "authorized_keys": list(self.public_keys(spec.ssh_key_ids)),
            # The API demands one; nobody ever knows it, and SSH takes keys only.
            "root_pass": secrets.token_urlsafe(48),
            # Firewalls guard all of these (techdocs.akamai.com/linode-api/reference/post-firewalls). The account's
            # settings may make another generation the default, which wants other fields.
            "interface_generation": "legacy_config",
            "interfaces": [
                {"purpose": "public", "primary": True},
                {"purpose": "vpc", "subnet_id": self._subnet(spec.network_id)},
            ],
        }
        firewall_id = self.firewall_of(tags)
        if firewall_id is not None:
            body["firewall_id"] = firewall_id
        return self.api.create(
            api.CREATE_MACHINE,
            body=body,
            find=find,
            reader=lambda answer: api.read_machine(answer, "", self._price(answer)),
            looked=True,
        )

    def tagged(self, tag: str) -> tuple[Machine, ...]:
        """All machines with that tag."""
        found = [body for body in self.api.listed(api.MACHINES, dict) if tag in body["tags"]]
        private = self._private_addresses() if found else {}
        return tuple(
            api.read_machine(body, private.get(int(body["id"]), ""), self._price(body))
            for body in sorted(found, key=lambda body: int(body["id"]))
        )

    def one(self, machine_id: str) -> Machine:
        """Raises NotFound."""
        body = self._body(machine_id)
        return api.read_machine(body, self._private_addresses().get(int(machine_id), ""), self._price(body))

    def delete(self, machine_id: str) -> None:
        """Deletes it as soon as no job of its own runs any more."""

        def deleted() -> bool:
            try:
                self.api.delete(api.DELETE_MACHINE.at(id=machine_id))
            except Conflict:
                return False
            return True

        self._wait(f"machine {machine_id} to be free for its deletion", deleted, _BUSY_S)

    def power(self, machine_id: str, switch: Operation, wanted: MachineStatus) -> None:
        """Switches a machine and waits until it has that status.

        Args:
            switch: boots it or shuts it down.
        """

        def reached() -> bool:
            status = self.api.read(api.MACHINE.at(id=machine_id), api.read_status)
            if status is wanted:
                return True
            if status is MachineStatus.BUILDING:
                return False  # on its way somewhere; what is asked now would be refused
            try:
                self.api.call(switch.at(id=machine_id))
            except (Conflict, Unavailable):
                return False  # another job is not over, or the answer was lost: look again
            return False

        self._wait(f"machine {machine_id} to be {wanted}", reached, _BUSY_S + _POWER_S)

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        """Makes an image of that name and waits for it; one that is there is returned."""

        def begun() -> Snapshot | None:
            return only((image for image, _ in self._images()), name)

        def finished() -> Snapshot | None:
            return only(self.snapshots(name), name)

        found = finished()
        if found is not None:
            return found
        what = f"the snapshot {name} of machine {machine_id}"
        if begun() is None:
            disk_id = self._wait(f"the disk of machine {machine_id}", lambda: self._disk(machine_id), _BUSY_S)
            self._wait(what, lambda: self._begin_image(disk_id, name, begun), _BUSY_S)
        return self._wait(what, finished, _IMAGE_S)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        """Images of machines that are finished, by the beginning of their names."""
        return named((image for image, status in self._images() if status == "available"), name_prefix)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Removes an image of ours."""
        self.api.delete(api.DELETE_IMAGE.at(number=snapshot_id.removeprefix("private/")))

    def _images(self) -> list[tuple[Snapshot, str]]:
        def read(body: Mapping[str, Any]) -> tuple[Snapshot, str] | None:
            if body["is_public"] or body["type"] != "manual":
                return None
            name = name_of(body["label"], body.get("description") or "", IMAGE)
            size_gib = (Decimal(body.get("size") or 0) / 1024).quantize(Decimal("0.01"))
            return Snapshot(body["id"], name, size_gib, api.moment(body["created"])), body["status"]

        return [image for image in self.api.listed(api.IMAGES, read) if image is not None]

    def _disk(self, machine_id: str) -> int | None:
        """The disk with the system, None while it is being made; the other one is for swapping."""
        disks = self.api.listed(api.DISKS.at(id=machine_id), dict)
        ready = [disk for disk in disks if disk["filesystem"] != "swap" and disk["status"] == "ready"]
        return max(ready, key=lambda disk: int(disk["size"]))["id"] if ready else None

    def _begin_image(self, disk_id: int, name: str, find: Callable[[], Snapshot | None]) -> bool:
        body = {"disk_id": disk_id, "label": label_of(name, IMAGE), "description": name, "cloud_init": True}
        try:
            self.api.create(api.CREATE_IMAGE, body=body, find=find, reader=lambda answer: answer["id"], looked=True)
        except Conflict:
            return False  # another job holds the machine
        return True

    def _subnet(self, network_id: str) -> int:
        try:
            subnets = self.api.read(api.NETWORK_OF.at(id=network_id), lambda answer: answer["subnets"])
        except NotFound as error:
            raise NotFound(f"The network {network_id} is not there.", hint="plan, then build again") from error
        if not subnets:
            raise Conflict(f"The VPC {network_id} has no subnet.", hint="delete it at Linode; it will be made anew")
        return int(subnets[0]["id"])

    def _private_addresses(self) -> dict[int, str]:
        """The address of each machine in its VPC."""
        listed = self.api.listed(api.PRIVATE_ADDRESSES, dict)
        # A database or a load balancer in a VPC has no ``linode_id``.
        return {
            int(each["linode_id"]): each["address"] for each in listed if each.get("address") and each.get("linode_id")
        }

    def _price(self, body: Mapping[str, Any]) -> Decimal:
        kind = body["type"]
        if kind not in self._types:
            self._types.update((each["id"], each) for each in self.api.listed(api.TYPES, dict))
        return api.price_in(self._types.get(kind, {}), body["region"])

    def _body(self, machine_id: str) -> Mapping[str, Any]:
        return self.api.read(api.MACHINE.at(id=machine_id), dict)

    def _wait(self, what: str, probe: Callable[[], T | None], timeout_s: float) -> T:
        return wait_until(what, probe, timeout_s=timeout_s, clock=self.clock, longest_s=5.0)


def _named(spec: MachineSpec) -> str:
    """The user data with the host name in it: cloud-init finds none in what Linode tells it of a machine.

    Source: its ``DataSourceAkamai`` takes the label as ``label``, not as ``local-hostname``.
    """
    document = {"hostname": spec.name, **(yaml.safe_load(spec.user_data) or {})}
    return "#cloud-config\n" + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
