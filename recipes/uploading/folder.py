"""The uploads on the local disk, below one folder and never outside of it.

The folder belongs to the application, which a stranger may have taken over, while this service has more rights than
it. So no symbolic link is followed anywhere: each part of a name is opened in the folder before it, and only plain
files count.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

from .names import is_upload

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# a pipe that somebody put there must not make the open wait
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Any other error must never pass for "missing": what is missing here is deleted everywhere.
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


@dataclass(frozen=True)
class Seen:
    """A file as it was at one moment: another size or time is another content."""

    size: int
    mtime_ns: int


class Folder:
    """Files by their names relative to ``path``; methods answer None for what is missing or no plain file.

    Args:
        path: the uploads.
        owner: user and group id that new files and folders get; None keeps the service's own.
    """

    def __init__(self, path: str, owner: tuple[int, int] | None = None) -> None:
        self.path = path
        self._owner = owner

    def identity(self) -> str:
        """Tells this folder from one that was made or mounted in its place."""
        return str(os.stat(self.path).st_ino)

    def free_share(self) -> float:
        """How much of the disk is free, from 0 to 1."""
        disk = os.statvfs(self.path)
        return disk.f_bavail / max(disk.f_blocks, 1)

    def seen(self, name: str) -> Seen | None:
        """What is there now."""
        with _MissingIsNothing(), self._place(name) as (parent, last):
            return _seen(os.stat(last, dir_fd=parent, follow_symlinks=False))
        return None

    def open(self, name: str) -> tuple[BinaryIO, Seen] | None:
        """The file to read from; the caller closes it."""
        with _MissingIsNothing(), self._place(name) as (parent, last):
            file = os.open(last, _FILE, dir_fd=parent)
            seen = _seen(os.fstat(file))
            if seen is not None:
                return os.fdopen(file, "rb"), seen
            os.close(file)
        return None

    def names(self, below: str = "") -> Iterator[str]:
        """The uploads below a folder ("" for all), in any order."""
        # a folder that is gone by now has no names
        with _MissingIsNothing():
            for folder, folders, files, _ in os.fwalk(os.path.join(self.path, below), follow_symlinks=False):
                folders[:] = [each for each in folders if not each.startswith(".")]
                start = os.path.relpath(folder, self.path)
                for file in files:
                    name = file if start == "." else f"{start}/{file}"
                    if is_upload(name):
                        yield name

    def new_file(self) -> BinaryIO:
        """For what arrives: it has no name, so it is gone when closed; :meth:`finish` and :meth:`place` follow."""
        return os.fdopen(os.open(self.path, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600), "w+b")

    def finish(self, file: BinaryIO, mtime_ns: int) -> Seen:
        """What arrived is whole: it gets its owner, rights and time. Raises OSError: the disk is full."""
        file.flush()
        handle = file.fileno()
        os.fchmod(handle, 0o644)
        if self._owner is not None:
            os.fchown(handle, *self._owner)
        os.utime(handle, ns=(mtime_ns, mtime_ns))
        os.fsync(handle)
        status = os.fstat(handle)
        return Seen(status.st_size, status.st_mtime_ns)

    def place(self, file: BinaryIO, name: str, instead_of: Seen | None) -> bool:
        """Puts what is finished at its place in one instant; not when the application changed that meanwhile.

        Raises:
            OSError: there is no such place, or the disk is full.
        """
        with self._place(name, make=True) as (parent, last):
            nameless = f"/proc/self/fd/{file.fileno()}"
            if instead_of is None:
                try:
                    os.link(nameless, last, dst_dir_fd=parent)
                except FileExistsError:
                    return False
                return True
            if self.seen(name) != instead_of:
                return False
            # a dot file is no upload, should the service be killed in between
            aside = f".{secrets.token_hex(8)}.arriving"
            os.link(nameless, aside, dst_dir_fd=parent)
            os.rename(aside, last, src_dir_fd=parent, dst_dir_fd=parent)
        return True

    def remove(self, name: str, only: Seen) -> bool:
        """Removes the file if it still is what was seen; whether it is gone."""
        with _MissingIsNothing(), self._place(name) as (parent, last):
            if self.seen(name) != only:
                return False
            os.unlink(last, dir_fd=parent)
        return True

    @contextmanager
    def _place(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The folder that holds the name, opened, and the name's last part."""
        if not is_upload(name):
            raise FileNotFoundError(name)
        *parts, last = name.split("/")
        here = os.open(self.path, _FOLDER)
        try:
            for part in parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=here)
                        if self._owner is not None:
                            os.chown(part, *self._owner, dir_fd=here, follow_symlinks=False)
                inner = os.open(part, _FOLDER, dir_fd=here)
                os.close(here)
                here = inner
            yield here, last
        finally:
            os.close(here)


class _MissingIsNothing:
    def __enter__(self) -> None: ...

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, *__: object) -> bool:
        return isinstance(error, OSError) and error.errno in _MISSING


def _seen(status: os.stat_result) -> Seen | None:
    return Seen(status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
