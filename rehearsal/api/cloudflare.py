"""Cloudflare's API v4, as far as its driver needs it, over the same zones: a deployment may stand behind an edge here.

Names of records are whole, ids are of 32 digits, and a record may be proxied: then its name leads to the edge's host.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

from rehearsal.api import bodies
from rehearsal.api.answers import Answer, Call, Operation, not_found, unprocessable
from rehearsal.api.domains import Domains
from rehearsal.api.record_text import content_of, full_name, shown_data
from rehearsal.store import Store, Thing

#: What the driver asks and sets; a zone has these until somebody changes them.
_SETTINGS = {"ssl": "strict", "tls_client_auth": "off"}
#: The TTL that means "the vendor's own", and what that is.
_AUTOMATIC, _AUTOMATIC_S = 1, 300
_SHOWN = ("A", "AAAA", "CNAME", "TXT")
_PROXIABLE = ("A", "AAAA")
_ACCOUNT = {"id": "0" * 32, "name": "Rehearsal"}
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Cloudflare:
    """Zones, records and settings in the vendor's form.

    Args:
        store: keeps the settings.
        domains: has the zones.
    """

    def __init__(self, store: Store, domains: Domains) -> None:
        self._store = store
        self._domains = domains

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        root, zone = "/client/v4", "/client/v4/zones/{zone}"
        return (
            Operation("GET", f"{root}/accounts", lambda call: _page(call, [_ACCOUNT])),
            Operation("GET", f"{root}/zones", self._zones),
            Operation("POST", f"{root}/zones", self._create_zone),
            Operation("GET", f"{zone}/dns_records", self._records),
            Operation("POST", f"{zone}/dns_records", self._create_record),
            Operation("PATCH", f"{zone}/dns_records/{{record}}", self._change_record),
            Operation("DELETE", f"{zone}/dns_records/{{record}}", self._delete_record),
            Operation("GET", f"{zone}/settings/{{setting}}", self._setting),
            Operation("PATCH", f"{zone}/settings/{{setting}}", self._change_setting),
        )

    def _zones(self, call: Call) -> Answer:
        wanted = call.query.get("name")
        return _page(call, [_zone(name) for name in self._domains.names() if wanted in (None, name)])

    def _create_zone(self, call: Call) -> Answer:
        self._domains.create(call)
        return _ok(_zone(bodies.text(call.body, "name").lower()))

    def _records(self, call: Call) -> Answer:
        domain, wanted = self._domain(call), call.query.get("type")
        records = [record for record in self._domains.records(domain) if record["type"] in _SHOWN]
        return _page(call, [_shown(domain, record) for record in records if wanted in (None, record["type"])])

    def _create_record(self, call: Call) -> Answer:
        domain = self._domain(call)
        made = self._domains.create_record(_translated(call, domain))
        assert made.body is not None
        return self._answer(domain, made.body["domain_record"]["id"])

    def _change_record(self, call: Call) -> Answer:
        domain = self._domain(call)
        translated = _translated(call, domain)
        self._domains.change_record(translated)
        return self._answer(domain, translated.number("record"))

    def _delete_record(self, call: Call) -> Answer:
        self._domains.delete_record(_translated(call, self._domain(call)))
        return _ok({"id": call.path["record"]})

    def _answer(self, domain: str, id_: int) -> Answer:
        record = next(record for record in self._domains.records(domain) if record["id"] == id_)
        return _ok(_shown(domain, record))

    def _setting(self, call: Call) -> Answer:
        name = call.path["setting"]
        if name not in _SETTINGS:
            raise not_found()
        kept = self._store.get("zone-setting", f"{self._domain(call)} {name}") or {"value": _SETTINGS[name]}
        return _ok({"id": name, "value": kept["value"], "editable": True})

    def _change_setting(self, call: Call) -> Answer:
        key = f"{self._domain(call)} {call.path['setting']}"
        with self._store.transaction():
            self._store.put("zone-setting", key, {"value": bodies.text(call.body, "value")})
        return self._setting(call)

    def _domain(self, call: Call) -> str:
        for name in self._domains.names():
            if _zone_id(name) == call.path["zone"]:
                return name
        raise not_found()


def _translated(call: Call, domain: str) -> Call:
    """The call as :class:`Domains` takes it."""
    path = {"domain": domain}
    if "record" in call.path:
        path["record"] = str(_number(call.path["record"]))
    body = dict(call.body)
    if "type" in body:
        type_, content = body["type"], bodies.text(body, "content")
        if type_ not in _SHOWN:
            raise unprocessable(f"The rehearsal's Cloudflare takes {', '.join(_SHOWN)}, not {type_}")
        if type_ == "TXT":
            content = "".join(re.sub(r"\\(.)", r"\1", part) for part in _QUOTED.findall(content)) or content
        ttl = bodies.integer(body, "ttl", _AUTOMATIC)
        body = {
            "type": type_,
            "name": bodies.text(body, "name"),
            "data": f"{content.removesuffix('.')}." if type_ == "CNAME" else content,
            "ttl": _AUTOMATIC_S if ttl == _AUTOMATIC else ttl,
            "_proxied": bool(body.get("proxied")) and type_ in _PROXIABLE,
        }
    return replace(call, path=path, body=body)


def _shown(domain: str, record: Thing) -> Thing:
    proxied = bool(record.get("_proxied"))
    return {
        "id": f"{record['id']:032x}",
        "name": full_name(domain, record["name"]).removesuffix("."),
        "type": record["type"],
        "content": content_of(domain, record) if record["type"] == "TXT" else shown_data(record),
        "ttl": _AUTOMATIC if proxied else record["ttl"],
        "proxied": proxied,
        "proxiable": record["type"] in _PROXIABLE,
    }


def _number(id_: str) -> int:
    try:
        return int(id_, 16)
    except ValueError:
        raise not_found() from None


def _zone_id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _zone(name: str) -> Thing:
    return {"id": _zone_id(name), "name": name, "account": _ACCOUNT, "status": "active"}


def _ok(result: Any, **more: Any) -> Answer:
    return Answer(200, {"success": True, "errors": [], "messages": [], "result": result, **more})


def _page(call: Call, things: list[Thing]) -> Answer:
    page, size = int(call.query.get("page", "1")), int(call.query.get("per_page", "20"))
    shown = things[(page - 1) * size : page * size]
    told = {"page": page, "per_page": size, "count": len(shown), "total_count": len(things)}
    return _ok(shown, result_info=told)
