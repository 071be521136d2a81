"""Cloudflare on paper: zones, records, settings, gates, and tokens of which each may do something else."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx

from tests.providers.description import Description
from tests.providers.fake import Call, Fake, Refused

TOKEN = "c1" * 20
ACCOUNT = {"id": "ac" * 16, "name": "Example's account"}
TIME = "2026-01-01T00:00:00Z"
ALL_RIGHTS = frozenset({"zone:read", "zone:edit", "dns:edit", "settings:edit", "access:edit"})
V4, V6 = ["198.18.0.0/20", "198.18.64.0/18"], ["2001:db8:1000::/36"]


def refused(status: int, code: int, message: str, *chain: tuple[int, str]) -> Refused:
    """A refusal in the vendor's form."""
    error: dict[str, Any] = {"code": code, "message": message}
    if chain:
        error["error_chain"] = [{"code": code_, "message": message_} for code_, message_ in chain]
    return Refused(status, {"success": False, "errors": [error], "messages": [], "result": None})


def ok(result: Any, **more: Any) -> dict[str, Any]:
    return {"success": True, "errors": [], "messages": [], "result": result, **more}


class FakeCloudflare(Fake):
    """One account; ``token`` may do what ``rights`` say.

    Args:
        descriptions: the vendor's, corrected.
        page: how many items a page holds at most, whatever is asked.
    """

    def __init__(self, descriptions: tuple[Description, ...], *, page: int = 50) -> None:
        super().__init__(descriptions)
        self.token, self.rights, self.page = TOKEN, ALL_RIGHTS, page
        self.zones: dict[str, dict[str, Any]] = {}
        self.records: dict[str, dict[str, dict[str, Any]]] = {}
        self.settings: dict[str, dict[str, str]] = {}
        self.apps: dict[str, dict[str, dict[str, Any]]] = {}
        self.policies: dict[str, dict[str, dict[str, Any]]] = {}
        self.ranges: dict[str, Any] = {"ipv4_cidrs": V4, "ipv6_cidrs": V6, "etag": "e1"}
        self.accounts = [ACCOUNT]
        for method, path, right, serve in (
            ("GET", "/ips", "", lambda _call: (200, ok(self.ranges))),
            ("GET", "/accounts", "", lambda call: self._list(call, self.accounts)),
            ("GET", "/zones", "zone:read", self._zones),
            ("POST", "/zones", "zone:edit", self._make_zone),
            ("GET", "/zones/{zone}/dns_records", "dns:edit", self._records),
            ("POST", "/zones/{zone}/dns_records", "dns:edit", self._make_record),
            ("PATCH", "/zones/{zone}/dns_records/{id}", "dns:edit", self._change_record),
            ("DELETE", "/zones/{zone}/dns_records/{id}", "dns:edit", self._delete_record),
            ("GET", "/zones/{zone}/settings/{id}", "settings:edit", self._setting),
            ("PATCH", "/zones/{zone}/settings/{id}", "settings:edit", self._change_setting),
            ("GET", "/zones/{zone}/access/apps", "access:edit", self._apps),
            ("POST", "/zones/{zone}/access/apps", "access:edit", self._make_app),
            ("PUT", "/zones/{zone}/access/apps/{id}", "access:edit", self._change_app),
            ("DELETE", "/zones/{zone}/access/apps/{id}", "access:edit", self._delete_app),
            ("GET", "/zones/{zone}/access/apps/{app}/policies", "access:edit", self._policies),
            ("POST", "/zones/{zone}/access/apps/{app}/policies", "access:edit", self._make_policy),
            ("PUT", "/zones/{zone}/access/apps/{app}/policies/{id}", "access:edit", self._change_policy),
            ("DELETE", "/zones/{zone}/access/apps/{app}/policies/{id}", "access:edit", self._delete_policy),
        ):
            self.route(method, f"/client/v4{path}", self._guarded(right, serve))

    def unauthorized(self, request: httpx.Request) -> Refused | None:
        if request.headers.get("Authorization") == f"Bearer {self.token}":
            return None
        return refused(400, 6003, "Invalid request headers", (6111, "Invalid format for Authorization header"))

    def add_zone(self, name: str) -> str:
        """A zone as if it had been there before; returns its id."""
        id_ = uuid.uuid4().hex
        self.zones[id_] = {
            "id": id_,
            "name": name,
            "account": ACCOUNT,
            "owner": {"id": ACCOUNT["id"], "name": "x", "type": "user"},
            "development_mode": 0,
            "meta": {},
            "name_servers": ["a.ns.example.net", "b.ns.example.net"],
            "original_name_servers": None,
            "original_registrar": None,
            "original_dnshost": None,
            "created_on": TIME,
            "modified_on": TIME,
            "activated_on": TIME,
            "status": "active",
        }
        self.records[id_], self.apps[id_] = {}, {}
        self.settings[id_] = {"ssl": "full", "tls_client_auth": "off"}
        return id_

    # Right first, zone second: a token that may not is told nothing of what is there.
    def _guarded(self, right: str, serve: Callable[[Call], tuple[int, Any]]) -> Callable[[Call], tuple[int, Any]]:
        def guarded(call: Call) -> tuple[int, Any]:
            if right and right not in self.rights:
                raise refused(403, 9109, "Unauthorized to access requested resource")
            if "zone" in call.path and call.path["zone"] not in self.zones:
                raise refused(404, 7003, "Could not route to that path, perhaps your object identifier is invalid?")
            return serve(call)

        return guarded

    def _list(self, call: Call, items: list[Any]) -> tuple[int, Any]:
        page, size = int(call.query.get("page", 1)), min(int(call.query.get("per_page", 20)), self.page)
        shown = items[(page - 1) * size : page * size]
        told = {"page": page, "per_page": size, "count": len(shown), "total_count": len(items)}
        return 200, ok(shown, result_info=told)

    def _zones(self, call: Call) -> tuple[int, Any]:
        return self._list(call, [z for z in self.zones.values() if call.query.get("name", z["name"]) == z["name"]])

    def _make_zone(self, call: Call) -> tuple[int, Any]:
        if any(zone["name"] == call.body["name"] for zone in self.zones.values()):
            raise refused(400, 1061, f"{call.body['name']} already exists, please use another zone name")
        return 200, ok(self.zones[self.add_zone(call.body["name"])])

    # DNS

    def _records(self, call: Call) -> tuple[int, Any]:
        wanted = call.query.get("type")
        return self._list(call, [r for r in self.records[call.path["zone"]].values() if wanted in (None, r["type"])])

    def _make_record(self, call: Call) -> tuple[int, Any]:
        return 200, ok(self._store(call.path["zone"], uuid.uuid4().hex, call.body))

    def _change_record(self, call: Call) -> tuple[int, Any]:
        records = self.records[call.path["zone"]]
        if call.path["id"] not in records:
            raise refused(404, 81044, "Record does not exist.")
        before = {name: records[call.path["id"]][name] for name in ("type", "name", "ttl")}
        return 200, ok(self._store(call.path["zone"], call.path["id"], {**before, **call.body}))

    def _delete_record(self, call: Call) -> tuple[int, Any]:
        if self.records[call.path["zone"]].pop(call.path["id"], None) is None:
            raise refused(404, 81044, "Record does not exist.")
        return 200, ok({"id": call.path["id"]})

    def _store(self, zone: str, id_: str, body: dict[str, Any]) -> dict[str, Any]:
        type_, proxied = body["type"], bool(body.get("proxied"))
        if body["ttl"] != 1 and not 60 <= body["ttl"] <= 86400:
            raise refused(400, 9021, "TTL must be between 60 and 86400 seconds, or 1 for Automatic.")
        content = body.get("content")
        if "data" in body:
            parts = dict(body["data"])
            if type_ == "CAA":
                parts["value"] = f'"{parts["value"]}"'
            content = " ".join(str(part) for part in parts.values())
        others = [r for i, r in self.records[zone].items() if i != id_ and r["name"] == body["name"]]
        if any(r["type"] == type_ and r["content"] == content for r in others):
            raise refused(400, 81058, "An identical record already exists.")
        if others and "CNAME" in {type_, *(r["type"] for r in others)}:
            raise refused(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
        record = {
            **body,
            "id": id_,
            "content": content,
            "proxied": proxied,
            "proxiable": type_ in ("A", "AAAA", "CNAME"),
            "ttl": 1 if proxied else body["ttl"],
            "created_on": TIME,
            "modified_on": TIME,
        }
        self.records[zone][id_] = record
        return record

    # Settings

    def _setting(self, call: Call) -> tuple[int, Any]:
        value = self.settings[call.path["zone"]][call.path["id"]]
        return 200, ok({"id": call.path["id"], "value": value, "editable": True, "modified_on": TIME})

    def _change_setting(self, call: Call) -> tuple[int, Any]:
        self.settings[call.path["zone"]][call.path["id"]] = call.body["value"]
        return self._setting(call)

    # Access

    def _apps(self, call: Call) -> tuple[int, Any]:
        return self._list(call, list(self.apps[call.path["zone"]].values()))

    def _make_app(self, call: Call) -> tuple[int, Any]:
        id_ = str(uuid.uuid4())
        self.policies[id_] = {}
        self.apps[call.path["zone"]][id_] = {**call.body, "id": id_, "created_at": TIME, "updated_at": TIME}
        return 201, ok(self.apps[call.path["zone"]][id_])

    def _change_app(self, call: Call) -> tuple[int, Any]:
        app = self._app(call.path["zone"], call.path["id"])
        app |= call.body
        return 200, ok(app)

    def _delete_app(self, call: Call) -> tuple[int, Any]:
        del self.apps[call.path["zone"]][self._app(call.path["zone"], call.path["id"])["id"]]
        return 202, ok({"id": call.path["id"]})

    def _app(self, zone: str, id_: str) -> dict[str, Any]:
        if id_ not in self.apps[zone]:
            raise refused(404, 11021, "access.api.error.not_found")
        return self.apps[zone][id_]

    def _policies(self, call: Call) -> tuple[int, Any]:
        return self._list(call, list(self.policies[call.path["app"]].values()))

    def _make_policy(self, call: Call) -> tuple[int, Any]:
        return 201, ok(self.add_policy(call.path["app"], call.body))

    def add_policy(self, app_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """A policy as if somebody had made it by hand."""
        id_ = str(uuid.uuid4())
        self.policies[app_id][id_] = {**body, "id": id_, "created_at": TIME, "updated_at": TIME}
        return self.policies[app_id][id_]

    def _change_policy(self, call: Call) -> tuple[int, Any]:
        self.policies[call.path["app"]][call.path["id"]] |= call.body
        return 200, ok(self.policies[call.path["app"]][call.path["id"]])

    def _delete_policy(self, call: Call) -> tuple[int, Any]:
        del self.policies[call.path["app"]][call.path["id"]]
        return 202, ok({"id": call.path["id"]})
