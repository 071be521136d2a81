"""What is done to a droplet, and the list of everything that was ever done."""

from __future__ import annotations

from rehearsal.api import bodies
from rehearsal.api.answers import Answer, ApiError, Call, Operation, not_found, page, public, unprocessable
from rehearsal.api.droplets import find_droplet, living
from rehearsal.api.machines import Machines
from rehearsal.store import Store, Thing

_KNOWN = ("power_on", "power_off", "shutdown", "reboot", "power_cycle", "snapshot")


class DropletActions:
    """Actions on droplets, and the account's list of actions.

    Args:
        store: holds them.
        machines: does them.
        snapshots: False refuses snapshots, as some vendors must.
    """

    def __init__(self, store: Store, machines: Machines, *, snapshots: bool = True) -> None:
        self._store = store
        self._machines = machines
        self._snapshots = snapshots

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        return (
            Operation("GET", "/v2/actions", self._all),
            Operation("GET", "/v2/actions/{action}", self._one),
            Operation("POST", "/v2/droplets/actions", self._begin_tagged),
            Operation("GET", "/v2/droplets/{droplet}/actions", self._list),
            Operation("POST", "/v2/droplets/{droplet}/actions", self._begin),
            Operation("GET", "/v2/droplets/{droplet}/actions/{action}", self._one),
        )

    def _all(self, call: Call) -> Answer:
        return page(call, "actions", [public(action) for action in reversed(self._store.all("action"))])

    def _one(self, call: Call) -> Answer:
        action = self._store.get("action", call.number("action"))
        if action is None or call.path.get("droplet", str(action["resource_id"])) != str(action["resource_id"]):
            raise not_found()
        return Answer(200, {"action": public(action)})

    def _list(self, call: Call) -> Answer:
        droplet = find_droplet(self._store, call)
        actions = [action for action in self._store.all("action") if action["resource_id"] == droplet["id"]]
        return page(call, "actions", [public(action) for action in reversed(actions)])

    def _begin(self, call: Call) -> Answer:
        return Answer(201, {"action": public(self._start(find_droplet(self._store, call), call.body))})

    def _begin_tagged(self, call: Call) -> Answer:
        tag = call.query.get("tag_name")
        if not tag:
            raise ApiError(400, "bad_request", "tag_name is required")
        droplets = [droplet for droplet in living(self._store) if tag in droplet["tags"]]
        return Answer(201, {"actions": [public(self._start(droplet, call.body)) for droplet in droplets]})

    def _start(self, droplet: Thing, body: Thing) -> Thing:
        type_ = bodies.text(body, "type")
        if type_ not in _KNOWN:
            raise unprocessable(f"The rehearsal does not know the action {type_!r}.")
        if type_ == "power_on" and self._machines.status(droplet) == "active":
            raise unprocessable("Droplet is already powered on.")
        if type_ in ("power_off", "shutdown", "reboot") and self._machines.status(droplet) == "off":
            raise unprocessable("Droplet is not powered on.")
        if type_ != "snapshot":
            return self._machines.begin(droplet, type_)
        if not self._snapshots:
            raise unprocessable("Snapshots are not available in this region.")
        name = bodies.text(body, "name", droplet["name"])
        return self._machines.begin(droplet, type_, name=name, image=self._machines.new_snapshot_id())
