"""Snapshots of droplets: the account's own images under their second name."""

from __future__ import annotations

from rehearsal.api import bodies
from rehearsal.api.answers import Answer, Call, Operation, not_found, page, public
from rehearsal.api.catalogue import IMAGES
from rehearsal.api.machines import Machines
from rehearsal.store import Store, Thing


class Snapshots:
    """Snapshots and what may be changed of images.

    Args:
        store: holds them.
        machines: removes their disks.
    """

    def __init__(self, store: Store, machines: Machines) -> None:
        self._store = store
        self._machines = machines

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        return (
            Operation("GET", "/v2/snapshots", self._list),
            Operation("GET", "/v2/snapshots/{image}", self._get),
            Operation("DELETE", "/v2/snapshots/{image}", self._delete),
            Operation("PUT", "/v2/images/{image}", self._rename),
            Operation("DELETE", "/v2/images/{image}", self._delete),
        )

    def _list(self, call: Call) -> Answer:
        droplets = call.query.get("resource_type", "droplet") == "droplet"
        images = self._store.all("image") if droplets else []
        return page(call, "snapshots", [_snapshot_body(image) for image in images])

    def _get(self, call: Call) -> Answer:
        return Answer(200, {"snapshot": _snapshot_body(self._find(call))})

    def _rename(self, call: Call) -> Answer:
        image = self._find(call)
        image["name"] = bodies.text(call.body, "name", image["name"])
        self._store.put("image", image["id"], image)
        return Answer(200, {"image": public(image)})

    def _delete(self, call: Call) -> Answer:
        self._machines.delete_image(self._find(call))
        return Answer(204)

    def _find(self, call: Call) -> Thing:
        image = self._store.get("image", call.path["image"])
        if image is None or image["id"] in [base.id for base in IMAGES]:
            raise not_found()
        return image


def _snapshot_body(image: Thing) -> Thing:
    return {
        "id": str(image["id"]),
        "name": image["name"],
        "created_at": image["created_at"],
        "regions": image["regions"],
        "resource_id": str(image["_machine"]),
        "resource_type": "droplet",
        "min_disk_size": image["min_disk_size"],
        "size_gigabytes": image["size_gigabytes"],
        "tags": image["tags"],
    }
