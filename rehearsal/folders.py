"""Where a rehearsal keeps what: its folder, and what it shares with those beside it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from rehearsal.services.machine import ServiceSecrets
from state.files import make_private_folder, read_file, write_file
from state.secret import Secret


@dataclass(frozen=True, slots=True)
class Folders:
    """The files of one rehearsal.

    Attributes:
        directory: its own folder. What all rehearsals of this host share lies in the user's cache.
    """

    directory: Path

    @property
    def images(self) -> Path:
        """Root file systems; shared."""
        return user_cache_path("buildyard") / "images"

    @property
    def apt_cache(self) -> Path:
        """Packages; shared."""
        return user_cache_path("buildyard") / "apt-cache"

    @property
    def store(self) -> Path:
        """What the API promised."""
        return self.directory / "store.sqlite"

    @property
    def authority(self) -> Path:
        """The certificate authority."""
        return self.directory / "authority"

    @property
    def services(self) -> Path:
        """The services machine, with objects and zones on its disk."""
        return self.directory / "services"

    @property
    def token(self) -> Path:
        """The API's token (0600)."""
        return self.directory / "secrets" / "token"

    @property
    def s3_secret_key(self) -> Path:
        """The object store administrator's secret key (0600)."""
        return self.directory / "secrets" / "s3-secret-key"

    @property
    def habits(self) -> Path:
        """Which other vendors' habits it has."""
        return self.directory / "habits.json"

    @property
    def published_ranges(self) -> Path:
        """What is published in the place of the edge's list, where somebody put it there."""
        return self.directory / "edge-ranges.json"

    @property
    def api_record(self) -> Path:
        """Which process the API is."""
        return self.directory / "api.json"

    @property
    def api_log(self) -> Path:
        """What the API wrote."""
        return self.directory / "api.log"

    @property
    def lock(self) -> Path:
        """Held while the rehearsal is brought up or down."""
        return self.directory / "up"

    def purged(self) -> tuple[Path, ...]:
        """What ``down --purge`` removes besides the machines: all but what is shared."""
        return (
            *(self.directory / f"store.sqlite{end}" for end in ("", "-wal", "-shm")),
            self.authority,
            self.services,
            self.token.parent,
            self.habits,
            self.published_ranges,
            self.api_record,
            self.api_log,
        )


def access_key(folders: Folders) -> str:
    """The object store administrator's access key."""
    return _ensure(folders.directory / "secrets" / "s3-access-key", lambda: f"REHEARSAL{secrets.token_hex(6).upper()}")


def ensure_token(folders: Folders) -> Secret:
    """The API's token, made at the first use, in the vendor's form."""
    return Secret(_ensure(folders.token, lambda: f"dop_v1_{secrets.token_hex(32)}"))


def ensure_service_secrets(folders: Folders) -> ServiceSecrets:
    """What the services know each other by, made at the first use."""
    dns = _ensure(folders.directory / "secrets" / "dns-api-key", lambda: secrets.token_hex(24))
    s3 = _ensure(folders.s3_secret_key, lambda: secrets.token_urlsafe(32))
    return ServiceSecrets(access_key(folders), Secret(s3), Secret(dns))


def _ensure(path: Path, make: Callable[[], str]) -> str:
    make_private_folder(path.parent)
    known = read_file(path)
    if known is None:
        known = make().encode()
        write_file(path, known)
    return known.decode()
