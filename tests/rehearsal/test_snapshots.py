"""A droplet's snapshot and the droplet made of it, ordered by HTTP and reached by SSH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal import cloud
from tests.rehearsal.live_cloud import CLOCK, USER_DATA, Cloud, active, eventually, ssh

pytestmark = pytest.mark.machines

# What Buildyard's recipes leave: cloud-init switched off and forgotten, and a host key that the machine made itself.
_LEAVE = """
echo golden > /srv/golden
echo off > /etc/cloud/cloud-init.disabled
rm -rf /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/seed /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/buildyard_host_ed25519_key
printf 'Port 1035\\nHostKey /etc/ssh/buildyard_host_ed25519_key\\n' > /etc/ssh/sshd_config.d/10-port.conf
systemctl reload ssh
"""
_MARK = "- path: /srv/mark\n  content: of the second machine\n"
_WHO = "cat /etc/machine-id; ssh-keyscan -t ed25519 -p 1035 127.0.0.1 2>/dev/null | cut -d' ' -f3; hostname"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("rehearsal")
    try:
        yield Cloud(cloud.up(directory, clock=CLOCK))
    finally:
        cloud.down(directory, purge=True, clock=CLOCK)


def ordered(up: Cloud, key_id: int, name: str, image: str | int, user_data: str) -> dict[str, Any]:
    body = {"name": name, "size": "s-1vcpu-1gb", "image": image, "ssh_keys": [key_id], "user_data": user_data}
    made = up.ask("POST", "/droplets", json=body)["droplet"]
    found: dict[str, Any] = eventually(f"{name} to be active", lambda: active(up, made["id"]), 60)
    return found


def test_a_droplet_made_of_a_snapshot_is_another_machine(up: Cloud, key: Path) -> None:
    public_key = key.with_suffix(".pub").read_text()
    key_id = up.ask("POST", "/account/keys", json={"name": "test", "public_key": public_key})["ssh_key"]["id"]
    first = ordered(up, key_id, "first", "debian-12-x64", USER_DATA)
    ssh(up, key, first, f"cloud-init status --wait >/dev/null; {_LEAVE}")
    before = ssh(up, key, first, _WHO).split()
    assert before[2] == "first"

    action = up.ask("POST", f"/droplets/{first['id']}/actions", json={"type": "snapshot", "name": "golden"})["action"]

    def ended() -> str | None:
        status: str = up.ask("GET", f"/actions/{action['id']}")["action"]["status"]
        return status if status != "in-progress" else None

    assert eventually("the snapshot", ended, 120) == "completed"
    (image,) = up.ask("GET", "/images?private=true")["images"]
    assert (image["name"], image["type"]) == ("golden", "snapshot")
    assert [one["id"] for one in up.ask("GET", f"/droplets/{first['id']}/snapshots")["snapshots"]] == [image["id"]]

    second = ordered(up, key_id, "second", image["id"], USER_DATA + _MARK)
    after = ssh(up, key, second, f"cloud-init status --wait >/dev/null; {_WHO}").split()
    assert after[2] == "second"
    assert not set(before) & set(after), "it took something of the first one's identity along"
    assert ssh(up, key, second, "cat /srv/golden /srv/mark") == "golden\nof the second machine"
    assert ssh(up, key, second, "ls /etc/ssh /etc/cloud").count("buildyard_host") == 0
    assert ssh(up, key, first, f"{_WHO}; cat /etc/cloud/cloud-init.disabled").split() == [*before, "off"]

    up.ask("DELETE", f"/images/{image['id']}")
    assert up.ask("GET", "/images?private=true")["images"] == []
    assert ssh(up, key, second, "cat /srv/golden") == "golden\n", "a machine made of it needs it no longer"
