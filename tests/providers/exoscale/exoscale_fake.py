"""Exoscale on paper: zones, instances, networks, groups, templates; the rest is in ``exoscale_fake_services``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import httpx

from tests.providers.exoscale.exoscale_description import exoscale
from tests.providers.exoscale.exoscale_organization import GIB, SYSTEMS, TYPES, ZONES, an_id
from tests.providers.fake import Call, Fake, Refused


@dataclass
class Work:
    """An operation: over after some requests, whoever asks them."""

    due: int
    then: Callable[[], None]
    reference: str
    failure: str = ""
    state: str = "pending"


class ExoscaleFake(Fake):
    """One organization.

    Args:
        key, secret: the only credentials it knows.
    """

    def __init__(self, key: str, secret: str) -> None:
        super().__init__(exoscale())
        self._key, self._secret = key, secret
        self.zone = ""
        self.stranger_status = 401
        #: Parts of paths that the key's role may not use.
        self.forbidden: tuple[str, ...] = ()
        self._count = 0
        self._works: dict[str, Work] = {}
        self.instances: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.templates: dict[str, dict[str, Any]] = {}
        self.snapshots: dict[str, dict[str, Any]] = {}
        self._places: dict[str, str] = {}
        self.fail_next = ""
        for zone in ZONES:
            for name, created in SYSTEMS:
                template = an_id("template", zone, name, created)
                self.templates[template] = {
                    "id": template,
                    "name": name,
                    "visibility": "public",
                    "size": 10 * GIB,
                    "created-at": created,
                    "zones": [zone],
                }
                self._places[template] = zone
        default = an_id("group", "default")
        self.groups[default] = {"id": default, "name": "default", "description": "Default Security Group", "rules": []}
        for method, path, serve in self._compute():
            self.route(method, path, serve)

    # Requests and operations

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        found = re.fullmatch(r"api-([a-z0-9-]+)\.exoscale\.com", request.url.host)
        assert found is not None, request.url
        assert found[1] in ZONES, request.url
        self.zone = found[1]
        self._count += 1
        for work in list(self._works.values()):
            if work.state == "pending" and work.due <= self._count:
                work.state = "failure" if work.failure else "success"
                if not work.failure:
                    work.then()
        return super().handle_request(request)

    def unauthorized(self, request: httpx.Request) -> Refused | None:
        if request.url.path == "/v2/zone":
            return None
        header = request.headers.get("Authorization", "")
        fields = dict(part.split("=", 1) for part in header.removeprefix("EXO2-HMAC-SHA256 ").split(",") if "=" in part)
        query = parse_qs(request.url.query.decode())
        values = "".join(query[name][0] for name in sorted(query))
        path = request.url.raw_path.decode().partition("?")[0]
        message = f"{request.method} {path}\n{request.content.decode()}\n{values}\n\n{fields.get('expires')}"
        wanted = base64.b64encode(hmac.digest(self._secret.encode(), message.encode(), hashlib.sha256)).decode()
        if (fields.get("credential"), fields.get("signature")) != (self._key, wanted):
            return Refused(self.stranger_status, {"message": "Invalid request signature"})
        if any(part in request.url.path for part in self.forbidden):
            return Refused(403, {"message": "Forbidden by role policy for this service"})
        return None

    def begin(
        self, reference: str = "", then: Callable[[], None] = lambda: None, *, requests: int = 2
    ) -> tuple[int, Any]:
        """An operation's beginning as an answer."""
        work_id = an_id("operation", len(self._works))
        self._works[work_id] = Work(self._count + requests, then, reference, self.fail_next)
        self.fail_next = ""
        return 200, self._told(work_id)

    def _told(self, work_id: str) -> dict[str, Any]:
        work = self._works[work_id]
        told: dict[str, Any] = {"id": work_id, "state": work.state}
        if work.reference:
            told["reference"] = {"id": work.reference, "link": f"/v2/thing/{work.reference}", "command": "get-thing"}
        if work.state == "failure":
            told |= {"reason": work.failure, "message": "it did not work"}
        return told

    def here(self, things: dict[str, dict[str, Any]], thing_id: str) -> dict[str, Any]:
        """A thing of the zone that was asked, or the answer that there is none."""
        thing = things.get(thing_id)
        if thing is None or self._places.get(thing_id, self.zone) != self.zone:
            raise Refused(404, {"message": "Not Found"})
        return thing

    def of_zone(self, things: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        return [thing for thing_id, thing in things.items() if self._places.get(thing_id, self.zone) == self.zone]

    def add(self, things: dict[str, dict[str, Any]], thing: dict[str, Any], *, zoned: bool) -> str:
        """Puts a thing there; gives its id."""
        things[thing["id"]] = thing
        if zoned:
            self._places[thing["id"]] = self.zone
        return str(thing["id"])

    def remove(self, things: dict[str, dict[str, Any]], thing_id: str) -> tuple[int, Any]:
        return self.begin("", lambda: (things.pop(thing_id, None), None)[1])

    def later(self, things: dict[str, dict[str, Any]], thing: dict[str, Any], *, zoned: bool) -> tuple[int, Any]:
        """A thing that is there when its operation is over."""
        if zoned:
            self._places[thing["id"]] = self.zone
        return self.begin(thing["id"], lambda: things.update({thing["id"]: thing}))

    # Compute

    def _compute(self) -> list[tuple[str, str, Callable[[Call], tuple[int, Any]]]]:
        return [
            ("GET", "/v2/zone", lambda call: (200, {"zones": [{"name": zone} for zone in ZONES]})),
            ("GET", "/v2/organization", lambda call: (200, {"id": an_id("org"), "name": "Example Inc."})),
            ("GET", "/v2/operation/{id}", lambda call: (200, self._told(call.path["id"]))),
            ("GET", "/v2/instance-type", self._types),
            ("GET", "/v2/template", self._list_templates),
            ("DELETE", "/v2/template/{id}", lambda call: self._remove_zoned(self.templates, call)),
            ("GET", "/v2/ssh-key", lambda call: (200, {"ssh-keys": list(self.keys.values())})),
            ("POST", "/v2/ssh-key", self._create_key),
            ("DELETE", "/v2/ssh-key/{name}", self._delete_key),
            ("GET", "/v2/private-network", lambda call: (200, {"private-networks": self.of_zone(self.networks)})),
            ("GET", "/v2/private-network/{id}", lambda call: (200, self.here(self.networks, call.path["id"]))),
            ("POST", "/v2/private-network", self._create_network),
            ("DELETE", "/v2/private-network/{id}", self._delete_network),
            ("PUT", "/v2/private-network/{id}:attach", self._join_network),
            ("GET", "/v2/instance", self._list_instances),
            ("GET", "/v2/instance/{id}", lambda call: (200, self.here(self.instances, call.path["id"]))),
            ("POST", "/v2/instance", self._create_instance),
            ("DELETE", "/v2/instance/{id}", self._delete_instance),
            ("PUT", "/v2/instance/{id}:start", lambda call: self._switch(call, "stopped", "starting", "running")),
            ("PUT", "/v2/instance/{id}:stop", lambda call: self._switch(call, "running", "stopping", "stopped")),
            ("POST", "/v2/instance/{id}:create-snapshot", self._create_snapshot),
            ("GET", "/v2/snapshot", lambda call: (200, {"snapshots": self.of_zone(self.snapshots)})),
            ("GET", "/v2/snapshot/{id}", lambda call: (200, self.here(self.snapshots, call.path["id"]))),
            ("DELETE", "/v2/snapshot/{id}", lambda call: self._remove_zoned(self.snapshots, call)),
            ("POST", "/v2/snapshot/{id}:promote", self._promote),
            ("GET", "/v2/security-group", lambda call: (200, {"security-groups": list(self.groups.values())})),
            ("GET", "/v2/security-group/{id}", lambda call: (200, self.here(self.groups, call.path["id"]))),
            ("POST", "/v2/security-group", self._create_group),
            ("DELETE", "/v2/security-group/{id}", self._delete_group),
            ("POST", "/v2/security-group/{id}/rules", self._add_rule),
            ("DELETE", "/v2/security-group/{id}/rules/{rule}", self._delete_rule),
            ("PUT", "/v2/security-group/{id}:attach", lambda call: self._regroup(call, True)),
            ("PUT", "/v2/security-group/{id}:detach", lambda call: self._regroup(call, False)),
        ]

    def _types(self, _call: Call) -> tuple[int, Any]:
        types = [
            {
                "id": an_id("type", family, size),
                "family": family,
                "size": size,
                "cpus": cpus,
                "memory": memory,
                "authorized": True,
                "zones": list(ZONES),
            }
            for family, size, cpus, memory in TYPES
        ]
        return 200, {"instance-types": types}

    def _list_templates(self, call: Call) -> tuple[int, Any]:
        visibility = call.query.get("visibility", "public")
        found = [each for each in self.of_zone(self.templates) if each["visibility"] == visibility]
        return 200, {"templates": found}

    def _remove_zoned(self, things: dict[str, dict[str, Any]], call: Call) -> tuple[int, Any]:
        self.here(things, call.path["id"])
        return self.remove(things, call.path["id"])

    def _create_key(self, call: Call) -> tuple[int, Any]:
        name = call.body["name"]
        if name in self.keys:
            raise Refused(409, {"message": "SSH key already exists"})
        digest = hashlib.md5(call.body["public-key"].encode()).hexdigest()
        # known by its name: the operation has no reference
        return self.begin("", lambda: self.keys.update({name: {"name": name, "fingerprint": digest}}))

    def _delete_key(self, call: Call) -> tuple[int, Any]:
        if call.path["name"] not in self.keys:
            raise Refused(404, {"message": "Not Found"})
        return self.remove(self.keys, call.path["name"])

    def _create_network(self, call: Call) -> tuple[int, Any]:
        network = {**call.body, "id": an_id("network", self._count), "leases": []}
        return self.later(self.networks, network, zoned=True)

    def _delete_network(self, call: Call) -> tuple[int, Any]:
        network = self.here(self.networks, call.path["id"])
        if any(one["id"] == network["id"] for each in self.instances.values() for one in each["private-networks"]):
            raise Refused(412, {"message": "Private network is in use"})
        return self.remove(self.networks, network["id"])

    def _join_network(self, call: Call) -> tuple[int, Any]:
        network = self.here(self.networks, call.path["id"])
        instance = self.here(self.instances, call.body["instance"]["id"])
        if instance["state"] not in ("running", "stopped"):
            raise Refused(409, {"message": "Instance is busy"})
        if any(one["id"] == network["id"] for one in instance["private-networks"]):
            raise Refused(409, {"message": "Instance is already attached"})
        start = network["start-ip"].rpartition(".")

        def join() -> None:
            instance["private-networks"].append({"id": network["id"]})
            ip = f"{start[0]}.{int(start[2]) + len(network['leases'])}"
            network["leases"].append({"instance-id": instance["id"], "ip": ip})

        return self.begin(network["id"], join)

    def _list_instances(self, _call: Call) -> tuple[int, Any]:
        shown = (
            "id",
            "name",
            "state",
            "labels",
            "security-groups",
            "private-networks",
            "created-at",
            "public-ip",
            "ipv6-address",
        )
        listed = [
            {**{key: each[key] for key in shown if key in each}, "instance-type": {"id": each["instance-type"]["id"]}}
            for each in self.of_zone(self.instances)
        ]
        return 200, {"instances": listed}

    def _create_instance(self, call: Call) -> tuple[int, Any]:
        body = call.body
        self.here(self.templates, body["template"]["id"])
        for key in body.get("ssh-keys", ()):
            if key["name"] not in self.keys:
                raise Refused(404, {"message": "SSH key not found"})
        groups = body.get("security-groups") or [{"id": an_id("group", "default")}]
        for group in groups:
            self.here(self.groups, group["id"])
        number = len(self.instances) + 1
        instance = {
            "id": an_id("instance", self._count),
            "name": body["name"],
            "state": "starting",
            "labels": body.get("labels", {}),
            "instance-type": body["instance-type"],
            "template": {"id": body["template"]["id"]},
            "disk-size": body["disk-size"],
            "security-groups": [{"id": group["id"]} for group in groups],
            "private-networks": [],
            "user-data": body.get("user-data"),
            "created-at": f"2026-11-27T20:00:{number % 60:02}Z",
        }

        def run() -> None:
            instance.update(state="running")
            instance.update({"public-ip": f"203.0.113.{number}", "ipv6-address": f"2001:db8::{number:x}"})

        return self.begin(self.add(self.instances, instance, zoned=True), run)

    def _delete_instance(self, call: Call) -> tuple[int, Any]:
        instance = self.here(self.instances, call.path["id"])
        if instance["state"] in ("starting", "stopping"):
            raise Refused(409, {"message": "Instance is busy"})
        instance["state"] = "destroying"

        def end() -> None:
            self.instances.pop(instance["id"], None)
            for network in self.networks.values():
                network["leases"] = [each for each in network["leases"] if each["instance-id"] != instance["id"]]

        return self.begin(instance["id"], end)

    def _switch(self, call: Call, before: str, between: str, after: str) -> tuple[int, Any]:
        instance = self.here(self.instances, call.path["id"])
        if instance["state"] != before:
            raise Refused(409, {"message": f"Instance is {instance['state']}"})
        instance["state"] = between
        return self.begin(instance["id"], lambda: instance.update(state=after))

    def _create_snapshot(self, call: Call) -> tuple[int, Any]:
        instance = self.here(self.instances, call.path["id"])
        snapshot = {
            "id": an_id("snapshot", self._count),
            "name": f"{instance['name']}_ROOT_{self._count}",
            "state": "snapshotting",
            "size": 10,
            "instance": {"id": instance["id"]},
        }
        return self.begin(self.add(self.snapshots, snapshot, zoned=True), lambda: snapshot.update(state="exported"))

    def _promote(self, call: Call) -> tuple[int, Any]:
        snapshot = self.here(self.snapshots, call.path["id"])
        if snapshot["state"] not in ("ready", "exported"):
            raise Refused(409, {"message": "Snapshot is not ready"})
        template = {
            "id": an_id("template", self._count),
            "name": call.body["name"],
            "visibility": "private",
            "size": 20 * GIB,
            "created-at": "2026-11-27T20:00:00Z",
            "zones": [self.zone],
        }
        return self.later(self.templates, template, zoned=True)

    def _create_group(self, call: Call) -> tuple[int, Any]:
        if any(group["name"] == call.body["name"] for group in self.groups.values()):
            raise Refused(409, {"message": "Security group already exists"})
        group = {**call.body, "id": an_id("group", self._count), "rules": []}
        return self.later(self.groups, group, zoned=False)

    def _delete_group(self, call: Call) -> tuple[int, Any]:
        group = self.here(self.groups, call.path["id"])
        if any(one["id"] == group["id"] for each in self.instances.values() for one in each["security-groups"]):
            raise Refused(412, {"message": "Security group is in use"})
        return self.remove(self.groups, group["id"])

    def _add_rule(self, call: Call) -> tuple[int, Any]:
        group = self.here(self.groups, call.path["id"])
        rule = {**call.body, "id": an_id("rule", self._count)}
        if any({**each, "id": ""} == {**rule, "id": ""} for each in group["rules"]):
            raise Refused(409, {"message": "Rule already exists"})
        return self.begin(group["id"], lambda: group["rules"].append(rule))

    def _delete_rule(self, call: Call) -> tuple[int, Any]:
        group = self.here(self.groups, call.path["id"])
        if all(rule["id"] != call.path["rule"] for rule in group["rules"]):
            raise Refused(404, {"message": "Not Found"})

        def drop() -> None:
            group["rules"] = [rule for rule in group["rules"] if rule["id"] != call.path["rule"]]

        return self.begin(group["id"], drop)

    def _regroup(self, call: Call, inside: bool) -> tuple[int, Any]:
        group = self.here(self.groups, call.path["id"])
        instance = self.here(self.instances, call.body["instance"]["id"])
        if any(one["id"] == group["id"] for one in instance["security-groups"]) == inside:
            raise Refused(409, {"message": "Nothing would change"})
        if instance["state"] == "destroying":
            raise Refused(409, {"message": "Instance is busy"})
        others = [one for one in instance["security-groups"] if one["id"] != group["id"]]
        changed = [*others, {"id": group["id"]}] if inside else others
        return self.begin(group["id"], lambda: instance.update({"security-groups": changed}))
