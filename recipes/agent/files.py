"""Files, lines, folders, links."""

from __future__ import annotations

import os
import stat

from recipes.agent.core import KINDS, Failed, Kind, content_of, sync_folder
from recipes.agent.wire import DIFF_LIMIT

DIFF_BYTES = 131_072  # a larger file is not compared line by line
MISSING = "does not exist"


def owner_ids(owner: str, group: str) -> tuple[int, int]:
    """Numbers of a user and a group."""
    import grp
    import pwd

    try:
        return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError:
        raise Failed(f"there is no user {owner} or no group {group}") from None


def name_of(uid: int, gid: int) -> str:
    """ "user:group" of numbers."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    try:
        return f"{user}:{grp.getgrgid(gid).gr_name}"
    except KeyError:
        return f"{user}:{gid}"


def lines_diff(old: bytes | None, new: bytes, path: str) -> str:
    """A unified diff, bounded; sizes only when it is no text."""
    if max(len(old or b""), len(new)) > DIFF_BYTES:
        return f"{len(old or b'')} bytes -> {len(new)} bytes"
    try:
        before, after = (old or b"").decode().splitlines(), new.decode().splitlines()
    except UnicodeDecodeError:
        return f"{len(old or b'')} bytes -> {len(new)} bytes, not text"
    from difflib import unified_diff

    name = path if old is not None else os.devnull
    lines = list(unified_diff(before, after, name, path, n=1, lineterm=""))
    if not lines:
        return "differs in line ends only"
    text = "\n".join(lines)
    return text if len(text) <= DIFF_LIMIT else text[:DIFF_LIMIT] + "\n…"


def rights_diff(info: os.stat_result, mode: int, owner: str, group: str) -> list[str]:
    """Differences in mode and ownership."""
    diffs = []
    if stat.S_IMODE(info.st_mode) != mode:
        diffs.append(f"mode {stat.S_IMODE(info.st_mode):04o} -> {mode:04o}")
    if (info.st_uid, info.st_gid) != owner_ids(owner, group):
        diffs.append(f"owner {name_of(info.st_uid, info.st_gid)} -> {owner}:{group}")
    return diffs


def read(path: str) -> bytes:
    with open(path, "rb") as handle:
        return handle.read()


def write_beside(path: str, content: bytes, mode: int, uid: int, gid: int) -> str:
    """Writes the content to a temporary file in the same folder, on disk when it returns; its path."""
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise Failed(f"the folder {folder} does not exist: declare a Directory step before")
    # one fixed name: there is one agent at a time, and what a killed one left is used up by the next
    beside = os.path.join(folder, f".{name[:200]}.buildyard")
    if os.path.lexists(beside):
        os.unlink(beside)
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fchown(fd, uid, gid)
            os.fchmod(fd, mode)
            os.fsync(fd)
    except OSError as error:
        os.unlink(beside)  # on a full disk the half would keep it full
        raise Failed(f"{path}: {error.strerror}; what was there stays") from error
    return beside


def replace(path: str, content: bytes, mode: int, uid: int, gid: int) -> None:
    """The file is the old or the new one, never half."""
    beside = write_beside(path, content, mode, uid, gid)
    os.rename(beside, path)
    sync_folder(os.path.dirname(path))


class File(Kind):
    def check(self) -> str | None:
        step = self.step
        path, content = step["path"], content_of(step["content"])
        try:
            info = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return MISSING if step["content"]["secret"] else lines_diff(None, content, path)
        if stat.S_ISDIR(info.st_mode):
            raise Failed(f"{path} is a folder")
        if not stat.S_ISREG(info.st_mode):
            return f"{path} is no regular file -> a file"
        diffs = rights_diff(info, step["mode"], step["owner"], step["group"])
        if info.st_size != len(content) or read(path) != content:
            hidden = step["content"]["secret"]
            diffs.append("content differs (not shown)" if hidden else lines_diff(read(path), content, path))
        return "\n".join(diffs) or None

    def apply(self) -> None:
        step = self.step
        path = step["path"]
        uid, gid = owner_ids(step["owner"], step["group"])
        beside = write_beside(path, content_of(step["content"]), step["mode"], uid, gid)
        try:
            self.validate(beside)
            self.guard()
            os.rename(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
        sync_folder(os.path.dirname(path))

    def validate(self, beside: str) -> None:
        if not self.step["validate"]:
            return
        argv = [part.replace("{}", beside) for part in self.step["validate"]]
        result = self.agent.run(argv, show=False)
        if result.code != 0:
            raise Failed(f"{argv[0]} refuses the new {self.step['path']}; the old one stays", result.tail)


class Line(Kind):
    def wanted(self) -> tuple[bytes, bytes, str]:
        """What the file holds, what it shall hold, and where it really lies."""
        path = os.path.realpath(self.step["path"])
        old = read(path) if os.path.exists(path) else b""
        line = self.step["line"].encode()
        lines = old.splitlines()
        doomed = []
        if self.step["replaces"]:
            import re

            pattern = re.compile(self.step["replaces"].encode())
            doomed = [i for i, text in enumerate(lines) if text != line and pattern.search(text)]
        if not doomed and line in lines:
            return old, old, path
        if line not in lines:
            if doomed:
                lines[doomed.pop(0)] = line
            else:
                lines.append(line)
        kept = [text for i, text in enumerate(lines) if i not in doomed]
        return old, b"\n".join(kept) + b"\n", path

    def check(self) -> str | None:
        old, new, path = self.wanted()
        return None if old == new else lines_diff(old, new, path)

    def apply(self) -> None:
        _old, new, path = self.wanted()
        if os.path.exists(path):
            info = os.stat(path)
            replace(path, new, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)
        else:
            replace(path, new, 0o644, os.geteuid(), os.getegid())


class Absent(Kind):
    def check(self) -> str | None:
        return f"{self.step['path']} goes" if os.path.lexists(self.step["path"]) else None

    def apply(self) -> None:
        path = self.step["path"]
        if os.path.isdir(path) and not os.path.islink(path):
            below = os.path.realpath(path)
            with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as handle:
                mounts = [line.split()[4].replace("\\040", " ") for line in handle]
            for mount in mounts:
                # else what is mounted there (a bucket!) would be emptied
                if mount == below or mount.startswith(below + "/"):
                    raise Failed(f"{mount} is a mount: it stays; unmount it first")
            import shutil

            shutil.rmtree(path)
        else:
            os.unlink(path)


class Directory(Kind):
    def check(self) -> str | None:
        step = self.step
        try:
            info = os.stat(step["path"])
        except (FileNotFoundError, NotADirectoryError):
            return MISSING
        if not stat.S_ISDIR(info.st_mode):
            raise Failed(f"{step['path']} is there, but no folder")
        return "\n".join(rights_diff(info, step["mode"], step["owner"], step["group"])) or None

    def apply(self) -> None:
        step = self.step
        uid, gid = owner_ids(step["owner"], step["group"])
        os.makedirs(step["path"], exist_ok=True)
        os.chown(step["path"], uid, gid)
        os.chmod(step["path"], step["mode"])


class Symlink(Kind):
    def check(self) -> str | None:
        path, target = self.step["path"], self.step["target"]
        if not os.path.lexists(path):
            return f"{MISSING} -> {target}"
        if not os.path.islink(path):
            if os.path.isdir(path):
                raise Failed(f"{path} is a folder")
            return f"a file -> a link to {target}"
        old = os.readlink(path)
        return None if old == target else f"{old} -> {target}"

    def apply(self) -> None:
        path, target = self.step["path"], self.step["target"]
        folder, name = os.path.split(path)
        beside = os.path.join(folder, f".{name[:200]}.buildyard")
        if os.path.lexists(beside):
            os.unlink(beside)
        os.symlink(target, beside)
        os.rename(beside, path)
        sync_folder(folder)


KINDS.update(File=File, Line=Line, Absent=Absent, Directory=Directory, Symlink=Symlink)
