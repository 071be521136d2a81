"""Cloud firewalls. Every change is applied before it is answered."""

from __future__ import annotations

import re
import uuid
from typing import Any

from rehearsal.api import bodies
from rehearsal.api.answers import Answer, Call, Operation, conflict, not_found, now_text, page, public, unprocessable
from rehearsal.api.droplets import living
from rehearsal.api.filters import Guard, port_range
from rehearsal.api.tags import check_tags
from rehearsal.store import Store, Thing

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.\-]+")
#: The vendor's limits: rules in one firewall, and machines named by one.
_MOST_RULES = 50
_MOST_DROPLETS = 10


class Firewalls:
    """Firewalls, their rules, and whom they guard.

    Args:
        store: holds them.
        guard: applies them.
    """

    def __init__(self, store: Store, guard: Guard) -> None:
        self._store = store
        self._guard = guard

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        one = "/v2/firewalls/{firewall}"
        return (
            Operation("GET", "/v2/firewalls", self._list),
            Operation("POST", "/v2/firewalls", self._create),
            Operation("GET", one, self._get),
            Operation("PUT", one, self._replace),
            Operation("DELETE", one, self._delete),
            Operation("POST", f"{one}/rules", self._add_rules),
            Operation("DELETE", f"{one}/rules", self._remove_rules),
            Operation("POST", f"{one}/tags", self._add_tags),
            Operation("DELETE", f"{one}/tags", self._remove_tags),
            Operation("POST", f"{one}/droplets", self._add_droplets),
            Operation("DELETE", f"{one}/droplets", self._remove_droplets),
        )

    def _list(self, call: Call) -> Answer:
        return page(call, "firewalls", [self._shown(firewall) for firewall in self._store.all("firewall")])

    def _get(self, call: Call) -> Answer:
        return Answer(200, {"firewall": self._shown(self._find(call))})

    def _create(self, call: Call) -> Answer:
        firewall = {
            "id": str(uuid.uuid4()),
            "status": "succeeded",
            "created_at": now_text(),
            "pending_changes": [],
            **self._wanted(call.body),
        }
        with self._store.transaction():
            self._refuse_taken(firewall)
            self._write(firewall)
        self._guard.refresh()
        return Answer(202, {"firewall": self._shown(firewall)})

    def _replace(self, call: Call) -> Answer:
        with self._store.transaction():
            firewall = self._find(call) | self._wanted(call.body)
            self._refuse_taken(firewall)
            self._write(firewall)
        self._guard.refresh()
        return Answer(200, {"firewall": self._shown(firewall)})

    def _delete(self, call: Call) -> Answer:
        self._store.delete("firewall", self._find(call)["id"])
        self._guard.refresh()
        return Answer(204)

    def _add_rules(self, call: Call) -> Answer:
        return self._change(call, lambda firewall: _merge(firewall, _rules(call.body)))

    def _remove_rules(self, call: Call) -> Answer:
        return self._change(call, lambda firewall: _subtract(firewall, _rules(call.body)))

    def _add_tags(self, call: Call) -> Answer:
        return self._change(call, lambda firewall: _merge(firewall, {"tags": bodies.tag_names(call.body)}))

    def _remove_tags(self, call: Call) -> Answer:
        return self._change(call, lambda firewall: _subtract(firewall, {"tags": bodies.tag_names(call.body)}))

    def _add_droplets(self, call: Call) -> Answer:
        ids = bodies.numbers(call.body, "droplet_ids")
        return self._change(call, lambda firewall: _merge(firewall, {"droplet_ids": ids}))

    def _remove_droplets(self, call: Call) -> Answer:
        ids = bodies.numbers(call.body, "droplet_ids")
        return self._change(call, lambda firewall: _subtract(firewall, {"droplet_ids": ids}))

    def _change(self, call: Call, alter: Any) -> Answer:
        with self._store.transaction():
            firewall = self._find(call)
            alter(firewall)
            self._write(firewall)
        self._guard.refresh()
        return Answer(204)

    def _wanted(self, body: Thing) -> Thing:
        name = bodies.text(body, "name")
        if not _NAME.fullmatch(name):
            raise unprocessable("name is invalid")
        if body.get("inbound_rules") is None and body.get("outbound_rules") is None:
            raise unprocessable("at least one rule is required")
        return {
            "name": name,
            "droplet_ids": bodies.numbers(body, "droplet_ids"),
            "tags": bodies.tag_names(body),
            **_rules(body),
        }

    def _write(self, firewall: Thing) -> None:
        if len(firewall["inbound_rules"]) + len(firewall["outbound_rules"]) > _MOST_RULES:
            raise unprocessable(f"a firewall has at most {_MOST_RULES} rules")
        if len(firewall["droplet_ids"]) > _MOST_DROPLETS:
            raise unprocessable(f"a firewall has at most {_MOST_DROPLETS} droplets; use a tag")
        check_tags(self._store, firewall["tags"])
        known = {droplet["id"] for droplet in self._store.all("droplet")}
        named = set(firewall["droplet_ids"])
        for rule in firewall["inbound_rules"]:
            check_tags(self._store, rule["sources"].get("tags") or ())
            named |= set(rule["sources"].get("droplet_ids") or ())
        if missing := named - known:
            raise unprocessable(f"droplet {min(missing)} does not exist")
        self._store.put("firewall", firewall["id"], firewall)

    def _refuse_taken(self, firewall: Thing) -> None:
        for other in self._store.all("firewall"):
            if other["name"] == firewall["name"] and other["id"] != firewall["id"]:
                raise conflict("duplicate name")

    def _find(self, call: Call) -> Thing:
        firewall = self._store.get("firewall", call.path["firewall"])
        if firewall is None:
            raise not_found()
        return firewall

    def _shown(self, firewall: Thing) -> Thing:
        alive = {droplet["id"] for droplet in living(self._store)}
        return {**public(firewall), "droplet_ids": [id_ for id_ in firewall["droplet_ids"] if id_ in alive]}


def _rules(body: Thing) -> Thing:
    return {
        "inbound_rules": [_rule(rule, "sources") for rule in bodies.items(body, "inbound_rules")],
        "outbound_rules": [_rule(rule, "destinations") for rule in bodies.items(body, "outbound_rules")],
    }


def _rule(rule: Any, peers_key: str) -> Thing:
    if not isinstance(rule, dict) or not isinstance(rule.get(peers_key), dict):
        raise unprocessable(f"a rule needs {peers_key}")
    protocol = bodies.text(rule, "protocol")
    if protocol not in ("tcp", "udp", "icmp"):
        raise unprocessable(f"invalid protocol {protocol!r}")
    # The vendor's API answers "0" for all ports, whatever word was sent.
    ports = "0" if protocol == "icmp" else bodies.text(rule, "ports")
    if port_range(protocol, ports) == (1, 65535):
        ports = "0"
    peers = rule[peers_key]
    shown: Thing = {}
    if addresses := bodies.texts(peers, "addresses"):
        for address in addresses:
            bodies.cidr(address)
        shown["addresses"] = addresses
    if ids := bodies.numbers(peers, "droplet_ids"):
        shown["droplet_ids"] = ids
    if tags := bodies.tag_names(peers):
        shown["tags"] = tags
    return {"protocol": protocol, "ports": ports, peers_key: shown}


def _merge(firewall: Thing, parts: Thing) -> None:
    for key, values in parts.items():
        firewall[key] = firewall[key] + [value for value in values if value not in firewall[key]]


def _subtract(firewall: Thing, parts: Thing) -> None:
    for key, values in parts.items():
        firewall[key] = [value for value in firewall[key] if value not in values]
