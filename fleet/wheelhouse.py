"""The program for autoscaler machines as one archive: Buildyard's own wheel, all wheels it needs, and their lock file.

The wheels of others are of exactly the versions that run here, for the target's Python. They are fetched from the
package registry once and kept in the platform's cache folder; nothing is fetched while they are there.
"""

from __future__ import annotations

import hashlib
import importlib.metadata as installed
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from fleet.own_wheel import make_own_wheel, source_root
from fleet.pins import PINS_FILE, Pins, pins_of
from providers.systems import system_of
from state.errors import AnswersError, HostError, Unavailable
from state.files import file_error, locked, make_private_folder

#: What Buildyard imports without its screens; tests compare it with what is really imported. typing_extensions is
#: named because pip reads conditions ("only before Python 3.13") as of the Python it runs on, not of the target's.
NEEDS = (
    "boto3",
    "cryptography",
    "fabric",
    "httpx",
    "invoke",
    "paramiko",
    "platformdirs",
    "PyYAML",
    "typing_extensions",
)
#: The Python that comes with each system.
PYTHON_OF_SYSTEM = {"debian-12": "3.11", "debian-13": "3.13", "ubuntu-24.04": "3.12"}
#: All sizes that Buildyard offers are of this architecture today.
MACHINE = "x86_64"
#: Wheels for these C libraries run on all of the systems above; pip wants each named.
_PLATFORMS = tuple(f"{name}_{MACHINE}" for name in ("manylinux2014", "manylinux_2_28", "manylinux_2_34"))
_ARCHIVES_KEPT = 4
#: 26 MB on a slow line, and a registry that hiccups.
_DOWNLOAD_S = 600.0


@dataclass(frozen=True, slots=True)
class Wheelhouse:
    """The archive, ready to be uploaded.

    Attributes:
        path: a tar archive: the lock file, and ``wheels/`` with all it names. Equal programs are equal bytes.
        sha256: of the archive, hexadecimal.
        size: bytes.
    """

    pins: Pins
    path: Path
    sha256: str
    size: int


def python_of(image: str) -> str:
    """The Python of machines made from that image ("debian-12-x64", "linode/debian12").

    Raises:
        AnswersError: it has none that Buildyard runs with, or is not known.
    """
    system = system_of(image)
    python = PYTHON_OF_SYSTEM.get(system.name) if system is not None else None
    if python is not None:
        return python
    raise AnswersError(
        f"No autoscaler can run on {image}: Buildyard does not know its Python, or it is older than 3.11.",
        hint=f"set machines.image to one of: {', '.join(PYTHON_OF_SYSTEM)}",
    )


def wheelhouse_here(python: str) -> Wheelhouse:
    """The running program for that Python, by this user's cache; see :func:`make_wheelhouse`."""
    return make_wheelhouse(python, platformdirs.user_cache_path("buildyard"))


def make_wheelhouse(python: str, cache: Path, root: Path | None = None) -> Wheelhouse:
    """The archive for that Python, from the running program; what was made before is taken as it is.

    Args:
        python: the target's ("3.11").
        cache: where fetched wheels and archives are kept.
        root: the source, the running program's by default.

    Raises:
        HostError: pip is missing here.
        Unavailable: the package registry cannot be reached, and the wheels are not in the cache.
    """
    folder = make_private_folder(cache / "wheelhouses")
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as work:
        others = _others(folder, python, Path(work))
        needs = [f"{name}=={installed.version(name)}" for name in NEEDS]
        version = installed.version("buildyard")
        own = make_own_wheel(root or source_root(), Path(work), version, needs, python)
        wheels = sorted((own, *others), key=lambda wheel: wheel.name)
        pins = pins_of(wheels, python, MACHINE)
        path = folder / f"program-{pins.version}.tar"
        if not path.exists():
            part = Path(work) / "program.tar"
            _write_archive(part, pins, wheels)
            part.replace(path)
            _forget_old(folder)
    content = path.read_bytes()
    return Wheelhouse(pins, path, hashlib.sha256(content).hexdigest(), len(content))


def _forget_old(folder: Path) -> None:
    """Keeps the newest archives: other checkouts of Buildyard use this cache too."""
    for old in sorted(folder.glob("program-*.tar"), key=lambda path: path.stat().st_mtime)[:-_ARCHIVES_KEPT]:
        old.unlink(missing_ok=True)


def _others(folder: Path, python: str, work: Path) -> tuple[Path, ...]:
    """The wheels that are not Buildyard's own, fetched unless they are in the cache."""
    versions = [f"{name}=={installed.version(name)}" for name in sorted(_reach(NEEDS), key=str.lower)]
    key = hashlib.sha256("\n".join((python, *_PLATFORMS, *NEEDS, *versions)).encode()).hexdigest()[:16]
    kept = folder / f"wheels-{python}-{key}"
    with locked(kept):
        if not kept.is_dir():
            part = work / "wheels"
            _download(part, python, versions, work)
            try:
                part.rename(kept)  # only whole sets are kept
            except OSError as error:
                raise file_error(kept, "make", error) from error
    return tuple(sorted(kept.glob("*.whl")))


def _reach(names: Iterable[str]) -> set[str]:
    """These packages and all that they may need, as far as it is installed here."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if name in found:
            continue
        try:
            needs = installed.requires(name) or []
        except installed.PackageNotFoundError:
            continue  # only other systems or other Pythons need it
        found.add(name)
        left += [re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0] for need in needs if "extra ==" not in need]
    return found


def _download(folder: Path, python: str, versions: list[str], work: Path) -> None:
    constraints = work / "constraints.txt"
    constraints.write_text("\n".join((*versions, "")))
    tag = f"cp{python.replace('.', '')}"
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    argv += ["--dest", str(folder), "--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
    for abi in (tag, "abi3", "none"):
        argv += ["--abi", abi]
    for platform in _PLATFORMS:
        argv += ["--platform", platform]
    argv += ["--constraint", str(constraints), *NEEDS]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_DOWNLOAD_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        shutil.rmtree(folder, ignore_errors=True)
        raise Unavailable(
            f"The packages for the autoscaler machine were not fetched within {_DOWNLOAD_S:g} s.",
            hint="check the network, then repeat",
        ) from late
    if done.returncode == 0:
        return
    said = "\n".join(done.stderr.strip().splitlines()[-8:])
    if "No module named pip" in done.stderr:
        raise HostError(
            "Buildyard's Python environment here has no pip, which fetches the packages for the autoscaler machine.",
            hint="install Buildyard by ./start, or: python3 -m ensurepip in its environment",
        )
    raise Unavailable(
        f"The packages for the autoscaler machine (Python {python}) could not be fetched.",
        detail=said,
        hint="check the network, then repeat; once fetched they are kept",
    )


def _write_archive(path: Path, pins: Pins, wheels: Iterable[Path]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in ((PINS_FILE, pins.text.encode()), *((f"wheels/{w.name}", w.read_bytes()) for w in wheels)):
            entry = tarfile.TarInfo(name)  # no time, nobody's: equal content gives equal bytes
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
