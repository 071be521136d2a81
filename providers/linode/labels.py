"""Our names as Linode's labels: what a label cannot hold is shortened, and the name itself is kept beside it."""

from __future__ import annotations

import hashlib
import re

from state.errors import UsageError

#: Characters of a label: ``maxLength`` in the API's description. For images and bucket keys it names none; 50 is
#: what the vendor's own Cloud Manager allows there.
FIREWALL, IMAGE, BUCKET_KEY, NETWORK = 32, 50, 50, 64

_PLAIN = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])+")
_MACHINE = re.compile(r"(.+)\.[0-9a-f]{10}")
_LONGEST_MACHINE = 64 - 11


def label_of(name: str, longest: int) -> str:
    """The label for a name: the name itself where Linode takes it, else its beginning and a digest of all of it.

    Labels begin with a letter, end without a hyphen and have no two in a row
    (techdocs.akamai.com/linode-api/reference/post-firewalls); names of deployments may have both.
    """
    if len(name) <= longest and len(name) > 2 and _PLAIN.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[: longest - 11].rstrip("-")
    return f"{readable if readable[:1].isalpha() else 'by'}-{digest}"


def name_of(label: str, kept: str, longest: int) -> str:
    """The name behind a label; what is kept beside it counts only if that label is made of it."""
    return kept if kept and label_of(kept, longest) == label else label


def machine_label(name: str, action_tag: str) -> str:
    """The label of a machine: labels are unique in an account, host names such as ``ws-1`` are not.

    Raises:
        UsageError: it is no host name that Linode takes.
    """
    if len(name) > _LONGEST_MACHINE or not _PLAIN.fullmatch(name):
        raise UsageError(
            f"Linode takes no machine with the name {name!r}.",
            hint=f"letters, digits and single hyphens, at most {_LONGEST_MACHINE}; the first a letter",
        )
    return f"{name}.{hashlib.sha256(action_tag.encode()).hexdigest()[:10]}"


def machine_name(label: str) -> str:
    """The host name in a machine's label."""
    found = _MACHINE.fullmatch(label)
    return found[1] if found else label


_TAG = re.compile(r"[A-Za-z0-9_:.-]{3,50}")
#: Marks the tag that keeps a firewall's name.
_NAME_MARK = "fw-"


def check_tag(tag: str) -> None:
    """Refuses a tag that the API would refuse, or that could not be told from others, before anything is made.

    Raises:
        UsageError: it has other characters, is too short or too long, or is of the form that keeps a name.
    """
    if not _TAG.fullmatch(tag) or tag.startswith(_NAME_MARK):
        raise UsageError(
            f"A tag at Linode has 3 to 50 letters, digits, colons, dots, hyphens and underscores: {tag!r}.",
            hint=f"it may not begin with {_NAME_MARK}, either",
        )


def firewall_tags(name: str, tag: str) -> list[str]:
    """The tags of a firewall: what it guards, and its name, for which the label is too short.

    Raises:
        UsageError: one of them fits no tag.
    """
    check_tag(tag)
    kept = f"{_NAME_MARK}{name}"
    if not _TAG.fullmatch(kept):
        raise UsageError(f"Linode takes no firewall with the name {name!r}.", hint="at most 47 letters and digits")
    return [tag, kept]


def firewall_name(label: str, tags: list[str]) -> tuple[str, str]:
    """Name and guarded tag of a firewall."""
    kept = next((tag.removeprefix(_NAME_MARK) for tag in tags if tag.startswith(_NAME_MARK)), "")
    name = name_of(label, kept, FIREWALL)
    return name, ",".join(tag for tag in tags if name != kept or tag != f"{_NAME_MARK}{kept}")
