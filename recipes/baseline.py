"""A baseline as it arrives on the build machine: read, and believed only as far as its checksums and paths go.

A folder, or a tar archive of one::

    manifest.json
    webroot.tar.gz      the application's files, without settings
    database.sql.gz     its content, without personal data

The manifest names application, format, the address that stands for the site's own, and for both files size and sha256.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from state.errors import BuildyardError

FORMAT = 1
MANIFEST = "manifest.json"
WEBROOT = "webroot.tar.gz"
DATABASE = "database.sql.gz"

_PARTS = (WEBROOT, DATABASE)
_CHUNK = 1 << 20
#: Far above any manifest; keeps a hostile one from filling the memory.
_LARGEST_MANIFEST = 1 << 20
_HINT = "get the baseline anew from where it came from"


class BaselineError(BuildyardError):
    """A baseline that cannot be trusted or used."""


@dataclass(frozen=True, slots=True)
class BaselinePart:
    """One of its two files, with the checksum that was compared."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline whose every byte was compared with its manifest.

    Attributes:
        id: names the release on machines; follows from the content.
        application: what it is a baseline of ("wordpress").
        site: the address in its content that stands for the site's own.
        table_prefix: of the application's tables.
    """

    id: str
    application: str
    site: str
    table_prefix: str
    webroot: BaselinePart
    database: BaselinePart


def read_baseline(path: Path, work: Path) -> Baseline:
    """Reads and verifies a baseline.

    Args:
        path: its folder, or a tar archive of it.
        work: an empty folder for what is unpacked; the caller removes it.

    Raises:
        BaselineError: something is missing, has another checksum, or would be written outside of the webroot.
    """
    folder = path
    if not path.is_dir():
        _unpack(path, work)
        folder = work
    manifest = _manifest(folder / MANIFEST)
    webroot, database = (_part(folder, name, manifest) for name in _PARTS)
    _check_webroot(webroot.path)
    digest = hashlib.sha256(f"{webroot.sha256} {database.sha256}".encode()).hexdigest()
    return Baseline(
        id=f"baseline-{digest[:16]}",
        application=manifest["application"],
        site=manifest["site"].rstrip("/"),
        table_prefix=manifest["table_prefix"],
        webroot=webroot,
        database=database,
    )


def _unpack(archive: Path, work: Path) -> None:
    """Takes the three files, and nothing else, out of the archive."""
    wanted = {MANIFEST, *_PARTS}
    found = set()
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                _check_member(member, archive)
                # the archive of a folder has the folder's name in front
                name = PurePosixPath(member.name).name
                if not member.isfile() or name not in wanted or len(PurePosixPath(member.name).parts) > 2:
                    continue
                if name in found:
                    raise BaselineError(f"{archive} holds {name} twice.", hint=_HINT)
                source = tar.extractfile(member)
                assert source is not None
                with source, (work / name).open("wb") as target:
                    while chunk := source.read(_CHUNK):
                        target.write(chunk)
                found.add(name)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise BaselineError(
            f"{archive} cannot be read as a baseline.", detail=str(error), hint="give a folder or a tar archive"
        ) from error


def _manifest(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise BaselineError(f"{path} is too long for a manifest.", hint=_HINT)
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BaselineError(f"{path} is missing: this is no baseline.", hint="give the folder that holds it") from error
    except (OSError, ValueError) as error:
        raise BaselineError(f"{path} cannot be read.", detail=str(error), hint=_HINT) from error
    if not isinstance(manifest, dict):
        raise BaselineError(f"{path} is no manifest.", hint=_HINT)
    if manifest.get("format") != FORMAT:
        raise BaselineError(
            f"{path} has the format {manifest.get('format')}; this program reads {FORMAT}.",
            hint="use a newer Buildyard, or make the baseline with this one",
        )
    manifest.setdefault("table_prefix", "wp_")
    shapes = {
        "application": r"[a-z][a-z0-9-]{0,40}",
        "site": r"https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?/?",
        "table_prefix": r"[A-Za-z0-9_]{1,32}",
    }
    for key, shape in shapes.items():
        if not isinstance(manifest.get(key), str) or not re.fullmatch(shape, manifest[key]):
            raise BaselineError(f"{path}: {key} is missing or cannot be used.", hint=_HINT)
    return manifest


def _part(folder: Path, name: str, manifest: Mapping[str, Any]) -> BaselinePart:
    path = folder / name
    files = manifest.get("files")
    entry = files.get(name) if isinstance(files, dict) else None
    promised = entry.get("sha256") if isinstance(entry, dict) else None
    if not isinstance(promised, str) or not re.fullmatch(r"[0-9a-f]{64}", promised):
        raise BaselineError(f"{folder / MANIFEST} has no checksum for {name}.", hint=_HINT)
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise BaselineError(f"{path} cannot be read.", detail=str(error.strerror), hint=_HINT) from error
    if digest.hexdigest() != promised:
        raise BaselineError(
            f"{path} has a wrong checksum.",
            detail=f"The manifest says {promised}, the file has {digest.hexdigest()}.",
            hint=_HINT,
        )
    return BaselinePart(path, promised, size)


def _check_webroot(path: Path) -> None:
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                _check_member(member, path)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise BaselineError(f"{path} is no tar archive.", detail=str(error), hint=_HINT) from error


def _check_member(member: tarfile.TarInfo, archive: Path) -> None:
    """Refuses what would be written, or would lead, outside of the folder it is unpacked in."""
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise BaselineError(f"{archive}: {member.name} is a device or a pipe.", hint=_HINT)
    if _leaves(member.name):
        raise BaselineError(f"{archive}: {member.name} would be written outside of its folder.", hint=_HINT)
    # a symbolic link is read from where it lies, a hard link from the top of the archive
    start = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
    if (member.issym() or member.islnk()) and (
        member.linkname.startswith("/") or _leaves(str(start / member.linkname))
    ):
        raise BaselineError(
            f"{archive}: the link {member.name} leads outside of its folder, to {member.linkname}.", hint=_HINT
        )


def _leaves(name: str) -> bool:
    """Whether a path is absolute or climbs out of where it begins."""
    if name.startswith("/") or "\\" in name or "\0" in name:
        return True
    depth = 0
    for part in PurePosixPath(name).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False
