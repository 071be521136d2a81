"""Hetzner Cloud on paper: its states, its asynchronous actions, its refusals, behind its own description."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import httpx

from tests.providers.fake import Call, Fake, Refused
from tests.providers.hetzner.hetzner_description import hetzner

TOKEN = "0f" * 32
READ_ONLY_TOKEN = "0e" * 32
NOW = "2026-11-27T12:00:00Z"

_LABEL_KEY = re.compile(r"([a-z0-9.-]+/)?[a-z0-9A-Z]([a-z0-9A-Z._-]{0,61}[a-z0-9A-Z])?")
_LABEL_VALUE = re.compile(r"|[a-z0-9A-Z]|[a-z0-9A-Z][a-z0-9A-Z._-]{0,61}[a-z0-9A-Z]")

Thing = dict[str, Any]


def refused(status: int, code: str, message: str, details: Any = None) -> Refused:
    """As the vendor says no."""
    return Refused(status, {"error": {"code": code, "message": message, "details": details}})


def invalid(field: str, message: str) -> Refused:
    fields = {"fields": [{"name": field, "messages": [message]}]}
    return refused(422, "invalid_input", f"invalid input in field '{field}'", fields)


def missing(what: str) -> Refused:
    return refused(404, "not_found", f"{what} not found")


def taken(what: str) -> Refused:
    return refused(409, "uniqueness_error", f"{what} is already used")


def money(net: str) -> Thing:
    return {"net": net, "gross": net}


class Shelf(Fake):
    """Things by number, lists in pages, and actions that end some requests after they were begun."""

    #: Requests until an action is over.
    PATIENCE: int = 2
    #: The largest page, but of sets of records.
    MOST_PER_PAGE = 50

    def __init__(self) -> None:
        super().__init__(hetzner())
        self.count = 0
        self.last_id = 1000
        self.actions: dict[int, Thing] = {}
        self._due: dict[int, tuple[int, Callable[[], None], str]] = {}
        #: Commands whose next action fails.
        self.failing: list[str] = []
        self.route("GET", "/v1/actions/{id}", lambda call: (200, {"action": self.one(self.actions, call, "action")}))

    def unauthorized(self, request: httpx.Request) -> Refused | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in (TOKEN, READ_ONLY_TOKEN):
            return refused(401, "unauthorized", "the token you provided is invalid")
        if token == READ_ONLY_TOKEN and request.method != "GET":
            return refused(403, "token_readonly", "the token is only allowed to perform GET requests")
        return None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.count += 1
        self.settle()
        return super().handle_request(request)

    def settle(self) -> None:
        """Ends the actions whose time has come."""
        for number, (due, effect, lock) in list(self._due.items()):
            if self.count < due:
                continue
            del self._due[number]
            action = self.actions[number]
            failed = action["command"] in self.failing
            action |= {"status": "error" if failed else "success", "progress": 100, "finished": NOW}
            if failed:
                self.failing.remove(action["command"])
                action["error"] = {"code": "action_failed", "message": "Action failed"}
            else:
                effect()
            del lock

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def begin(
        self,
        command: str,
        resources: Iterable[tuple[str, int]],
        effect: Callable[[], None] = lambda: None,
        *,
        lock: str = "",
        after: int | None = None,
    ) -> Thing:
        """An action that runs for some requests; ``lock`` names what it holds meanwhile."""
        number = self.new_id()
        self.actions[number] = {
            "id": number,
            "command": command,
            "status": "running",
            "progress": 0,
            "started": NOW,
            "finished": None,
            "error": None,
            "resources": [{"type": kind, "id": its_id} for kind, its_id in resources],
        }
        self._due[number] = (self.count + (self.PATIENCE if after is None else after), effect, lock)
        return deepcopy(self.actions[number])

    def locked(self, lock: str) -> bool:
        return any(held == lock for _, _, held in self._due.values())

    def one(self, things: dict[int, Thing], call: Call, what: str) -> Thing:
        thing = things.get(int(call.path["id"]))
        if thing is None:
            raise missing(what)
        return thing

    def page(self, call: Call, name: str, things: Iterable[Thing], *, most: int = MOST_PER_PAGE) -> tuple[int, Thing]:
        """One page of a list, after the filters that all lists have."""
        wanted = [thing for thing in things if self._fits(call, thing)]
        per_page, page = min(int(call.query.get("per_page", 25)), most), int(call.query.get("page", 1))
        last = max(1, -(-len(wanted) // per_page))
        pagination = {
            "page": page,
            "per_page": per_page,
            "previous_page": page - 1 if page > 1 else None,
            "next_page": page + 1 if page < last else None,
            "last_page": last,
            "total_entries": len(wanted),
        }
        return 200, {name: wanted[(page - 1) * per_page : page * per_page], "meta": {"pagination": pagination}}

    def _fits(self, call: Call, thing: Thing) -> bool:
        selector = call.query.get("label_selector")
        if selector is not None and selector not in thing["labels"]:
            return False
        return all(
            thing[field] == call.query[field]
            for field in ("name", "type", "status", "architecture")
            if field in call.query
        )

    def check_labels(self, body: Thing) -> Thing:
        labels: Thing = body.get("labels") or {}
        for key, value in labels.items():
            if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
                raise invalid("labels", f"{key}={value} is no label")
        return labels


class Catalogue(Shelf):
    """Locations, types, prices, keys and networks."""

    def __init__(self) -> None:
        super().__init__()
        self.currency = "EUR"
        self.keys: dict[int, Thing] = {}
        self.networks: dict[int, Thing] = {}
        self.locations = [
            _location(1, "fsn1", "Falkenstein", "DE", "eu-central"),
            _location(2, "nbg1", "Nuremberg", "DE", "eu-central"),
            _location(3, "hel1", "Helsinki", "FI", "eu-central"),
            _location(4, "ash", "Ashburn, VA", "US", "us-east"),
        ]
        self.types = [
            _type(22, "cpx11", 2, 2, 40, {"fsn1": "4.35", "nbg1": "4.35", "hel1": "4.35", "ash": "4.99"}),
            _type(45, "cax11", 2, 4, 40, {"fsn1": "3.79", "nbg1": "3.79"}, architecture="arm"),
            _type(104, "cx22", 2, 4, 40, {"fsn1": "3.79", "nbg1": "3.79"}, ends=True),
            _type(114, "cx23", 2, 4, 40, {"fsn1": "3.49", "nbg1": "3.49", "hel1": "3.49"}),
            _type(115, "cx33", 4, 8, 80, {"fsn1": "5.49", "nbg1": "5.49", "hel1": "5.49"}, sold_out=("hel1",)),
        ]
        self.route("GET", "/v1/locations", lambda call: self.page(call, "locations", self.locations))
        self.route("GET", "/v1/server_types", lambda call: self.page(call, "server_types", self.types))
        self.route("GET", "/v1/pricing", lambda _call: (200, {"pricing": self._pricing()}))
        self.route("GET", "/v1/ssh_keys", lambda call: self.page(call, "ssh_keys", self.keys.values()))
        self.route("POST", "/v1/ssh_keys", self._create_key)
        self.route("PUT", "/v1/ssh_keys/{id}", lambda call: (200, {"ssh_key": self.one(self.keys, call, "ssh_key")}))
        self.route("DELETE", "/v1/ssh_keys/{id}", self._delete_key)
        self.route("GET", "/v1/networks", lambda call: self.page(call, "networks", self.networks.values()))
        self.route("POST", "/v1/networks", self._create_network)
        self.route(
            "GET", "/v1/networks/{id}", lambda call: (200, {"network": self.one(self.networks, call, "network")})
        )
        self.route("DELETE", "/v1/networks/{id}", self._delete_network)

    def location(self, name: str) -> Thing:
        found = next((each for each in self.locations if each["name"] == name), None)
        if found is None:
            raise invalid("location", f"{name} does not exist")
        return found

    def add_key(self, name: str, public_key: str) -> Thing:
        number = self.new_id()
        digest = hashlib.md5(public_key.split()[1].encode(), usedforsecurity=False).hexdigest()
        fingerprint = ":".join(digest[at : at + 2] for at in range(0, 32, 2))
        key = {"id": number, "name": name, "public_key": public_key, "fingerprint": fingerprint}
        self.keys[number] = key | {"labels": {}, "created": NOW}
        return self.keys[number]

    def _create_key(self, call: Call) -> tuple[int, Thing]:
        wanted = call.body["public_key"].split()[1]
        for key in self.keys.values():
            if key["name"] == call.body["name"] or key["public_key"].split()[1] == wanted:
                raise taken("SSH key")
        return 201, {"ssh_key": self.add_key(call.body["name"], call.body["public_key"])}

    def _delete_key(self, call: Call) -> tuple[int, None]:
        del self.keys[self.one(self.keys, call, "ssh_key")["id"]]
        return 204, None

    def _create_network(self, call: Call) -> tuple[int, Thing]:
        body = call.body
        if any(network["name"] == body["name"] for network in self.networks.values()):
            raise taken("network name")
        number = self.new_id()
        gateway = body["ip_range"].rsplit(".", 1)[0] + ".1"
        self.networks[number] = {
            "id": number,
            "name": body["name"],
            "ip_range": body["ip_range"],
            "labels": self.check_labels(body),
            "subnets": [{**subnet, "gateway": gateway, "vswitch_id": None} for subnet in body.get("subnets", [])],
            "routes": [],
            "servers": [],
            "load_balancers": [],
            "protection": {"delete": False},
            "created": NOW,
            "expose_routes_to_vswitch": False,
        }
        return 201, {"network": self.networks[number]}

    def _delete_network(self, call: Call) -> tuple[int, None]:
        network = self.one(self.networks, call, "network")
        if network["servers"]:
            self.problems.append(f"the network {network['name']} was taken from machines that had it")
        del self.networks[network["id"]]
        return 204, None

    def _pricing(self) -> Thing:
        places = [each["name"] for each in self.locations]
        hourly = {"price_hourly": money("0.0008"), "price_monthly": money("0.50")}
        addresses = [{"location": place, **hourly} for place in places]
        return {
            "currency": self.currency,
            "vat_rate": "19.00",
            "floating_ip": {"price_monthly": money("3.00")},
            "floating_ips": [],
            "image": {"price_per_gb_month": money("0.0110")},
            "volume": {"price_per_gb_month": money("0.0440")},
            "load_balancer_types": [],
            "server_backup": {"percentage": "20.00"},
            "primary_ips": [
                {"type": "ipv6", "prices": [{**each, "price_monthly": money("0.00")} for each in addresses]},
                {"type": "ipv4", "prices": addresses},
            ],
            "server_types": [{"id": each["id"], "name": each["name"], "prices": each["prices"]} for each in self.types],
        }


def _location(number: int, name: str, city: str, country: str, zone: str) -> Thing:
    place = {"id": number, "name": name, "description": f"{city} DC Park 1", "city": city, "country": country}
    return place | {"latitude": 50.47612, "longitude": 12.370071, "network_zone": zone}


def _type(
    number: int,
    name: str,
    cores: int,
    memory: int,
    disk: int,
    prices: dict[str, str],
    *,
    architecture: str = "x86",
    ends: bool = False,
    sold_out: tuple[str, ...] = (),
) -> Thing:
    end = {"announced": NOW, "unavailable_after": NOW} if ends else None
    more = {"price_hourly": money("0.0060"), "price_per_tb_traffic": money("1.00"), "included_traffic": 21990232555520}
    ids = {"fsn1": 1, "nbg1": 2, "hel1": 3, "ash": 4}
    return {
        "id": number,
        "name": name,
        "description": name.upper(),
        "cores": cores,
        "memory": float(memory),
        "disk": disk,
        "cpu_type": "shared",
        "category": "Shared vCPU",
        "architecture": architecture,
        "storage_type": "local",
        "deprecated": ends,
        "deprecation": end,
        "prices": [{"location": place, "price_monthly": money(net), **more} for place, net in prices.items()],
        "locations": [
            {
                "id": ids[place],
                "name": place,
                "deprecation": end,
                "available": place not in sold_out,
                "recommended": True,
            }
            for place in prices
        ],
    }
