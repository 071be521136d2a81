"""Signed files: ssh-keygen, which machines verify with, accepts ours and nothing that was changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recipes.secrets import SecretKind, SecretSpec, generate, public_line
from recipes.signed import document, operators_document, serial_of, sign
from state.errors import SecretsError, UsageError
from state.secret import Secret

KEY = generate(SecretSpec("signer", SecretKind.SSH_KEY))


def verifies(folder: Path, content: bytes, signature: bytes, namespace: str = "buildyard-shared") -> bool:
    (folder / "signers").write_text(f'operator namespaces="buildyard-shared" {public_line(KEY)}\n')
    (folder / "file.sig").write_bytes(signature)
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "operator", "-n", namespace, "-s", "file.sig"]
    return subprocess.run(command, input=content, capture_output=True, cwd=folder).returncode == 0


def test_ssh_keygen_accepts_the_signature(tmp_path: Path) -> None:
    content = document("operators", 7, "192.0.2.1/32\n")
    assert verifies(tmp_path, content, sign(content, KEY))


def test_ssh_keygen_refuses_a_changed_file_and_another_purpose(tmp_path: Path) -> None:
    content = document("operators", 7, "192.0.2.1/32\n")
    signature = sign(content, KEY)
    assert not verifies(tmp_path, content.replace(b"192", b"193"), signature)
    assert not verifies(tmp_path, content, signature, namespace="file")


def test_the_serial_belongs_to_the_name() -> None:
    assert serial_of(document("operators", 7, ""), "operators") == 7
    assert serial_of(document("operators", 7, ""), "certificate") == 0
    assert serial_of(b"anything", "operators") == 0


def test_an_allow_list_is_in_one_spelling_and_never_empty() -> None:
    content = operators_document(1, ["2001:DB8::1", "192.0.2.9", "192.0.2.9/32"])
    assert content == b"buildyard-shared 1 operators 1\n192.0.2.9/32\n2001:db8::1/128\n"
    with pytest.raises(UsageError, match="lock everybody out"):
        operators_document(1, [])
    with pytest.raises(UsageError):
        operators_document(1, ["somewhere"])


def test_names_and_serials_that_would_break_the_first_line_are_refused() -> None:
    for name, serial in (("two words", 1), ("../up", 1), ("operators", 0), ("operators", 10**15)):
        with pytest.raises(UsageError):
            document(name, serial, "")


def test_only_an_ed25519_key_signs() -> None:
    with pytest.raises(SecretsError):
        sign(b"", Secret("nonsense"))
