"""The fake's servers, images and firewalls."""

from __future__ import annotations

import re
from typing import Any

from tests.providers.fake import Call
from tests.providers.hetzner.hetzner_description import example
from tests.providers.hetzner.hetzner_fake import NOW, Catalogue, Thing, invalid, missing, refused, taken

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


class Machines(Catalogue):
    """Servers that come up in steps, and firewalls that reach them by label some requests later."""

    #: Requests until a label's firewall reaches a server: seconds at the vendor.
    LABEL_PATIENCE = 6

    def __init__(self) -> None:
        super().__init__()
        self.servers: dict[int, Thing] = {}
        self.firewalls: dict[int, Thing] = {}
        #: (server, firewall) in the order in which they came together.
        self.guards: set[tuple[int, int]] = set()
        self._labelled: dict[tuple[int, int], int] = {}
        #: Servers that were up while a firewall of their label did not guard them yet.
        self.exposed: set[str] = set()
        self.images = {
            number: _image(number, name, architecture=architecture, ends=ends)
            for number, (name, architecture, ends) in enumerate(
                (
                    ("debian-11", "x86", True),
                    ("debian-12", "x86", False),
                    ("debian-12", "arm", False),
                    ("debian-13", "x86", False),
                    ("ubuntu-24.04", "x86", False),
                    ("fedora-42", "x86", False),
                ),
                start=1,
            )
        }
        self.route("GET", "/v1/images", lambda call: self.page(call, "images", self.images.values()))
        self.route("GET", "/v1/images/{id}", lambda call: (200, {"image": self.one(self.images, call, "image")}))
        self.route("DELETE", "/v1/images/{id}", self._delete_image)
        self.route("GET", "/v1/servers", lambda call: self.page(call, "servers", map(self._shown, self._standing())))
        self.route("POST", "/v1/servers", self._create_server)
        self.route(
            "GET",
            "/v1/servers/{id}",
            lambda call: (200, {"server": self._shown(self.one(self.servers, call, "server"))}),
        )
        self.route("DELETE", "/v1/servers/{id}", self._delete_server)
        self.route("POST", "/v1/servers/{id}/actions/poweroff", lambda call: self._power(call, "stop_server", "off"))
        self.route(
            "POST", "/v1/servers/{id}/actions/poweron", lambda call: self._power(call, "start_server", "running")
        )
        self.route("POST", "/v1/servers/{id}/actions/create_image", self._create_image)
        self.route("GET", "/v1/firewalls", lambda call: self.page(call, "firewalls", self.firewalls.values()))
        self.route("POST", "/v1/firewalls", self._create_firewall)
        self.route(
            "GET", "/v1/firewalls/{id}", lambda call: (200, {"firewall": self.one(self.firewalls, call, "firewall")})
        )
        self.route("DELETE", "/v1/firewalls/{id}", self._delete_firewall)
        self.route("POST", "/v1/firewalls/{id}/actions/set_rules", self._set_rules)
        self.route("POST", "/v1/firewalls/{id}/actions/apply_to_resources", self._apply)
        self.route("POST", "/v1/firewalls/{id}/actions/remove_from_resources", self._remove)

    def settle(self) -> None:
        super().settle()
        for server, firewall in self._matches():
            since = self._labelled.setdefault((server, firewall), self.count)
            if self.count >= since + self.LABEL_PATIENCE:
                self.guards.add((server, firewall))
            elif (server, firewall) not in self.guards and self.servers[server]["status"] == "running":
                self.exposed.add(self.servers[server]["name"])

    def _matches(self) -> list[tuple[int, int]]:
        return [
            (server["id"], firewall["id"])
            for server in self.servers.values()
            for firewall in self.firewalls.values()
            for target in firewall["applied_to"]
            if target["type"] == "label_selector" and target["label_selector"]["selector"] in server["labels"]
        ]

    # Servers

    def _standing(self) -> list[Thing]:
        return list(self.servers.values())

    def _shown(self, server: Thing) -> Thing:
        firewalls = [
            {"id": each, "status": "applied"} for number, each in sorted(self.guards) if number == server["id"]
        ]
        return server | {"public_net": server["public_net"] | {"firewalls": firewalls}}

    def _create_server(self, call: Call) -> tuple[int, Thing]:
        body = call.body
        if not _HOST.fullmatch(body["name"]):
            raise invalid("name", "is no host name")
        if any(server["name"] == body["name"] for server in self.servers.values()):
            raise taken("server name")
        place = self.location(body["location"])
        kind = next((each for each in self.types if each["name"] == body["server_type"]), None)
        if kind is None or place["name"] not in [each["name"] for each in kind["locations"]]:
            raise invalid("server_type", f"{body['server_type']} is not sold there")
        networks = [self._network(number, place) for number in body.get("networks", [])]
        for key in body.get("ssh_keys", []):
            if key not in self.keys and key not in [each["name"] for each in self.keys.values()]:
                raise missing("ssh_key")
        firewalls = [each["firewall"] for each in body.get("firewalls", [])]
        if not set(firewalls) <= set(self.firewalls):
            raise missing("firewall")
        number = self.new_id()
        server = example("post", "/servers", "201")["server"] | {
            "id": number,
            "name": body["name"],
            "labels": self.check_labels(body),
            "server_type": kind,
            "location": place,
            "image": self._image(body["image"], kind["architecture"]),
            "status": "initializing",
            "private_net": [],
            "created": NOW,
            "iso": None,
            "placement_group": None,
            "public_net": {
                "floating_ips": [],
                "firewalls": [],
                "ipv4": {"id": number, "ip": f"203.0.113.{number % 250}", "blocked": False, "dns_ptr": "x.example"},
                "ipv6": {"id": number, "ip": f"2001:db8:0:{number:x}::/64", "blocked": False, "dns_ptr": []},
            },
        }
        self.servers[number] = server
        self.guards |= {(number, firewall) for firewall in firewalls}
        for firewall in firewalls:
            self.firewalls[firewall]["applied_to"].append({"type": "server", "server": {"id": number}})
        for network in networks:
            network["servers"].append(number)
        lock = f"server {number}"

        def made() -> None:
            server["status"] = "starting"
            server["private_net"] = [
                {
                    "network": network["id"],
                    "ip": f"10.0.0.{number % 250 + 2}",
                    "alias_ips": [],
                    "mac_address": "86:00:ff:2a:7d:e1",
                }
                for network in networks
            ]

        def started() -> None:
            server["status"] = "running"

        create = self.begin("create_server", [("server", number)], made, lock=lock)
        start = self.begin("start_server", [("server", number)], started, lock=lock, after=2 * self.PATIENCE)
        answer = {"server": self._shown(server), "action": create, "next_actions": [start], "root_password": None}
        return 201, answer

    def _network(self, number: int, place: Thing) -> Thing:
        network = self.networks.get(number)
        if network is None:
            raise missing("network")
        if place["network_zone"] not in [each["network_zone"] for each in network["subnets"]]:
            raise refused(422, "no_subnet_available", "no subnet in the network zone of the server")
        return network

    def _image(self, wanted: int | str, architecture: str) -> Thing:
        for image in self.images.values():
            if wanted == image["id"] or (wanted == image["name"] and image["architecture"] == architecture):
                if image["status"] != "available":
                    raise invalid("image", "is not available")
                return image
        raise invalid("image", f"{wanted} does not exist")

    def _free(self, call: Call) -> Thing:
        server = self.one(self.servers, call, "server")
        if self.locked(f"server {server['id']}"):
            raise refused(423, "locked", "server is locked")
        return server

    def _delete_server(self, call: Call) -> tuple[int, Thing]:
        server = self._free(call)
        number = server["id"]
        server["status"] = "deleting"

        def gone() -> None:
            del self.servers[number]
            self.guards = {(each, firewall) for each, firewall in self.guards if each != number}
            for network in self.networks.values():
                network["servers"] = [each for each in network["servers"] if each != number]
            for firewall in self.firewalls.values():
                firewall["applied_to"] = [
                    each for each in firewall["applied_to"] if (each.get("server") or {}).get("id") != number
                ]

        return 200, {"action": self.begin("delete_server", [("server", number)], gone, lock=f"server {number}")}

    def _power(self, call: Call, command: str, status: str) -> tuple[int, Thing]:
        server = self._free(call)

        def done() -> None:
            server["status"] = status

        lock = f"server {server['id']}"
        return 201, {"action": self.begin(command, [("server", server["id"])], done, lock=lock)}

    # Images

    def _create_image(self, call: Call) -> tuple[int, Thing]:
        server, number = self._free(call), self.new_id()
        image = _image(number, None, architecture="x86") | {
            "description": call.body["description"],
            "type": call.body["type"],
            "status": "creating",
            "image_size": None,
            "labels": self.check_labels(call.body),
            "created_from": {"id": server["id"], "name": server["name"]},
        }
        self.images[number] = image

        def done() -> None:
            image.update(status="available", image_size=1.7)

        resources = [("server", server["id"]), ("image", number)]
        action = self.begin("create_image", resources, done, lock=f"server {server['id']}", after=5)
        return 201, {"image": dict(image), "action": action}

    def _delete_image(self, call: Call) -> tuple[int, None]:
        image = self.one(self.images, call, "image")
        if image["type"] == "system":
            raise refused(403, "forbidden", "system images cannot be deleted")
        del self.images[image["id"]]
        return 204, None

    # Firewalls

    def _create_firewall(self, call: Call) -> tuple[int, Thing]:
        if any(firewall["name"] == call.body["name"] for firewall in self.firewalls.values()):
            raise taken("firewall name")
        number = self.new_id()
        firewall: Thing = {"id": number, "name": call.body["name"], "labels": {}, "created": NOW, "applied_to": []}
        self.firewalls[number] = firewall | {"rules": self._rules(call.body.get("rules", []))}
        actions = self._bring(self.firewalls[number], call.body.get("apply_to", []))
        return 201, {"firewall": self.firewalls[number], "actions": actions}

    def _rules(self, rules: list[Thing]) -> list[Thing]:
        if len(rules) > 50 or sum(len(rule.get("source_ips", [])) for rule in rules) > 500:
            raise invalid("rules", "too many")
        for rule in rules:
            if (rule["protocol"] in ("tcp", "udp")) != bool(rule.get("port")):
                raise invalid("rules.port", "goes with tcp and udp only")
            if not 1 <= len(rule.get("source_ips", [])) <= 100:
                raise invalid("rules.source_ips", "takes 1 to 100 addresses")
        usual = {"description": None, "port": None, "source_ips": [], "destination_ips": []}
        return [usual | rule for rule in rules]

    def _bring(self, firewall: Thing, resources: list[Thing]) -> list[Thing]:
        """Applies a firewall at once to what it is applied to, and says so after a while."""
        firewall["applied_to"] += resources
        servers = [server for server, number in self._matches() if number == firewall["id"]]
        self.guards |= {(server, firewall["id"]) for server in servers}
        return [
            self.begin(
                "apply_firewall", [("server", server), ("firewall", firewall["id"])], lock=f"firewall {firewall['id']}"
            )
            for server in servers
        ]

    def _changeable(self, call: Call) -> Thing:
        firewall = self.one(self.firewalls, call, "firewall")
        if self.locked(f"firewall {firewall['id']}"):
            raise refused(409, "conflict", "the firewall was changed in this moment")
        return firewall

    def _set_rules(self, call: Call) -> tuple[int, Thing]:
        firewall = self._changeable(call)
        firewall["rules"] = self._rules(call.body["rules"])
        changed = self.begin("set_firewall_rules", [("firewall", firewall["id"])], lock=f"firewall {firewall['id']}")
        return 201, {"actions": [changed, *self._bring(firewall, [])]}

    def _apply(self, call: Call) -> tuple[int, Thing]:
        firewall = self._changeable(call)
        if any(each in firewall["applied_to"] for each in call.body["apply_to"]):
            raise refused(422, "firewall_already_applied", "firewall is already applied")
        return 201, {"actions": self._bring(firewall, call.body["apply_to"])}

    def _remove(self, call: Call) -> tuple[int, Thing]:
        firewall = self._changeable(call)
        for resource in call.body["remove_from"]:
            if resource["type"] == "server" and resource["server"]["id"] not in self.servers:
                raise refused(404, "firewall_resource_not_found", "the server was not found")

        def gone() -> None:
            firewall["applied_to"] = [each for each in firewall["applied_to"] if each not in call.body["remove_from"]]
            direct = {each["server"]["id"] for each in firewall["applied_to"] if each["type"] == "server"}
            kept = {server for server, number in self._matches() if number == firewall["id"]} | direct
            self.guards = {(s, f) for s, f in self.guards if f != firewall["id"] or s in kept}

        action = self.begin("remove_firewall", [("firewall", firewall["id"])], gone, lock=f"firewall {firewall['id']}")
        return 201, {"actions": [action]}

    def _delete_firewall(self, call: Call) -> tuple[int, None]:
        firewall = self.one(self.firewalls, call, "firewall")
        if firewall["applied_to"]:
            raise refused(422, "resource_in_use", f"firewall with ID {firewall['id']} is still in use")
        del self.firewalls[firewall["id"]]
        return 204, None


def _image(number: int, name: str | None, *, architecture: str = "x86", ends: bool = False) -> Thing:
    flavor, _, version = (name or "debian-12").partition("-")
    image: dict[str, Any] = example("post", "/servers", "201")["server"]["image"]
    return image | {
        "id": number,
        "name": name,
        "description": f"{flavor} {version}",
        "os_flavor": flavor,
        "os_version": version,
        "architecture": architecture,
        "deprecated": NOW if ends else None,
        "type": "system",
        "status": "available",
        "created_from": None,
        "labels": {},
    }
