"""Choosing and opening a cloud."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from providers.catalog import (
    LEAST_MEMORY_MIB,
    credential_questions,
    open_provider,
    placement_questions,
    provider_question,
    vendor_of,
)
from providers.contract import Provider
from rehearsal.api.catalogue import SIZES
from state.clock import SystemClock
from state.errors import AnswersError, SecretsError, Unavailable
from state.questions import Answered, AnswerKind
from state.secret import Secret
from tests.providers.rehearsed import PaperNames, PaperRoom, serving
from tests.providers.scripted import FakeClock

TOKEN = Secret("rehearsal-token-0123456789")


@dataclass(frozen=True)
class Authority:
    """A certificate of its own for 127.0.0.1."""

    certificate: Path
    key: Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rehearsal")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = Authority(folder / "ca.pem", folder / "key.pem")
    paths.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.fixture
def answers(authority: Authority) -> Iterator[dict[str, object]]:
    with serving(TOKEN, PaperRoom(), PaperNames(), certificate=authority.certificate, key=authority.key) as url:
        yield {
            "provider.name": "rehearsal",
            "rehearsal.api_url": url,
            "rehearsal.ca_pem_file": str(authority.certificate),
        }


def test_a_rehearsal_is_the_same_driver_with_its_own_authority(
    answers: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy that the user has for the internet is not asked for what is on this machine.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    provider = open_provider("rehearsal", answers, {"rehearsal.token": TOKEN}, clock=SystemClock())
    assert provider.name == "rehearsal"
    assert provider.check_credentials().missing_rights == ()
    assert not vendor_of("rehearsal").run_on_live_api
    assert provider.dns_proof().environment == (("DO_API_URL", answers["rehearsal.api_url"]),)
    provider.close()


def test_an_authority_that_is_not_trusted_gets_nothing(
    answers: dict[str, object], tmp_path: Path, authority: Authority
) -> None:
    other = tmp_path / "other.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other")])
    certificate = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    other.write_bytes(
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(certificate.not_valid_before_utc)
        .not_valid_after(certificate.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    strict = {**answers, "rehearsal.ca_pem_file": str(other)}
    clock = FakeClock()
    provider = open_provider("rehearsal", strict, {"rehearsal.token": TOKEN}, clock=clock)
    with pytest.raises(Unavailable, match="not trusted; nothing was sent"):
        provider.check_credentials()
    assert clock.slept == []  # repeating cannot help
    provider.close()


def test_the_live_vendor_is_opened_at_its_own_address() -> None:
    provider = open_provider("digitalocean", {}, {"digitalocean.token": TOKEN}, clock=FakeClock())
    assert (provider.name, provider.label) == ("digitalocean", "DigitalOcean")
    assert provider.dns_proof().environment == ()
    provider.close()


def test_what_is_missing_is_named() -> None:
    clock = FakeClock()
    with pytest.raises(AnswersError, match="elsewhere"):
        open_provider("elsewhere", {}, {}, clock=clock)
    with pytest.raises(SecretsError, match=r"digitalocean\.token"):
        open_provider("digitalocean", {}, {}, clock=clock)
    with pytest.raises(AnswersError, match=r"rehearsal\.api_url"):
        open_provider("rehearsal", {}, {"rehearsal.token": TOKEN}, clock=clock)


def test_the_choice_says_what_was_never_run_live() -> None:
    question = provider_question()
    assert question.choices is not None
    by_value = {choice.value: choice for choice in question.choices({})}
    assert {"rehearsal", "digitalocean"} <= {value for value, choice in by_value.items() if not choice.unavailable}
    assert "never run on the live API" in by_value["digitalocean"].help


def test_the_price_beside_a_cloud_is_that_of_its_public_list() -> None:
    """The rehearsal has the vendor's list too."""
    question = provider_question()
    assert question.choices is not None
    asides = {choice.value: choice.aside for choice in question.choices({})}
    least = min(size.monthly for size in SIZES if size.memory_mib >= LEAST_MEMORY_MIB)
    assert asides["rehearsal"] == "free"
    assert asides["digitalocean"] == f"from ${2 * least:.0f}/month"


def test_a_token_is_asked_for_as_a_secret_and_only_where_it_is_needed() -> None:
    token = next(question for question in credential_questions() if question.key == "digitalocean.token")
    assert token.kind is AnswerKind.SECRET
    assert token.applies({"provider.name": "digitalocean"})
    assert not token.applies({"provider.name": "rehearsal"})
    assert token.check("dop_v1_" + "0f" * 32) == ""
    for wrong in ("", "short", "dop_v1_ " + "0f" * 32, "dop_v1_" + "0f" * 32 + "\n"):
        assert "whole token" in token.check(wrong)


def test_regions_sizes_and_images_are_chosen_from_what_there_is(answers: dict[str, object]) -> None:
    opened: list[Provider] = []

    def connect(given: Answered) -> Provider:
        if not opened:
            opened.append(open_provider("rehearsal", given, {"rehearsal.token": TOKEN}, clock=SystemClock()))
        return opened[0]

    given = dict(answers)
    for question in placement_questions(connect):
        assert question.choices is not None
        choices = {choice.value: choice for choice in question.choices(given)}
        likely = question.default_for(given)
        assert choices[likely].unavailable == "", question.key
        given[question.key] = likely
    assert str(given["machines.image"]).startswith("debian-")
    assert given["machines.webserver_size"] == "s-1vcpu-1gb"
    sizes = next(q for q in placement_questions(connect) if q.key == "machines.webserver_size")
    assert sizes.choices is not None
    shown = {choice.value: choice for choice in sizes.choices(given)}
    assert "$6.00" in shown["s-1vcpu-1gb"].label
    opened[0].close()


def test_a_likely_answer_that_cannot_be_had_is_none() -> None:
    def connect(_given: Answered) -> Provider:
        raise Unavailable("The cloud is away.")

    assert [question.default_for({}) for question in placement_questions(connect)] == [None] * 5
