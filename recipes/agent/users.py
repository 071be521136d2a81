"""Users and their crontabs."""

from __future__ import annotations

import grp
import os
import pwd
import stat

from recipes.agent.core import KINDS, Failed, Kind
from recipes.agent.files import MISSING, lines_diff, read, replace


class User(Kind):
    def entry(self) -> pwd.struct_passwd | None:
        try:
            return pwd.getpwnam(self.step["name"])
        except KeyError:
            return None

    def lacking_groups(self) -> list[str]:
        """Groups the user shall be in and is not."""
        entry = self.entry()
        lacking = []
        for name in self.step["groups"]:
            try:
                group = grp.getgrnam(name)
            except KeyError:
                lacking.append(name)
                continue
            if self.step["name"] not in group.gr_mem and (entry is None or entry.pw_gid != group.gr_gid):
                lacking.append(name)
        return lacking

    def keys(self) -> bytes:
        return "".join(f"{key}\n" for key in self.step["authorized_keys"]).encode()

    def keys_diff(self, entry: pwd.struct_passwd) -> str | None:
        if self.step["authorized_keys"] is None:
            return None
        path = os.path.join(entry.pw_dir, ".ssh", "authorized_keys")
        try:
            folder, info, old = os.lstat(os.path.dirname(path)), os.lstat(path), read(path)
        except (FileNotFoundError, NotADirectoryError):
            return lines_diff(None, self.keys(), path)
        diffs = []
        if old != self.keys() or not stat.S_ISREG(info.st_mode):
            diffs.append(lines_diff(old, self.keys(), path))
        for item, name, mode in ((folder, ".ssh", 0o700), (info, "authorized_keys", 0o600)):
            if stat.S_IMODE(item.st_mode) != mode or item.st_uid != entry.pw_uid:
                diffs.append(f"{name}: mode {stat.S_IMODE(item.st_mode):04o}, user {item.st_uid} -> {mode:04o}, own")
        return "\n".join(diffs) or None

    def check(self) -> str | None:
        entry = self.entry()
        if entry is None:
            return MISSING
        diffs = []
        if entry.pw_shell != self.step["shell"]:
            diffs.append(f"shell {entry.pw_shell} -> {self.step['shell']}")
        if self.step["home"] and entry.pw_dir != self.step["home"]:
            diffs.append(f"home {entry.pw_dir} -> {self.step['home']}")
        diffs += [f"joins {name}" for name in self.lacking_groups()]
        keys = self.keys_diff(entry)
        if keys:
            diffs.append(keys)
        return "\n".join(diffs) or None

    def create(self) -> None:
        step = self.step
        # "*" is no password; with useradd's "!" some sshd refuse keys as well
        argv = ["useradd", "--shell", step["shell"], "--password", "*"]
        if step["system"]:
            argv.append("--system")
        if step["home"]:
            argv += ["--home-dir", step["home"]]
        elif step["system"]:
            argv += ["--home-dir", "/nonexistent"]
        argv.append("--no-create-home" if step["system"] and not step["home"] else "--create-home")
        try:
            grp.getgrnam(step["name"])
            argv += ["--gid", step["name"]]
        except KeyError:
            argv.append("--user-group")
        self.agent.must([*argv, "--", step["name"]])

    def apply(self) -> None:
        step = self.step
        if self.entry() is None:
            self.create()
        entry = self.entry()
        if entry is None:
            raise Failed("useradd ended well, but the user is not there")
        if entry.pw_shell != step["shell"]:
            self.agent.must(["usermod", "--shell", step["shell"], "--", step["name"]])
        if step["home"] and entry.pw_dir != step["home"]:
            self.agent.must(["usermod", "--home", step["home"], "--move-home", "--", step["name"]])
            entry = pwd.getpwnam(step["name"])
        lacking = self.lacking_groups()
        if lacking:
            self.agent.must(["usermod", "--append", "--groups", ",".join(lacking), "--", step["name"]])
        if self.keys_diff(entry):
            self.write_keys(entry)

    def write_keys(self, entry: pwd.struct_passwd) -> None:
        folder = os.path.join(entry.pw_dir, ".ssh")
        if os.path.lexists(folder) and not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise Failed(f"{folder} is no folder")  # a link there would lead root's hand elsewhere
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        os.chmod(folder, 0o700)
        replace(os.path.join(folder, "authorized_keys"), self.keys(), 0o600, entry.pw_uid, entry.pw_gid)


class UserCrontab(Kind):
    """The line with this command; the same command at another time gives way to it."""

    FOLDER = "/var/spool/cron/crontabs"

    def wanted(self) -> tuple[bytes, bytes]:
        path = os.path.join(self.FOLDER, self.step["user"])
        old = read(path) if os.path.exists(path) else b""
        line = f"{self.step['schedule']} {self.step['command']}".encode()
        lines = old.splitlines()
        kept = [text for text in lines if text == line or self.command_of(text) != self.step["command"].encode()]
        if line not in kept:
            kept.append(line)
        return old, b"".join(text + b"\n" for text in kept)

    def command_of(self, line: bytes) -> bytes:
        if line.lstrip().startswith(b"#"):
            return b""
        fields = 1 if line.lstrip().startswith(b"@") else 5
        parts = line.split(None, fields)
        return parts[fields] if len(parts) > fields else b""

    def check(self) -> str | None:
        old, new = self.wanted()
        return None if old == new else lines_diff(old, new, f"crontab of {self.step['user']}")

    def apply(self) -> None:
        _old, new = self.wanted()
        # crontab -l leaves out the three lines that crontab writes at the top; it writes them anew
        body = b"".join(
            line + b"\n"
            for line in new.splitlines()
            if not line.startswith((b"# DO NOT EDIT THIS FILE", b"# (- install", b"# (Cron version"))
        )
        self.agent.must(["crontab", "-u", self.step["user"], "-"], stdin=body)


KINDS.update(User=User, UserCrontab=UserCrontab)
