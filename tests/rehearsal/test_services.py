"""A rehearsal that is up: what a driver, a machine and a person meet, and what is left of it after deaths."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from rehearsal import cloud
from rehearsal.room import machine
from rehearsal.services.acme import fetch_root
from tests.rehearsal.live_cloud import CLOCK, USER_DATA, Cloud, active, eventually, machines_of, public_v4, reads, ssh

pytestmark = pytest.mark.machines


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("rehearsal")
    try:
        yield Cloud(cloud.up(directory, clock=CLOCK))
    finally:
        cloud.down(directory, purge=True, clock=CLOCK)


@pytest.fixture(scope="module")
def box(up: Cloud, key: Path) -> dict[str, Any]:
    """A machine, ordered by HTTP and guarded by a firewall."""
    public_key = key.with_suffix(".pub").read_text()
    key_id = up.ask("POST", "/account/keys", json={"name": "test", "public_key": public_key})["ssh_key"]["id"]
    up.ask("POST", "/tags", json={"name": "box"})
    sources = {"addresses": list(up.described.build_machine_addresses)}
    rules = [{"protocol": "tcp", "ports": "1035", "sources": sources}]
    up.ask("POST", "/firewalls", json={"name": "guard", "tags": ["box"], "inbound_rules": rules})
    body = {"name": "box-1", "size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64", "tags": ["box"]}
    body |= {"ssh_keys": [key_id], "user_data": USER_DATA}
    made = up.ask("POST", "/droplets", json=body)["droplet"]
    found: dict[str, Any] = eventually("the machine to be active", lambda: active(up, made["id"]))
    return found


def test_a_machine_ordered_by_http_is_reached_and_guarded(up: Cloud, box: dict[str, Any], key: Path) -> None:
    assert ssh(up, key, box, "hostname").strip() == "box-1"
    foreign = ["nsenter", f"--net=/run/netns/{up.described.namespaces.foreign}"]
    knock = ["bash", "-c", f"exec 3<>/dev/tcp/{public_v4(box)}/1035"]
    assert subprocess.run([*foreign, "timeout", "5", *knock], capture_output=True, check=False).returncode != 0


def test_only_its_ca_and_token_open_the_api(up: Cloud) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(f"{up.described.api_url}/v2/account", trust_env=False)
    trust = ssl.create_default_context(cafile=up.described.ca_pem_file)
    assert httpx.get(f"{up.described.api_url}/v2/account", verify=trust, trust_env=False).status_code == 401
    for file in (up.described.token_file, up.described.s3.secret_key_file):
        assert Path(file).stat().st_mode & 0o077 == 0


def test_a_package_comes_through_the_cache(up: Cloud, box: dict[str, Any], key: Path) -> None:
    ssh(up, key, box, "apt-get -qq update && apt-get -qq install --yes tree >/dev/null")
    assert ssh(up, key, box, "tree --version").startswith("tree")
    counted = machine.execute(up.services, ["find", "/var/cache/apt-cacher-ng", "-name", "tree_*.deb"])
    assert len(counted.stdout.split()) == 1


def test_a_second_machine_needs_no_network(up: Cloud, box: dict[str, Any], key: Path) -> None:
    """What one machine installed, the next one installs while nothing gets out of the rehearsal."""
    install = "apt-get -qq update && apt-get -qq install --yes tree >/dev/null && tree --version"
    assert ssh(up, key, box, install).startswith("tree")
    router = ["nsenter", f"--net=/run/netns/{up.described.namespaces.router}"]
    inside = ".".join(up.described.resolver.split(".")[:2]) + ".0.0/16"
    out = f'oifname "uplink" ip daddr != {inside} counter drop'
    rules = (
        "table ip offline {\n"
        f"chain forwarded {{ type filter hook forward priority 10; policy accept; {out}; }}\n"
        f"chain own {{ type filter hook output priority 10; policy accept; {out}; }}\n"
        "}\n"
    )
    subprocess.run([*router, "nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        first_index = "apt-get -qq update 2>&1 | wc -c"
        eventually("the cache to notice", lambda: ssh(up, key, box, first_index).strip() == "0", 120)
        keys = [one["id"] for one in up.ask("GET", "/account/keys")["ssh_keys"]]
        body = {"name": "box-2", "size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64", "tags": ["box"]}
        made = up.ask("POST", "/droplets", json={**body, "ssh_keys": keys, "user_data": USER_DATA})["droplet"]
        second = eventually("the second machine", lambda: active(up, made["id"]))
        assert ssh(up, key, second, install).startswith("tree")
        up.ask("DELETE", f"/droplets/{made['id']}")
    finally:
        subprocess.run([*router, "nft", "delete", "table", "ip", "offline"], check=True)


def test_packages_are_there_after_deaths(up: Cloud, box: dict[str, Any], key: Path) -> None:
    for service in ("apt", "apt-mode"):
        up.kill(service)
        again = "apt-get -qq update && apt-get -qq install --yes --reinstall tree >/dev/null && tree --version"
        eventually(f"the cache after {service} died", lambda again=again: ssh(up, key, box, f"{again} || true"))


def test_names_are_there_at_once_and_after_deaths(up: Cloud) -> None:
    up.ask("POST", "/domains", json={"name": "one.example"})
    for data in ("192.0.2.1", "192.0.2.2"):
        up.ask("POST", "/domains/one.example/records", json={"type": "A", "name": "www", "data": data, "ttl": 30})
    v6 = {"type": "AAAA", "name": "www", "data": "2001:db8::1", "ttl": 30}
    up.ask("POST", "/domains/one.example/records", json=v6)
    assert up.address_of("www.one.example") == ["192.0.2.1", "192.0.2.2"]
    assert up.address_of("www.one.example", "AAAA") == ["2001:db8::1"]
    assert up.address_of("mail.one.example") == []
    for service in ("dns", "resolver"):
        up.kill(service)
        eventually(
            f"names after {service} died", lambda: up.address_of("www.one.example") == ["192.0.2.1", "192.0.2.2"]
        )
    (first, *_) = up.ask("GET", "/domains/one.example/records?type=A")["domain_records"]
    up.ask("DELETE", f"/domains/one.example/records/{first['id']}")
    assert len(up.address_of("www.one.example") or ()) == 1, "an old answer was kept"


def test_objects_are_there_after_deaths(up: Cloud) -> None:
    store = up.s3()
    store.create_bucket(Bucket="kept")
    store.put_object(Bucket="kept", Key="a/b", Body=b"content" * 100_000)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        store.put_object(Bucket="kept", Key="a/b", Body=b"", IfNoneMatch="*")
    for service in ("s3", "s3-tls"):
        up.kill(service)
        content = eventually(f"objects after {service} died", lambda: reads(lambda: content_of(up, "kept", "a/b")))
        assert content == b"content" * 100_000


def content_of(up: Cloud, bucket: str, name: str) -> bytes:
    content: bytes = up.s3().get_object(Bucket=bucket, Key=name)["Body"].read()
    return content


def test_keys_open_their_bucket_and_no_other(up: Cloud) -> None:
    for bucket in ("mine", "theirs"):
        up.s3().create_bucket(Bucket=bucket)
    grants = [{"bucket": "mine", "permission": "readwrite"}]
    made = up.ask("POST", "/spaces/keys", json={"name": "web", "grants": grants})["key"]
    mine = up.s3(made["access_key"], made["secret_key"])
    mine.put_object(Bucket="mine", Key="x", Body=b"1")
    refused = (
        lambda: mine.put_object(Bucket="theirs", Key="x", Body=b"1"),
        lambda: mine.list_objects_v2(Bucket="theirs"),
        lambda: up.s3(made["access_key"], "wrong-secret").get_object(Bucket="mine", Key="x"),
    )
    for attempt in refused:
        with pytest.raises(ClientError, match=r"AccessDenied|SignatureDoesNotMatch"):
            attempt()
    up.kill("s3")
    eventually("the key after the death", lambda: reads(lambda: mine.get_object(Bucket="mine", Key="x")))
    up.ask("DELETE", f"/spaces/keys/{made['access_key']}")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        mine.get_object(Bucket="mine", Key="x")


def test_machines_do_not_reach_what_knows_no_password(up: Cloud) -> None:
    """SeaweedFS's own servers and PowerDNS's HTTP API listen where no machine, and not this host, comes."""
    for address in (up.described.s3.endpoint_url.removeprefix("https://"), up.described.resolver):
        for port in (8333, 8888, 9333, 18888, 8091, 22):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port), timeout=3)


def test_acme_answers_with_a_root_of_its_own(up: Cloud) -> None:
    ca_file = Path(up.described.ca_pem_file)
    address = up.described.acme_directory_url.split("/")[2].split(":")[0]
    trust = ssl.create_default_context(cafile=ca_file)
    known = httpx.get(up.described.acme_directory_url, verify=trust, trust_env=False).json()
    assert "newOrder" in known
    up.kill("acme")
    root = eventually("a root after the death", lambda: reads(lambda: fetch_root(address, ca_file)))
    assert root.startswith("-----BEGIN CERTIFICATE-----")


def test_the_api_comes_back_with_everything(up: Cloud, box: dict[str, Any]) -> None:
    up.ask("POST", "/domains", json={"name": "two.example"})
    up.kill_api()
    listed = eventually("the API", lambda: reads(lambda: up.ask("GET", "/droplets")))
    assert [one["id"] for one in listed["droplets"]] == [box["id"]]
    assert listed["droplets"][0]["status"] == "active"
    assert "two.example" in [one["name"] for one in up.ask("GET", "/domains")["domains"]]


@pytest.mark.parametrize("delay_s", [0, 0.15, 0.4, 0.8])
def test_a_machine_ordered_while_the_api_dies(up: Cloud, delay_s: float) -> None:
    """Whenever it dies, the order is done once, and the end of the machine too."""
    body = {"name": "late", "size": "s-1vcpu-512mb-10gb", "image": "debian-12-x64"}
    before = machines_of(up)
    made = up.ask("POST", "/droplets", json=body)["droplet"]
    CLOCK.sleep(delay_s)
    up.kill_api()
    eventually("the machine after the death", lambda: reads(lambda: active(up, made["id"])), 60)
    assert machines_of(up) - before == {made["id"]}
    up.ask("DELETE", f"/droplets/{made['id']}")
    up.kill_api()
    eventually("the API", lambda: reads(lambda: up.ask("GET", "/droplets")))
    eventually("the machine to be gone", lambda: machines_of(up) == before)


def test_up_while_the_api_is_being_started_again(up: Cloud) -> None:
    """No API is left without the supervisor that would start it again, and nobody's but ours is ever ended."""
    directory = Path(up.described.directory)
    for _ in range(3):
        up.kill_api()
        assert cloud.up(directory, clock=CLOCK) == up.described
        (api,) = serving(directory)
        supervisor = int(Path(f"/proc/{api}/stat").read_text().rpartition(")")[2].split()[1])
        assert b"rehearsal-api" in Path(f"/proc/{supervisor}/cmdline").read_bytes().split(b"\0")


def test_up_again_changes_nothing(up: Cloud, box: dict[str, Any]) -> None:
    before = serving(Path(up.described.directory)), machine.leader_pid(up.services)
    began = time.monotonic()
    assert cloud.up(Path(up.described.directory)) == up.described
    assert time.monotonic() - began < 10
    assert (serving(Path(up.described.directory)), machine.leader_pid(up.services)) == before
    assert cloud.describe(Path(up.described.directory)) == up.described
    assert active(up, box["id"])


def test_all_of_it_dead_is_brought_back(up: Cloud, box: dict[str, Any], key: Path) -> None:
    """The services machine, the API and its supervisor killed at once; the customer's machine runs on."""
    directory = Path(up.described.directory)
    uptime = float(ssh(up, key, box, "cut -d' ' -f1 /proc/uptime; ps -o etimes= -p 1").split()[1])
    (api,) = serving(directory)
    supervisor = int(Path(f"/proc/{api}/stat").read_text().rpartition(")")[2].split()[1])
    for pid in (supervisor, api, machine.nspawn_pid(up.services)):
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    assert cloud.up(directory) == up.described
    assert up.address_of("www.one.example")
    assert up.s3().get_object(Bucket="kept", Key="a/b")["ContentLength"] == 700_000
    assert float(ssh(up, key, box, "ps -o etimes= -p 1")) >= uptime, "the machine was made anew"
    assert len(serving(directory)) == 1


def serving(directory: Path) -> list[int]:
    """The processes that serve this rehearsal's API."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:4] == [b"-m", b"rehearsal", b"serve"] and os.fsencode(directory) in words:
                found.append(int(folder.name))
    return found
