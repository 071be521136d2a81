"""Files that must not be lost: written beside and renamed, synced, private, previous copies kept."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from state.errors import StateError

#: How many earlier copies of a state file are kept.
COPIES_KEPT = 5
#: Folder beside a file that holds its earlier copies.
COPIES_FOLDER = "previous"
#: State files are small; whatever is larger than this is none of ours and would only fill the memory.
LARGEST_BYTES = 16 * 1024 * 1024

_HINTS = {
    errno.ENOSPC: "Free some space on that disk, then repeat the command. The previous content is untouched.",
    errno.EDQUOT: "The quota is used up: remove files, then repeat the command. The previous content is untouched.",
    errno.EROFS: "The disk is mounted read-only: mount it writable, or set BUILDYARD_HOME to another folder.",
    errno.EACCES: "Run Buildyard as the user who owns that folder, or set BUILDYARD_HOME to another one.",
    errno.EPERM: "Run Buildyard as the user who owns that folder, or set BUILDYARD_HOME to another one.",
}


def file_error(path: Path, doing: str, error: OSError) -> StateError:
    """An OSError as a sentence with a hint.

    Args:
        path: the file or folder it is about.
        doing: what was tried, as in "cannot <doing> …".
        error: what the system said.
    """
    return StateError(
        f"Cannot {doing} {path}: {error.strerror or error}.",
        hint=_HINTS.get(error.errno or 0, "Look at the disk and the rights of that folder, then repeat the command."),
    )


def make_private_folder(path: Path) -> Path:
    """Makes the folder and those above it; the folder itself is for its owner only.

    Raises:
        StateError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise file_error(path, "make the folder", error) from error
    return path


def read_file(path: Path, *, largest_bytes: int = LARGEST_BYTES) -> bytes | None:
    """The content of a file, None when there is no such file.

    Raises:
        StateError: it cannot be read, or is far larger than such a file can be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(largest_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise file_error(path, "read", error) from error
    if len(data) > largest_bytes:
        raise StateError(
            f"{path} is larger than {largest_bytes} bytes: it is not one of Buildyard's files.",
            hint=f"Look at it; earlier copies are in {path.parent / COPIES_FOLDER}.",
        )
    return data


def write_file(path: Path, data: bytes, *, mode: int = 0o600, keep_copies: bool = False) -> None:
    """Replaces the file as a whole: after a crash at any moment it is either the old one or the new one.

    Args:
        path: the file; its folder must exist.
        data: the whole new content.
        mode: rights of the new file.
        keep_copies: the content that was there before is kept in the folder ``previous``.

    Raises:
        StateError: the disk is full, read-only, …; the old content is untouched.
    """
    try:
        if keep_copies:
            _keep_copy(path)
        _replace(path, data, mode)
    except OSError as error:
        raise file_error(path, "write", error) from error


def copies_of(path: Path) -> list[Path]:
    """Earlier copies of a file, oldest first."""
    folder = path.parent / COPIES_FOLDER
    found = [
        (int(copy.suffix[1:]), copy)
        for copy in folder.glob(f"{path.name}.*")
        if copy.suffix[1:].isascii() and copy.suffix[1:].isdigit()
    ]
    return [copy for _number, copy in sorted(found)]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of a file (``.NAME.lock`` beside it) against other processes and threads while in the block.

    For moments only: read, change, write. Who holds it is never waiting for anything else.
    """
    lock = path.parent / f".{path.name}.lock"
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise file_error(lock, "open", error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, data: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105 - name is a str from mkstemp
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes a rename or a new file in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems cannot sync a folder; then there is no stronger promise to be had.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _keep_copy(path: Path) -> None:
    try:
        old = path.read_bytes()
    except FileNotFoundError:
        return
    folder = path.parent / COPIES_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    copies = copies_of(path)
    number = int(copies[-1].suffix[1:]) + 1 if copies else 1
    if not copies or copies[-1].read_bytes() != old:
        _replace(folder / f"{path.name}.{number}", old, 0o600)
        copies = copies_of(path)
    for copy in copies[:-COPIES_KEPT]:
        copy.unlink(missing_ok=True)
