"""Our keys and signatures against the real ssh-keygen."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recipes.keys import make_ssh_key, public_half, ssh_signature, verify_ssh_signature
from state.errors import SecretsError
from state.secret import Secret


def keygen(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ssh-keygen", *arguments], input=data, capture_output=True, check=False)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Secret, str, Path]:
    private, public = make_ssh_key("a comment")
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(private.reveal())
    return private, public, path


def test_ssh_keygen_reads_the_pair(pair: tuple[Secret, str, Path]) -> None:
    private, public, path = pair
    assert keygen("-y", "-f", str(path)).stdout.decode().split()[:2] == public.split()[:2]
    assert public.endswith(" a comment")
    assert public_half(private, "") == " ".join(public.split()[:2])


def test_ssh_keygen_accepts_our_signature(pair: tuple[Secret, str, Path], tmp_path: Path) -> None:
    private, public, _path = pair
    data = b"binary \x00 and \xff"
    (tmp_path / "signers").write_text(f"fleet {public}\n")
    (tmp_path / "sig").write_text(ssh_signature(private, data, "buildyard"))
    check = ("-Y", "verify", "-f", str(tmp_path / "signers"), "-I", "fleet", "-s", str(tmp_path / "sig"), "-n")
    assert keygen(*check, "buildyard", data=data).returncode == 0
    assert keygen(*check, "buildyard", data=data + b".").returncode != 0
    assert keygen(*check, "other", data=data).returncode != 0


def test_we_accept_ssh_keygens_signature(pair: tuple[Secret, str, Path]) -> None:
    _private, public, path = pair
    signature = keygen("-Y", "sign", "-f", str(path), "-n", "buildyard", data=b"data").stdout.decode()
    assert verify_ssh_signature(public, signature, b"data", "buildyard")
    assert not verify_ssh_signature(public, signature, b"Data", "buildyard")
    assert not verify_ssh_signature(public, signature, b"data", "other")
    assert not verify_ssh_signature(make_ssh_key("x")[1], signature, b"data", "buildyard")


@pytest.mark.parametrize("broken", ["", "x", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----", "\0"])
def test_rubbish_is_no_signature(broken: str) -> None:
    assert not verify_ssh_signature(make_ssh_key("x")[1], broken, b"data", "buildyard")


def test_every_changed_byte_is_noticed(pair: tuple[Secret, str, Path]) -> None:
    private, public, _path = pair
    lines = ssh_signature(private, b"data", "n").splitlines()
    for place in range(0, len(lines[1]), 7):
        other = "A" if lines[1][place] != "A" else "B"
        text = "\n".join([lines[0], lines[1][:place] + other + lines[1][place + 1 :], *lines[2:]])
        assert not verify_ssh_signature(public, text, b"data", "n")


def test_a_secret_that_is_no_key_is_named_without_being_shown() -> None:
    with pytest.raises(SecretsError) as caught:
        public_half(Secret("hunter2hunter2"), "")
    assert "hunter2" not in caught.value.text()
