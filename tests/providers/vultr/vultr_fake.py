"""Vultr on paper: what the API says and does, behind its description. Time there is the number of requests."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.providers.fake import Call, Refused
from tests.providers.vultr.vultr_description import vultr
from tests.providers.vultr.vultr_goods import ACCOUNT, PLANS, REGIONS, SYSTEMS
from tests.providers.vultr.vultr_services import DATE, Services, refused

TOKEN = "VULTRKEY" * 4 + "ABCD"

#: Requests until something is so.
KNOWN, ACTIVE, BOOTED, POWER, IMAGED, LEFT = 2, 6, 8, 3, 6, 3


@dataclass
class Instance:
    """A machine; what it shows depends on its age."""

    body: dict[str, Any]
    born: int
    number: int
    vpcs: list[str]
    power: str = "running"
    power_since: int = -100
    locked_until: int = 0


@dataclass
class Network:
    body: dict[str, Any]
    #: Until when a machine that was deleted still holds it.
    held_until: int = 0


@dataclass
class Group:
    body: dict[str, Any]
    rules: dict[int, dict[str, Any]] = field(default_factory=dict)


class VultrCloud(Services):
    """The account of whoever has :data:`TOKEN`.

    Args:
        page_size: the most a list gives at once, whatever it is asked for.
    """

    def __init__(self, page_size: int = 20) -> None:
        super().__init__(vultr())
        self.page_size = page_size
        self.requests = 0
        self.account = dict(ACCOUNT)
        self.keys: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, Network] = {}
        self.instances: dict[str, Instance] = {}
        self.groups: dict[str, Group] = {}
        self.snapshots: dict[str, tuple[dict[str, Any], int]] = {}
        self.zones = {}
        self.databases = {}
        self.stores = {}
        self.buckets = {}
        self._rule_id = 0
        self._numbers = 0
        self._route_machines()
        self._route_firewalls()
        self.route_names()
        self.route_databases()
        self.route_storage()

    def unauthorized(self, request: httpx.Request) -> Refused | None:
        self.requests += 1
        if request.url.path in ("/v2/regions", "/v2/plans", "/v2/os"):
            return None
        right = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        return None if right else refused(401, "Invalid API token.")

    def listing(self, key: str, things: Callable[[Call], Iterable[dict[str, Any]]]) -> Callable[[Call], Any]:
        """A list in pages: the cursor is opaque, the last page has none."""

        def serve(call: Call) -> tuple[int, Any]:
            items = list(things(call))
            cursor = call.query.get("cursor")
            begin = int(base64.b64decode(cursor).decode().removeprefix("next__")) if cursor else 0
            size = min(int(call.query.get("per_page", 100)), self.page_size)
            more = begin + size < len(items)
            following = base64.b64encode(f"next__{begin + size}".encode()).decode() if more else ""
            meta = {"total": len(items), "links": {"next": following, "prev": ""}}
            return 200, {key: items[begin : begin + size], "meta": meta}

        return serve

    # Machines, keys, networks, images

    def _route_machines(self) -> None:
        self.route("GET", "/v2/account", lambda _: (200, {"account": self.account}))
        self.route("GET", "/v2/regions", self.listing("regions", lambda _: REGIONS))
        self.route("GET", "/v2/plans", self.listing("plans", lambda _: PLANS))
        self.route("GET", "/v2/os", self.listing("os", lambda _: SYSTEMS))
        self.route("GET", "/v2/ssh-keys", self.listing("ssh_keys", lambda _: self.keys.values()))
        self.route("POST", "/v2/ssh-keys", self._make_key)
        self.route("DELETE", "/v2/ssh-keys/{id}", lambda call: self._drop(self.keys, call, "Invalid ssh key"))
        self.route("GET", "/v2/vpcs", self.listing("vpcs", lambda _: [each.body for each in self.networks.values()]))
        self.route("POST", "/v2/vpcs", self._make_network)
        self.route("DELETE", "/v2/vpcs/{id}", self._delete_network)
        instances = self.listing("instances", lambda _: map(self.shown, self.instances.values()))
        self.route("GET", "/v2/instances", instances)
        self.route("POST", "/v2/instances", self._make_instance)
        self.route("GET", "/v2/instances/{id}", lambda call: (200, {"instance": self.shown(self._instance(call))}))
        self.route("PATCH", "/v2/instances/{id}", self._change_instance)
        self.route("DELETE", "/v2/instances/{id}", self._delete_instance)
        self.route("POST", "/v2/instances/{id}/halt", lambda call: self._power(call, "stopped"))
        self.route("POST", "/v2/instances/{id}/start", lambda call: self._power(call, "running"))
        self.route("GET", "/v2/snapshots", self.listing("snapshots", self._shown_snapshots))
        self.route("POST", "/v2/snapshots", self._make_snapshot)
        self.route("DELETE", "/v2/snapshots/{id}", lambda call: self._drop(self.snapshots, call, "Invalid snapshot"))

    def _drop(self, things: dict[str, Any], call: Call, words: str) -> tuple[int, Any]:
        if things.pop(call.path["id"], None) is None:
            raise refused(404, words)
        return 204, None

    def _make_key(self, call: Call) -> tuple[int, Any]:
        key = {"id": str(uuid.uuid4()), "date_created": DATE, **call.body}
        self.keys[key["id"]] = key
        return 201, {"ssh_key": key}

    def _make_network(self, call: Call) -> tuple[int, Any]:
        number = len(self.networks) + 1
        body = {"id": str(uuid.uuid4()), "date_created": DATE, "description": "", **call.body}
        body = {"v4_subnet": f"10.{number}.96.0", "v4_subnet_mask": 20, **body}
        self.networks[body["id"]] = Network(body)
        return 201, {"vpc": body}

    def _delete_network(self, call: Call) -> tuple[int, Any]:
        network = self.networks.get(call.path["id"])
        if network is None:
            raise refused(404, "Invalid VPC ID")
        inside = [each for each in self.instances.values() if call.path["id"] in each.vpcs]
        if inside or self.requests < network.held_until:
            # github.com/vultr/terraform-provider-vultr/issues/355
            raise refused(400, f"VPC is attached to {', '.join(_ipv4(each) for each in inside) or '192.0.2.1'}")
        del self.networks[call.path["id"]]
        return 204, None

    def _make_instance(self, call: Call) -> tuple[int, Any]:
        body = dict(call.body)
        plan = next((each for each in PLANS if each["id"] == body["plan"]), None)
        if plan is None or body["region"] not in plan["locations"]:
            raise refused(400, "Invalid plan")
        if ("os_id" in body) == ("snapshot_id" in body):
            raise refused(400, "Choose one of os_id and snapshot_id")
        if "snapshot_id" in body and self._status_of_snapshot(body["snapshot_id"]) != "complete":
            raise refused(400, "Invalid snapshot")
        if "os_id" in body and all(body["os_id"] != each["id"] for each in SYSTEMS):
            raise refused(400, "Invalid OS")
        for network in body["attach_vpc"]:
            if network not in self.networks or self.networks[network].body["region"] != body["region"]:
                raise refused(400, "Invalid VPC")
        if not all(key in self.keys for key in body["sshkey_id"]):
            raise refused(400, "Invalid SSH key")
        if "firewall_group_id" in body and body["firewall_group_id"] not in self.groups:
            raise refused(400, "Invalid firewall group")
        base64.b64decode(body["user_data"], validate=True)
        self._numbers += 1
        shown = {name: body[name] for name in ("region", "plan", "label", "hostname", "tags")}
        shown |= {"id": str(uuid.uuid4()), "date_created": DATE, "os_id": body.get("os_id", 164)}
        shown |= {"firewall_group_id": body.get("firewall_group_id", ""), "user_data": body["user_data"]}
        instance = Instance(shown, self.requests, self._numbers, list(body["attach_vpc"]))
        self.instances[shown["id"]] = instance
        return 202, {"instance": self.shown(instance) | {"default_password": "never-shown"}}

    def shown(self, instance: Instance) -> dict[str, Any]:
        """The machine as the API shows it now."""
        age = self.requests - instance.born
        new = age < ACTIVE
        power = instance.power
        if self.requests - instance.power_since < POWER:
            power = "running" if instance.power == "stopped" else "stopped"
        locked = self.requests < instance.locked_until
        return {name: value for name, value in instance.body.items() if name != "user_data"} | {
            "status": "pending" if new else "active",
            "power_status": power,
            "server_status": "none" if new else "locked" if locked else "installingbooting" if age < BOOTED else "ok",
            "main_ip": "0.0.0.0" if new else _ipv4(instance),
            "v6_main_ip": "" if new else f"2001:db8::{instance.number:x}",
            "v6_network": "" if new else "2001:db8::",
            "v6_network_size": 64,
            "internal_ip": "" if new else f"10.1.96.{instance.number + 2}",
            "features": ["ipv6"],
        }

    def _instance(self, call: Call) -> Instance:
        found = self.instances.get(call.path["id"])
        if found is None or self.requests - found.born < KNOWN:
            # github.com/vultr/terraform-provider-vultr/issues/462: so soon after its making, too
            raise refused(404, "instance not found")
        return found

    def _change_instance(self, call: Call) -> tuple[int, Any]:
        instance = self._instance(call)
        group = call.body.get("firewall_group_id")
        if group is not None and group != "0" and group not in self.groups:
            raise refused(400, "Invalid firewall group")
        if group is not None:
            instance.body["firewall_group_id"] = "" if group == "0" else group
        return 202, {"instance": self.shown(instance)}

    def _busy(self, instance: Instance) -> bool:
        return self.requests - instance.born < ACTIVE or self.requests < instance.locked_until

    def _delete_instance(self, call: Call) -> tuple[int, Any]:
        instance = self._instance(call)
        if self._busy(instance):
            # github.com/vultr/ansible-collection-vultr/issues/113
            raise refused(500, "Unable to destroy server: Unable to remove VM: Server is currently locked")
        for network in instance.vpcs:
            self.networks[network].held_until = self.requests + LEFT
        del self.instances[call.path["id"]]
        return 204, None

    def _power(self, call: Call, wanted: str) -> tuple[int, Any]:
        instance = self._instance(call)
        if self._busy(instance):
            raise refused(500, "Unable to stop server: Server is currently locked")
        if instance.power != wanted:
            instance.power, instance.power_since = wanted, self.requests
        return 204, None

    def _status_of_snapshot(self, snapshot_id: str) -> str:
        found = self.snapshots.get(snapshot_id)
        return "" if found is None else "complete" if self.requests - found[1] >= IMAGED else "pending"

    def _shown_snapshots(self, _call: Call) -> list[dict[str, Any]]:
        return [
            body
            | {"status": (status := self._status_of_snapshot(body["id"])), "size": 5 << 30 if status[0] == "c" else 0}
            for body, _ in self.snapshots.values()
        ]

    def _make_snapshot(self, call: Call) -> tuple[int, Any]:
        instance = self.instances.get(call.body["instance_id"])
        if instance is None:
            raise refused(404, "instance not found")
        if self._busy(instance):
            raise refused(400, "Server is currently locked")
        instance.locked_until = self.requests + IMAGED
        body = {"id": str(uuid.uuid4()), "date_created": DATE, "description": call.body["description"], "os_id": 2136}
        self.snapshots[body["id"]] = (body, self.requests)
        return 201, {"snapshot": body | {"status": "pending", "size": 0}}

    # Firewalls

    def _route_firewalls(self) -> None:
        self.route(
            "GET", "/v2/firewalls", self.listing("firewall_groups", lambda _: map(self._shown_group, self.groups))
        )
        self.route("POST", "/v2/firewalls", self._make_group)
        self.route("PUT", "/v2/firewalls/{id}", self._change_group)
        self.route("DELETE", "/v2/firewalls/{id}", self._delete_group)
        rules = self.listing("firewall_rules", lambda call: self._group(call).rules.values())
        self.route("GET", "/v2/firewalls/{id}/rules", rules)
        self.route("POST", "/v2/firewalls/{id}/rules", self._make_rule)
        self.route("DELETE", "/v2/firewalls/{id}/rules/{rule}", self._delete_rule)

    def _shown_group(self, group_id: str) -> dict[str, Any]:
        count = sum(each.body["firewall_group_id"] == group_id for each in self.instances.values())
        group = self.groups[group_id]
        return group.body | {"instance_count": count, "rule_count": len(group.rules), "max_rule_count": 50}

    def _group(self, call: Call) -> Group:
        if call.path["id"] not in self.groups:
            raise refused(404, "Invalid firewall group ID")
        return self.groups[call.path["id"]]

    def _make_group(self, call: Call) -> tuple[int, Any]:
        body = {"id": str(uuid.uuid4()), "date_created": DATE, "date_modified": DATE, **call.body}
        self.groups[body["id"]] = Group(body)
        return 201, {"firewall_group": self._shown_group(body["id"])}

    def _change_group(self, call: Call) -> tuple[int, Any]:
        self._group(call).body["description"] = call.body["description"]
        return 204, None

    def _delete_group(self, call: Call) -> tuple[int, Any]:
        self._group(call)
        for each in self.instances.values():
            if each.body["firewall_group_id"] == call.path["id"]:
                each.body["firewall_group_id"] = ""
        del self.groups[call.path["id"]]
        return 204, None

    def _make_rule(self, call: Call) -> tuple[int, Any]:
        group = self._group(call)
        rule = {"action": "accept", "port": "", "source": "", "notes": "", **call.body}
        if len(group.rules) >= 50:
            raise refused(400, "Unable to create rule: rule limit reached for this group")
        if any(each | {"id": 0} == rule | {"id": 0} for each in group.rules.values()):
            raise refused(400, "This rule is already defined")
        self._rule_id += 1
        group.rules[self._rule_id] = rule | {"id": self._rule_id}
        return 201, {"firewall_rule": group.rules[self._rule_id]}

    def _delete_rule(self, call: Call) -> tuple[int, Any]:
        if self._group(call).rules.pop(int(call.path["rule"]), None) is None:
            raise refused(404, "Firewall rule ID not found")
        return 204, None


def _ipv4(instance: Instance) -> str:
    return f"198.51.100.{instance.number}"
