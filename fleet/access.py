"""How a deployment's cloud is reached, all vendors alike; the composition root makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from providers.contract import Dns, Provider
from recipes.context import CertificateAuthority
from state.secret import Secret


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """The object store that holds state, shared configuration and artefacts; keys to it: :mod:`fleet.store_keys`.

    Attributes:
        endpoint_url: as the build machine and the machines reach it.
        ca_pem: authority of its certificate, "" for a public one.
    """

    endpoint_url: str
    region: str
    ca_pem: str


@dataclass(frozen=True, slots=True)
class DriverAccess:
    """What a driver is opened with beside answers and token, for who opens it on another machine.

    Attributes:
        settings: by the names that :func:`providers.catalog.open_provider` knows.
        ca_pem: authority of the API's certificate, "" for a public one; a driver reads it from the file that
            ``PROVIDER.ca_pem_file`` names.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    ca_pem: str = ""


@dataclass(frozen=True, slots=True)
class CloudAccess:
    """Everything outside the fleet that a deployment needs.

    Attributes:
        dns: who serves the site's zone: the provider, or somebody else.
        store: the object store.
        authority: where certificates come from.
        site_ca_pem: roots that the site's certificate must lead to, "" for the system's.
        operator_addresses: finds the build machine's addresses as machines see them (CIDRs); may have to ask somebody,
            raises a BuildyardError when it cannot tell.
        credentials: of provider and DNS, by the names they have among the secrets.
        driver: how the provider is opened elsewhere.
    """

    provider: Provider
    dns: Dns
    store: StoreAccess
    authority: CertificateAuthority
    site_ca_pem: str
    operator_addresses: Callable[[], tuple[str, ...]]
    credentials: Mapping[str, Secret]
    driver: DriverAccess = field(default_factory=DriverAccess)
