"""Domains and records: ids and text forms are kept in the store, a real name server answers for them."""

from __future__ import annotations

import re

from rehearsal.api import bodies
from rehearsal.api.answers import Answer, Call, Operation, not_found, page, public, unprocessable
from rehearsal.api.backends import NameServer, RecordRefused
from rehearsal.api.record_text import TYPES, check_record, content_of, full_name, shown_data
from rehearsal.edge import Edge
from rehearsal.store import Store, Thing

_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
#: The vendor's default and lowest time to live.
_TTL_S = 1800
_LEAST_TTL_S = 30
#: What the rehearsal calls its name servers in NS records.
NAME_SERVERS = ("ns1.rehearsal.internal", "ns2.rehearsal.internal")


class Domains:
    """Domains, records, and the zones of the name server.

    Args:
        store: holds them.
        server: answers for them.
        edge: where names lead whose records are proxied.
    """

    def __init__(self, store: Store, server: NameServer, edge: Edge) -> None:
        self._store = store
        self._server = server
        self._edge = edge

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        records = "/v2/domains/{domain}/records"
        return (
            Operation("GET", "/v2/domains", self._list),
            Operation("POST", "/v2/domains", self.create),
            Operation("GET", "/v2/domains/{domain}", self._get),
            Operation("DELETE", "/v2/domains/{domain}", self._delete),
            Operation("GET", records, self._list_records),
            Operation("POST", records, self.create_record),
            Operation("GET", f"{records}/{{record}}", self._get_record),
            Operation("PATCH", f"{records}/{{record}}", self.change_record),
            Operation("PUT", f"{records}/{{record}}", self.change_record),
            Operation("DELETE", f"{records}/{{record}}", self.delete_record),
        )

    def reconcile(self) -> None:
        """Makes the name server's zones what the store says."""
        known = [domain["name"] for domain in self._store.all("domain")]
        for zone in self._server.zones():
            if zone.rstrip(".") not in known:
                self._server.delete_zone(zone)
        for name in known:
            self._server.create_zone(f"{name}.")
            for record_name, type_ in dict.fromkeys((r["name"], r["type"]) for r in self.records(name)):
                self._publish(name, record_name, type_)

    def _list(self, call: Call) -> Answer:
        return page(call, "domains", [self._body(domain["name"]) for domain in self._store.all("domain")])

    def create(self, call: Call) -> Answer:
        """Makes a domain; 422 when it is there."""
        name = bodies.text(call.body, "name").lower().rstrip(".")
        if not _DOMAIN.fullmatch(name):
            raise unprocessable("Name is not a valid domain name")
        with self._store.transaction():
            if self._store.get("domain", name) is not None:
                raise unprocessable("Name already exists")
            self._store.put("domain", name, {"name": name})
            self._server.create_zone(f"{name}.")
            self._add(name, {"type": "SOA", "name": "@", "data": str(_TTL_S), "ttl": _TTL_S})
            for server in NAME_SERVERS:
                self._add(name, {"type": "NS", "name": "@", "data": f"{server}.", "ttl": _TTL_S})
            self._publish(name, "@", "NS")
            if address := call.body.get("ip_address"):
                self._add(name, self._wanted(name, {"type": "A", "name": "@", "data": address}))
                self._publish(name, "@", "A")
        return Answer(201, {"domain": {"name": name, "ttl": _TTL_S, "zone_file": None}})

    def _get(self, call: Call) -> Answer:
        return Answer(200, {"domain": self._body(self._domain(call))})

    def _delete(self, call: Call) -> Answer:
        name = self._domain(call)
        with self._store.transaction():
            self._store.delete("domain", name)
            for record in self.records(name):
                self._store.delete("record", record["id"])
            self._server.delete_zone(f"{name}.")
        return Answer(204)

    def _list_records(self, call: Call) -> Answer:
        domain = self._domain(call)
        records = self.records(domain)
        if (type_ := call.query.get("type")) is not None:
            records = [record for record in records if record["type"] == type_]
        if (name := call.query.get("name")) is not None:
            # Asked for with its full name, as the vendor has it.
            records = [record for record in records if full_name(domain, record["name"]) == f"{name.rstrip('.')}."]
        return page(call, "domain_records", [_shown(record) for record in records])

    def create_record(self, call: Call) -> Answer:
        """Makes a record."""
        domain = self._domain(call)
        wanted = self._wanted(domain, call.body)
        with self._store.transaction():
            self._refuse_double(domain, wanted)
            record = self._add(domain, wanted)
            self._publish(domain, record["name"], record["type"])
        return Answer(201, {"domain_record": _shown(record)})

    def _get_record(self, call: Call) -> Answer:
        return Answer(200, {"domain_record": _shown(self._record(call))})

    def change_record(self, call: Call) -> Answer:
        """Changes one."""
        domain, old = self._domain(call), self._record(call)
        if old["type"] == "SOA":
            raise unprocessable("The SOA record cannot be changed.")
        if "type" in call.body and call.body["type"] != old["type"]:
            raise unprocessable("The type of a record cannot be changed.")
        new = {"id": old["id"], **self._wanted(domain, {**public(old), **call.body})}
        with self._store.transaction():
            self._store.put("record", new["id"], new)
            self._publish(domain, old["name"], old["type"])
            if new["name"] != old["name"]:
                self._publish(domain, new["name"], new["type"])
        return Answer(200, {"domain_record": _shown(new)})

    def delete_record(self, call: Call) -> Answer:
        """Removes one."""
        domain, record = self._domain(call), self._record(call)
        if record["type"] == "SOA":
            raise unprocessable("The SOA record cannot be deleted.")
        with self._store.transaction():
            self._store.delete("record", record["id"])
            self._publish(domain, record["name"], record["type"])
        return Answer(204)

    def _wanted(self, domain: str, body: Thing) -> Thing:
        type_ = bodies.text(body, "type")
        if type_ not in TYPES:
            raise unprocessable(f"Type {type_!r} is not known")
        ttl = bodies.integer(body, "ttl", _TTL_S)
        if ttl < _LEAST_TTL_S:
            raise unprocessable(f"Ttl must be at least {_LEAST_TTL_S}")
        name = bodies.text(body, "name", "@").lower().rstrip(".")
        if name == domain or not name:
            name = "@"
        record = {
            "type": type_,
            "name": name.removesuffix(f".{domain}"),
            "data": bodies.text(body, "data"),
            "priority": body.get("priority"),
            "port": body.get("port"),
            "ttl": ttl,
            "weight": body.get("weight"),
            "flags": body.get("flags"),
            "tag": body.get("tag"),
            "_domain": domain,
            "_proxied": bool(body.get("_proxied")),
        }
        check_record(record)
        return record

    def _add(self, domain: str, wanted: Thing) -> Thing:
        empty = dict.fromkeys(("priority", "port", "weight", "flags", "tag"))
        record = {"id": self._store.next_id("record", at_least=1001), **empty, **wanted, "_domain": domain}
        self._store.put("record", record["id"], record)
        return record

    def _refuse_double(self, domain: str, wanted: Thing) -> None:
        for other in self.records(domain):
            if other["name"] == wanted["name"] and "CNAME" in (other["type"], wanted["type"]):
                raise unprocessable("CNAME records cannot share a name with other records")

    def _publish(self, domain: str, name: str, type_: str) -> None:
        """Gives one name and type to the name server, as the store has it now."""
        same = [record for record in self.records(domain) if (record["name"], record["type"]) == (name, type_)]
        if type_ == "SOA":
            return
        contents = tuple(
            dict.fromkeys(
                self._edge.host(type_) if record.get("_proxied") else content_of(domain, record) for record in same
            )
        )
        ttl = min((record["ttl"] for record in same), default=_TTL_S)
        try:
            self._server.put_rrset(f"{domain}.", full_name(domain, name), type_, ttl, contents)
        except RecordRefused as error:
            raise unprocessable(str(error)) from error

    def names(self) -> list[str]:
        """Every domain there is."""
        return [domain["name"] for domain in self._store.all("domain")]

    def records(self, domain: str) -> list[Thing]:
        """All of a domain's."""
        return [record for record in self._store.all("record") if record["_domain"] == domain]

    def _domain(self, call: Call) -> str:
        domain = self._store.get("domain", call.path["domain"])
        if domain is None:
            raise not_found()
        name: str = domain["name"]
        return name

    def _record(self, call: Call) -> Thing:
        record = self._store.get("record", call.number("record"))
        if record is None or record["_domain"] != self._domain(call):
            raise not_found()
        return record

    def _body(self, name: str) -> Thing:
        lines = [f"$ORIGIN {name}.", f"$TTL {_TTL_S}"]
        lines += [
            f"{full_name(name, record['name'])} {record['ttl']} IN {record['type']} {content_of(name, record)}"
            for record in self.records(name)
            if record["type"] != "SOA"
        ]
        return {"name": name, "ttl": _TTL_S, "zone_file": "\n".join(lines) + "\n"}


def _shown(record: Thing) -> Thing:
    return {**public(record), "data": shown_data(record)}
