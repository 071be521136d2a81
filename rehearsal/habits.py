"""What other vendors do differently, as switches of a rehearsal: named on the command line, kept in its folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from state.errors import StateError, UsageError
from state.files import read_file, write_file

#: The word that takes all habits back.
NONE = "none"


@dataclass(frozen=True, slots=True)
class Habits:
    """What differs between vendors and can be switched; the defaults are DigitalOcean's.

    Attributes:
        requests_per_hour: the vendor allows 5000; what is more is answered 429.
        refuse_every: each so-manieth request is answered 429, "again in a second"; 0 for none.
        fail_every: each so-manieth request is answered 500, and nothing was done; 0 for none.
        consistent_after_s: what is read is as old as that, as where answers come from a copy of the truth.
        private_filtering: the cloud firewall stands before private addresses too; Hetzner's and Exoscale's do not.
        snapshots: machines can be made from images of others.
        managed_databases: databases run by the vendor can be had.
    """

    requests_per_hour: int = 5000
    refuse_every: int = 0
    fail_every: int = 0
    consistent_after_s: float = 0
    private_filtering: bool = True
    snapshots: bool = True
    managed_databases: bool = True


#: Names on the command line: (attribute, what it is without a value; None when it needs one).
NAMES: dict[str, tuple[str, bool | None]] = {
    "requests-per-hour": ("requests_per_hour", None),
    "refuse-every": ("refuse_every", None),
    "fail-every": ("fail_every", None),
    "consistent-after": ("consistent_after_s", None),
    "no-private-filtering": ("private_filtering", False),
    "no-snapshots": ("snapshots", False),
    "no-managed-databases": ("managed_databases", False),
}


def parse(words: Iterable[str]) -> Habits:
    """Habits from ``NAME`` and ``NAME=VALUE``; ``none`` alone is the vendor's own.

    Raises:
        UsageError: an unknown name, or a value that is no number or is missing.
    """
    found: dict[str, float | int | bool] = {}
    for word in words:
        name, is_given, value = word.partition("=")
        if word == NONE:
            continue
        if name not in NAMES:
            raise UsageError(f"The rehearsal has no habit {name!r}.", hint=f"known: {', '.join([*NAMES, NONE])}")
        attribute, alone = NAMES[name]
        if (alone is None) != bool(is_given):
            raise UsageError(f"The habit {name} takes {'a number' if alone is None else 'no value'}, not {word!r}.")
        found[attribute] = alone if alone is not None else _number(name, value)
    return Habits(**found)  # type: ignore[arg-type]


def write(file: Path, habits: Habits) -> None:
    """Keeps them."""
    write_file(file, json.dumps(dataclasses.asdict(habits)).encode())


def read(file: Path) -> Habits:
    """Those that were kept, or the vendor's own.

    Raises:
        StateError: the file is broken.
    """
    data = read_file(file)
    if data is None:
        return Habits()
    try:
        return Habits(**json.loads(data))
    except (ValueError, TypeError) as broken:
        raise StateError(f"{file} cannot be read.", detail=str(broken), hint="remove it, then `up` again") from broken


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"The habit {name} takes a whole number from 1 on, not {text!r}.")
    return int(text)
