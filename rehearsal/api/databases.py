"""Managed databases: clusters of one machine each, which is none of the account's droplets.

Hosts in connections are addresses, where the vendor has names; the certificates are for these addresses.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import secrets
import uuid
from typing import Any

from rehearsal.api import bodies
from rehearsal.api.answers import Answer, ApiError, Call, Operation, not_found, now_text, page, public, unprocessable
from rehearsal.api.catalogue import REGIONS, check_region
from rehearsal.api.clusters import SIZES, Clusters, engine_of
from rehearsal.api.engines import ADMINISTRATOR, ENGINES, FIRST_DATABASE, PORT
from rehearsal.api.filters import Guard
from rehearsal.api.tags import add_tags
from rehearsal.api.vpcs import Vpcs
from rehearsal.contract import MachineRoom
from rehearsal.store import Store, Thing
from state.errors import MachineError
from state.secret import Secret

_NAME = re.compile(r"[a-z][a-z0-9\-]{2,62}")
_USER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.\-]{0,31}")
_DATABASE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_\-]{0,62}")
#: The vendor's limit of trusted sources.
_MOST_RULES = 100


class Databases:
    """Clusters, their trusted sources, users and databases.

    Args:
        store: holds them.
        room: knows their addresses.
        clusters: makes them.
        guard: applies their trusted sources.
        vpcs: finds the network they join.
        offered: False refuses them, as in a region without the product.
    """

    def __init__(
        self, store: Store, room: MachineRoom, clusters: Clusters, guard: Guard, vpcs: Vpcs, *, offered: bool = True
    ) -> None:
        self._store = store
        self._room = room
        self._clusters = clusters
        self._guard = guard
        self._vpcs = vpcs
        self._offered = offered

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        one = "/v2/databases/{database}"
        return (
            Operation("GET", "/v2/databases/options", self._options),
            Operation("GET", "/v2/databases", self._list),
            Operation("POST", "/v2/databases", self._create),
            Operation("GET", one, self._get),
            Operation("DELETE", one, self._delete),
            Operation("GET", f"{one}/ca", self._ca),
            Operation("GET", f"{one}/firewall", self._rules),
            Operation("PUT", f"{one}/firewall", self._replace_rules),
            Operation("GET", f"{one}/users", self._users),
            Operation("POST", f"{one}/users", self._add_user),
            Operation("GET", f"{one}/users/{{user}}", self._user),
            Operation("DELETE", f"{one}/users/{{user}}", self._remove_user),
            Operation("POST", f"{one}/users/{{user}}/reset_auth", self._reset_user),
            Operation("GET", f"{one}/dbs", self._dbs),
            Operation("POST", f"{one}/dbs", self._add_db),
            Operation("GET", f"{one}/dbs/{{db}}", self._db),
            Operation("DELETE", f"{one}/dbs/{{db}}", self._remove_db),
        )

    def _options(self, _: Call) -> Answer:
        layouts = [{"num_nodes": 1, "sizes": [size.slug for size in SIZES]}]
        engines = ENGINES if self._offered else ()
        options = {
            engine.slug: {"regions": sorted(REGIONS), "versions": [engine.version], "layouts": layouts}
            for engine in engines
        }
        versions = {
            engine.slug: [{"version": engine.version, "end_of_life": None, "end_of_availability": None}]
            for engine in engines
        }
        return Answer(200, {"options": options, "version_availability": versions})

    def _list(self, call: Call) -> Answer:
        clusters = [cluster for cluster in self._store.all("database") if not cluster["_leaving"]]
        if (tag := call.query.get("tag_name")) is not None:
            clusters = [cluster for cluster in clusters if tag in cluster["tags"]]
        return page(call, "databases", [self._shown(cluster) for cluster in clusters])

    def _get(self, call: Call) -> Answer:
        return Answer(200, {"database": self._shown(self._find(call))})

    def _create(self, call: Call) -> Answer:
        if not self._offered:
            raise unprocessable("Managed databases are not available in this region.")
        with self._store.transaction():
            cluster = self._wanted(call.body)
            self._store.put("database", cluster["id"], cluster)
        self._guard.refresh()
        self._clusters.begin(cluster)
        return Answer(201, {"database": self._shown(cluster)})

    def _wanted(self, body: Thing) -> Thing:
        name = bodies.text(body, "name")
        if not _NAME.fullmatch(name):
            raise unprocessable("invalid cluster name")
        if any(other["name"] == name for other in self._store.all("database")):
            raise unprocessable("cluster name is not available")
        slug = bodies.text(body, "engine")
        engine = next((engine for engine in ENGINES if engine.slug == slug), None)
        if engine is None:
            raise unprocessable(f"The rehearsal offers no engine {slug!r}.")
        if bodies.text(body, "version", engine.version) != engine.version:
            raise unprocessable("invalid cluster engine version")
        size = bodies.text(body, "size")
        if bodies.integer(body, "num_nodes") != 1 or size not in [one.slug for one in SIZES]:
            raise unprocessable("invalid size")
        region = check_region(bodies.text(body, "region"))
        tags = bodies.tag_names(body)
        add_tags(self._store, tags)
        id_ = str(uuid.uuid4())
        return {
            "id": id_,
            "name": name,
            "engine": slug,
            "version": engine.version,
            "num_nodes": 1,
            "size": size,
            "region": region,
            "status": "creating",
            "created_at": now_text(),
            "private_network_uuid": self._vpcs.join(body.get("private_network_uuid"), region),
            "tags": tags,
            "db_names": [FIRST_DATABASE],
            "users": [_new_user(slug, ADMINISTRATOR, "primary")],
            "maintenance_window": {"day": "monday", "hour": "03:00:00", "pending": False, "description": []},
            "rules": self._checked_rules(body, id_),
            "_machine": self._store.next_id("machine"),
            "_leaving": False,
        }

    def _delete(self, call: Call) -> Answer:
        cluster = self._find(call)
        self._store.change("database", cluster["id"], _leaving=True)
        self._clusters.begin(cluster)
        return Answer(204)

    def _ca(self, call: Call) -> Answer:
        self._find(call)
        return Answer(200, {"ca": {"certificate": base64.b64encode(self._clusters.ca_pem.encode()).decode()}})

    def _rules(self, call: Call) -> Answer:
        return Answer(200, {"rules": self._find(call)["rules"]})

    def _replace_rules(self, call: Call) -> Answer:
        with self._store.transaction():
            cluster = self._find(call)
            self._store.change("database", cluster["id"], rules=self._checked_rules(call.body, cluster["id"]))
        self._guard.refresh()
        return Answer(204)

    def _checked_rules(self, body: Thing, cluster_id: str) -> list[Thing]:
        wanted = bodies.items(body, "rules")
        if len(wanted) > _MOST_RULES:
            raise unprocessable(f"a cluster has at most {_MOST_RULES} trusted sources")
        return [self._checked_rule(rule, cluster_id) for rule in wanted]

    def _checked_rule(self, rule: Any, cluster_id: str) -> Thing:
        if not isinstance(rule, dict):
            raise unprocessable("rules is invalid")
        type_, value = bodies.text(rule, "type"), bodies.text(rule, "value")
        match type_:
            case "ip_addr":
                if ipaddress.ip_network(bodies.cidr(value)).version != 4:
                    raise unprocessable("IPv6 addresses cannot be trusted sources")
            case "tag":
                add_tags(self._store, [bodies.check_tag(value)])
            case "droplet":
                if self._store.get("droplet", value) is None:
                    raise unprocessable(f"droplet {value} does not exist")
            case _:
                raise unprocessable(f"The rehearsal has nothing of type {type_!r} to trust.")
        shown = {
            "uuid": bodies.text(rule, "uuid", "") or str(uuid.uuid4()),
            "cluster_uuid": cluster_id,
            "type": type_,
            "value": value,
            "created_at": now_text(),
        }
        description = bodies.text(rule, "description", "")
        return {**shown, "description": description} if description else shown

    def _users(self, call: Call) -> Answer:
        return Answer(200, {"users": self._find(call)["users"]})

    def _user(self, call: Call) -> Answer:
        return Answer(200, {"user": self._find_user(self._find(call), call)})

    def _add_user(self, call: Call) -> Answer:
        cluster = self._find(call, online=True)
        name = bodies.text(call.body, "name")
        if not _USER.fullmatch(name) or name in ("root", "postgres", "mysql"):
            raise unprocessable("invalid user name")
        if any(user["name"] == name for user in cluster["users"]):
            raise ApiError(409, "conflict", "user name is not available")
        settings = call.body.get("mysql_settings") or {}
        if settings.get("auth_plugin", "mysql_native_password") != "mysql_native_password":
            raise unprocessable("The rehearsal's engine knows mysql_native_password only.")
        user = _new_user(cluster["engine"], name, "normal")
        password = Secret(user["password"])
        self._alter(cluster, lambda engine: engine.put_user(name, password), lambda it: it["users"].append(user))
        return Answer(201, {"user": user})

    def _remove_user(self, call: Call) -> Answer:
        cluster = self._find(call, online=True)
        name = self._find_user(cluster, call)["name"]
        if name == ADMINISTRATOR:
            raise unprocessable(f"{ADMINISTRATOR} cannot be removed")
        self._alter(cluster, lambda engine: engine.drop_user(name), lambda it: _without(it["users"], name))
        return Answer(204)

    def _reset_user(self, call: Call) -> Answer:
        cluster = self._find(call, online=True)
        known = self._find_user(cluster, call)
        user = {**known, "password": _new_password()}
        name, password = user["name"], Secret(user["password"])

        def write(cluster: Thing) -> None:
            cluster["users"] = [user if one["name"] == name else one for one in cluster["users"]]

        self._alter(cluster, lambda engine: engine.put_user(name, password), write)
        return Answer(200, {"user": user})

    def _dbs(self, call: Call) -> Answer:
        return Answer(200, {"dbs": [{"name": name} for name in self._find(call)["db_names"]]})

    def _db(self, call: Call) -> Answer:
        return Answer(200, {"db": {"name": self._find_db(self._find(call), call)}})

    def _add_db(self, call: Call) -> Answer:
        cluster = self._find(call, online=True)
        name = bodies.text(call.body, "name")
        if not _DATABASE.fullmatch(name):
            raise unprocessable("invalid database name")
        if name in cluster["db_names"]:
            raise ApiError(409, "conflict", "database name is not available")
        self._alter(cluster, lambda engine: engine.put_database(name), lambda it: it["db_names"].append(name))
        return Answer(201, {"db": {"name": name}})

    def _remove_db(self, call: Call) -> Answer:
        cluster = self._find(call, online=True)
        name = self._find_db(cluster, call)
        self._alter(cluster, lambda engine: engine.drop_database(name), lambda it: it["db_names"].remove(name))
        return Answer(204)

    def _alter(self, cluster: Thing, order: Any, write: Any) -> None:
        try:
            self._clusters.alter(cluster, order, write)
        except MachineError as failed:
            raise unprocessable(f"the cluster did not take it: {failed.detail or failed.summary}") from failed

    def _find(self, call: Call, *, online: bool = False) -> Thing:
        cluster = self._store.get("database", call.path["database"])
        if cluster is None or cluster["_leaving"]:
            raise not_found("cluster not found")
        if online and cluster["status"] != "online":
            raise unprocessable("cluster is not online yet")
        return cluster

    def _find_user(self, cluster: Thing, call: Call) -> Thing:
        for user in cluster["users"]:
            if user["name"] == call.path["user"]:
                found: Thing = user
                return found
        raise not_found("user not found")

    def _find_db(self, cluster: Thing, call: Call) -> str:
        if call.path["db"] not in cluster["db_names"]:
            raise not_found("database not found")
        return call.path["db"]

    def _shown(self, cluster: Thing) -> Thing:
        addresses = self._room.reserve(cluster["_machine"])
        return {
            **public(cluster),
            "connection": _connection(cluster, addresses.public_ipv4),
            "private_connection": _connection(cluster, addresses.private_ipv4),
        }


def _connection(cluster: Thing, host: str) -> Thing:
    password = cluster["users"][0]["password"]
    engine = engine_of(cluster)
    mode = "sslmode=require" if engine.slug == "pg" else "ssl-mode=REQUIRED"
    return {
        "uri": f"{engine.scheme}://{ADMINISTRATOR}:{password}@{host}:{PORT}/{FIRST_DATABASE}?{mode}",
        "database": FIRST_DATABASE,
        "host": host,
        "port": PORT,
        "user": ADMINISTRATOR,
        "password": password,
        "ssl": True,
    }


def _new_user(engine: str, name: str, role: str) -> Thing:
    user: Thing = {"name": name, "role": role, "password": _new_password()}
    return {**user, "mysql_settings": {"auth_plugin": "mysql_native_password"}} if engine == "mysql" else user


def _new_password() -> str:
    """In the vendor's form; hexadecimal, so that it needs no quoting anywhere."""
    return f"AVNS_{secrets.token_hex(12)}"


def _without(users: list[Thing], name: str) -> None:
    users[:] = [user for user in users if user["name"] != name]
