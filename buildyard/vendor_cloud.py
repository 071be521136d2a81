"""A vendor's cloud: its driver, its object store, Let's Encrypt. Nothing is made there, and nothing here knows
which vendor it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from buildyard.own_address import own_addresses
from fleet.access import CloudAccess, StoreAccess
from fleet.policy import as_cidr
from fleet.settings import Settings
from providers.catalog import open_dns, open_provider
from providers.contract import BucketKeys, DnsProof, Provider
from recipes.context import CertificateAuthority
from state.clock import Clock
from state.errors import UsageError
from state.secret import Secret

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


def reach(settings: Settings, credentials: Mapping[str, Secret], clock: Clock) -> CloudAccess:
    """The provider the answers name, and who serves the zone.

    Args:
        credentials: of both, by name.

    Raises:
        UsageError: the provider has no object store that Buildyard can make keys for.
    """
    name = settings.provider
    provider = open_provider(name, settings.answers, credentials, clock=clock)
    dns = open_dns(settings.dns, provider, settings.answers, credentials, clock=clock)
    return CloudAccess(
        provider=provider,
        dns=dns,
        store=_store(provider, settings.region),
        authority=authority(dns.dns_proof(), settings, LETS_ENCRYPT),
        site_ca_pem="",
        operator_addresses=_operator_addresses,
        credentials=credentials,
    )


def reach_store(
    name: str, region: str, credentials: Mapping[str, Secret], clock: Clock
) -> tuple[Provider, StoreAccess]:
    """The provider of that name and its object store in that region.

    Raises:
        AnswersError: there is no such provider.
        UsageError: it has no object store that Buildyard can make keys for.
    """
    provider = open_provider(name, {"provider.region": region}, credentials, clock=clock)
    return provider, _store(provider, region)


def _operator_addresses() -> tuple[str, ...]:
    return tuple(as_cidr(address) for address in own_addresses())


def authority(
    proof: DnsProof, settings: Settings, usual_url: str, ca_pem: str = "", resolver: str = ""
) -> CertificateAuthority:
    """Where certificates come from, proven through the provider's DNS.

    Args:
        usual_url: the ACME directory unless the answers name one.
        ca_pem: authority of the ACME server and the DNS API, "" for public ones.
        resolver: who is asked whether the proof has arrived, "" for the machine's own.
    """
    return CertificateAuthority(
        directory_url=settings.acme_url or usual_url,
        ca_pem=ca_pem,
        email=settings.certificate_email,
        dns_provider=proof.lego_name,
        dns_environment=proof.environment,
        dns_secrets=proof.secret_variables,
        resolver=resolver,
    )


def _store(provider: Provider, region: str) -> StoreAccess:
    if not provider.capabilities.supports_bucket_keys:
        raise UsageError(f"{provider.label} has no object store that Buildyard can make keys for.")
    place = cast("BucketKeys", provider).bucket_access(region)
    return StoreAccess(place.endpoint_url, place.region, "")
