"""Watches a folder and all below it by inotify: what was written, moved in, moved out, deleted."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
from collections.abc import Callable

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_OVERFLOW, _IGNORED, _IS_FOLDER = 0x4000, 0x8000, 0x40000000
_ONLY_FOLDER, _NO_LINK = 0x01000000, 0x02000000
_WANTED = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLY_FOLDER | _NO_LINK
_HEAD = struct.Struct("iIII")


class Watch:
    """Calls ``look`` with names relative to ``path``; what it says of a name is only that it may have changed.

    Args:
        path: the folder.
        look: a file may have changed.
        look_below: anything below that folder ("" for all) may have changed.
        say: takes a line for the log.
    """

    def __init__(
        self, path: str, look: Callable[[str], None], look_below: Callable[[str], None], say: Callable[[str], None]
    ) -> None:
        self._path = path
        self._look, self._look_below, self._say = look, look_below, say
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(os.O_CLOEXEC)
        if self._inotify < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders: dict[int, str] = {}
        self._stop, self._stopper = os.pipe2(os.O_CLOEXEC)
        self._add("")

    def run(self) -> None:
        """Until :meth:`stop`."""
        while self._stop not in select.select([self._inotify, self._stop], [], [])[0]:
            data = os.read(self._inotify, 1 << 16)
            while data:
                number, mask, _, length = _HEAD.unpack_from(data)
                last = os.fsdecode(data[_HEAD.size : _HEAD.size + length].rstrip(b"\0"))
                data = data[_HEAD.size + length :]
                self._happened(number, mask, last)
        os.close(self._inotify)
        os.close(self._stop)

    def stop(self) -> None:
        os.close(self._stopper)

    def _happened(self, number: int, mask: int, last: str) -> None:
        if mask & _OVERFLOW:
            self._say("more happened than the system kept: looking at everything")
            self._add("")
            self._look_below("")
        elif mask & _IGNORED:
            self._folders.pop(number, None)
        elif number in self._folders and not last.startswith("."):
            name = os.path.join(self._folders[number], last)
            if not mask & _IS_FOLDER:
                if not mask & _CREATE:  # what was only begun is told once more when it is written
                    self._look(name)
                return
            if mask & (_CREATE | _MOVED_TO):
                self._add(name)
            else:
                self._end(name)
            # what came into it before it was watched, or went with it
            self._look_below(name)

    def _add(self, folder: str) -> None:
        path = os.fsencode(os.path.join(self._path, folder))
        number = self._libc.inotify_add_watch(self._inotify, path, _WANTED)
        if number < 0:
            code = ctypes.get_errno()
            if code not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                self._say(
                    f"{folder or 'the folder'} cannot be watched ({os.strerror(code)}): looked at from time to time"
                )
            return
        self._folders[number] = folder
        try:
            with os.scandir(path) as entries:
                inner = [os.fsdecode(each.name) for each in entries if each.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return
        for each in inner:
            if not each.startswith("."):
                self._add(os.path.join(folder, each))

    def _end(self, folder: str) -> None:
        for number, name in list(self._folders.items()):
            if name == folder or name.startswith(f"{folder}/"):
                self._libc.inotify_rm_watch(self._inotify, number)
                self._folders.pop(number)
