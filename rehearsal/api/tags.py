"""Tags: names on droplets and images; a firewall may follow them."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.api import bodies
from rehearsal.api.answers import Answer, Call, Operation, not_found, page, unprocessable
from rehearsal.api.filters import Guard
from rehearsal.store import Store, Thing

#: Kinds of the store that carry tags, with the API's word for each.
_TAGGED = {"droplet": "droplets", "image": "images", "database": "databases"}


class Tags:
    """The account's tags.

    Args:
        store: holds them.
        guard: told when a machine gets or loses one.
    """

    def __init__(self, store: Store, guard: Guard) -> None:
        self._store = store
        self._guard = guard

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        return (
            Operation("GET", "/v2/tags", self._list),
            Operation("POST", "/v2/tags", self._create),
            Operation("GET", "/v2/tags/{tag}", self._get),
            Operation("DELETE", "/v2/tags/{tag}", self._delete),
            Operation("POST", "/v2/tags/{tag}/resources", self._attach),
            Operation("DELETE", "/v2/tags/{tag}/resources", self._detach),
        )

    def _list(self, call: Call) -> Answer:
        return page(call, "tags", [self._body(tag["name"], call) for tag in self._store.all("tag")])

    def _create(self, call: Call) -> Answer:
        name = bodies.check_tag(bodies.text(call.body, "name"))
        add_tags(self._store, [name])
        return Answer(201, {"tag": self._body(name, call)})

    def _get(self, call: Call) -> Answer:
        return Answer(200, {"tag": self._body(self._find(call), call)})

    def _delete(self, call: Call) -> Answer:
        name = self._find(call)
        with self._store.transaction():
            self._store.delete("tag", name)
            for kind in (*_TAGGED, "firewall"):
                for thing in self._store.all(kind):
                    _without(self._store, kind, thing, name)
        self._guard.refresh()
        return Answer(204)

    def _attach(self, call: Call) -> Answer:
        name = self._find(call)
        with self._store.transaction():
            for kind, thing in self._resources(call):
                if name not in thing["tags"]:
                    self._store.change(kind, thing["id"], tags=[*thing["tags"], name])
        self._guard.refresh()
        return Answer(204)

    def _detach(self, call: Call) -> Answer:
        name = self._find(call)
        with self._store.transaction():
            for kind, thing in self._resources(call):
                _without(self._store, kind, thing, name)
        self._guard.refresh()
        return Answer(204)

    def _resources(self, call: Call) -> list[tuple[str, Thing]]:
        found = []
        for resource in bodies.items(call.body, "resources"):
            kind = resource.get("resource_type") if isinstance(resource, dict) else None
            if kind not in ("droplet", "image"):
                raise unprocessable(f"{kind!r} cannot be tagged here")
            thing = self._store.get(kind, resource.get("resource_id"))
            if thing is None:
                raise not_found()
            found.append((kind, thing))
        return found

    def _find(self, call: Call) -> str:
        tag = self._store.get("tag", call.path["tag"])
        if tag is None:
            raise not_found()
        name: str = tag["name"]
        return name

    def _body(self, name: str, call: Call) -> Thing:
        resources: Thing = {}
        for kind, word in _TAGGED.items():
            ids = [thing["id"] for thing in self._store.all(kind) if name in thing["tags"]]
            resources[word] = {"count": len(ids)}
            if ids:
                resources[word]["last_tagged_uri"] = f"{call.origin}/v2/{word}/{ids[-1]}"
        total = sum(part["count"] for part in resources.values())
        for word in ("volumes", "volume_snapshots"):
            resources[word] = {"count": 0}
        return {"name": name, "resources": {"count": total, **resources}}


def add_tags(store: Store, names: Iterable[str]) -> None:
    """Makes those that are missing."""
    with store.transaction():
        for name in names:
            if store.get("tag", name) is None:
                store.put("tag", name, {"name": name})


def check_tags(store: Store, names: Iterable[str]) -> None:
    """Refuses a tag that does not exist."""
    for name in names:
        if store.get("tag", name) is None:
            raise unprocessable(f"tag {name!r} does not exist")


def _without(store: Store, kind: str, thing: Thing, tag: str) -> None:
    if tag in thing["tags"]:
        store.change(kind, thing["id"], tags=[name for name in thing["tags"] if name != tag])
