"""Secrets that recipes make: what they are good for, shown by the programs that use them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recipes.secrets import SALT_NAMES, SecretKind, SecretSpec, certificate_of, generate, public_line, salts_of
from state.errors import SecretsError
from state.secret import Secret


@pytest.mark.parametrize("kind", list(SecretKind))
def test_no_two_are_equal(kind: SecretKind) -> None:
    assert generate(SecretSpec("x", kind)) != generate(SecretSpec("x", kind))


def test_ssh_key_gives_the_public_line_that_ssh_keygen_gives(tmp_path: Path) -> None:
    key = generate(SecretSpec("x", SecretKind.SSH_KEY))
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(key.reveal())
    shown = subprocess.run(["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True)
    assert shown.stdout.split()[:2] == public_line(key).split()


def test_certified_key_decrypts_what_was_encrypted_for_its_certificate(tmp_path: Path) -> None:
    key = generate(SecretSpec("webserver-role-key", SecretKind.CERTIFIED_KEY))
    (tmp_path / "key.pem").write_text(key.reveal())
    (tmp_path / "certificate.pem").write_text(certificate_of(key))
    assert "PRIVATE" not in certificate_of(key)
    encrypt = ["openssl", "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "PEM", "certificate.pem"]
    sealed = subprocess.run(encrypt, input=b"the key", capture_output=True, check=True, cwd=tmp_path)
    assert b"the key" not in sealed.stdout
    decrypt = ["openssl", "cms", "-decrypt", "-binary", "-inform", "PEM", "-inkey", "key.pem", "-recip", "key.pem"]
    opened = subprocess.run(decrypt, input=sealed.stdout, capture_output=True, check=True, cwd=tmp_path)
    assert opened.stdout == b"the key"


def test_salts_are_the_eight_that_wordpress_asks_for() -> None:
    salts = salts_of(generate(SecretSpec("x", SecretKind.SALTS)))
    assert [name for name, _ in salts] == list(SALT_NAMES)
    assert all(len(salt.reveal()) == 64 for _, salt in salts)


def test_a_damaged_secret_is_named_as_what_it_should_be() -> None:
    with pytest.raises(SecretsError, match="SSH key"):
        public_line(Secret("nonsense"))
    with pytest.raises(SecretsError, match="certificate"):
        certificate_of(Secret("nonsense"))
    with pytest.raises(SecretsError, match="salts"):
        salts_of(Secret("{}"))
