"""Secrets at rest: nothing readable on disk, a wrong passphrase told from damage, no waiting for a dead service."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import keyring.backends.fail
import keyring.backends.null
import pytest

from state.encrypted_file import Cost, EncryptedFileStore
from state.errors import SecretsError
from state.keyring_store import KeyringStore, within, working_keyring, works
from state.paths import DeploymentPaths
from state.secret import Secret
from state.secret_store import PASSPHRASE_VARIABLE, open_secret_store

QUICK = Cost(n=2**10)
VALUE = Secret("correct horse battery staple")


class Ring:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def paths(tmp_path: Path) -> DeploymentPaths:
    return DeploymentPaths("shop", tmp_path / "deployments" / "shop").create()


@pytest.fixture
def store(paths: DeploymentPaths) -> EncryptedFileStore:
    found = EncryptedFileStore(paths.encrypted_secrets, Secret("open sesame"), QUICK)
    found.set("token", VALUE)
    found.set("other", Secret("another one"))
    return found


def no_keyring(_environment: Mapping[str, str]) -> None:
    return None


def test_secrets_come_back_and_stand_nowhere_readable(store: EncryptedFileStore, paths: DeploymentPaths) -> None:
    again = EncryptedFileStore(paths.encrypted_secrets, Secret("open sesame"))
    assert again.get("token") == VALUE
    assert again.names() == ("other", "token")
    again.delete("other")
    again.delete("never there")
    assert store.get("other") is None
    for file in paths.folder.rglob("*"):
        if file.is_file():
            assert b"horse" not in file.read_bytes()
            assert b"sesame" not in file.read_bytes()
            assert file.stat().st_mode & 0o777 == 0o600


def test_a_wrong_passphrase_is_told_from_a_damaged_file(store: EncryptedFileStore, paths: DeploymentPaths) -> None:
    with pytest.raises(SecretsError, match="passphrase does not open"):
        EncryptedFileStore(paths.encrypted_secrets, Secret("wrong")).unlock()
    path = paths.encrypted_secrets
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        if chr(whole[position]).isalnum():
            path.write_bytes(whole[:position] + (b"A" if whole[position] != 65 else b"B") + whole[position + 1 :])
            with pytest.raises(SecretsError, match=r"damaged|newer"):
                EncryptedFileStore(path, Secret("open sesame")).unlock()
    for cut in (b"", whole[:100], b"{}", b"[]"):
        path.write_bytes(cut)
        with pytest.raises(SecretsError, match="damaged"):
            EncryptedFileStore(path, Secret("open sesame")).unlock()


def test_who_forges_the_file_without_the_passphrase_is_found_out(store, paths: DeploymentPaths) -> None:
    import hashlib

    body = json.loads(paths.encrypted_secrets.read_bytes())
    body.pop("digest")
    other = EncryptedFileStore(paths.folder / "other", Secret("mine"), QUICK)
    other.set("token", Secret("forged value"))
    body["data"] = json.loads((paths.folder / "other").read_bytes())["data"]
    body["digest"] = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    paths.encrypted_secrets.write_text(json.dumps(body))
    with pytest.raises(SecretsError, match="damaged"):
        EncryptedFileStore(paths.encrypted_secrets, Secret("open sesame")).get("token")


def test_no_file_is_believed_that_would_take_all_memory(store, paths: DeploymentPaths) -> None:
    import hashlib

    body = json.loads(paths.encrypted_secrets.read_bytes())
    body.pop("digest")
    body["header"]["n"] = 2**40
    body["digest"] = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    paths.encrypted_secrets.write_text(json.dumps(body))
    with pytest.raises(SecretsError, match="damaged"):
        EncryptedFileStore(paths.encrypted_secrets, Secret("open sesame")).unlock()


def test_writing_at_once_loses_nothing(store: EncryptedFileStore, paths: DeploymentPaths) -> None:
    def write(name: str) -> None:
        EncryptedFileStore(paths.encrypted_secrets, Secret("open sesame")).set(name, Secret(f"value of {name}"))

    threads = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.names()) == 10


def test_without_passphrase_and_service_it_fails_at_once(paths: DeploymentPaths) -> None:
    began = time.monotonic()
    with pytest.raises(SecretsError) as caught:
        open_secret_store(paths, {})
    assert time.monotonic() - began < 1
    assert PASSPHRASE_VARIABLE in caught.value.hint


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [("open sesame\n", 0o640, "Others can read"), ("\n", 0o600, "is empty"), (None, 0, "Cannot read")],
)
def test_an_unfit_passphrase_file_is_refused(paths, tmp_path: Path, content: str | None, mode: int, says: str) -> None:
    file = tmp_path / "passphrase"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    with pytest.raises(SecretsError, match=says):
        open_secret_store(paths, {PASSPHRASE_VARIABLE: str(file)}, keyring=no_keyring)


def test_the_passphrase_comes_from_a_file_or_a_person(paths: DeploymentPaths, tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.touch(0o600)
    file.write_text("open sesame\n")
    named = open_secret_store(paths, {PASSPHRASE_VARIABLE: str(file)}, keyring=no_keyring, cost=QUICK)
    named.set("token", VALUE)
    asked = open_secret_store(paths, {}, lambda: Secret("open sesame"), keyring=no_keyring)
    assert asked.get("token") == VALUE
    with pytest.raises(SecretsError, match="does not open"):
        open_secret_store(paths, {}, lambda: Secret("open barley"), keyring=no_keyring)


def test_a_working_keyring_is_used_and_holds_each_deployment_apart(paths: DeploymentPaths, tmp_path: Path) -> None:
    ring = Ring()
    store = open_secret_store(paths, {}, keyring=lambda _environment: ring)
    store.set("token", VALUE)
    other = KeyringStore(ring, tmp_path / "other" / "names.json")
    assert (store.get("token"), store.names()) == (VALUE, ("token",))
    assert (other.get("token"), other.names()) == (None, ())
    assert b"horse" not in paths.secret_names.read_bytes()
    assert not paths.encrypted_secrets.exists()
    store.delete("token")
    assert (ring.kept, store.names()) == ({}, ())


def test_secrets_left_in_a_keyring_that_is_away_are_not_started_anew_elsewhere(paths: DeploymentPaths) -> None:
    open_secret_store(paths, {}, keyring=lambda _environment: Ring()).set("token", VALUE)
    with pytest.raises(SecretsError, match="keyring of your session"):
        open_secret_store(paths, {}, lambda: Secret("x"), keyring=no_keyring)


def test_a_deployment_that_began_with_a_file_stays_with_it(store: EncryptedFileStore, paths: DeploymentPaths) -> None:
    opened = open_secret_store(
        paths, {}, lambda: Secret("open sesame"), keyring=lambda _environment: pytest.fail("the keyring was asked")
    )
    assert opened.get("token") == VALUE


def test_backends_that_keep_nothing_do_not_work() -> None:
    assert not works(keyring.backends.null.Keyring())
    assert not works(keyring.backends.fail.Keyring())
    assert works(Ring())


def test_a_bus_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "bus")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()  # takes connections, says nothing
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={address}")
        began = time.monotonic()
        assert working_keyring({"DBUS_SESSION_BUS_ADDRESS": f"unix:path={address}"}, timeout_s=1.5) is None
        assert time.monotonic() - began < 5


def test_a_failing_keyring_quotes_nothing_that_was_sent() -> None:
    def fail() -> None:
        raise RuntimeError(f"could not store {VALUE.reveal()}")

    with pytest.raises(SecretsError) as caught:
        within(1.0, fail, "write token to the keyring")
    assert "horse" not in caught.value.text()
    assert "RuntimeError" in caught.value.text()
