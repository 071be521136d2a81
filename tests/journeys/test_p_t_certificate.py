"""A certificate with 29 days left on three webservers: renewed once, served by all of them, and no visitor notices.

The long ones: only in the campaign.
"""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rehearsal.room import machine as room_machine
from tests.journeys.autoscaling import SHORT, comes_true, policy, settled, webservers
from tests.journeys.conftest import Deployed
from tests.journeys.test_p_t_leaders import as_root, two
from tests.journeys.visitors import visiting

__all__ = ["two"]

pytestmark = [pytest.mark.machines, pytest.mark.campaign]

DAYS_LEFT = 29
CRON = "/etc/cron.d/buildyard-certificate"
#: Issued by whoever led a month and a half ago: chain and key come on standard input.
PUBLISHES = """
set -eu
work=$(mktemp -d)
cat >"$work/both"
sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' "$work/both" >"$work/chain"
sed -n '/BEGIN PRIVATE KEY/,/END PRIVATE KEY/p' "$work/both" >"$work/key"
. /etc/buildyard/certificate.conf
{
    printf 'buildyard-shared 1 certificate %s\\nrecipient %s\\n' "$(date +%s)" "$RECIPIENT"
    cat "$work/chain"
    openssl cms -encrypt -binary -aes-256-cbc -outform PEM -in "$work/key" /etc/buildyard/webserver-role.pem
} >"$work/bundle"
ssh-keygen -Y sign -q -f /etc/buildyard/caretaker.key -n buildyard-shared "$work/bundle"
buildyard-s3 put certificate "$work/bundle"
buildyard-s3 put certificate.sig "$work/bundle.sig"
rm -rf "$work"
"""


def old_certificate(site: Deployed) -> tuple[x509.Certificate, str]:
    """By the authority's own hand, as it would be two months after it was issued; with chain and key as PEM."""
    authority = urlsplit(site.cloud.acme_root_url)
    with httpx.Client(verify=ssl.create_default_context(cafile=site.cloud.ca_pem_file), trust_env=False) as client:
        chain, signer = (
            client.get(f"{authority.scheme}://{authority.netloc}/{part}/0").raise_for_status().content
            for part in ("intermediates", "intermediate-keys")
        )
    issuer = x509.load_pem_x509_certificate(chain)
    by = serialization.load_pem_private_key(signer, None)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    names = [x509.DNSName(name) for name in (site.domain, f"www.{site.domain}")]
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90 - DAYS_LEFT))
        .not_valid_after(now + timedelta(days=DAYS_LEFT, hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
        .sign(by, hashes.SHA256())  # type: ignore[arg-type]
    )
    parts = (
        made.public_bytes(serialization.Encoding.PEM),
        chain,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return made, b"\n".join(parts).decode()


def served(site: Deployed) -> set[int]:
    """Serial numbers of what the webservers show."""
    found = set()
    for machine in webservers(site):
        address = f"{site.address(machine)}:443"
        said = site.foreign("openssl", "s_client", "-connect", address, "-servername", site.domain).stdout
        found.add(x509.load_pem_x509_certificate(said[said.index("-----BEGIN") :].encode()).serial_number)
    return found


def issued(site: Deployed) -> int:
    """How many certificates the authority has issued."""
    services = site.cloud.namespaces.router.replace("-router", "-services")
    said = room_machine.execute(services, ["journalctl", "-u", "acme", "--no-pager"])
    assert said.returncode == 0, said.stderr
    return said.stdout.count("Issued certificate serial")


def every_minute(site: Deployed, machine: str) -> str:
    """cron is told to look each minute in place of twice a day; returns what it had been told."""
    before = site.on(machine, "sudo", "-n", "cat", CRON)
    as_root(site, machine, f"sed -i -E 's/^[0-9]+ [0-9,]+ \\* \\* \\*/* * * * */' {CRON}")
    after = site.on(machine, "sudo", "-n", "cat", CRON)
    assert after.count("* * * * *") == 1
    return before


def test_three_webservers_get_one_new_certificate_and_no_request_fails(two: Deployed) -> None:
    settled(two)
    with policy(two, **SHORT, target=3):
        comes_true(two, "three addresses", lambda: len(two.resolve(two.domain, "A")) == 3, 180)
        settled(two)
        old, text = old_certificate(two)
        as_root(two, "as-1", PUBLISHES, text)
        comes_true(two, "all to show the old one", lambda: served(two) == {old.serial_number}, 180)
        assert two.json("status")["certificate"]["days_left"] == DAYS_LEFT
        before = issued(two)
        assert before >= 1
        with visiting(two, per_s=20) as fresh, visiting(two, per_s=10, visitors=10, keep_alive=True) as kept:
            told = {machine: every_minute(two, machine) for machine in ("as-1", "as-2")}
            try:
                new = lambda: len(served(two)) == 1 and old.serial_number not in served(two)  # noqa: E731
                at = comes_true(two, "all to show a new one", new, 240)
                comes_true(two, "cron to look twice more", lambda: time.time() - at > 130, 140)
            finally:
                for machine, text in told.items():
                    as_root(two, machine, f"cat >{CRON}", text.rstrip("\n"))
        assert issued(two) == before + 1
        assert len(served(two)) == 1
        print(f"{len(fresh.all) + len(kept.all)} requests, {len(fresh.failed) + len(kept.failed)} failed.")
        assert len(fresh.all) > 1000
        assert fresh.failed == []
        assert kept.failed == []
        assert two.json("scale", "2")["target"] == 2
    settled(two)
    assert two.json("build")["changed"] == 0
