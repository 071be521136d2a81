"""Vultr's instances: made once, deleted, switched, and turned into snapshots."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from providers.contract import Machine, MachineSpec, Snapshot
from providers.http import Api
from providers.named import named
from providers.operations import Operation
from providers.vultr import api
from providers.vultr.catalog import Catalog
from providers.vultr.firewalls import Firewalls
from state.clock import Clock, wait_until
from state.errors import Conflict, DeadlineExceeded, NotFound, ProviderError, Unavailable

T = TypeVar("T")

#: Seconds: until a new machine is known by its id (github.com/vultr/terraform-provider-vultr/issues/462: not at once,
#: 60 s helped), until an instruction has an effect, until a machine obeys (one that is being built does not), and
#: until an image of a full disk is made.
_KNOWN_S, _EFFECT_S, _ACTION_S, _SNAPSHOT_S = 60.0, 60.0, 900.0, 3600.0

_SNAPSHOT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Machines:
    """The instances of an account."""

    api: Api
    clock: Clock
    catalog: Catalog
    firewalls: Firewalls

    def create(self, spec: MachineSpec, action_tag: str) -> Machine:
        """Asks for a machine, or adopts the one that carries ``action_tag``; its firewall is part of the request."""
        tags = tuple(dict.fromkeys((*spec.tags, action_tag)))
        for tag in tags:
            api.check_tag(tag)

        def find() -> Machine | None:
            return min(self.tagged(action_tag), key=lambda machine: (machine.created_at, machine.id), default=None)

        found = find()
        if found is not None:
            return found
        body: dict[str, Any] = {
            "region": spec.region,
            "plan": spec.size,
            "label": spec.name,
            "hostname": spec.name,
            "tags": list(tags),
            "sshkey_id": list(spec.ssh_key_ids),
            "enable_ipv6": True,
            "attach_vpc": [spec.network_id],
            "user_data": base64.b64encode(spec.user_data.encode()).decode(),
            "backups": "disabled",
            "activation_email": False,
        }
        if _SNAPSHOT_ID.fullmatch(spec.image):
            body["snapshot_id"] = spec.image
        else:
            body["os_id"] = self.catalog.system_id(spec.image)
        group = self.firewalls.group_of(tags)
        if group is not None:
            body["firewall_group_id"] = group
        made = self.api.create(
            api.CREATE_MACHINE, body=body, find=find, reader=lambda answer: self._read(answer["instance"]), looked=True
        )
        # It is made; who cannot see it yet meets NotFound, not a second machine.
        with suppress(DeadlineExceeded):
            self._wait(f"machine {made.id} to be known", lambda: self._known(made.id), _KNOWN_S)
        return made

    def tagged(self, tag: str) -> tuple[Machine, ...]:
        """All machines with that very tag.

        Chosen here: the API's own filter ``tag`` is called deprecated, and one that found too few would make machines
        twice.
        """
        listed = self.api.listed(api.MACHINES, lambda body: body)
        return tuple(self._read(body) for body in listed if tag in (body.get("tags") or ()))

    def one(self, machine_id: str) -> Machine:
        """Raises NotFound."""
        return self._read(self._raw(machine_id))

    def delete(self, machine_id: str) -> None:
        """Deletes it as soon as it is not locked by work of the vendor's any more."""

        def deleted() -> bool:
            try:
                self.api.delete(api.DELETE_MACHINE.at(id=machine_id))
            except (Conflict, Unavailable):
                # "Server is currently locked" comes as a 500: github.com/vultr/ansible-collection-vultr/issues/113
                return False
            return True

        self._wait(f"machine {machine_id} to be free for its deletion", deleted, _ACTION_S)

    def power_off(self, machine_id: str) -> None:
        self._power(machine_id, api.HALT.at(id=machine_id), "stopped")

    def power_on(self, machine_id: str) -> None:
        self._power(machine_id, api.START.at(id=machine_id), "running")

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        """Makes an image of that name and waits for it; one that is there is returned."""

        def find() -> Mapping[str, Any] | None:
            # One that is still being made counts: a second would cost as much again.
            return next((body for body in self._snapshots() if body.get("description") == name), None)

        def begun() -> bool:
            try:
                self.api.create(
                    api.CREATE_SNAPSHOT,
                    body={"instance_id": machine_id, "description": name},
                    find=find,
                    reader=lambda answer: answer["snapshot"],
                )
            except Conflict:
                return False
            return True

        def complete() -> Snapshot | None:
            body = find()
            if body is None and self.clock.monotonic() < known:
                return None
            if body is None:
                raise ProviderError(
                    f"The snapshot {name} of machine {machine_id} is gone before it was complete.",
                    hint="Try again; the vendor gives no reason.",
                )
            return api.read_snapshot(body) if body["status"] == "complete" else None

        what = f"the snapshot {name} of machine {machine_id}"
        self._wait(what, begun, _ACTION_S)
        known = self.clock.monotonic() + _KNOWN_S
        return self._wait(what, complete, _SNAPSHOT_S)

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        """Complete images, by the beginning of their names: of others no machine can be made."""
        complete = (api.read_snapshot(body) for body in self._snapshots() if body["status"] == "complete")
        return named(complete, name_prefix)

    def _snapshots(self) -> list[Mapping[str, Any]]:
        listed = self.api.listed(api.SNAPSHOTS, lambda body: body)
        return [body for body in listed if body["status"] != "deleted"]

    def _power(self, machine_id: str, instruction: Operation, wanted: str) -> None:
        what = f"machine {machine_id} to be {wanted}"

        def is_so() -> bool:
            body = self._raw(machine_id)
            return bool(body["status"] == "active" and body["power_status"] == wanted)

        def reached() -> bool:
            body = self._raw(machine_id)
            if body["status"] == "pending" or body.get("server_status") == "locked":
                return False  # halted while it is installed it would stay half a machine
            if body["power_status"] == wanted:
                return True
            try:
                self.api.call(instruction)
                return self._wait(what, is_so, _EFFECT_S)
            except (Conflict, Unavailable, DeadlineExceeded):
                return False  # locked meanwhile, or the answer was lost: look again

        self._wait(what, reached, _ACTION_S)

    def _raw(self, machine_id: str) -> Mapping[str, Any]:
        return self.api.read(api.MACHINE.at(id=machine_id), lambda answer: dict(answer["instance"]))

    def _known(self, machine_id: str) -> bool:
        try:
            self._raw(machine_id)
        except NotFound:
            return False
        return True

    def _read(self, body: Mapping[str, Any]) -> Machine:
        return api.read_machine(body, self.catalog.prices(body["plan"]))

    def _wait(self, what: str, probe: Callable[[], T | None], timeout_s: float) -> T:
        return wait_until(what, probe, timeout_s=timeout_s, clock=self.clock, longest_s=5.0)
