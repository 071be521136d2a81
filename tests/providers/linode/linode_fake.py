"""Linode's cloud on paper: machines, networks, images and firewalls; the services are in ``linode_services``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any

import httpx

from tests.providers.fake import Call, Fake, Refused
from tests.providers.linode import linode_catalogue as catalogue
from tests.providers.linode.linode_description import linode
from tests.providers.linode.linode_services import Clusters, Keyring, Zones

TOKEN = "0f" * 32
#: The vendor's largest page is 500 and its smallest 25; this one gives 25 at most, so that few things fill several.
PAGE = 25
NOW = "2026-11-22T10:00:00"

#: The first folders of a path and the scope that it wants.
SCOPES = (
    ("/v4/profile/sshkeys", "account"),
    ("/v4/account", "account"),
    ("/v4/databases/mysql", "databases"),
    ("/v4/databases/postgresql", "databases"),
    ("/v4/domains", "domains"),
    ("/v4/networking/firewalls", "firewall"),
    ("/v4/images", "images"),
    ("/v4/vpcs/ips", "ips"),
    ("/v4/linode/instances", "linodes"),
    ("/v4/object-storage/keys", "object_storage"),
    ("/v4/vpcs", "vpc"),
)


def wrong(reason: str, field: str = "") -> Refused:
    """A refusal as the API has them all: 400, and what is wrong only in words."""
    return Refused(400, {"errors": [{"reason": reason, **({"field": field} if field else {})}]})


def shown(thing: Mapping[str, Any]) -> dict[str, Any]:
    """What the API shows of a thing: all but our own notes."""
    return {key: value for key, value in thing.items() if not key.startswith("_")}


def look(thing: dict[str, Any]) -> dict[str, Any]:
    """Shows a thing and lets it go on to its next status."""
    answer = shown(thing)
    if thing.get("_next"):
        thing["status"] = thing["_next"].pop(0)
    return answer


class LinodeFake(Fake):
    """One account.

    Attributes:
        scopes: of the token; "*" is all.
        tells_scopes: whether answers name them in a header, as the real ones do.
    """

    def __init__(self) -> None:
        super().__init__(linode())
        self.scopes: tuple[str, ...] = ("*",)
        self.tells_scopes = True
        self.restricted = False
        self.numbers = count(1001)
        self.keys: dict[int, dict[str, Any]] = {}
        self.networks: dict[int, dict[str, Any]] = {}
        self.machines: dict[int, dict[str, Any]] = {}
        self.leaving: dict[int, int] = {}
        self.images: dict[str, dict[str, Any]] = {}
        self.firewalls: dict[int, dict[str, Any]] = {}
        self.devices: dict[int, dict[int, int]] = {}
        self.unguarded: list[str] = []
        self.databases = Clusters(self)
        self.zones = Zones(self)
        self.keyring = Keyring(self)
        self._routes_of_the_catalogue()
        self._routes_of_machines()
        self._routes_of_firewalls()

    def unauthorized(self, request: httpx.Request) -> Refused | None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Refused(401, {"errors": [{"reason": "Invalid Token"}]})
        wanted = next((scope for path, scope in SCOPES if request.url.path.startswith(path)), "")
        enough = {"*", f"{wanted}:read_write"} | ({f"{wanted}:read_only"} if request.method == "GET" else set())
        if wanted and not enough & set(self.scopes):
            return Refused(401, {"errors": [{"reason": "Your OAuth token is not authorized to use this endpoint."}]})
        return None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if self.tells_scopes and response.status_code != 401:
            response.headers["X-OAuth-Scopes"] = " ".join(self.scopes)
        return response

    def page(self, things: Iterable[Mapping[str, Any]], call: Call) -> tuple[int, Any]:
        """One page of a list."""
        found = list(things)
        size = min(int(call.query.get("page_size", 100)), PAGE)
        number = int(call.query.get("page", 1))
        pages = max(1, -(-len(found) // size))
        if number > pages:
            raise Refused(404, {"errors": [{"reason": "Not found"}]})
        data = [shown(each) for each in found[(number - 1) * size : number * size]]
        return 200, {"data": data, "page": number, "pages": pages, "results": len(found)}

    def one(self, things: Mapping[int, dict[str, Any]], number: str) -> dict[str, Any]:
        """A thing by its number, or 404."""
        found = things.get(int(number)) if number.isdecimal() else None
        if found is None:
            raise Refused(404, {"errors": [{"reason": "Not found"}]})
        return found

    def unique(self, things: Mapping[int, dict[str, Any]], label: str, among: str) -> None:
        if any(thing["label"] == label for thing in things.values()):
            raise wrong(f"Label must be unique among your {among}", "label")

    def tags(self, body: Mapping[str, Any]) -> list[str]:
        tags: list[str] = body.get("tags", [])
        if any(not 3 <= len(tag) <= 50 for tag in tags):
            raise wrong("Length must be 3-50 characters", "tags")
        return tags

    # Account and catalogue

    def _routes_of_the_catalogue(self) -> None:
        def fixed(things: list[dict[str, Any]]) -> Callable[[Call], tuple[int, Any]]:
            return lambda call: self.page(things, call)

        self.route("GET", "/v4/profile", lambda _: (200, {"username": "example", "restricted": self.restricted}))
        self.route("GET", "/v4/account", lambda _: (200, {"company": "Example Ltd", "active_since": NOW}))
        self.route("GET", "/v4/regions", fixed(catalogue.REGIONS))
        self.route("GET", "/v4/regions/availability", fixed(catalogue.AVAILABILITY))
        self.route("GET", "/v4/linode/types", fixed(catalogue.TYPES))
        self.route("GET", "/v4/profile/sshkeys", lambda call: self.page(self.keys.values(), call))
        self.route("POST", "/v4/profile/sshkeys", self._add_key)
        self.route("DELETE", "/v4/profile/sshkeys/{id}", lambda call: self._remove(self.keys, call))

    def _add_key(self, call: Call) -> tuple[int, Any]:
        number = next(self.numbers)
        self.keys[number] = {"id": number, "created": NOW, **call.body}
        return 200, self.keys[number]

    def _remove(self, things: dict[int, dict[str, Any]], call: Call) -> tuple[int, Any]:
        self.one(things, call.path["id"])
        del things[int(call.path["id"])]
        return 200, {}

    # Machines, their networks and images

    def _routes_of_machines(self) -> None:
        self.route("GET", "/v4/vpcs", lambda call: self.page(map(self._network, self.networks.values()), call))
        self.route("POST", "/v4/vpcs", self._add_network)
        self.route("GET", "/v4/vpcs/ips", lambda call: self.page(self._addresses(), call))
        self.route("GET", "/v4/vpcs/{id}", self._get_network)
        self.route("DELETE", "/v4/vpcs/{id}", self._remove_network)
        self.route(
            "GET", "/v4/linode/instances", lambda call: self.page([look(one) for one in self.machines.values()], call)
        )
        self.route("POST", "/v4/linode/instances", self._add_machine)
        machine = "/v4/linode/instances/{id}"
        self.route("GET", machine, lambda call: (200, look(self.one(self.machines, call.path["id"]))))
        self.route("DELETE", machine, self._remove_machine)
        self.route("GET", f"{machine}/disks", self._disks)
        self.route("POST", f"{machine}/boot", lambda call: self._switch(call, "offline", ["booting", "running"]))
        self.route("POST", f"{machine}/shutdown", lambda c: self._switch(c, "running", ["shutting_down", "offline"]))
        self.route("GET", "/v4/images", lambda call: self.page(map(look, self._all_images()), call))
        self.route("POST", "/v4/images", self._add_image)
        self.route("DELETE", "/v4/images/private/{id}", self._remove_image)

    def _add_network(self, call: Call) -> tuple[int, Any]:
        self.unique(self.networks, call.body["label"], "VPCs")
        number = next(self.numbers)
        subnets = [{"id": next(self.numbers), "created": NOW, "updated": NOW, **each} for each in call.body["subnets"]]
        dates = {"created": NOW, "updated": NOW}
        self.networks[number] = {"id": number, "description": "", **dates, **call.body, "subnets": subnets}
        return 200, self._network(self.networks[number])

    def _network(self, network: dict[str, Any]) -> dict[str, Any]:
        def inside(subnet: int) -> list[dict[str, Any]]:
            machines = [number for number, one in self.machines.items() if one["_subnet"] == subnet]
            gone = [number for number, left in self.leaving.items() if left == subnet]
            return [{"id": number, "interfaces": [{"id": number, "active": True}]} for number in (*machines, *gone)]

        return {**network, "subnets": [{**each, "linodes": inside(each["id"])} for each in network["subnets"]]}

    def _get_network(self, call: Call) -> tuple[int, Any]:
        answer = self._network(self.one(self.networks, call.path["id"]))
        self.leaving.clear()  # a machine that was deleted is in its network for another look
        return 200, answer

    def _remove_network(self, call: Call) -> tuple[int, Any]:
        network = self._network(self.one(self.networks, call.path["id"]))
        if any(subnet["linodes"] for subnet in network["subnets"]):
            raise wrong("This VPC still has Linodes attached")
        return self._remove(self.networks, call)

    def _addresses(self) -> list[dict[str, Any]]:
        return [
            {
                "address": f"10.20.0.{number % 250 + 2}",
                "address_range": None,
                "linode_id": number,
                "subnet_id": machine["_subnet"],
                "active": True,
            }
            for number, machine in self.machines.items()
        ]

    def _add_machine(self, call: Call) -> tuple[int, Any]:
        body = call.body
        self.unique(self.machines, body["label"], "linodes")
        if body["type"] not in {each["id"] for each in catalogue.TYPES}:
            raise wrong("A valid plan type by that ID was not found", "type")
        image = next((each for each in self._all_images() if each["id"] == body["image"]), None)
        if image is None or image["status"] != "available":
            raise wrong("Image is not valid", "image")
        if "cloud-init" not in image["capabilities"] or not body.get("root_pass"):
            raise wrong("root_pass is required", "root_pass")
        assert all(key.startswith("ssh-") for key in body["authorized_keys"])
        [subnet] = [each["subnet_id"] for each in body["interfaces"] if each["purpose"] == "vpc"]
        network = next((one for one in self.networks.values() if subnet in [s["id"] for s in one["subnets"]]), None)
        if network is None or network["region"] != body["region"]:
            raise wrong("Subnet must be in the Linode's region", "interfaces.subnet_id")
        if "firewall_id" in body:
            self.one(self.firewalls, str(body["firewall_id"]))
        number = next(self.numbers)
        self.machines[number] = {
            "id": number,
            "label": body["label"],
            "region": body["region"],
            "type": body["type"],
            "image": body["image"],
            "tags": self.tags(body),
            "ipv4": [f"203.0.113.{number % 250}"],
            "ipv6": f"2001:db8::{number:x}/128",
            "created": NOW,
            "updated": NOW,
            "status": "provisioning",
            "_next": ["provisioning", "booting", "running"],
            "_subnet": subnet,
            "_user_data": base64.b64decode(body["metadata"]["user_data"], validate=True).decode(),
        }
        if "firewall_id" in body:
            self.devices[body["firewall_id"]][number] = next(self.numbers)
        else:
            self.unguarded.append(body["label"])
        return 200, shown(self.machines[number])

    def _remove_machine(self, call: Call) -> tuple[int, Any]:
        number = int(call.path["id"])
        self.leaving[number] = self.one(self.machines, call.path["id"])["_subnet"]
        for devices in self.devices.values():
            devices.pop(number, None)
        return self._remove(self.machines, call)

    def _switch(self, call: Call, wanted: str, following: list[str]) -> tuple[int, Any]:
        machine = self.one(self.machines, call.path["id"])
        if machine["status"] != wanted:
            raise wrong("Linode busy.")
        machine["status"], machine["_next"] = following[0], following
        return 200, {}

    def _disks(self, call: Call) -> tuple[int, Any]:
        machine = look(self.one(self.machines, call.path["id"]))
        status = "not ready" if machine["status"] == "provisioning" else "ready"
        disks = [("ext4", 25088, machine["id"] * 10), ("swap", 512, machine["id"] * 10 + 1)]
        things = [
            {"id": number, "label": kind, "filesystem": kind, "size": size, "status": status, "created": NOW}
            for kind, size, number in disks
        ]
        return self.page(things, call)

    def _all_images(self) -> list[dict[str, Any]]:
        return [*catalogue.IMAGES, *self.images.values()]

    def _add_image(self, call: Call) -> tuple[int, Any]:
        if len(call.body["label"]) > 50:
            raise wrong("Label must be at most 50 characters", "label")
        self.one(self.machines, str(call.body["disk_id"] // 10))
        number = str(next(self.numbers))
        self.images[number] = {
            "id": f"private/{number}",
            "label": call.body["label"],
            "description": call.body["description"],
            "is_public": False,
            "deprecated": False,
            "vendor": None,
            "type": "manual",
            "size": 1536,
            "capabilities": ["cloud-init"] if call.body.get("cloud_init") else [],
            "created": NOW,
            "status": "creating",
            "_next": ["creating", "creating", "available"],
        }
        return 200, shown(self.images[number])

    def _remove_image(self, call: Call) -> tuple[int, Any]:
        if self.images.pop(call.path["id"], None) is None:
            raise Refused(404, {"errors": [{"reason": "Not found"}]})
        return 200, {}

    # Firewalls

    def _routes_of_firewalls(self) -> None:
        self.route("GET", "/v4/networking/firewalls", lambda call: self.page(self.firewalls.values(), call))
        self.route("POST", "/v4/networking/firewalls", self._add_firewall)
        firewall = "/v4/networking/firewalls/{id}"
        self.route("PUT", firewall, self._change_firewall)
        self.route("DELETE", firewall, lambda call: self._remove(self.firewalls, call))
        self.route("PUT", f"{firewall}/rules", self._put_rules)
        self.route("GET", f"{firewall}/devices", self._list_devices)
        self.route("POST", f"{firewall}/devices", self._add_device)
        self.route("DELETE", f"{firewall}/devices/{{device}}", self._remove_device)

    def _rules(self, rules: dict[str, Any]) -> dict[str, Any]:
        if len(rules.get("inbound", [])) + len(rules.get("outbound", [])) > 25:
            raise wrong("A firewall has at most 25 rules", "rules")
        for rule in (*rules.get("inbound", []), *rules.get("outbound", [])):
            if not rule["addresses"] or not all(rule["addresses"].values()):
                raise wrong("Must contain ipv4, ipv6, or both", "rules.addresses")
            if (rule["protocol"] == "ICMP") == ("ports" in rule):
                raise wrong("Ports are for TCP and UDP", "rules.ports")
        return {**rules, "version": next(self.numbers), "fingerprint": "997dd135"}

    def _add_firewall(self, call: Call) -> tuple[int, Any]:
        self.unique(self.firewalls, call.body["label"], "Cloud Firewalls")
        rules, tags = self._rules(call.body["rules"]), self.tags(call.body)
        machines = call.body.get("devices", {}).get("linodes", [])
        for machine in machines:
            self._check_free(machine)
        number = next(self.numbers)
        self.devices[number] = {machine: next(self.numbers) for machine in machines}
        dates = {"created": NOW, "updated": NOW}
        self.firewalls[number] = {
            "id": number,
            "label": call.body["label"],
            "status": "enabled",
            "tags": tags,
            "rules": rules,
            **dates,
        }
        return 200, self.firewalls[number]

    def _change_firewall(self, call: Call) -> tuple[int, Any]:
        firewall = self.one(self.firewalls, call.path["id"])
        firewall |= {**call.body, "tags": self.tags(call.body)}
        return 200, firewall

    def _put_rules(self, call: Call) -> tuple[int, Any]:
        firewall = self.one(self.firewalls, call.path["id"])
        firewall["rules"] = self._rules(call.body)
        return 200, firewall["rules"]

    def _check_free(self, machine: int) -> None:
        self.one(self.machines, str(machine))
        taken = [number for number, devices in self.devices.items() if machine in devices and number in self.firewalls]
        if taken:
            raise wrong("This Linode already has an active firewall")

    def _device(self, machine: int, device: int) -> dict[str, Any]:
        return {"id": device, "created": NOW, "updated": NOW, "entity": {"id": machine, "type": "linode"}}

    def _list_devices(self, call: Call) -> tuple[int, Any]:
        self.one(self.firewalls, call.path["id"])
        devices = self.devices[int(call.path["id"])]
        return self.page([self._device(machine, device) for machine, device in devices.items()], call)

    def _add_device(self, call: Call) -> tuple[int, Any]:
        self.one(self.firewalls, call.path["id"])
        self._check_free(call.body["id"])
        device = next(self.numbers)
        self.devices[int(call.path["id"])][call.body["id"]] = device
        return 200, self._device(call.body["id"], device)

    def _remove_device(self, call: Call) -> tuple[int, Any]:
        devices = self.devices[int(call.path["id"])]
        for machine, device in list(devices.items()):
            if device == int(call.path["device"]):
                del devices[machine]
        return 200, {}

    def guards(self, firewall_id: str) -> set[str]:
        """The ids of the machines behind a firewall."""
        return {str(machine) for machine in self.devices[int(firewall_id)]}
