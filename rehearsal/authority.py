"""The rehearsal's own certificate authority: its API, object store and ACME server show certificates of it."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from state.errors import StateError

_CA_DAYS = 3650
#: What Apple's and others' TLS clients take at most.
_LEAF_DAYS = 397
_RENEW_BEFORE_DAYS = 30
#: Clocks of machines differ a little.
_EARLIER = timedelta(hours=1)


class Authority:
    """A CA whose key lies in a folder; made at the first use.

    Args:
        directory: holds ``ca.pem`` (public) and ``ca.key`` (0600).
        name: in the CA's subject, so that two rehearsals can be told apart.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name

    @property
    def ca_file(self) -> Path:
        """The CA's certificate as PEM."""
        return self._directory / "ca.pem"

    def ensure(self) -> Path:
        """Makes the CA when there is none.

        Returns:
            its certificate's file.
        """
        if not self.ca_file.exists():
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            key = ec.generate_private_key(ec.SECP256R1())
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Rehearsal CA {self._name}")])
            now = datetime.now(UTC)
            certificate = (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(subject)
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - _EARLIER)
                .not_valid_after(now + timedelta(days=_CA_DAYS))
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_usage(sign_certificates=True), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .sign(key, hashes.SHA256())
            )
            _write_private(self._directory / "ca.key", _key_pem(key))
            _write(self.ca_file, certificate.public_bytes(serialization.Encoding.PEM))
        return self.ca_file

    def ensure_server(self, name: str, addresses: Iterable[str], *, shows: bool = False) -> tuple[Path, Path]:
        """A certificate for a server that is reached by its addresses; made again 30 days before it ends.

        Args:
            name: of the files and in the subject.
            addresses: IP addresses in the certificate.
            shows: it is for who shows it to servers, as an edge does, and for no server.

        Returns:
            the chain's file and the key's file (0600).
        """
        chain_file, key_file = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        wanted = [ipaddress.ip_address(address) for address in addresses]
        if key_file.exists() and _still_good(chain_file, wanted):
            return chain_file, key_file
        ca_key, ca = self._load()
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if shows else ExtendedKeyUsageOID.SERVER_AUTH
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"rehearsal {name}")]))
            .issuer_name(ca.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _EARLIER)
            .not_valid_after(now + timedelta(days=_LEAF_DAYS))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(one) for one in wanted]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        _write_private(key_file, _key_pem(key))
        _write(chain_file, certificate.public_bytes(serialization.Encoding.PEM) + self.ca_file.read_bytes())
        return chain_file, key_file

    def forget_server(self, name: str) -> None:
        """Removes a certificate and its key."""
        for end in ("pem", "key"):
            (self._directory / f"{name}.{end}").unlink(missing_ok=True)

    def _load(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        try:
            key = serialization.load_pem_private_key((self._directory / "ca.key").read_bytes(), password=None)
            certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        except (OSError, ValueError) as error:
            raise StateError(
                "The rehearsal's certificate authority cannot be read.",
                detail=str(error),
                hint="python -m rehearsal down --purge --directory DIR",
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise StateError("The rehearsal's certificate authority has a key of another kind.")
        return key, certificate


def _still_good(chain_file: Path, wanted: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(chain_file.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    enough = certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=_RENEW_BEFORE_DAYS)
    return enough and names.get_values_for_type(x509.IPAddress) == wanted


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.replace(path)
