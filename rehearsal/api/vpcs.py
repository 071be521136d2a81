"""Private networks. All of a rehearsal share one block of addresses; who may talk to whom is for firewalls."""

from __future__ import annotations

import re
import uuid

from rehearsal.api import bodies
from rehearsal.api.answers import Answer, ApiError, Call, Operation, conflict, not_found, now_text, page, unprocessable
from rehearsal.api.catalogue import check_region
from rehearsal.store import Store, Thing

_NAME = re.compile(r"[a-zA-Z0-9\-.]{1,255}")


class Vpcs:
    """VPCs and their members.

    Args:
        store: holds them.
        private_range: the block the machine room takes private addresses from.
    """

    def __init__(self, store: Store, private_range: str) -> None:
        self._store = store
        self.private_range = private_range

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        one = "/v2/vpcs/{vpc}"
        return (
            Operation("GET", "/v2/vpcs", self._list),
            Operation("POST", "/v2/vpcs", self._create),
            Operation("GET", one, self._get),
            Operation("PUT", one, self._change),
            Operation("PATCH", one, self._change),
            Operation("DELETE", one, self._delete),
            Operation("GET", f"{one}/members", self._list_members),
        )

    def join(self, wanted: object, region: str) -> str:
        """The id of the network a new machine joins: the wanted one, or the region's default."""
        with self._store.transaction():
            if wanted:
                vpc = self._store.get("vpc", wanted)
                if vpc is None or vpc["region"] != region:
                    raise unprocessable("You specified an invalid VPC for Droplet creation.")
            else:
                defaults = [vpc for vpc in self._store.all("vpc") if vpc["default"] and vpc["region"] == region]
                vpc = defaults[0] if defaults else self._add(f"default-{region}", region, "", default=True)
            id_: str = vpc["id"]
            return id_

    def _list(self, call: Call) -> Answer:
        return page(call, "vpcs", [self._shown(vpc) for vpc in self._store.all("vpc")])

    def _create(self, call: Call) -> Answer:
        name = _check_name(bodies.text(call.body, "name"))
        region = check_region(bodies.text(call.body, "region"))
        wanted = bodies.text(call.body, "ip_range", self.private_range)
        if bodies.cidr(wanted) != bodies.cidr(self.private_range):
            raise unprocessable(f"This rehearsal has one private range, {self.private_range}; leave ip_range out.")
        with self._store.transaction():
            self._refuse_taken(name)
            vpc = self._add(name, region, bodies.text(call.body, "description", ""), default=False)
        return Answer(201, {"vpc": self._shown(vpc)})

    def _add(self, name: str, region: str, description: str, *, default: bool) -> Thing:
        id_ = str(uuid.uuid4())
        vpc = {
            "id": id_,
            "urn": f"do:vpc:{id_}",
            "name": name,
            "description": description,
            "region": region,
            "created_at": now_text(),
            "default": default,
        }
        self._store.put("vpc", id_, vpc)
        return vpc

    def _get(self, call: Call) -> Answer:
        return Answer(200, {"vpc": self._shown(self._find(call))})

    def _change(self, call: Call) -> Answer:
        vpc = self._find(call)
        name = _check_name(bodies.text(call.body, "name", vpc["name"]))
        with self._store.transaction():
            if name != vpc["name"]:
                self._refuse_taken(name)
            vpc |= {"name": name, "description": bodies.text(call.body, "description", vpc["description"])}
            self._store.put("vpc", vpc["id"], vpc)
        return Answer(200, {"vpc": self._shown(vpc)})

    def _delete(self, call: Call) -> Answer:
        vpc = self._find(call)
        if vpc["default"]:
            raise ApiError(403, "forbidden", "Can not delete default VPCs")
        with self._store.transaction():
            if self._members(vpc):
                raise conflict("Can not delete VPC with members")
            self._store.delete("vpc", vpc["id"])
        return Answer(204)

    def _list_members(self, call: Call) -> Answer:
        members = [
            {
                "name": thing["name"],
                "urn": f"do:{'droplet' if 'vpc_uuid' in thing else 'dbaas'}:{thing['id']}",
                "created_at": thing["created_at"],
            }
            for thing in self._members(self._find(call))
        ]
        return page(call, "members", members)

    def _members(self, vpc: Thing) -> list[Thing]:
        droplets = [thing for thing in self._store.all("droplet") if thing["vpc_uuid"] == vpc["id"]]
        clusters = [thing for thing in self._store.all("database") if thing["private_network_uuid"] == vpc["id"]]
        return droplets + clusters

    def _refuse_taken(self, name: str) -> None:
        if any(vpc["name"] == name for vpc in self._store.all("vpc")):
            raise unprocessable("a vpc with the same name already exists in your account")

    def _shown(self, vpc: Thing) -> Thing:
        # Not stored: the rehearsal may come up again with another block.
        return {**vpc, "ip_range": self.private_range}

    def _find(self, call: Call) -> Thing:
        vpc = self._store.get("vpc", call.path["vpc"])
        if vpc is None:
            raise not_found()
        return vpc


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise unprocessable("name may only contain alphanumeric characters, dashes, and periods")
    return name
