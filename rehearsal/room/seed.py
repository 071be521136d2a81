"""What a cloud gives a new machine: its name, its resolver, and cloud-init's data."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from rehearsal.contract import MachineRequest
from rehearsal.room.image import apt_settings

_SEED = "var/lib/cloud/seed/nocloud"
_DETECT = "usr/local/sbin/vendor-apt-proxy"
# sshd's keys whatever they are named, and the switch that would keep cloud-init from ever meeting the new machine.
_IDENTITY = (
    "etc/ssh/*host*_key",
    "etc/ssh/*host*_key.pub",
    "etc/cloud/cloud-init.disabled",
    "var/lib/cloud/*",
    "var/lib/dbus/machine-id",
    "var/log/journal/*",
    "root/.ssh/*",
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What machines find around them.

    Attributes:
        resolver: address of the name server.
        apt_cache: URL of the apt cache, used whenever it answers; "" for none.
    """

    resolver: str
    apt_cache: str


def plant(upper: Path, request: MachineRequest, instance_id: str, around: Surroundings) -> None:
    """Writes a machine's first data onto its disk.

    Args:
        upper: the machine's file tree, while it is off.
        request: the machine asked for.
        instance_id: what cloud-init knows it by; another one makes it start afresh.
        around: what it finds around it.
    """
    meta_data = {
        "instance-id": instance_id,
        "local-hostname": request.name,
        "public-keys": list(request.public_keys),
    }
    _write(upper, f"{_SEED}/meta-data", json.dumps(meta_data) + "\n", 0o600)
    _write(upper, f"{_SEED}/user-data", request.user_data or "#cloud-config\n{}\n", 0o600)
    _write(upper, "etc/hostname", f"{request.name}\n")
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {request.name}\n::1 localhost ip6-localhost ip6-loopback\n"
    _write(upper, "etc/hosts", hosts)
    _write(upper, "etc/machine-id", "")
    _write(upper, "etc/resolv.conf", f"nameserver {around.resolver}\noptions timeout:2 attempts:2\n")
    if around.apt_cache:
        test = f"curl -s -o /dev/null --max-time 2 {around.apt_cache}/ && echo {around.apt_cache} || echo DIRECT"
        _write(upper, _DETECT, f"#!/bin/sh\n# The vendor's package cache, whenever it answers.\n{test}\n", 0o755)
        lines = [f'Acquire::http::Proxy-Auto-Detect "/{_DETECT}";']
    else:
        lines = apt_settings(("Acquire::http::Proxy", "Acquire::https::Proxy"))
    _write(upper, "etc/apt/apt.conf.d/91-vendor-proxy", "".join(f"{line}\n" for line in lines))


def strip_identity(upper: Path) -> None:
    """Removes from a copy of a machine's disk what made it that machine and no other."""
    for pattern in _IDENTITY:
        for path in upper.glob(pattern):
            if not path.parent.resolve().is_relative_to(upper.resolve()):
                continue  # a link of the machine's, which here would lead to the host's own files
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    _write(upper, "etc/machine-id", "")


def _write(upper: Path, name: str, text: str, mode: int = 0o644) -> None:
    """Writes a file of the machine; never through a link, which would lead out of its disk."""
    parent = upper
    for part in Path(name).parts[:-1]:
        parent /= part
        if parent.is_symlink():
            parent.unlink()
        parent.mkdir(mode=0o755, exist_ok=True)
    path = upper / name
    path.unlink(missing_ok=True)
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(text, encoding="utf-8")
