"""DigitalOcean's droplets: made once, deleted, switched, and turned into images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from providers.contract import Machine, MachineSpec, Snapshot
from providers.digitalocean import api
from providers.http import Api
from providers.named import named, only
from state.clock import Clock, wait_until
from state.errors import Conflict, ProviderError, Unavailable

T = TypeVar("T")

#: Seconds: a power action or another action that must end first, and an image of a full disk.
_ACTION_S, _SNAPSHOT_S = 300.0, 3600.0


@dataclass(frozen=True, slots=True)
class Machines:
    """The droplets of an account."""

    api: Api
    clock: Clock

    def create(self, spec: MachineSpec, action_tag: str) -> Machine:
        """Asks for a machine, or adopts the one that carries ``action_tag``."""
        tags = tuple(dict.fromkeys((*spec.tags, action_tag)))
        for tag in tags:
            api.check_tag(tag)
        body: dict[str, Any] = {
            "name": spec.name,
            "region": spec.region,
            "size": spec.size,
            "image": _number_or_slug(spec.image),
            "ssh_keys": [_number_or_slug(key_id) for key_id in spec.ssh_key_ids],
            "ipv6": True,
            "tags": list(tags),
            "user_data": spec.user_data,
            "vpc_uuid": spec.network_id,
            # The vendor's console agent wants port 22, which is never open.
            "with_droplet_agent": False,
        }

        def find() -> Machine | None:
            return min(self.tagged(action_tag), key=lambda machine: (machine.created_at, machine.id), default=None)

        return self.api.create(
            api.CREATE_MACHINE, body=body, find=find, reader=lambda answer: api.read_machine(answer["droplet"])
        )

    def tagged(self, tag: str) -> tuple[Machine, ...]:
        """All machines with that tag."""
        return tuple(self.api.listed(api.MACHINES, api.read_machine, query={"tag_name": tag}))

    def one(self, machine_id: str) -> Machine:
        """Raises NotFound."""
        return self.api.read(api.MACHINE.at(id=machine_id), lambda answer: api.read_machine(answer["droplet"]))

    def delete(self, machine_id: str) -> None:
        """Deletes it as soon as no action of its own runs any more."""

        def deleted() -> bool:
            try:
                self.api.delete(api.DELETE_MACHINE.at(id=machine_id))
            except Conflict:
                return False
            return True

        self._wait(f"machine {machine_id} to be free for its deletion", deleted, _ACTION_S)

    def power(self, machine_id: str, action: str, status: str) -> None:
        """Does a power action, repeated until the machine has that status."""
        what = f"machine {machine_id} to be {status}"

        def reached() -> bool:
            if self.api.read(api.MACHINE.at(id=machine_id), lambda answer: answer["droplet"]["status"]) == status:
                return True
            try:
                begun = self.api.read(
                    api.ACT.at(id=machine_id), lambda answer: str(answer["action"]["id"]), body={"type": action}
                )
            except (Conflict, Unavailable):
                return False  # another action on it is not over, or the answer was lost: look again
            self._finish(begun, what, _ACTION_S)
            return False

        self._wait(what, reached, _ACTION_S)

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        """Makes an image of that name and waits for it; one that is there is returned."""

        def find() -> Snapshot | None:
            return only(self.snapshots(name), name)

        found = find()
        if found is not None:
            return found
        what = f"the snapshot {name} of machine {machine_id}"
        action_id = self._wait(what, lambda: self._begin_snapshot(machine_id, name), _ACTION_S)
        self._finish(action_id, what, _SNAPSHOT_S)
        return self._wait(what, find, _ACTION_S)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        """Images of machines, by the beginning of their names."""
        listed = self.api.listed(api.SNAPSHOTS, api.read_snapshot, query={"resource_type": "droplet"})
        return named(listed, name_prefix)

    def _begin_snapshot(self, machine_id: str, name: str) -> str | None:
        """The id of the snapshot action that runs, None while another action holds the machine."""

        def running() -> str | None:
            actions = self.api.listed(api.MACHINE_ACTIONS.at(id=machine_id), lambda body: body)
            ids = (str(act["id"]) for act in actions if act["type"] == "snapshot" and act["status"] == "in-progress")
            return next(ids, None)

        try:
            return self.api.create(
                api.ACT.at(id=machine_id),
                body={"type": "snapshot", "name": name},
                find=running,
                reader=lambda answer: str(answer["action"]["id"]),
            )
        except Conflict:
            return None

    def _finish(self, action_id: str, what: str, timeout_s: float) -> None:
        """Waits until an action is over."""

        def over() -> bool:
            status = self.api.read(api.ACTION.at(id=action_id), lambda answer: answer["action"]["status"])
            if status == "errored":
                raise ProviderError(
                    f"The vendor's action failed; waited for {what}.",
                    detail=f"action {action_id}",
                    hint="Try again; the vendor gives no reason.",
                )
            return bool(status == "completed")

        self._wait(what, over, timeout_s)

    def _wait(self, what: str, probe: Callable[[], T | None], timeout_s: float) -> T:
        return wait_until(what, probe, timeout_s=timeout_s, clock=self.clock, longest_s=5.0)


def _number_or_slug(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
