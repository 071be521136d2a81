"""Whether this host can hold a rehearsal; everything that is missing is said at once."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from rehearsal.room.programs import ENVIRONMENT, attempt
from state.errors import HostError

_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mkfs.ext4": "e2fsprogs",
    "sysctl": "procps",
}
_LEAST_FREE_GIB = 6  # an image, two machines with a site, and room to work


def check_host(directory: Path) -> None:
    """Raises when machines cannot be made here.

    Args:
        directory: where the rehearsal would live; it need not exist yet.

    Raises:
        HostError: the detail has a line for each thing that is missing.
    """
    missing = list(_missing(directory))
    if missing:
        raise HostError(
            "This machine cannot hold a rehearsal.",
            detail="\n".join(f"- {line}" for line in missing)
            + "\nBuilding on a real cloud needs none of this, and works here.",
            hint="sudo ./start rehearse" if os.geteuid() != 0 else "",
        )


def _missing(directory: Path) -> list[str]:
    if sys.platform != "linux":
        return ["it does not run Linux"]
    found = []
    if os.geteuid() != 0:
        found.append("you are not root: machines, namespaces and disks need it")
    for program, package in _PROGRAMS.items():
        if shutil.which(program, path=ENVIRONMENT["PATH"]) is None:
            found.append(f"the program {program} (package {package})")
    for device, what in (("/dev/fuse", "s3fs in machines"), ("/dev/loop-control", "the machines' disks")):
        if not Path(device).exists():
            found.append(f"{device}, for {what}")
    there = next(folder for folder in (directory, *directory.parents) if os.access(folder, os.F_OK))
    free_gib = shutil.disk_usage(there).free / 1024**3
    if free_gib < _LEAST_FREE_GIB:
        found.append(f"free space in {directory}: {free_gib:.1f} GiB of {_LEAST_FREE_GIB}")
    if not found:  # only root with all programs can try
        found += _tried()
    return found


def _tried() -> list[str]:
    found = []
    if not _has_overlay():
        found.append("the overlay file system in this kernel")
    spaces = ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork"]
    if attempt([*spaces, "true"]).returncode != 0:
        return [*found, "namespaces: this kernel or container does not allow them"]
    if attempt([*spaces, "nft", "add", "table", "inet", "probe"]).returncode != 0:
        found.append("nftables: this kernel or container does not allow it")
    return found


def _has_overlay() -> bool:
    kinds = Path("/proc/filesystems")
    if "\toverlay\n" in kinds.read_text(encoding="utf-8"):
        return True
    if shutil.which("modprobe", path=ENVIRONMENT["PATH"]) is not None:
        attempt(["modprobe", "overlay"])
    return "\toverlay\n" in kinds.read_text(encoding="utf-8")
