"""The services of Linode's cloud on paper: DNS, managed databases, and keys to the object store."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tests.providers.fake import Call, Refused
from tests.providers.linode import linode_catalogue as catalogue

if TYPE_CHECKING:
    from tests.providers.linode.linode_fake import LinodeFake

NOW = "2026-11-22T10:00:00"
CA_PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
TIMES_TO_LIVE_S = (30, 120, 300, 3600, 7200, 14400, 28800, 57600, 86400, 172800, 345600, 604800, 1209600, 2419200)


def wrong(reason: str) -> Refused:
    return Refused(400, {"errors": [{"reason": reason}]})


class Zones:
    """Domains and their records."""

    def __init__(self, cloud: LinodeFake) -> None:
        self._cloud = cloud
        self.zones: dict[int, dict[str, Any]] = {}
        self.records: dict[int, dict[int, dict[str, Any]]] = {}
        cloud.route("GET", "/v4/domains", lambda call: cloud.page(self.zones.values(), call))
        cloud.route("POST", "/v4/domains", self._add_zone)
        records = "/v4/domains/{zone}/records"
        cloud.route("GET", records, lambda call: cloud.page(self._of(call).values(), call))
        cloud.route("POST", records, self._add)
        cloud.route("PUT", f"{records}/{{id}}", self._put)
        cloud.route("DELETE", f"{records}/{{id}}", self._remove)

    def _add_zone(self, call: Call) -> tuple[int, Any]:
        if any(zone["domain"] == call.body["domain"] for zone in self.zones.values()):
            raise wrong("Domain already exists")
        if call.body["type"] == "master" and not call.body.get("soa_email"):
            raise wrong("soa_email is required")
        number = next(self._cloud.numbers)
        self.zones[number] = {"id": number, "status": "active", "ttl_sec": 0, **call.body}
        self.records[number] = {}
        return 200, self.zones[number]

    def _of(self, call: Call) -> dict[int, dict[str, Any]]:
        self._cloud.one(self.zones, call.path["zone"])
        return self.records[int(call.path["zone"])]

    def _add(self, call: Call) -> tuple[int, Any]:
        records, body = self._of(call), call.body
        others = [each for each in records.values() if each["name"] == body.get("name", "")]
        if any("CNAME" in (each["type"], body["type"]) for each in others):
            raise wrong("hostname is not unique")
        number = next(self._cloud.numbers)
        empty = {"name": "", "priority": 0, "weight": 0, "port": 0, "service": None, "protocol": None, "tag": None}
        dates = {"created": NOW, "updated": NOW}
        records[number] = {"id": number, **empty, **body, "ttl_sec": _rounded(body.get("ttl_sec", 0)), **dates}
        return 200, records[number]

    def _put(self, call: Call) -> tuple[int, Any]:
        record = self._cloud.one(self._of(call), call.path["id"])
        record |= {**call.body, "ttl_sec": _rounded(call.body["ttl_sec"])}
        return 200, record

    def _remove(self, call: Call) -> tuple[int, Any]:
        records = self._of(call)
        self._cloud.one(records, call.path["id"])
        del records[int(call.path["id"])]
        return 200, {}


def _rounded(ttl_s: int) -> int:
    """As the vendor does: up, and without a word."""
    return min((each for each in TIMES_TO_LIVE_S if each >= ttl_s), default=TIMES_TO_LIVE_S[-1]) if ttl_s else 0


class Clusters:
    """Managed databases; each engine counts its own."""

    def __init__(self, cloud: LinodeFake) -> None:
        self._cloud = cloud
        self.databases: dict[tuple[str, int], dict[str, Any]] = {}
        cloud.route("GET", "/v4/databases/types", lambda call: cloud.page(catalogue.DATABASE_TYPES, call))
        cloud.route("GET", "/v4/databases/engines", lambda call: cloud.page(catalogue.DATABASE_ENGINES, call))
        every = "/v4/databases/{engine}/instances"
        one = f"{every}/{{id}}"
        cloud.route("GET", every, lambda call: cloud.page(self._of(call.path["engine"]).values(), call))
        cloud.route("POST", every, self._add)
        cloud.route("GET", one, self._get)
        cloud.route("PUT", one, self._put)
        cloud.route("DELETE", one, self._remove)
        cloud.route("GET", f"{one}/credentials", self._login)
        cloud.route("GET", f"{one}/ssl", self._authority)

    def _of(self, engine: str) -> dict[int, dict[str, Any]]:
        return {number: one for (its_engine, number), one in self.databases.items() if its_engine == engine}

    def _add(self, call: Call) -> tuple[int, Any]:
        body = call.body
        if any(each["label"] == body["label"] for each in self.databases.values()):
            raise wrong("Label must be unique among your databases")
        engine, _, version = body["engine"].partition("/")
        if body["engine"] not in {each["id"] for each in catalogue.DATABASE_ENGINES} or engine != call.path["engine"]:
            raise wrong("Invalid engine")
        if body["type"] not in {each["id"] for each in catalogue.DATABASE_TYPES}:
            raise wrong("Invalid type")
        number = len(self._of(engine)) + 1
        self.databases[engine, number] = {
            "id": number,
            "label": body["label"],
            "region": body["region"],
            "type": body["type"],
            "engine": engine,
            "version": version,
            "cluster_size": body["cluster_size"],
            "allow_list": body["allow_list"],
            "hosts": {"primary": None, "secondary": None},
            "port": {"mysql": 3306, "postgresql": 5432}[engine],
            "created": NOW,
            "updated": NOW,
            "status": "provisioning",
            "_looks": 3,
        }
        return 200, self._shown(self.databases[engine, number])

    def _shown(self, database: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in database.items() if not key.startswith("_")}

    def _find(self, call: Call) -> dict[str, Any]:
        return self._cloud.one(self._of(call.path["engine"]), call.path["id"])

    def _get(self, call: Call) -> tuple[int, Any]:
        database = self._find(call)
        answer = self._shown(database)
        database["_looks"] -= 1
        if database["_looks"] <= 0:
            name = f"lin-{database['id']}-{database['engine']}-primary.servers.linodedb.net"
            database |= {"status": "active", "hosts": {"primary": name, "secondary": None}}
        return 200, answer

    def _active(self, call: Call) -> dict[str, Any]:
        database = self._find(call)
        if database["status"] != "active":
            raise wrong("The database must be active")
        return database

    def _put(self, call: Call) -> tuple[int, Any]:
        database = self._active(call)
        database |= {**call.body, "status": "updating", "_looks": 2}
        return 200, self._shown(database)

    def _remove(self, call: Call) -> tuple[int, Any]:
        del self.databases[call.path["engine"], self._active(call)["id"]]
        return 200, {}

    def _login(self, call: Call) -> tuple[int, Any]:
        self._active(call)
        return 200, {"username": "akmadmin", "password": "s3cur3P@ssw0rd"}

    def _authority(self, call: Call) -> tuple[int, Any]:
        self._active(call)
        return 200, {"ca_certificate": base64.b64encode(CA_PEM.encode()).decode()}


class Keyring:
    """Keys to the object store, and the buckets that exist."""

    def __init__(self, cloud: LinodeFake) -> None:
        self._cloud = cloud
        self.keys: dict[int, dict[str, Any]] = {}
        self.buckets: list[dict[str, Any]] = []
        cloud.route("GET", "/v4/object-storage/endpoints", lambda call: cloud.page(catalogue.STORES, call))
        cloud.route("GET", "/v4/object-storage/buckets", lambda call: cloud.page(self.buckets, call))
        cloud.route("GET", "/v4/object-storage/keys", lambda call: cloud.page(self.keys.values(), call))
        cloud.route("POST", "/v4/object-storage/keys", self._add)
        cloud.route("DELETE", "/v4/object-storage/keys/{id}", self._remove)

    def _add(self, call: Call) -> tuple[int, Any]:
        body = call.body
        limited = "bucket_access" in body
        if not limited and not body.get("regions"):
            raise wrong("regions is required")
        if len(body["label"]) > 50:
            raise wrong("Label must be at most 50 characters")
        known = {(each["label"], each["region"]) for each in self.buckets}
        for access in body.get("bucket_access", []):
            if (access["bucket_name"], access["region"]) not in known:
                raise wrong("Bucket not found")
        number = next(self._cloud.numbers)
        regions = body.get("regions") or sorted({access["region"] for access in body["bucket_access"]})
        self.keys[number] = {
            "id": number,
            "label": body["label"],
            "access_key": f"KVAK{number}",
            "secret_key": "[REDACTED]",
            "limited": limited,
            "bucket_access": body.get("bucket_access"),
            "regions": [{"id": region, "s3_endpoint": f"{region}.example"} for region in regions],
        }
        return 200, {**self.keys[number], "secret_key": f"secret-{number}"}

    def _remove(self, call: Call) -> tuple[int, Any]:
        self._cloud.one(self.keys, call.path["id"])
        del self.keys[int(call.path["id"])]
        return 200, {}
