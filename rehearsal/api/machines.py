"""The work behind droplets: each change is an action, written down before it is done and done in the background."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from rehearsal.api.answers import now_text, unprocessable
from rehearsal.api.catalogue import FIRST_SNAPSHOT_ID, REGIONS, region_body, size_of
from rehearsal.api.filters import Guard, forget_droplet
from rehearsal.contract import MachineRequest, MachineRoom
from rehearsal.store import Store, Thing

LOG = logging.getLogger(__name__)
#: Machines worked on at the same time; more would only make each slower.
_WORKERS = 8
FIRST_MACHINE_ID = 1


class Machines:
    """Makes, changes and ends machines as the store says.

    Args:
        store: holds droplets, images and actions.
        room: does it.
        guard: told before a machine boots and after it is gone.
    """

    def __init__(self, store: Store, room: MachineRoom, guard: Guard) -> None:
        self._store = store
        self._room = room
        self._guard = guard
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._pool = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="machine")

    def close(self) -> None:
        """Waits for what is under way; what has not begun is done after the next start."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, machine: Thing, type_: str, **facts: Any) -> Thing:
        """Writes the action down and starts it.

        Args:
            machine: the droplet.
            type_: the vendor's word: create, destroy, power_on, power_off, shutdown, reboot, power_cycle, snapshot.
            facts: what the action needs to be repeated, kept with it.

        Raises:
            ApiError: another action on that machine is under way (only ``destroy`` may wait for it).
        """
        with self._store.transaction():
            busy = any(
                action["status"] == "in-progress" and action["resource_id"] == machine["id"]
                for action in self._store.all("action")
            )
            if busy and type_ != "destroy":
                raise unprocessable("Droplet already has a pending event.")
            action = {
                "id": self._store.next_id("action", at_least=1001),
                "status": "in-progress",
                "type": type_,
                "started_at": now_text(),
                "completed_at": None,
                "resource_id": machine["id"],
                "resource_type": "droplet",
                "region": region_body(machine["_region"]),
                "region_slug": machine["_region"],
                **{f"_{key}": value for key, value in facts.items()},
            }
            self._store.put("action", action["id"], action)
        self.start(action)
        return action

    def start(self, action: Thing) -> None:
        """Does an action that is written down."""
        future = self._pool.submit(self._do, action)
        future.add_done_callback(_log_failure)

    def reconcile(self) -> None:
        """After a start: rules first, then what was under way, then what is there without being known.

        A machine that the store has and the room does not is made again; one that only the room has is removed. What
        was promised or to be ended when the API died, before the action was written down, gets its action now.
        """
        self._guard.refresh()
        present = set(self._room.present())
        known = {machine["id"] for machine in self._store.all("droplet")}
        known |= {cluster["_machine"] for cluster in self._store.all("database")}
        under_way = [action for action in self._store.all("action") if action["status"] == "in-progress"]
        for orphan in sorted(present - known):
            LOG.warning("machine %d is in no list: removed", orphan)
            self._room.delete(orphan)
        busy = {action["resource_id"] for action in under_way}
        for machine in self._store.all("droplet"):
            if machine["id"] in busy:
                continue
            if machine["_leaving"]:
                LOG.warning("machine %d was to be ended: done now", machine["id"])
                self.begin(machine, "destroy")
            elif machine["status"] == "new":  # a death between the promise and the action that keeps it
                LOG.warning("machine %d was promised: made now", machine["id"])
                self.begin(machine, "create")
            elif machine["status"] == "active" and machine["id"] not in present:
                LOG.warning("machine %d is gone: made again", machine["id"])
                self.begin(machine, "create")
        for action in under_way:
            self.start(action)

    def status(self, machine: Thing) -> str:
        """The vendor's word for the machine's state, with a look at the machine."""
        status: str = machine["status"]
        if status == "active" and not self._room.is_running(machine["id"]):
            return "off"
        return status

    def new_snapshot_id(self) -> int:
        """An id for an image."""
        return self._store.next_id("image", at_least=FIRST_SNAPSHOT_ID)

    def delete_image(self, image: Thing) -> None:
        """Removes a snapshot."""
        self._room.delete_snapshot(str(image["id"]))
        with self._store.transaction():
            self._store.delete("image", image["id"])
            for machine in self._store.all("droplet"):
                if image["id"] in machine["snapshot_ids"]:
                    kept = [id_ for id_ in machine["snapshot_ids"] if id_ != image["id"]]
                    self._store.change("droplet", machine["id"], snapshot_ids=kept)

    def _do(self, action: Thing) -> None:
        machine_id: int = action["resource_id"]
        with self._locks[machine_id]:
            machine = self._store.get("droplet", machine_id)
            ended = "errored"
            try:
                if machine is not None and (action["type"] == "destroy" or not machine["_leaving"]):
                    self._perform(action, machine)
                    ended = "completed"
            finally:
                self._store.change("action", action["id"], status=ended, completed_at=now_text())

    def _perform(self, action: Thing, machine: Thing) -> None:
        id_: int = machine["id"]
        match action["type"]:
            case "create":
                self._guard.refresh()
                self._room.create(self._request(machine))
                self._room.power_on(id_)  # a death between the making and the first boot leaves it off
                self._store.change("droplet", id_, status="active", locked=False)
            case "destroy":
                self._room.delete(id_)
                with self._store.transaction():
                    self._store.delete("droplet", id_)
                    forget_droplet(self._store, id_)
                self._guard.refresh()
            case "power_on":
                self._room.power_on(id_)
                self._store.change("droplet", id_, status="active")
            case "power_off" | "shutdown":
                self._room.power_off(id_)
                self._store.change("droplet", id_, status="off")
            case "power_cycle":
                self._room.power_off(id_)
                self._room.power_on(id_)
                self._store.change("droplet", id_, status="active")
            case "reboot":
                self._room.reboot(id_)
            case "snapshot":
                self._snapshot(action, machine)

    def _snapshot(self, action: Thing, machine: Thing) -> None:
        image_id = action["_image"]
        self._room.snapshot(machine["id"], str(image_id))
        image = {
            "id": image_id,
            "name": action["_name"],
            "distribution": machine["image"]["distribution"],
            "slug": None,
            "public": False,
            "type": "snapshot",
            "regions": sorted(REGIONS),
            "created_at": action["started_at"],
            "min_disk_size": size_of(machine["size_slug"]).disk_gib,
            "size_gigabytes": 1.0,
            "description": "",
            "tags": [],
            "status": "available",
            "_release": f"snapshot:{image_id}",
            "_machine": machine["id"],
        }
        with self._store.transaction():
            self._store.put("image", image_id, image)
            ids = [*dict.fromkeys([*machine["snapshot_ids"], image_id])]
            self._store.change("droplet", machine["id"], snapshot_ids=ids)

    def _request(self, machine: Thing) -> MachineRequest:
        size = size_of(machine["size_slug"])
        return MachineRequest(
            id=machine["id"],
            name=machine["name"],
            release=machine["_release"],
            cpus=size.cpus,
            memory_mib=size.memory_mib,
            disk_gib=size.disk_gib,
            public_keys=tuple(machine["_public_keys"]),
            user_data=machine["_user_data"],
            addresses=self._room.reserve(machine["id"]),
        )


def _log_failure(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        LOG.error("an action failed", exc_info=error)
