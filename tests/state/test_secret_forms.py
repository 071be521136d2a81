"""What counts as a trace of a secret, and what is public though it stands beside one."""

from __future__ import annotations

from recipes.secrets import SecretKind, SecretSpec, certificate_of, generate
from state.secret import Redactor

PAIR = generate(SecretSpec("webserver-role-key", SecretKind.CERTIFIED_KEY))


def test_a_certificate_beside_its_key_is_shown() -> None:
    certificate = certificate_of(PAIR)
    assert Redactor([PAIR])(certificate) == certificate


def test_each_line_of_the_key_is_hidden() -> None:
    key = PAIR.reveal().split("-----BEGIN CERTIFICATE-----")[0]
    lines = [line for line in key.splitlines() if not line.startswith("-----")]
    redact = Redactor([PAIR])
    assert lines
    assert all(line not in redact(f"it says {line} here") for line in lines)


def test_an_armour_line_is_no_secret() -> None:
    assert Redactor([PAIR])("-----END PRIVATE KEY-----") == "-----END PRIVATE KEY-----"


def test_what_all_ssh_keys_begin_with_is_no_trace_of_one() -> None:
    one, other = (generate(SecretSpec(name, SecretKind.SSH_KEY)) for name in ("one", "other"))
    assert Redactor([one])(other.reveal()) == other.reveal()
    assert one.reveal().splitlines()[2] not in Redactor([one])(one.reveal())
