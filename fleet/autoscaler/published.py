"""The leader's newest status in the state bucket: what `status` reads, and where `watch` finds who leads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from state.errors import StateError
from state.objects import CompareAndSet

#: The object's key in the state bucket.
KEY = "autoscaler.json"
VERSION = 1
#: A status older than this says that nobody leads: the leader writes one a minute at least.
FRESH_S = 120.0


def publish(objects: CompareAndSet, status: Mapping[str, Any]) -> None:
    """Puts it there; another leader's newer one stays, since its epoch is higher.

    Raises:
        ProviderError: the store does not answer.
    """
    data = json.dumps({"version": VERSION, **status}, separators=(",", ":")).encode()
    found = objects.get(KEY)
    if found is None:
        objects.put_if_absent(KEY, data)
        return
    there = _parsed(found[0])
    if there is None or int(there.get("epoch", 0)) <= int(status["epoch"]):
        # One that another wrote in this moment is as new as this one.
        objects.put_if_match(KEY, data, found[1])


def published(objects: CompareAndSet) -> Mapping[str, Any] | None:
    """The newest status, None when there is none yet.

    Raises:
        StateError: it is damaged or of a newer program.
    """
    found = objects.get(KEY)
    if found is None:
        return None
    there = _parsed(found[0])
    if there is None:
        raise StateError(
            "The autoscaler's status in the state bucket cannot be read.",
            hint="update Buildyard on this build machine, or wait a minute for the next one",
        )
    return there


def _parsed(data: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("version") == VERSION else None
