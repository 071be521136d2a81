"""No secret where others can read it: files, journals, machines' logs, and process lists during the build."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from state.encrypted_file import EncryptedFileStore
from state.secret import Secret
from tests.journeys.conftest import Site
from tests.journeys.traces import Watcher, files_below, leaks

#: The first-contact host keys are in user data by design (section 5); they are replaced and scrubbed.
PUBLIC_BY_DESIGN = "first-host-key-"


def secrets_of(site: Site) -> dict[str, Secret]:
    """Every secret of the deployment, read with the rehearsal's passphrase, and the cloud's own two."""
    folder = site.home / "deployments" / "rehearsal"
    store = EncryptedFileStore(folder / "secrets.encrypted", Secret((site.home / "rehearsal-passphrase").read_text()))
    found = {name: store.get(name) for name in store.names() if not name.startswith(PUBLIC_BY_DESIGN)}
    secrets = {name: secret for name, secret in found.items() if secret is not None}
    secrets["token"] = Secret(Path(site.cloud.token_file).read_text().strip())
    secrets["s3"] = Secret(Path(site.cloud.s3.secret_key_file).read_text().strip())
    return secrets


@pytest.mark.machines
def test_no_secret_in_any_file_of_the_deployment(site: Site) -> None:
    secrets = secrets_of(site)
    assert len(secrets) >= 6
    folder = site.home / "deployments"
    assert leaks(secrets, files_below(folder, without=("secrets.encrypted",))) == []


@pytest.mark.machines
def test_no_secret_in_what_the_cloud_was_told(site: Site) -> None:
    """User data, tags, names: everything the provider keeps of us (keys that it made itself are its own)."""
    ours = {
        name: secret
        for name, secret in secrets_of(site).items()
        if name not in ("token", "s3") and not name.startswith(("store-key-", "store-access-"))
    }
    kept = [(path.name, path.read_bytes()) for path in site.rehearsal.glob("store.sqlite*")]
    assert any(b"ssh_authorized_keys" in text for _, text in kept)
    assert leaks(ours, kept) == []


@pytest.mark.machines
def test_no_secret_in_any_process_list_during_the_build(site: Site) -> None:
    assert site.watcher.samples / site.watcher.seconds >= 20
    places = [(text.decode(errors="replace")[:80], text) for text in site.watcher.seen]
    assert len(places) > 100
    assert leaks(secrets_of(site), places) == []


def kept_on(site: Site, machine: str) -> list[tuple[str, bytes]]:
    """A machine's logs, all of them, and what everybody there may read."""
    logs = "journalctl --no-pager; find /var/log -type f ! -path '*/journal/*' -exec zcat -f {} +"
    readable = (
        "find /etc /var/lib/buildyard /srv /tmp -xdev -type f -readable -size -256k -exec cat {} + 2>/dev/null; true"
    )
    return [
        ("logs", site.on(machine, "sudo", "-n", "sh", "-c", logs).encode()),
        ("readable files", site.on(machine, "sh", "-c", readable).encode()),
    ]


@pytest.mark.machines
@pytest.mark.parametrize("machine", ["ws-1", "db-1"])
def test_no_secret_in_a_machines_logs_or_in_what_everybody_there_may_read(site: Site, machine: str) -> None:
    assert leaks(secrets_of(site), kept_on(site, machine)) == []


@pytest.mark.machines
def test_no_secret_in_the_clouds_own_logs(site: Site) -> None:
    logs = [(str(path), path.read_bytes()) for path in site.rehearsal.rglob("*.log")]
    assert {"api.log"} <= {Path(name).name for name, _ in logs}
    assert leaks(secrets_of(site), logs) == []


@pytest.mark.machines
def test_the_same_look_finds_a_leak_planted_on_purpose(site: Site) -> None:
    """In a machine's journal, in a file everybody may read, in the deployment's folder and in a process there."""
    canary = Secret("canary-9d1f & 'planted' 77b2")
    quoted = quote(canary.reveal())
    folder = site.home / "deployments" / "rehearsal" / "runs"
    plant = 'logger "$1"; printf %s "$1" >/etc/planted; echo "$2" >/var/log/planted.log'
    try:
        (folder / "planted").write_text(base64.b64encode(canary.reveal().encode()).decode())
        site.on("ws-1", "sudo", "-n", "sh", "-c", plant, "sh", canary.reveal(), quoted)
        with Watcher() as watcher:
            site.on("ws-1", "sh", "-c", ": >/tmp/begun; timeout 1 cat /dev/zero >/dev/null; true", canary.reveal())
        secrets = {"canary": canary}
        assert set(leaks(secrets, files_below(folder))) == {"canary in planted"}
        assert {
            place for _, _, place in (each.partition(" in ") for each in leaks(secrets, kept_on(site, "ws-1")))
        } == {
            "logs",
            "readable files",
        }
        assert leaks(secrets, [("ps", text) for text in watcher.seen])
    finally:
        (folder / "planted").unlink()
        clean = "rm -f /etc/planted /var/log/planted.log /tmp/begun; journalctl -q --rotate --vacuum-time=1s"
        site.on("ws-1", "sudo", "-n", "sh", "-c", clean)


@pytest.mark.machines
@pytest.mark.parametrize("machine", ["ws-1", "db-1"])
def test_the_first_contact_key_is_gone_from_the_machine(site: Site, machine: str) -> None:
    found = site.on(machine, "sudo", "-n", "sh", "-c", "grep -rls 'first-contact' /etc/ssh /var/lib/cloud || true")
    assert found.strip() == ""


def test_a_planted_leak_is_found_in_every_spelling(tmp_path: Path) -> None:
    secret = Secret("s3cr&t 'canary' 7fe1c0")
    value = secret.reveal()
    spellings = (value, base64.b64encode(value.encode()).decode(), quote(value), json.dumps(value))
    for number, text in enumerate(spellings):
        (tmp_path / f"{number}.log").write_text(f"before {text} after")
    assert len(set(leaks({"canary": secret}, files_below(tmp_path)))) == len(spellings)


def test_a_secret_in_argv_is_seen_by_the_watcher() -> None:
    secret = Secret("canary-in-argv-51c2")
    code = "import sys; sys.stdin.read()"
    with Watcher() as watcher:
        process = subprocess.Popen([sys.executable, "-c", code, secret.reveal()], stdin=subprocess.PIPE)
        watcher.wait_for_samples(5)
        process.communicate()
    assert leaks({"canary": secret}, [("ps", text) for text in watcher.seen])
