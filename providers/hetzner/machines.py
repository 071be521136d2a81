"""Hetzner's servers: made once, deleted, switched, and turned into images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.contract import Machine, MachineSpec, Snapshot
from providers.hetzner import api
from providers.hetzner.actions import Actions, action_ids
from providers.hetzner.firewalls import Firewalls
from providers.hetzner.prices import Prices
from providers.http import Api
from providers.named import named
from providers.operations import Operation
from state.errors import Conflict, NotFound, ProviderError, Unavailable, UsageError

#: Seconds: an image of a full disk.
_SNAPSHOT_S = 3600.0
#: Bytes (the API description's ``create_server_request.user_data``).
_MOST_USER_DATA = 32 * 1024


def server_name(action_tag: str) -> str:
    """Unique in a project, as the vendor wants it, and a host name (RFC 1123); several deployments share a project."""
    return action_tag.lower().replace("_", "-").replace(".", "-")


@dataclass(frozen=True, slots=True)
class Machines:
    """The servers of a project."""

    api: Api
    actions: Actions
    firewalls: Firewalls
    prices: Prices

    def create(self, spec: MachineSpec, action_tag: str) -> Machine:
        """Asks for a machine, or adopts the one that carries ``action_tag``; its firewalls are in the same request."""
        tags = tuple(dict.fromkeys((*spec.tags, action_tag)))
        for tag in tags:
            api.check_tag(tag)
        size = len(spec.user_data.encode())
        if size > _MOST_USER_DATA:
            raise UsageError(f"Hetzner takes {_MOST_USER_DATA} bytes of user data; {spec.name} would have {size}.")

        def find() -> Machine | None:
            return min(self.tagged(action_tag), key=lambda machine: (machine.created_at, machine.id), default=None)

        found = find()
        if found is not None:
            return found
        self.prices.tariff()  # so that its loss cannot make the create's answer a lost one
        body = {
            "name": server_name(action_tag),
            "server_type": spec.size,
            "image": api.number_or_name(spec.image),
            "location": spec.region,
            "ssh_keys": [api.number_or_name(key_id) for key_id in spec.ssh_key_ids],
            "networks": [api.number(spec.network_id)],
            # By its label the vendor would find the machine within seconds; these would be seconds without a firewall.
            "firewalls": [{"firewall": firewall_id} for firewall_id in self.firewalls.guarding(tags)],
            "labels": {**dict.fromkeys(tags, ""), api.NAME_LABEL: spec.name},
            "user_data": spec.user_data,
            "start_after_create": True,
        }
        return self.api.create(
            api.CREATE_SERVER, body=body, find=find, reader=lambda answer: self._read(answer["server"]), looked=True
        )

    def tagged(self, tag: str) -> tuple[Machine, ...]:
        """All machines with that tag."""
        return tuple(self.api.listed(api.SERVERS, self._read, query={"label_selector": tag}))

    def one(self, machine_id: str) -> Machine:
        """Raises NotFound."""
        return self.api.read(api.SERVER.at(id=machine_id), lambda answer: self._read(answer["server"]))

    def delete(self, machine_id: str) -> None:
        """Deletes it as soon as no action of its own runs any more."""

        def deleted() -> bool:
            try:
                self.api.delete(api.DELETE_SERVER.at(id=machine_id))
            except Conflict:
                return False
            return True

        self.actions.wait(f"machine {machine_id} to be free for its deletion", deleted)

    def power(self, machine_id: str, operation: Operation, status: str) -> None:
        """Does a power action, repeated until the machine has that status."""
        what = f"machine {machine_id} to be {status}"

        def reached() -> bool:
            if self.api.read(api.SERVER.at(id=machine_id), lambda answer: answer["server"]["status"]) == status:
                return True
            try:
                begun = self.api.read(operation.at(id=machine_id), action_ids)
            except (Conflict, Unavailable):
                return False  # another action on it is not over, or the answer was lost: look again
            self.actions.finish(begun, what)
            return False

        self.actions.wait(what, reached)

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        """Makes an image of that name and waits for it; one that is there is returned."""
        what = f"the snapshot {name} of machine {machine_id}"
        image_id, begun = self.actions.wait(what, lambda: self._begin_snapshot(machine_id, name))
        self.actions.finish(begun, what, _SNAPSHOT_S)
        return self.actions.wait(what, lambda: self._finished(image_id, what), _SNAPSHOT_S)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        """Images of machines that are whole, by the beginning of their names."""
        listed = self.api.listed(api.IMAGES, api.read_snapshot, query={"type": "snapshot", "status": "available"})
        return named(listed, name_prefix)

    def _begin_snapshot(self, machine_id: str, name: str) -> tuple[str, tuple[str, ...]] | None:
        """The image's id and the actions that make it, None while another action holds the machine."""

        def find() -> tuple[str, tuple[str, ...]] | None:
            def read(image: Mapping[str, Any]) -> str | None:
                fits = image["description"] == name and image["status"] != "unavailable"
                return str(image["id"]) if fits else None

            found = next(filter(None, self.api.listed(api.IMAGES, read, query={"type": "snapshot"})), None)
            return (found, ()) if found else None

        try:
            return self.api.create(
                api.CREATE_IMAGE.at(id=machine_id),
                # An image of one's own has no name at this vendor: its description is what people see.
                body={"description": name, "type": "snapshot"},
                find=find,
                reader=lambda answer: (str(answer["image"]["id"]), action_ids(answer)),
            )
        except Conflict:
            return None

    def _finished(self, image_id: str, what: str) -> Snapshot | None:
        failed = ProviderError(
            f"Hetzner made no image; waited for {what}.", detail=f"image {image_id}", hint="Try again."
        )
        try:
            image = self.api.read(api.IMAGE.at(id=image_id), lambda answer: dict(answer["image"]))
        except NotFound:
            raise failed from None
        if image["status"] == "unavailable":
            raise failed
        return api.read_snapshot(image) if image["status"] == "available" else None

    def _read(self, body: Mapping[str, Any]) -> Machine:
        return api.read_machine(body, self.prices.of_standing(body["server_type"], body["location"]["name"]))
