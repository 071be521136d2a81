"""The composition root on an autoscaler machine: a deployment made from the two files it was handed, and nothing else.

Neither answers file, keyring nor passphrase: what is here must start by itself after a power cut at night.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildyard.authority_file import authority_file
from fleet.access import CloudAccess
from fleet.autoscaler.handed import AutoscalerSettings, read_settings_file
from fleet.deployment import FIRST_HOST_KEYS, STATE_KEY, Deployment
from fleet.names import Names
from fleet.pins import installed_version
from fleet.settings import Settings, read_settings
from fleet.store_keys import own_key
from providers.bucket import Bucket
from providers.catalog import is_credential, open_dns, open_provider
from state.clock import Clock
from state.errors import SecretsError, StateError
from state.events import Emit
from state.files import make_private_folder, read_file
from state.fleet_bucket import FleetBucket
from state.fleet_store import FleetStore
from state.handed_secrets import HandedSecrets
from state.journal import Journal
from state.sealed_objects import SealedObjects
from state.secret import Redactor, Secret

SETTINGS_FILE = "settings.json"
CREDENTIALS_FILE = "credentials.json"
#: Where the machine keeps what it makes itself.
HOME = Path("/var/lib/buildyard/autoscaler")
#: Some days of samples; one that has grown beyond it is put aside while the service runs, and one such is kept.
_LARGEST_JOURNAL_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class OnMachine:
    """Everything the service works with.

    Attributes:
        machine: this machine's name.
        version: the running program's.
        journal: closed by whoever asked for this.
    """

    deployment: Deployment
    machine: str
    version: str
    journal: Journal


def compose(folder: Path, home: Path, clock: Clock, *, prefix: Path | None = None) -> OnMachine:
    """The deployment as this machine works on it. Nobody is asked yet, neither the provider nor the store.

    Args:
        folder: with ``settings.json`` and ``credentials.json``.
        home: for what is made here: journal, copy of the fleet record, first host keys.
        clock: ends its waits when the service is stopped.
        prefix: where the running program is installed.

    Raises:
        StateError: the settings are missing or damaged, or are those of another program.
        SecretsError: the credentials are.
    """
    told = _settings(folder / SETTINGS_FILE)
    version = installed_version(prefix or Path(sys.prefix))
    refuse_skew(told, version)
    make_private_folder(home)
    secrets = HandedSecrets(
        folder / CREDENTIALS_FILE,
        home / "first-host-keys.json",
        may_make=lambda name: name.startswith(FIRST_HOST_KEYS),
    )
    redact = Redactor([secret for name in secrets.names() if (secret := secrets.get(name)) is not None])
    journal = Journal(home / "journal", redact, largest_bytes=_LARGEST_JOURNAL_BYTES)
    return OnMachine(_deployment(told, secrets, home, redact, journal.emit, clock), told.machine, version, journal)


def refuse_skew(told: AutoscalerSettings, version: str) -> None:
    """Settings are only for the very program they were written for.

    Args:
        version: the running program's, "" when it was not installed as one.

    Raises:
        StateError: they are another's.
    """
    wanted = told.handed.program_version
    if version != wanted:
        raise StateError(
            f"These settings are for program {wanted}; this is program {version or 'of no known version'}.",
            detail="Nothing was read from the cloud and nothing was changed: settings and program come together.",
            hint="run buildyard build on the build machine",
        )


def _settings(path: Path) -> AutoscalerSettings:
    content = read_file(path)
    if content is None:
        raise StateError(f"The settings file {path} is missing.", hint="run buildyard build on the build machine")
    return read_settings_file(content, str(path))


def _deployment(
    told: AutoscalerSettings, secrets: HandedSecrets, home: Path, redact: Redactor, emit: Emit, clock: Clock
) -> Deployment:
    settings = read_settings(told.answers)
    names = Names(settings.deployment)
    copy = FleetStore(home / "fleet.json")
    open_with = _opener(told, home)

    @functools.cache  # one set of connections for each bucket: this process lives for months
    def open_bucket(name: str) -> Bucket:
        key = own_key(copy, secrets)
        return open_with(name, key.access_key, key.secret_key)

    def known(name: str) -> Secret:
        found = secrets.get(name)
        if found is None:
            raise SecretsError(f"The credentials lack {name}.", hint="run buildyard build on the build machine")
        return found

    seal = known(STATE_KEY.name)
    credentials = {name: known(name) for name in secrets.names() if is_credential(name)}
    sealed = names.bucket("state", told.bucket_suffix)
    return Deployment(
        settings=settings,
        lineage=told.lineage,
        names=names,
        access=_access(told, settings, credentials, home, clock),
        record=FleetBucket(lambda: SealedObjects(open_bucket(sealed), seal), copy),
        secrets=secrets,
        operators=told.operators,
        bucket_suffix=told.bucket_suffix,
        open_bucket=open_bucket,
        open_bucket_with=open_with,
        redact=redact,
        emit=emit,
        clock=clock,
        inside=True,
        handed=told.handed,
    )


def _access(
    told: AutoscalerSettings, settings: Settings, credentials: Mapping[str, Secret], home: Path, clock: Clock
) -> CloudAccess:
    answers = {**told.answers, **told.driver.settings}
    if told.driver.ca_pem:
        for vendor in (settings.provider, settings.dns):  # a rehearsal may play both
            answers[f"{vendor}.ca_pem_file"] = str(authority_file(home, told.driver.ca_pem))
    provider = open_provider(settings.provider, answers, credentials, clock=clock)
    return CloudAccess(
        provider=provider,
        dns=open_dns(settings.dns, provider, answers, credentials, clock=clock),
        store=told.store,
        authority=told.authority,
        site_ca_pem=told.site_ca_pem,
        operator_addresses=lambda: told.operators,
        credentials=credentials,
        driver=told.driver,
    )


def _opener(told: AutoscalerSettings, home: Path) -> Callable[[str, str, Secret], Bucket]:
    store = told.store
    ca_file = authority_file(home, store.ca_pem)

    def open_with(name: str, access_key: str, secret_key: Secret) -> Bucket:
        return Bucket(store.endpoint_url, store.region, access_key, secret_key, name, ca_file)

    return open_with
