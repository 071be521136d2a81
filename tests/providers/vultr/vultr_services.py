"""The part of Vultr on paper that is not machines: DNS, managed databases, object storage."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Any

from tests.providers.fake import Call, Fake, Refused
from tests.providers.vultr.vultr_goods import CLUSTERS, DATABASE_PLANS, TIERS

DATE = "2026-11-01T12:00:00+00:00"
#: Requests until a database serves and a subscription is active.
SERVING, STORING = 5, 4
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def refused(status: int, words: str) -> Refused:
    """The one form of every refusal (the description's "Response Codes")."""
    return Refused(status, {"error": words, "status": status})


class Services(Fake):
    """Gives routes to a fake; time is its number of requests."""

    requests: int
    zones: dict[str, dict[str, dict[str, Any]]]
    databases: dict[str, tuple[dict[str, Any], int]]
    stores: dict[str, tuple[dict[str, Any], int]]
    buckets: dict[str, list[str]]

    def listing(self, key: str, things: Callable[[Call], Iterable[dict[str, Any]]]) -> Callable[[Call], Any]:
        raise NotImplementedError

    # DNS

    def route_names(self) -> None:
        zones = self.listing("domains", lambda _: [_zone(zone) for zone in self.zones])
        self.route("GET", "/v2/domains", zones)
        self.route("POST", "/v2/domains", self._make_zone)
        records = self.listing("records", lambda call: self._zone(call).values())
        self.route("GET", "/v2/domains/{zone}/records", records)
        self.route("POST", "/v2/domains/{zone}/records", self._make_record)
        self.route("PATCH", "/v2/domains/{zone}/records/{id}", self._change_record)
        self.route("DELETE", "/v2/domains/{zone}/records/{id}", self._delete_record)

    def _zone(self, call: Call) -> dict[str, dict[str, Any]]:
        if call.path["zone"] not in self.zones:
            raise refused(404, "Invalid domain")
        return self.zones[call.path["zone"]]

    def _make_zone(self, call: Call) -> tuple[int, Any]:
        zone = call.body["domain"]
        if zone in self.zones:
            raise refused(400, "Domain is already in our system")
        servers = [_record("NS", "", f"ns{number}.vultr.com", 300) for number in (1, 2)]
        self.zones[zone] = {record["id"]: record for record in servers}
        return 200, {"domain": _zone(zone)}

    def _make_record(self, call: Call) -> tuple[int, Any]:
        zone, body = self._zone(call), call.body
        record = _record(body["type"], body["name"], body["data"], body.get("ttl", 300), body.get("priority"))
        _check_record(record)
        beside = [each["type"] for each in zone.values() if each["name"] == record["name"]]
        if "CNAME" in beside or (record["type"] == "CNAME" and beside):
            raise refused(400, "A CNAME record already exists, or would be beside others")
        zone[record["id"]] = record
        return 201, {"record": record}

    def _change_record(self, call: Call) -> tuple[int, Any]:
        zone = self._zone(call)
        if call.path["id"] not in zone:
            raise refused(404, "Invalid record")
        changed = zone[call.path["id"]] | call.body
        _check_record(changed)
        zone[call.path["id"]] = changed
        return 204, None

    def _delete_record(self, call: Call) -> tuple[int, Any]:
        if self._zone(call).pop(call.path["id"], None) is None:
            raise refused(404, "Invalid record")
        return 204, None

    # Managed databases

    def route_databases(self) -> None:
        self.route("GET", "/v2/databases/plans", lambda _: (200, {"plans": DATABASE_PLANS}))
        self.route("GET", "/v2/databases", lambda _: (200, {"databases": [*map(self._shown_database, self.databases)]}))
        self.route("POST", "/v2/databases", self._make_database)
        self.route("GET", "/v2/databases/{id}", self._get_database)
        self.route("PUT", "/v2/databases/{id}", self._change_database)
        self.route("DELETE", "/v2/databases/{id}", self._delete_database)

    def _shown_database(self, database_id: str) -> dict[str, Any]:
        body, born = self.databases[database_id]
        if self.requests - born < SERVING:
            return body | {"status": "Rebuilding"}
        name = f"vultr-prod-{database_id}.vultrdb.com"
        return body | {
            "status": "Running",
            "host": name,
            "public_host": f"public-{name}",
            "port": "16751",
            "user": "vultradmin",
            "password": "AVNS_never_shown",
            "dbname": "defaultdb",
            "ca_certificate": CA,
        }

    def _known_database(self, call: Call) -> str:
        if call.path["id"] not in self.databases:
            # The words are those of the vendor's Terraform provider's tests; it does not say the status.
            raise refused(400, "Not a valid Database Subscription UUID")
        return call.path["id"]

    def _get_database(self, call: Call) -> tuple[int, Any]:
        return 200, {"database": self._shown_database(self._known_database(call))}

    def _make_database(self, call: Call) -> tuple[int, Any]:
        plan = next((each for each in DATABASE_PLANS if each["id"] == call.body["plan"]), None)
        if plan is None or not plan["supported_engines"].get(call.body["database_engine"]):
            raise refused(400, "Invalid plan for this engine")
        body = {"id": str(uuid.uuid4()), "date_created": DATE, **call.body}
        body["trusted_ips"] = [_trusted(each) for each in call.body.get("trusted_ips", [])]
        self.databases[body["id"]] = (body, self.requests)
        return 202, {"database": self._shown_database(body["id"])}

    def _change_database(self, call: Call) -> tuple[int, Any]:
        database_id = self._known_database(call)
        self.databases[database_id][0]["trusted_ips"] = [_trusted(each) for each in call.body["trusted_ips"]]
        return 200, {"database": self._shown_database(database_id)}

    def _delete_database(self, call: Call) -> tuple[int, Any]:
        del self.databases[self._known_database(call)]
        return 204, None

    # Object storage

    def route_storage(self) -> None:
        self.route("GET", "/v2/object-storage/clusters", self.listing("clusters", lambda _: CLUSTERS))
        self.route("GET", "/v2/object-storage/clusters/{id}/tiers", lambda _: (200, {"tiers": TIERS}))
        stores = self.listing("object_storages", lambda _: map(self._shown_store, self.stores))
        self.route("GET", "/v2/object-storage", stores)
        self.route("POST", "/v2/object-storage", self._make_store)
        self.route("GET", "/v2/object-storage/{id}", self._get_store)
        self.route("GET", "/v2/object-storage/{id}/bucket", self._list_buckets)
        self.route("DELETE", "/v2/object-storage/{id}", self._delete_store)

    def _shown_store(self, store_id: str) -> dict[str, Any]:
        body, born = self.stores[store_id]
        ready = self.requests - born >= STORING
        keys = {"s3_access_key": f"KEY{store_id[:8]}", "s3_secret_key": f"secret-{store_id}"}
        return body | {"status": "active", **keys} if ready else body | {"status": "pending", **dict.fromkeys(keys, "")}

    def _known_store(self, call: Call) -> str:
        if call.path["id"] not in self.stores:
            raise refused(404, "Invalid object storage ID")
        return call.path["id"]

    def _get_store(self, call: Call) -> tuple[int, Any]:
        return 200, {"object_storage": self._shown_store(self._known_store(call))}

    def _make_store(self, call: Call) -> tuple[int, Any]:
        cluster = next((each for each in CLUSTERS if each["id"] == call.body["cluster_id"]), None)
        if cluster is None or cluster["deploy"] != "yes" or all(call.body["tier_id"] != each["id"] for each in TIERS):
            raise refused(400, "Invalid cluster or tier")
        body = {"id": str(uuid.uuid4()), "date_created": DATE, "cluster_id": cluster["id"], "label": call.body["label"]}
        body |= {"region": cluster["region"], "s3_hostname": cluster["hostname"]}
        self.stores[body["id"]] = (body, self.requests)
        return 202, {"object_storage": self._shown_store(body["id"])}

    def _list_buckets(self, call: Call) -> tuple[int, Any]:
        names = self.buckets.get(self._known_store(call), [])
        return 200, {"buckets": [{"name": name, "date_created": DATE} for name in names]}

    def _delete_store(self, call: Call) -> tuple[int, Any]:
        del self.stores[self._known_store(call)]
        return 204, None


def _zone(name: str) -> dict[str, Any]:
    return {"domain": name, "date_created": DATE, "dns_sec": "disabled"}


def _record(type_: str, name: str, data: str, ttl: int, priority: int | None = None) -> dict[str, Any]:
    priority = -1 if priority is None else priority
    return {"id": str(uuid.uuid4()), "type": type_, "name": name, "data": data, "priority": priority, "ttl": ttl}


def _check_record(record: dict[str, Any]) -> None:
    """What the API refuses, as github.com/StackExchange/dnscontrol (providers/vultr) knows it."""
    type_, data = record["type"], record["data"]
    if type_ == "TXT" and not (data[0] == data[-1] == '"' and '"' not in data[1:-1]):
        raise refused(400, "Unable to create record: TXT data must be enclosed in quotes")
    if type_ in ("CNAME", "MX", "NS", "SRV") and data.endswith("."):
        raise refused(400, "Unable to create record: invalid host name")
    if type_ in ("MX", "SRV") and record["priority"] < 0:
        raise refused(400, "Unable to create record: priority is required")
    if type_ == "CAA" and data.count('"') != 2:
        raise refused(400, "Unable to create record: invalid CAA data")
    if record["name"] == "@":
        raise refused(400, "Unable to create record: invalid name")


def _trusted(source: str) -> str:
    network = ip_network(source)
    return str(network)
