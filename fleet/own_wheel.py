"""Buildyard's own wheel, made from the source that is running: equal source gives equal bytes.

Written by hand (PEP 427 is a zip file with three small texts in it), because build tools must be fetched, and put times
and the builder's name into what they make.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import fleet
from state.errors import HostError
from state.files import file_error

#: What goes onto autoscaler machines. Neither the screens nor the rehearsal: nothing there shows or is a cloud.
PACKAGES = ("buildyard", "fleet", "providers", "recipes", "state", "wizard")
#: Zip files know no earlier moment.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644
_ENTRY_POINTS = "[console_scripts]\nbuildyard = buildyard.cli:main\n"


def source_root() -> Path:
    """The folder that holds the running program's packages."""
    return Path(fleet.__file__).resolve().parent.parent


def make_own_wheel(root: Path, folder: Path, version: str, needs: Iterable[str], python: str) -> Path:
    """Writes the wheel of the packages under ``root`` into ``folder``.

    Args:
        root: holds :data:`PACKAGES`.
        folder: where the wheel goes.
        version: Buildyard's, as people count it.
        needs: requirements ("httpx==0.28.1").
        python: least version it runs with ("3.11").

    Raises:
        HostError: a package is missing.
        StateError: a file cannot be read or written.
    """
    info = f"buildyard-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", "Name: buildyard", f"Version: {version}", f"Requires-Python: >={python}"]
    metadata += [f"Requires-Dist: {need}" for need in sorted(needs)]
    wheel = ("Wheel-Version: 1.0", "Generator: buildyard", "Root-Is-Purelib: true", "Tag: py3-none-any")
    path = folder / f"buildyard-{version}-py3-none-any.whl"
    try:
        content = dict(_sources(root))
        content[f"{info}/METADATA"] = "\n".join((*metadata, "")).encode()
        content[f"{info}/WHEEL"] = "\n".join((*wheel, "")).encode()
        content[f"{info}/entry_points.txt"] = _ENTRY_POINTS.encode()
        record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in sorted(content.items())]
        content[f"{info}/RECORD"] = "\n".join((*record, f"{info}/RECORD,,", "")).encode()
        _write(path, content)
    except OSError as error:
        raise file_error(path, "write", error) from error
    return path


def _sources(root: Path) -> Iterator[tuple[str, bytes]]:
    for package in PACKAGES:
        if not (root / package / "__init__.py").is_file():
            raise HostError(
                f"Buildyard's package {package} is not in {root}.",
                detail="The program for the autoscaler machine is made from this program's own source.",
                hint="install Buildyard again",
            )
        for path in (root / package).rglob("*"):
            name = path.relative_to(root)
            if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in name.parts):
                yield name.as_posix(), path.read_bytes()


def _write(path: Path, content: dict[str, bytes]) -> None:
    # Not compressed: zlib's versions compress differently, and equal source shall be equal bytes.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.create_system = 3  # Unix, wherever this runs: it says how the mode is meant
            entry.external_attr = _FILE_MODE << 16
            archive.writestr(entry, content[name])


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
