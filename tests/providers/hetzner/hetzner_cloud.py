"""The whole fake: servers, firewalls and DNS."""

from __future__ import annotations

from ipaddress import ip_address

from tests.providers.fake import Call
from tests.providers.hetzner.hetzner_fake import NOW, Thing, invalid, missing, refused, taken
from tests.providers.hetzner.hetzner_machines import Machines

#: What the fake takes for a public suffix; with ``example.org`` so that the contract's zone is a domain of its own.
SUFFIXES = frozenset({"org", "com", "example.org"})


class HetznerCloud(Machines):
    """Zones and their sets of records; one change of a zone at a time."""

    MOST_SETS_PER_PAGE = 100

    def __init__(self) -> None:
        super().__init__()
        self.zones: dict[str, Thing] = {}
        self.sets: dict[tuple[str, str, str], Thing] = {}
        one = "/v1/zones/{zone}/rrsets/{name}/{type}"
        self.route("GET", "/v1/zones", lambda call: self.page(call, "zones", self.zones.values()))
        self.route("POST", "/v1/zones", self._create_zone)
        self.route("GET", "/v1/zones/{zone}", lambda call: (200, {"zone": self._zone(call)}))
        self.route("GET", "/v1/zones/{zone}/rrsets", self._listed_sets)
        self.route("POST", "/v1/zones/{zone}/rrsets", self._create_set)
        self.route("GET", one, lambda call: (200, {"rrset": self._set(call)}))
        self.route("DELETE", one, self._delete_set)
        self.route("POST", f"{one}/actions/set_records", self._set_records)
        self.route("POST", f"{one}/actions/change_ttl", self._change_ttl)

    def _zone(self, call: Call) -> Thing:
        if call.path["zone"] not in self.zones:
            raise missing("zone")
        return self.zones[call.path["zone"]]

    def _set(self, call: Call) -> Thing:
        zone = self._zone(call)
        found = self.sets.get((zone["name"], call.path["name"], call.path["type"]))
        if found is None:
            raise missing("rrset")
        return found

    def _changed(self, zone: Thing, command: str) -> Thing:
        return self.begin(command, [("zone", zone["id"])], lock=f"zone {zone['id']}")

    def _free_zone(self, call: Call) -> Thing:
        zone = self._zone(call)
        if self.locked(f"zone {zone['id']}"):
            raise refused(409, "conflict", "the zone was changed in this moment")
        return zone

    def _create_zone(self, call: Call) -> tuple[int, Thing]:
        name = call.body["name"]
        if name.partition(".")[2] not in SUFFIXES:
            raise invalid("name", "is no domain below a public suffix")
        if name in self.zones:
            raise taken("zone name")
        zone = {
            "id": self.new_id(),
            "name": name,
            "mode": call.body["mode"],
            "ttl": 3600,
            "labels": {},
            "status": "ok",
            "registrar": "other",
            "record_count": 4,
            "created": NOW,
            "protection": {"delete": False},
            "primary_nameservers": [],
            "authoritative_nameservers": {
                "assigned": ["hydrogen.ns.hetzner.com."],
                "delegated": [],
                "delegation_last_check": None,
                "delegation_status": "unknown",
            },
        }
        self.zones[name] = zone
        self.put_set(zone, "@", "SOA", None, [{"value": "hydrogen.ns.hetzner.com. dns.hetzner.com. 1 2 3 4 5"}])
        self.put_set(zone, "@", "NS", None, [{"value": f"{each}.ns.hetzner.com."} for each in ("hydrogen", "oxygen")])
        return 201, {"zone": zone, "action": self._changed(zone, "create_zone")}

    def _listed_sets(self, call: Call) -> tuple[int, Thing]:
        zone = self._zone(call)
        found = [rrset for (name, _, _), rrset in self.sets.items() if name == zone["name"]]
        return self.page(call, "rrsets", found, most=self.MOST_SETS_PER_PAGE)

    def put_set(self, zone: Thing, name: str, type_: str, ttl: int | None, records: list[Thing]) -> Thing:
        values = [record["value"] for record in records]
        if not 1 <= len(values) <= 50 or len(set(values)) != len(values):
            raise invalid("records", "must be 1 to 50 different ones")
        for value in values:
            self._check(name, type_, value)
        self.sets[zone["name"], name, type_] = {
            "id": f"{name}/{type_}",
            "zone": zone["id"],
            "name": name,
            "type": type_,
            "ttl": ttl,
            "labels": {},
            "protection": {"change": False},
            # Its order is no promise of the vendor's.
            "records": [{"value": value, "comment": ""} for value in sorted(values, reverse=True)],
        }
        return self.sets[zone["name"], name, type_]

    def _check(self, name: str, type_: str, value: str) -> None:
        if name != name.lower() or name.endswith("."):
            raise invalid("name", "must be lower case without a final dot")
        if type_ in ("A", "AAAA"):
            try:
                ip_address(value)
            except ValueError:
                raise invalid("records.value", f"{value} is no address") from None
        if type_ == "TXT" and not (value.startswith('"') and value.endswith('"')):
            raise invalid("records.value", "must be quoted")
        if type_ == "CAA" and not value.endswith('"'):
            raise invalid("records.value", "must end in a quoted text")

    def _create_set(self, call: Call) -> tuple[int, Thing]:
        zone, body = self._free_zone(call), call.body
        if (zone["name"], body["name"], body["type"]) in self.sets:
            raise taken("rrset")
        beside = {type_ for (its_zone, name, type_) in self.sets if (its_zone, name) == (zone["name"], body["name"])}
        if beside and "CNAME" in {*beside, body["type"]}:
            raise invalid("type", "a CNAME stands alone")
        rrset = self.put_set(zone, body["name"], body["type"], body.get("ttl"), body["records"])
        return 201, {"rrset": rrset, "action": self._changed(zone, "create_rrset")}

    def _delete_set(self, call: Call) -> tuple[int, Thing]:
        rrset, zone = self._set(call), self._free_zone(call)
        del self.sets[zone["name"], rrset["name"], rrset["type"]]
        return 201, {"action": self._changed(zone, "delete_rrset")}

    def _set_records(self, call: Call) -> tuple[int, Thing]:
        rrset, zone = self._set(call), self._free_zone(call)
        self.put_set(zone, rrset["name"], rrset["type"], rrset["ttl"], call.body["records"])
        return 201, {"action": self._changed(zone, "set_rrset_records")}

    def _change_ttl(self, call: Call) -> tuple[int, Thing]:
        rrset, zone = self._set(call), self._free_zone(call)
        rrset["ttl"] = call.body["ttl"]
        return 201, {"action": self._changed(zone, "change_rrset_ttl")}
