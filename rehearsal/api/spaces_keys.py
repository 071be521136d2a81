"""Keys of the object store: made here, known to the real store before they are answered."""

from __future__ import annotations

import secrets
import string

from rehearsal.api import bodies
from rehearsal.api.answers import Answer, ApiError, Call, Operation, not_found, now_text, page, public
from rehearsal.api.backends import BucketKey, BucketKeys
from rehearsal.store import Store, Thing
from state.secret import Secret

_PERMISSIONS = ("read", "readwrite", "fullaccess")
_LETTERS = string.ascii_uppercase + string.digits


class SpacesKeys:
    """Keys with grants on buckets.

    Args:
        store: holds them; the secret half too, because the object store's list is written as a whole.
        keys: the object store.
    """

    def __init__(self, store: Store, keys: BucketKeys) -> None:
        self._store = store
        self._keys = keys

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        one = "/v2/spaces/keys/{access_key}"
        return (
            Operation("GET", "/v2/spaces/keys", self._list),
            Operation("POST", "/v2/spaces/keys", self._create),
            Operation("GET", one, self._get),
            Operation("PUT", one, self._change),
            Operation("PATCH", one, self._change),
            Operation("DELETE", one, self._delete),
        )

    def reconcile(self) -> None:
        """Gives the object store the list as it is."""
        self._keys.put_all(
            tuple(
                BucketKey(
                    key["access_key"],
                    Secret(key["_secret_key"]),
                    tuple((grant["bucket"], grant["permission"]) for grant in key["grants"]),
                )
                for key in self._store.all("spaces_key")
            )
        )

    def _list(self, call: Call) -> Answer:
        keys = self._store.all("spaces_key")
        if (name := call.query.get("name")) is not None:
            keys = [key for key in keys if key["name"] == name]
        return page(call, "keys", [public(key) for key in keys])

    def _create(self, call: Call) -> Answer:
        secret = secrets.token_urlsafe(32)
        key = {
            "name": bodies.text(call.body, "name"),
            "grants": _grants(call.body),
            "access_key": "DO" + "".join(secrets.choice(_LETTERS) for _ in range(18)),
            "created_at": now_text(),
            "_secret_key": secret,
        }
        with self._store.transaction():
            self._store.put("spaces_key", key["access_key"], key)
            self.reconcile()
        return Answer(201, {"key": {**public(key), "secret_key": secret}})

    def _get(self, call: Call) -> Answer:
        return Answer(200, {"key": public(self._find(call))})

    def _change(self, call: Call) -> Answer:
        key = self._find(call)
        key["name"] = bodies.text(call.body, "name", key["name"])
        if "grants" in call.body:
            key["grants"] = _grants(call.body)
        with self._store.transaction():
            self._store.put("spaces_key", key["access_key"], key)
            self.reconcile()
        return Answer(200, {"key": public(key)})

    def _delete(self, call: Call) -> Answer:
        with self._store.transaction():
            self._store.delete("spaces_key", self._find(call)["access_key"])
            self.reconcile()
        return Answer(204)

    def _find(self, call: Call) -> Thing:
        key = self._store.get("spaces_key", call.path["access_key"])
        if key is None:
            raise not_found()
        return key


def _grants(body: Thing) -> list[Thing]:
    grants = []
    for grant in bodies.items(body, "grants"):
        permission = grant.get("permission") if isinstance(grant, dict) else None
        bucket = grant.get("bucket", "") if isinstance(grant, dict) else None
        if permission not in _PERMISSIONS or not isinstance(bucket, str):
            raise ApiError(400, "bad_request", "a grant needs a bucket and one of read, readwrite, fullaccess")
        if not bucket and permission != "fullaccess":
            raise ApiError(400, "bad_request", "read and readwrite need a bucket")
        grants.append({"bucket": bucket, "permission": permission})
    return grants
