"""What a rehearsal knows of a machine besides what the system shows: one small file in the machine's folder."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from rehearsal.contract import Addresses, MachineRequest
from state.errors import StateError
from state.files import write_file

_FILE = "machine.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Record:
    """A machine as it was asked for.

    Attributes:
        image: the root file system under its disk.
        is_made: its disk is complete; a machine that is not was interrupted and is made again.
        is_on: the customer wants it on.
    """

    id: int
    name: str
    cpus: int
    memory_mib: int
    disk_gib: int
    addresses: Addresses
    image: str
    is_made: bool
    is_on: bool


def record_of(request: MachineRequest, image: Path) -> Record:
    """The record of a machine that is about to be made."""
    return Record(
        id=request.id,
        name=request.name,
        cpus=request.cpus,
        memory_mib=request.memory_mib,
        disk_gib=request.disk_gib,
        addresses=request.addresses,
        image=str(image),
        is_made=False,
        is_on=True,
    )


def write(directory: Path, record: Record) -> None:
    """Replaces the record in a machine's folder."""
    write_file(directory / _FILE, json.dumps({"version": _VERSION, **dataclasses.asdict(record)}).encode())


def read(directory: Path) -> Record | None:
    """The record in a machine's folder, None when it has none.

    Raises:
        StateError: it cannot be read.
    """
    try:
        fields = json.loads((directory / _FILE).read_text(encoding="utf-8"))
        version = fields.pop("version")
        found = Record(**{**fields, "addresses": Addresses(**fields["addresses"])}) if version == _VERSION else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as broken:
        raise StateError(
            f"{directory / _FILE} cannot be read.", detail=str(broken), hint="delete this machine"
        ) from broken
    if found is None:
        raise StateError(f"{directory / _FILE} is of another version of this program.", hint="use that version")
    return found
