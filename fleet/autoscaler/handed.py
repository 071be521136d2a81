"""What an autoscaler machine is handed: settings and credentials, written by the build machine, read on the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fleet.access import DriverAccess, StoreAccess
from fleet.deployment import ADMIN_KEY, SIGNING_KEY, STATE_KEY, Deployment, Handed
from fleet.release import UNMADE_RELEASE, portable_answers
from fleet.store_keys import OWN, OWN_ACCESS, known_key, secret_name
from recipes import mail, roles
from recipes.context import CertificateAuthority, ProgramRelease, Release, Role
from state.errors import StateError
from state.secret import Secret

FORM = 1
_ADDRESSES = ("webroot_url", "database_url")


@dataclass(frozen=True, slots=True)
class AutoscalerSettings:
    """All that is no secret.

    Attributes:
        machine: the name of the machine they are for ("as-1").
        answers: all of the deployment's, flat.
        handed: among it the program's version: one that is of another refuses to work with these settings.
    """

    machine: str
    lineage: str
    bucket_suffix: str
    operators: tuple[str, ...]
    answers: Mapping[str, Any]
    driver: DriverAccess
    store: StoreAccess
    authority: CertificateAuthority
    site_ca_pem: str
    handed: Handed

    @property
    def text(self) -> str:
        """As the file holds them; equal settings are equal texts."""
        release = self.handed.release
        values = {
            "form": FORM,
            **{name: getattr(self, name) for name in ("machine", "lineage", "bucket_suffix", "site_ca_pem")},
            "operators": list(self.operators),
            "answers": dict(self.answers),
            "driver": {"settings": dict(self.driver.settings), "ca_pem": self.driver.ca_pem},
            "store": asdict(self.store),
            "authority": asdict(self.authority),
            "program": {"version": self.handed.program_version, "sha256": self.handed.program_sha256},
            "release": _release_facts(release) if release is not None else None,
        }
        return json.dumps(values, indent=2, sort_keys=True) + "\n"


def settings_for(
    deployment: Deployment, machine: str, program: ProgramRelease, release: Release | None
) -> AutoscalerSettings:
    """What that machine is told; the same whether the build machine or another autoscaler tells it."""
    access = deployment.access
    return AutoscalerSettings(
        machine=machine,
        lineage=deployment.lineage,
        bucket_suffix=deployment.bucket_suffix,
        operators=deployment.operators,
        answers=portable_answers(deployment, deployment.settings.answers, release),
        driver=access.driver,
        store=access.store,
        authority=access.authority,
        site_ca_pem=access.site_ca_pem,
        handed=Handed(program.version, program.sha256, release),
    )


def credentials_for(deployment: Deployment) -> Secret:
    """All secrets an autoscaler works with, as JSON: name to value.

    What it opens the store with is its role's own key, under the names under which the build machine keeps its own; the
    build machine's key, which may do everything, stays there.
    """
    one = deployment
    names = [ADMIN_KEY, SIGNING_KEY, STATE_KEY.name, mail.PASSWORD, *(spec.name for spec in roles.SECRETS)]
    names += [secret_name(role.value) for role in Role]
    found = {name: secret.reveal() for name in names if (secret := one.secrets.get(name)) is not None}
    # from where the cloud was opened: a rehearsal's token is its cloud's own and among nobody's secrets
    found |= {name: secret.reveal() for name, secret in one.access.credentials.items()}
    key = known_key(one.record, one.secrets, Role.AUTOSCALER.value)
    if key is not None:
        found[secret_name(OWN)], found[OWN_ACCESS] = key.secret_key.reveal(), key.access_key
    return Secret(json.dumps(found, indent=2, sort_keys=True) + "\n")


def read_settings_file(content: bytes, source: str) -> AutoscalerSettings:
    """The settings from what :attr:`AutoscalerSettings.text` gave.

    Args:
        source: where they come from, for the error.

    Raises:
        StateError: they cannot be read, or are of another form.
    """
    hint = "run buildyard build on the build machine"
    try:
        raw = json.loads(content)
        if raw["form"] != FORM:
            raise StateError(f"{source} is of form {raw['form']}; this program reads form {FORM}.", hint=hint)
        authority = {**raw["authority"]}
        authority["dns_environment"] = tuple((str(name), str(value)) for name, value in authority["dns_environment"])
        release = raw["release"]
        return AutoscalerSettings(
            machine=str(raw["machine"]),
            lineage=str(raw["lineage"]),
            bucket_suffix=str(raw["bucket_suffix"]),
            operators=tuple(map(str, raw["operators"])),
            answers=dict(raw["answers"]),
            driver=DriverAccess(**raw["driver"]),
            store=StoreAccess(**raw["store"]),
            authority=CertificateAuthority(**authority),
            site_ca_pem=str(raw["site_ca_pem"]),
            handed=Handed(
                program_version=str(raw["program"]["version"]),
                program_sha256=str(raw["program"]["sha256"]),
                release=_release(release) if release is not None else None,
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{source} cannot be read: {error}.", hint=hint) from error


def _release_facts(release: Release) -> dict[str, str]:
    """Without the addresses: whoever has them may read."""
    names = [name for name in Release.__dataclass_fields__ if name not in _ADDRESSES]
    return {name: getattr(release, name) for name in names}


def _release(facts: Mapping[str, str]) -> Release:
    if set(facts) != {name for name in Release.__dataclass_fields__ if name not in _ADDRESSES}:
        raise KeyError("release")
    return replace(UNMADE_RELEASE, **{name: str(value) for name, value in facts.items()})  # type: ignore[arg-type]
