"""Vendors' images: root file systems such as a cloud boots (mmdebstrap)."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehearsal.room.programs import attempt, run
from state.errors import HostError, MachineError

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "ufw",
    "cron",
    "sudo",
    "iproute2",
    "ca-certificates",
    "curl",
    "python3",
    "nftables",
    "iptables",
    "cloud-init",
    "locales",  # cloud-init's locale module fails without it
)
"""What a vendor's image brings; nothing of ours."""

_DEBIAN_RELEASES = ("bookworm", "trixie")
_KEYRINGS = {
    "Debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "Ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
}
_KEPT_APT_SETTINGS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
_LENT_APT_SETTINGS = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::http::Proxy-Auto-Detect")
_NO_ANSWER = "$("  # apt leaves the name of a field it has no value for

_FILES = {
    # As on a cloud: the vendor's data source only, the vendor's network, and keys for root.
    "etc/cloud/cloud.cfg.d/90_vendor.cfg": (
        "datasource_list: [NoCloud]\nnetwork: {config: disabled}\ndisable_root: false\nusers: []\n"
        "manage_etc_hosts: false\nlocale: C.UTF-8\n"
    ),
    # As on a cloud: sshd starts when cloud-init has written what user-data says, so its port is right from the start.
    "etc/systemd/system/ssh.service.d/10-vendor.conf": "[Unit]\nAfter=cloud-init.service\nWants=cloud-init.service\n",
    "etc/machine-id": "",
    "etc/hostname": "localhost\n",
}
_REMOVED = ("etc/ssh/ssh_host_*", "var/lib/dbus/machine-id", "etc/resolv.conf", "etc/apt/apt.conf.d/99mmdebstrap")


@dataclass(frozen=True, slots=True)
class Archive:
    """One line of apt's sources."""

    uri: str
    suite: str
    component: str
    origin: str

    def line(self) -> str:
        """The line as apt reads it."""
        keyring = _KEYRINGS.get(self.origin, "")
        option = f"[signed-by={keyring}] " if keyring and Path(keyring).exists() else ""
        return f"deb {option}{self.uri} {self.suite} {self.component}"


def host_release() -> str:
    """The release this host runs, such as ``bookworm``."""
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise HostError("This machine's /etc/os-release names no release.", hint="Debian and Ubuntu do")


def available_releases() -> tuple[str, ...]:
    """The releases images can be made of here: all of Debian's on Debian, its own on any other."""
    own = host_release()
    return tuple(dict.fromkeys((own, *_DEBIAN_RELEASES))) if own in _DEBIAN_RELEASES else (own,)


def ensure_image(directory: Path, release: str, extra_packages: Sequence[str] = ()) -> Path:
    """The root file system of a release; made when it is not there yet, which takes half a minute.

    Args:
        directory: the cache; may be shared by many rehearsals at the same time.
        release: one of :func:`available_releases`.
        extra_packages: packages besides the vendor's.

    Returns:
        its folder, which nobody may write to.

    Raises:
        HostError: this host's apt knows no archive of that release.
        MachineError: it could not be made.
    """
    packages = tuple(sorted({*PACKAGES, *extra_packages}))
    content = repr((release, packages, sorted(_FILES.items()), _REMOVED))
    image = directory / f"{release}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    if image.is_dir():
        return image
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory / f".{image.name}.lock"):
        if image.is_dir():  # another rehearsal made it while we waited
            return image
        half_made = directory / f".{image.name}.part"
        shutil.rmtree(half_made, ignore_errors=True)
        try:
            _make(half_made, release, packages)
        except MachineError as failed:
            shutil.rmtree(half_made, ignore_errors=True)
            raise MachineError(
                f"The image of {release} could not be made.", detail=failed.detail, hint="apt-get update, then again"
            ) from failed
        half_made.rename(image)
    return image


def archives(release: str) -> tuple[Archive, ...]:
    """The archives of a release, as this host's own apt names them for its own release.

    Raises:
        HostError: there are none.
    """
    fields = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
    listed = run(["apt-get", "indextargets", "--format", fields, "Identifier: Packages"])
    own = host_release()
    suites = {own: release, f"{own}-updates": f"{release}-updates", f"{own}-security": f"{release}-security"}
    found = []
    for line in listed.splitlines():
        uri, suite, component, origin = line.split("|")
        is_distribution = origin in _KEYRINGS or (origin.startswith(_NO_ANSWER) and component in ("main", "universe"))
        if suite in suites and is_distribution:
            found.append(Archive(uri, suites[suite], component, origin))
    if release not in available_releases() or not found:
        raise HostError(
            f"This machine's apt knows no archive of {release}.",
            detail=f"Images can be made here of: {', '.join(available_releases())}.",
            hint="apt-get update",
        )
    return tuple(dict.fromkeys(found))


def apt_settings(names: Sequence[str]) -> list[str]:
    """The host's own settings of those names, as lines of apt's configuration."""
    lines = run(["apt-config", "dump"]).splitlines()
    return [line for line in lines if line.split(" ", 1)[0] in names]


def _make(root: Path, release: str, packages: Sequence[str]) -> None:
    sources = "\n".join(archive.line() for archive in archives(release)) + "\n"
    options = [f"--aptopt={line.rstrip(';')}" for line in apt_settings((*_KEPT_APT_SETTINGS, *_LENT_APT_SETTINGS))]
    include = f"--include={','.join(packages)}"
    # In a mount namespace of its own: Debian 13's makes every mount of the host private.
    argv = [
        "unshare",
        "--mount",
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        include,
        *options,
        release,
        str(root),
        "-",
    ]
    run(argv, stdin=sources, timeout_s=900)
    # Where a socket owns sshd's port (Ubuntu), it would be open before cloud-init says which it is.
    for words in (["disable", "ssh.socket"], ["enable", "ssh.service"]):
        attempt(["systemctl", f"--root={root}", *words])
    for pattern in _REMOVED:
        for path in root.glob(pattern):
            path.unlink()
    for name, text in _FILES.items():
        _write(root / name, text)
    _write(root / "etc/apt/apt.conf.d/90-vendor", "".join(f"{line}\n" for line in apt_settings(_KEPT_APT_SETTINGS)))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One maker at a time; the kernel lets go when the maker dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
