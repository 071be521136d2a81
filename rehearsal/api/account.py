"""The account: who owns the token, and the SSH keys it keeps."""

from __future__ import annotations

import base64
import binascii
import hashlib

from rehearsal.api import bodies
from rehearsal.api.answers import Answer, Call, Operation, not_found, page, unprocessable
from rehearsal.store import Store, Thing

#: How many machines one account may have; the vendor starts new accounts with a few, this host ends at about 24.
DROPLET_LIMIT = 25
_KEY_TYPES = ("ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")


class AccountApi:
    """The account and its SSH keys.

    Args:
        store: holds the keys.
        account_id: a UUID that stays the same for one rehearsal.
    """

    def __init__(self, store: Store, account_id: str) -> None:
        self._store = store
        self._account_id = account_id

    def operations(self) -> tuple[Operation, ...]:
        """What it answers."""
        one = "/v2/account/keys/{key}"
        return (
            Operation("GET", "/v2/account", self._account),
            Operation("GET", "/v2/account/keys", self._list),
            Operation("POST", "/v2/account/keys", self._create),
            Operation("GET", one, self._get),
            Operation("PUT", one, self._rename),
            Operation("DELETE", one, self._delete),
        )

    def _account(self, _: Call) -> Answer:
        account = {
            "droplet_limit": DROPLET_LIMIT,
            "floating_ip_limit": 3,
            "reserved_ip_limit": 3,
            "volume_limit": 0,
            "email": "rehearsal@example.com",
            "name": "Rehearsal",
            "uuid": self._account_id,
            "email_verified": True,
            "status": "active",
            "status_message": "",
            "team": {"uuid": self._account_id, "name": "Rehearsal"},
        }
        return Answer(200, {"account": account})

    def _list(self, call: Call) -> Answer:
        return page(call, "ssh_keys", self._store.all("ssh_key"))

    def _create(self, call: Call) -> Answer:
        name = bodies.text(call.body, "name")
        public_key = bodies.text(call.body, "public_key").strip()
        fingerprint = fingerprint_of(public_key)
        with self._store.transaction():
            if any(key["fingerprint"] == fingerprint for key in self._store.all("ssh_key")):
                raise unprocessable("SSH Key is already in use on your account")
            key = {
                "id": self._store.next_id("ssh_key", at_least=1001),
                "fingerprint": fingerprint,
                "public_key": public_key,
                "name": name,
            }
            self._store.put("ssh_key", key["id"], key)
        return Answer(201, {"ssh_key": key})

    def _get(self, call: Call) -> Answer:
        return Answer(200, {"ssh_key": self._find(call)})

    def _rename(self, call: Call) -> Answer:
        key = self._find(call)
        key["name"] = bodies.text(call.body, "name")
        self._store.put("ssh_key", key["id"], key)
        return Answer(200, {"ssh_key": key})

    def _delete(self, call: Call) -> Answer:
        self._store.delete("ssh_key", self._find(call)["id"])
        return Answer(204)

    def _find(self, call: Call) -> Thing:
        key = find_key(self._store, call.path["key"])
        if key is None:
            raise not_found()
        return key


def find_key(store: Store, wanted: object) -> Thing | None:
    """An SSH key by its id or its fingerprint."""
    return next((key for key in store.all("ssh_key") if str(wanted) in (str(key["id"]), key["fingerprint"])), None)


def fingerprint_of(public_key: str) -> str:
    """MD5 of the key in the old OpenSSH form, which is what the vendor's API speaks; not used for security."""
    parts = public_key.split()
    if len(parts) < 2 or parts[0] not in _KEY_TYPES:
        raise unprocessable("Key invalid, key should be of the format 'ssh-rsa AAAA…'")
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except binascii.Error:
        raise unprocessable("Key invalid, it is not base64") from None
    if blob[4 : 4 + len(parts[0])] != parts[0].encode():
        raise unprocessable("Key invalid, its type and its content differ")
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
