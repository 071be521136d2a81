"""Exoscale on paper, whole: DNS, managed databases and keys beside what ``exoscale_fake`` has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.providers.exoscale.exoscale_fake import ExoscaleFake
from tests.providers.exoscale.exoscale_organization import GIB, ZONES, an_id
from tests.providers.fake import Call, Refused

PLANS = (("business-4", 2, 2, 4, 80), ("hobbyist-2", 1, 2, 2, 8), ("startup-4", 1, 2, 4, 80), ("huge-1", 1, 8, 64, 900))
NAME_SERVERS = ("ns1.exoscale.ch", "ns1.exoscale.com", "ns1.exoscale.io", "ns1.exoscale.net")


class WholeExoscaleFake(ExoscaleFake):
    """One organization with everything the driver asks for."""

    def __init__(self, key: str, secret: str) -> None:
        super().__init__(key, secret)
        self.domains: dict[str, dict[str, Any]] = {}
        self.records: dict[str, dict[str, dict[str, Any]]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.roles: dict[str, dict[str, Any]] = {}
        self.api_keys: dict[str, dict[str, Any]] = {}
        for method, path, serve in self._others():
            self.route(method, path, serve)

    def _others(self) -> list[tuple[str, str, Callable[[Call], tuple[int, Any]]]]:
        databases = [
            route
            for path, kind in (("mysql", "mysql"), ("postgres", "pg"))
            for route in (
                ("POST", f"/v2/dbaas-{path}/{{name}}", self._creator(kind)),
                ("GET", f"/v2/dbaas-{path}/{{name}}", lambda call: (200, self._service(call))),
                ("PUT", f"/v2/dbaas-{path}/{{name}}", self._change_service),
                ("GET", f"/v2/dbaas-{path}/{{name}}/user/{{user}}/password/reveal", self._reveal),
            )
        ]
        return [
            *databases,
            ("GET", "/v2/dbaas-service", self._list_services),
            ("DELETE", "/v2/dbaas-service/{name}", self._delete_service),
            ("GET", "/v2/dbaas-service-type/{kind}", self._plans),
            ("GET", "/v2/dbaas-ca-certificate", lambda call: (200, {"certificate": "-----BEGIN CERTIFICATE-----\n"})),
            ("GET", "/v2/dns-domain", lambda call: (200, {"dns-domains": list(self.domains.values())})),
            ("POST", "/v2/dns-domain", self._create_domain),
            ("GET", "/v2/dns-domain/{id}/record", self._list_records),
            ("POST", "/v2/dns-domain/{id}/record", self._create_record),
            ("PUT", "/v2/dns-domain/{id}/record/{record}", self._change_record),
            ("DELETE", "/v2/dns-domain/{id}/record/{record}", self._delete_record),
            ("GET", "/v2/iam-role", lambda call: (200, {"iam-roles": list(self.roles.values())})),
            ("GET", "/v2/iam-role/{id}", lambda call: (200, self.here(self.roles, call.path["id"]))),
            ("POST", "/v2/iam-role", self._create_role),
            ("PUT", "/v2/iam-role/{id}:policy", self._change_policy),
            ("DELETE", "/v2/iam-role/{id}", self._delete_role),
            ("GET", "/v2/api-key", lambda call: (200, {"api-keys": list(self.api_keys.values())})),
            ("POST", "/v2/api-key", self._create_api_key),
            ("DELETE", "/v2/api-key/{key}", self._delete_api_key),
        ]

    # DNS

    def _create_domain(self, call: Call) -> tuple[int, Any]:
        name = call.body["unicode-name"]
        if any(domain["unicode-name"] == name for domain in self.domains.values()):
            raise Refused(409, {"message": "Domain already exists"})
        domain_id = an_id("domain", name)
        self.records[domain_id] = {}
        for number, host in enumerate(NAME_SERVERS):
            own = {"id": an_id("ns", name, number), "name": "", "type": "NS", "content": host, "ttl": 3600}
            self.records[domain_id][own["id"]] = {**own, "system-record": True}
        return self.later(self.domains, {"id": domain_id, "unicode-name": name}, zoned=False)

    def _records_of(self, call: Call) -> dict[str, dict[str, Any]]:
        self.here(self.domains, call.path["id"])
        return self.records[call.path["id"]]

    def _list_records(self, call: Call) -> tuple[int, Any]:
        return 200, {"dns-domain-records": list(self._records_of(call).values())}

    def _create_record(self, call: Call) -> tuple[int, Any]:
        records, body = self._records_of(call), call.body
        same = [each for each in records.values() if (each["name"], each["type"]) == (body["name"], body["type"])]
        if any(each["content"] == body["content"] for each in same) or (same and body["type"] == "CNAME"):
            raise Refused(409, {"message": "Record already exists"})
        record = {"ttl": 3600, "priority": 0, **body, "id": an_id("record", call.path["id"], self._count)}
        if record["type"] == "TXT":
            # given with quotes, whoever sent it without
            record["content"] = f'"{record["content"]}"'
        return self.later(records, record, zoned=False)

    def _change_record(self, call: Call) -> tuple[int, Any]:
        record = self.here(self._records_of(call), call.path["record"])
        return self.begin(record["id"], lambda: record.update(call.body))

    def _delete_record(self, call: Call) -> tuple[int, Any]:
        records = self._records_of(call)
        if self.here(records, call.path["record"]).get("system-record"):
            raise Refused(403, {"message": "System records stay"})
        return self.remove(records, call.path["record"])

    # Managed databases

    def _plans(self, call: Call) -> tuple[int, Any]:
        plans = [
            {
                "name": name,
                "node-count": nodes,
                "node-cpu-count": cpus,
                "node-memory": memory * GIB,
                "disk-space": disk * GIB,
                "authorized": name != "huge-1",
                "zones": list(ZONES),
            }
            for name, nodes, cpus, memory, disk in PLANS
        ]
        return 200, {"name": call.path["kind"], "plans": plans}

    def _service(self, call: Call) -> dict[str, Any]:
        return self.here(self.services, call.path["name"])

    def _list_services(self, _call: Call) -> tuple[int, Any]:
        shown = ("name", "type", "plan", "state", "zone", "node-count", "termination-protection")
        return 200, {"dbaas-services": [{key: each[key] for key in shown} for each in self.of_zone(self.services)]}

    def _creator(self, kind: str) -> Callable[[Call], tuple[int, Any]]:
        def create(call: Call) -> tuple[int, Any]:
            name = call.path["name"]
            if name in self.services:
                raise Refused(409, {"message": "Service name is already used"})
            service = {
                "termination-protection": True,
                **call.body,
                "name": name,
                "type": kind,
                "zone": self.zone,
                "state": "rebuilding",
                "node-count": 1,
                "prometheus-uri": {"host": "", "port": 0},
                "version": call.body.get("version", "8.4" if kind == "mysql" else "17"),
            }
            self.services[name] = service
            self._places[name] = self.zone

            def run() -> None:
                host, port = f"{name}-exoscale-1.aivencloud.example", "21699"
                login = {"host": host, "port": port, "user": "avnadmin", "dbname": "defaultdb"}
                service.update({"state": "running", "uri-params": login})

            # no reference: services are known by their names
            return self.begin("", run, requests=6)

        return create

    def _change_service(self, call: Call) -> tuple[int, Any]:
        service = self._service(call)
        return self.begin("", lambda: service.update(call.body))

    def _reveal(self, call: Call) -> tuple[int, Any]:
        self._service(call)
        return 200, {"username": call.path["user"], "password": "a-password-of-the-vendors"}

    def _delete_service(self, call: Call) -> tuple[int, Any]:
        if self._service(call)["termination-protection"]:
            raise Refused(409, {"message": "Service is protected"})
        return self.remove(self.services, call.path["name"])

    # Roles and keys

    def _create_role(self, call: Call) -> tuple[int, Any]:
        if any(role["name"] == call.body["name"] for role in self.roles.values()):
            raise Refused(409, {"message": "Role already exists"})
        return self.later(self.roles, {**call.body, "id": an_id("role", self._count)}, zoned=False)

    def _change_policy(self, call: Call) -> tuple[int, Any]:
        role = self.here(self.roles, call.path["id"])
        return self.begin(role["id"], lambda: role.update(policy=call.body))

    def _delete_role(self, call: Call) -> tuple[int, Any]:
        role = self.here(self.roles, call.path["id"])
        if any(key["role-id"] == role["id"] for key in self.api_keys.values()):
            raise Refused(409, {"message": "Role is in use"})
        return self.remove(self.roles, role["id"])

    def _create_api_key(self, call: Call) -> tuple[int, Any]:
        self.here(self.roles, call.body["role-id"])
        access_key = f"EXO{an_id('api-key', self._count).replace('-', '')[:24]}"
        self.api_keys[access_key] = {**call.body, "key": access_key}
        return 200, {**self.api_keys[access_key], "secret": "s" * 43}

    def _delete_api_key(self, call: Call) -> tuple[int, Any]:
        if call.path["key"] not in self.api_keys:
            raise Refused(404, {"message": "Not Found"})
        return self.remove(self.api_keys, call.path["key"])
