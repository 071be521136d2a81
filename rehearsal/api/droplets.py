"""Droplets: the vendor's word for machines."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from rehearsal.api import bodies
from rehearsal.api.account import DROPLET_LIMIT, find_key
from rehearsal.api.answers import Answer, ApiError, Call, Operation, not_found, now_text, page, public, unprocessable
from rehearsal.api.catalogue import check_region, find_image, region_body, size_body, size_of
from rehearsal.api.filters import Guard
from rehearsal.api.machines import FIRST_MACHINE_ID, Machines
from rehearsal.api.tags import add_tags
from rehearsal.api.vpcs import Vpcs
from rehearsal.contract import MachineRoom
from rehearsal.store import Store, Thing

_NAME = re.compile(r"[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]")
#: The vendor's limit for user data.
_LONGEST_USER_DATA = 64 * 1024
_MOST_AT_ONCE = 10


class Droplets:
    """Create, show, list and delete; what happens to a running one is in :mod:`rehearsal.api.droplet_actions`.

    Args:
        store: holds them.
        room: knows their addresses.
        machines: makes and ends them.
        vpcs: finds the network they join.
        guard: gives them rules before they boot.
    """

    def __init__(self, store: Store, room: MachineRoom, machines: Machines, vpcs: Vpcs, guard: Guard) -> None:
        self._store = store
        self._room = room
        self._machines = machines
        self._vpcs = vpcs
        self._guard = guard

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        return (
            Operation("GET", "/v2/droplets", self._list),
            Operation("POST", "/v2/droplets", self._create),
            Operation("DELETE", "/v2/droplets", self._delete_tagged),
            Operation("GET", "/v2/droplets/{droplet}", self._get),
            Operation("DELETE", "/v2/droplets/{droplet}", self._delete),
            Operation("GET", "/v2/droplets/{droplet}/firewalls", self._firewalls),
            Operation("GET", "/v2/droplets/{droplet}/snapshots", self._snapshots),
        )

    def _list(self, call: Call) -> Answer:
        droplets = living(self._store)
        if (tag := call.query.get("tag_name")) is not None:
            droplets = [droplet for droplet in droplets if tag in droplet["tags"]]
        if (name := call.query.get("name")) is not None:
            droplets = [droplet for droplet in droplets if droplet["name"].lower() == name.lower()]
        return page(call, "droplets", [self._shown(droplet) for droplet in droplets])

    def _get(self, call: Call) -> Answer:
        return Answer(200, {"droplet": self._shown(find_droplet(self._store, call))})

    def _create(self, call: Call) -> Answer:
        several = "names" in call.body
        names = bodies.texts(call.body, "names") if several else [bodies.text(call.body, "name")]
        if not 1 <= len(names) <= _MOST_AT_ONCE:
            raise unprocessable(f"You can create 1 to {_MOST_AT_ONCE} Droplets in one request.")
        for name in names:
            if not _NAME.fullmatch(name) or len(name) > 255:
                raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
        with self._store.transaction():
            if len(self._store.all("droplet")) + len(names) > DROPLET_LIMIT:
                raise unprocessable("creating this/these droplet(s) will exceed your droplet limit")
            droplets = [self._write_down(name, call.body) for name in names]
        self._guard.refresh()
        actions = [self._machines.begin(droplet, "create") for droplet in droplets]
        links = {
            "actions": [
                {"id": action["id"], "rel": "create", "href": f"{call.origin}/v2/actions/{action['id']}"}
                for action in actions
            ]
        }
        shown = [self._shown(droplet) for droplet in droplets]
        return Answer(202, {"droplets": shown, "links": links} if several else {"droplet": shown[0], "links": links})

    def _write_down(self, name: str, body: Thing) -> Thing:
        size = size_of(bodies.text(body, "size"))
        region = check_region(bodies.text(body, "region", "fra1"))
        image = find_image(self._store, body.get("image"))
        if image is None:
            raise unprocessable("You specified an invalid image for Droplet creation.")
        if (image["min_disk_size"] or 0) > size.disk_gib:
            raise unprocessable("This size is not large enough for this image.")
        user_data = bodies.text(body, "user_data", "")
        if len(user_data.encode()) > _LONGEST_USER_DATA:
            raise unprocessable("User data is too long, it must be 64 KiB or less.")
        keys = [find_key(self._store, wanted) for wanted in bodies.items(body, "ssh_keys")]
        if None in keys:
            raise unprocessable("You specified invalid ssh key ids for Droplet creation.")
        tags = bodies.tag_names(body)
        add_tags(self._store, tags)
        droplet = {
            "id": self._store.next_id("machine", at_least=FIRST_MACHINE_ID),
            "name": name,
            "memory": size.memory_mib,
            "vcpus": size.cpus,
            "disk": size.disk_gib,
            "locked": True,
            "status": "new",
            "kernel": None,
            "created_at": now_text(),
            "features": ["ipv6", "private_networking"],
            "backup_ids": [],
            "next_backup_window": None,
            "snapshot_ids": [],
            "image": public(image),
            "volume_ids": [],
            "size": size_body(size),
            "size_slug": size.slug,
            "tags": tags,
            "vpc_uuid": self._vpcs.join(body.get("vpc_uuid"), region),
            "_region": region,
            "_release": image["_release"],
            "_public_keys": [key["public_key"] for key in keys if key],
            "_user_data": user_data,
            "_leaving": False,
        }
        self._store.put("droplet", droplet["id"], droplet)
        return droplet

    def _delete(self, call: Call) -> Answer:
        self._remove(find_droplet(self._store, call))
        return Answer(204)

    def _delete_tagged(self, call: Call) -> Answer:
        tag = call.query.get("tag_name")
        if not tag:
            raise ApiError(400, "bad_request", "tag_name is required")
        for droplet in living(self._store):
            if tag in droplet["tags"]:
                self._remove(droplet)
        return Answer(204)

    def _remove(self, droplet: Thing) -> None:
        """From now on it is not shown; its rules stay until the machine is gone."""
        self._store.change("droplet", droplet["id"], _leaving=True)
        self._machines.begin(droplet, "destroy")

    def _firewalls(self, call: Call) -> Answer:
        droplet = find_droplet(self._store, call)
        guarding = [
            public(firewall)
            for firewall in self._store.all("firewall")
            if droplet["id"] in firewall["droplet_ids"] or set(firewall["tags"]) & set(droplet["tags"])
        ]
        return page(call, "firewalls", guarding)

    def _snapshots(self, call: Call) -> Answer:
        droplet = find_droplet(self._store, call)
        images = [image for image in self._store.all("image") if image["_machine"] == droplet["id"]]
        return page(call, "snapshots", [public(image) for image in images])

    def _shown(self, droplet: Thing) -> Thing:
        addresses = self._room.reserve(droplet["id"])
        created = droplet["status"] != "new"
        private = {
            "ip_address": addresses.private_ipv4,
            "netmask": str(ip_network(self._vpcs.private_range).netmask),
            "gateway": "",
            "type": "private",
        }
        public_v4 = {
            "ip_address": addresses.public_ipv4,
            "netmask": "255.255.255.255",
            "gateway": "169.254.1.1",
            "type": "public",
        }
        public_v6 = {
            "ip_address": str(ip_address(addresses.public_ipv6)),
            "netmask": 128,
            "gateway": "fe80::1",
            "type": "public",
        }
        return {
            **public(droplet),
            "status": self._machines.status(droplet),
            "region": region_body(droplet["_region"]),
            # As at the vendor: the addresses are known when the machine was started.
            "networks": {"v4": [private, public_v4], "v6": [public_v6]} if created else {"v4": [], "v6": []},
        }


def living(store: Store) -> list[Thing]:
    """All droplets but those on their way out."""
    return [droplet for droplet in store.all("droplet") if not droplet["_leaving"]]


def find_droplet(store: Store, call: Call) -> Thing:
    """The droplet in the path."""
    droplet = store.get("droplet", call.number("droplet"))
    if droplet is None or droplet["_leaving"]:
        raise not_found()
    return droplet
