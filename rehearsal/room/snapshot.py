"""Snapshots: a copy of a machine's own layer, taken while it stands still, without what made it that machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rehearsal.room.cgroup import cgroup_of
from rehearsal.room.disk import opened
from rehearsal.room.machine import MachineHome, nspawn_pid
from rehearsal.room.programs import attempt, run
from rehearsal.room.seed import strip_identity
from state.errors import NotFound

_RECORD = "snapshot.json"
_LAYER = "layer"


def take(home: MachineHome, image: Path, into: Path) -> None:
    """Copies a machine's layer; one that runs stands still meanwhile.

    Args:
        home: the machine.
        image: the root file system under it.
        into: the snapshot's folder; it comes to be when all is there.
    """
    if into.exists():
        return
    half_made = into.with_name(f".{into.name}.part")
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(parents=True)
    with _layer(home) as layer:
        run(["cp", "--archive", "--sparse=auto", "--", str(layer), str(half_made / _LAYER)], timeout_s=900)
    strip_identity(half_made / _LAYER)
    (half_made / _RECORD).write_text(json.dumps({"version": 1, "image": str(image)}), encoding="utf-8")
    half_made.rename(into)


def image_under(snapshot: Path) -> Path:
    """The root file system a snapshot lies over.

    Raises:
        NotFound: there is no such snapshot.
    """
    try:
        return Path(json.loads((snapshot / _RECORD).read_text(encoding="utf-8"))["image"])
    except FileNotFoundError as missing:
        raise NotFound(f"There is no snapshot {snapshot.name}.") from missing


def lay_out(snapshot: Path, upper: Path) -> None:
    """Puts a snapshot's layer onto a new machine's disk."""
    run(["cp", "--archive", "--", f"{snapshot / _LAYER}/.", str(upper)], timeout_s=900)


@contextmanager
def _layer(home: MachineHome) -> Iterator[Path]:
    pid = nspawn_pid(home.name)
    if pid is None:
        with opened(home.directory) as upper:
            yield upper
        return
    group = cgroup_of(home.rehearsal, home.name)
    disk = Path(f"/proc/{pid}/root{home.directory}/disk")
    attempt(["sync", "--file-system", str(disk)])
    group.freeze(True)
    try:
        yield disk / "upper"
    finally:
        group.freeze(False)
