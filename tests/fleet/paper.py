"""Deployments at the rehearsal's API, over machines that are only written down."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from buildyard.answering import REHEARSAL_ANSWERS
from fleet.access import CloudAccess, StoreAccess
from fleet.build import Build, Result
from fleet.deployment import Deployment
from fleet.names import Names
from fleet.pins import Pins
from fleet.plan import Plan
from fleet.settings import read_settings
from fleet.wheelhouse import Wheelhouse
from providers.bucket import Bucket
from providers.digitalocean.driver import DigitalOcean
from providers.http import Patience
from recipes.context import CertificateAuthority
from state.clock import SystemClock
from state.errors import NotFound, Unauthorized
from state.events import Event
from state.fleet_record import FleetRecord
from state.fleet_store import FleetStore
from state.paths import DeploymentPaths
from state.secret import Redactor, Secret
from tests.providers.rehearsed import PaperNames, PaperRoom, serving

TOKEN = Secret("dop_v1_" + "0f" * 32)
#: Actions that need machines one can log in to.
_INSIDE = ("reach", "recipe", "site")


@dataclass
class PaperSecrets:
    """Secrets that live as long as the test."""

    label: str = "paper"
    kept: dict[str, Secret] = field(default_factory=dict)

    def get(self, name: str) -> Secret | None:
        return self.kept.get(name)

    def set(self, name: str, secret: Secret) -> None:
        self.kept[name] = secret

    def delete(self, name: str) -> None:
        self.kept.pop(name, None)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.kept))


@dataclass
class PaperStore:
    """An object store: buckets by name, opened with keys; one whose key the store does not know gets nothing."""

    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    unknown_keys: set[str] = field(default_factory=set)

    def open(self, name: str, access_key: str = "") -> Bucket:
        return cast("Bucket", PaperBucket(self, name, access_key))


@dataclass
class PaperBucket:
    """What :class:`providers.bucket.Bucket` does, as far as a build and a destroy need it."""

    store: PaperStore
    name: str
    access_key: str

    def ensure(self) -> bool:
        made = self.name not in self.store.buckets
        self.store.buckets.setdefault(self.name, {})
        return made

    def get(self, key: str, *, once: bool = False) -> tuple[bytes, str] | None:
        if self.access_key in self.store.unknown_keys:
            raise Unauthorized("the store does not know this key")
        if self.name not in self.store.buckets:
            raise NotFound("no such bucket")
        data = self.store.buckets[self.name].get(key)
        return None if data is None else (data, hashlib.sha256(data).hexdigest())

    def put(self, key: str, data: bytes) -> str:
        self.store.buckets[self.name][key] = data
        return hashlib.sha256(data).hexdigest()

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        return self.put(key, data) if self.get(key) is None else None

    def put_if_match(self, key: str, data: bytes, etag: str) -> str | None:
        there = self.get(key)
        return self.put(key, data) if there is not None and there[1] == etag else None

    def keys(self, prefix: str = "") -> tuple[str, ...]:
        return tuple(sorted(key for key in self.store.buckets[self.name] if key.startswith(prefix)))

    def upload_file(self, key: str, path: Path) -> None:
        self.put(key, path.read_bytes())

    def download_file(self, key: str, path: Path) -> None:
        there = self.get(key)
        if there is None:
            raise NotFound("no such object")
        path.write_bytes(there[0])

    def presigned_get(self, key: str, expires_s: int) -> Secret:
        return Secret(f"https://s3.example.org/{self.name}/{key}?signature=canary-{expires_s}")

    def delete(self, key: str) -> None:
        self.store.buckets[self.name].pop(key, None)

    def probe_compare_and_set(self) -> bool:
        return True

    def delete_bucket(self) -> None:
        self.store.buckets.pop(self.name, None)


@dataclass
class Ground:
    """One account of a cloud, and the build machine's folder."""

    provider: DigitalOcean
    folder: Path
    store: PaperStore = field(default_factory=PaperStore)
    events: list[Event] = field(default_factory=list)
    url: str = ""
    opened: list[DigitalOcean] = field(default_factory=list)

    def connect(self) -> DigitalOcean:
        """The account once more, for another process; closed with the ground, if not before."""
        patience = Patience(settle_s=0.2, call_s=10)
        self.opened.append(DigitalOcean(TOKEN, clock=SystemClock(), api_url=self.url, patience=patience))
        return self.opened[-1]

    def paths(self, name: str) -> DeploymentPaths:
        return DeploymentPaths(name, self.folder / "deployments" / name).create()

    def deployment(self, name: str, **answers: Any) -> Deployment:
        """One of that name; the same record and secrets each time."""
        values = {**REHEARSAL_ANSWERS, "deployment.name": name, "site.domain": f"{name}.example.org", **answers}
        settings = read_settings({key.replace("__", "."): value for key, value in values.items()})
        secrets = self._secrets.setdefault(name, PaperSecrets())
        record = FleetStore(self.paths(name).fleet_record)
        record.create(FleetRecord.new(name, f"lineage-of-{name}"))
        record.update(lambda old: replace(old, epoch=max(old.epoch, 1)))
        authority = CertificateAuthority(
            "https://acme.example.org",
            "",
            "me@example.org",
            "digitalocean",
            (),
            (("DO", f"{settings.provider}.token"),),
        )
        return Deployment(
            settings=settings,
            lineage=f"lineage-of-{name}",
            names=Names(name),
            access=CloudAccess(
                provider=self.provider,
                dns=self.provider,
                store=StoreAccess("https://s3.example.org", "lon1", ""),
                authority=authority,
                site_ca_pem="",
                operator_addresses=lambda: ("198.51.100.250/32",),
                credentials={f"{settings.provider}.token": TOKEN},
            ),
            record=record,
            secrets=secrets,
            operators=("198.51.100.250/32",),
            bucket_suffix=f"of-{name}",
            open_bucket=lambda bucket: self.store.open(bucket),
            open_bucket_with=lambda bucket, access_key, _secret: self.store.open(bucket, access_key),
            redact=Redactor(),
            emit=self.events.append,
            clock=SystemClock(),
            wheelhouse=self.wheelhouse,
        )

    def wheelhouse(self, python: str) -> Wheelhouse:
        """A program of nothing: unit tests fetch no packages."""
        path = self.folder / "program.tar"
        path.write_bytes(b"program")
        return Wheelhouse(Pins(python, "x86_64", ()), path, hashlib.sha256(b"program").hexdigest(), 7)

    _secrets: dict[str, PaperSecrets] = field(default_factory=dict)


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    with serving(TOKEN, PaperRoom(), PaperNames()) as url:
        provider = DigitalOcean(TOKEN, clock=SystemClock(), api_url=url, patience=Patience(settle_s=0.2, call_s=10))
        one = Ground(provider, folder, url=url)
        try:
            yield one
        finally:
            for each in (provider, *one.opened):
                each.close()


def build(one: Deployment) -> Result:
    """All of a build that needs no machine one can log in to."""
    run = Build(one, threading.Event())
    return run.run(outside(run.plan()))


def outside(planned: Plan) -> Plan:
    """What of it needs no machine one can log in to."""
    actions = [each for each in planned.actions if each.id.partition(":")[0] not in _INSIDE]
    ids = {each.id for each in actions}
    waits = {each.id: tuple(other for other in _waits(each.waits_for, planned) if other in ids) for each in actions}
    return Plan(tuple(replace(each, waits_for=waits[each.id]) for each in actions), None)


def _waits(ids: tuple[str, ...], plan: Plan) -> set[str]:
    """What they wait for in the end, through actions that are left out."""
    by_id = {each.id: each for each in plan.actions}
    found: set[str] = set()
    left = list(ids)
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += by_id[one].waits_for
    return found
