"""AWS's tags are pairs; ours are words and names. How the one carries the other, reversibly.

A tag of the contract is a key ``buildyard:tag:WORD`` with an empty value: AWS filters by key, and what others tag
stays apart. Names are values of keys of their own. Limits: docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
(128 characters a key, 50 tags a thing).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from state.errors import UsageError

_PREFIX = "buildyard:tag:"
LONGEST = 128 - len(_PREFIX)
#: Of 50, some are our own names.
_MOST = 40
_TAG = re.compile(rf"[A-Za-z0-9_:-]{{1,{LONGEST}}}")

#: Keys whose values are names.
NETWORK, FIREWALL, GUARDS, PART = (f"buildyard:{what}" for what in ("network", "firewall", "guards", "part"))
IMAGE, DATABASE, FILES = (f"buildyard:{what}" for what in ("image", "database", "files"))


def check_tags(tags: Iterable[str]) -> None:
    """
    Raises:
        UsageError: one has other characters or is too long, or they are too many.
    """
    tags = tuple(tags)
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise UsageError(f"A tag has letters, digits, colon, hyphen and underscore, at most {LONGEST}: {tag!r}.")
    if len(tags) > _MOST:
        raise UsageError(f"AWS takes {_MOST} tags on a machine beside our own names.")


def key_of(tag: str) -> str:
    """The key that carries a tag."""
    return _PREFIX + tag


def written(tags: Iterable[str]) -> list[dict[str, str]]:
    """Tags as AWS takes them."""
    return [{"Key": key_of(tag), "Value": ""} for tag in tags]


def pairs(things: Mapping[str, str]) -> list[dict[str, str]]:
    """Pairs as AWS takes them."""
    return [{"Key": key, "Value": value} for key, value in things.items()]


def read(thing: Mapping[str, Any], items: str = "Tags") -> dict[str, str]:
    """All pairs of a thing."""
    return {pair["Key"]: pair["Value"] for pair in thing.get(items) or ()}


def words(thing: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags of the contract that a thing carries."""
    return tuple(sorted(key.removeprefix(_PREFIX) for key in read(thing) if key.startswith(_PREFIX)))


def specification(kind: str, things: list[dict[str, str]]) -> list[dict[str, Any]]:
    """For EC2's creates, so that a thing is never there without its tags."""
    return [{"ResourceType": kind, "Tags": things}]
