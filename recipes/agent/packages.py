"""Debian packages by apt."""

from __future__ import annotations

import fcntl
import glob
import os
import time

from recipes.agent.core import KINDS, Failed, Kind
from recipes.agent.wire import Result

QUIET = ("-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Languages=none")  # no progress bars, no translations
LISTS_AGE_S = 86_400.0
LOCK_TEXTS = ("Could not get lock", "Unable to acquire", "Unable to lock")
BROKEN_TEXTS = ("dpkg --configure -a", "dpkg was interrupted", "needs to be reinstalled", "should reinstall it")


class Package(Kind):
    def installed(self) -> set[str]:
        """Which of all packages of this recipe are installed: one question for all steps."""
        names = sorted({name for step in self.agent.steps if step["kind"] == "Package" for name in step["names"]})
        query = ["dpkg-query", "-W", "-f", "${Package} ${Package}:${Architecture} ${db:Status-Status}\n", *names]
        result = self.agent.run(query, show=False, apart=True)
        found = set()
        for line in result.text.splitlines():
            plain, full, status = line.split(" ")
            if status == "installed":
                found |= {plain, full}
        return found

    def missing(self) -> list[str]:
        found: set[str] = self.agent.once("packages", self.installed)
        return [name for name in self.step["names"] if name not in found]

    def check(self) -> str | None:
        missing = self.missing()
        return "install " + " ".join(missing) if missing else None

    def apply(self) -> None:
        missing = self.missing()
        self.wait_for_first_boot()
        updated = lists_are_old()
        if updated:
            self.apt(["update"])
        result = self.install(missing)
        if result.code != 0 and any(text in result.tail for text in BROKEN_TEXTS):
            self.agent.say("dpkg was interrupted before: it is finished first")
            self.finish_interrupted()
            result = self.install(missing)
        if result.code != 0 and not updated:
            # the lists may name versions that the mirror no longer has
            self.apt(["update"])
            result = self.install(missing)
        if result.code != 0:
            raise Failed(f"apt-get could not install {' '.join(missing)}", result.tail)

    def install(self, names: list[str], *options: str) -> Result:
        keep = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
        return self.apt([*keep, "--no-install-recommends", *options, "install", "--", *names])

    def finish_interrupted(self) -> None:
        """What a machine needs that was switched off in the middle of dpkg.

        A package whose unpacking was cut off carries dpkg's flag R and can't be configured, only unpacked anew:
        https://manpages.debian.org/bookworm/dpkg/dpkg.1.en.html#PACKAGE_FLAGS
        """
        configure = ["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"]
        result = self.agent.run(configure)  # takes in what dpkg noted down last, too; apt does nothing before
        cut_off = self.reinstall_required()
        if cut_off:
            result = self.install(cut_off, "--reinstall")
            if result.code != 0:
                raise Failed(f"apt-get could not unpack {' '.join(cut_off)} anew", result.tail)
            result = self.agent.run(configure)
        if result.code != 0:
            raise Failed("dpkg, interrupted before, could not be finished", result.tail)

    def reinstall_required(self) -> list[str]:
        """Packages with the error flag `reinst-required`."""
        query = ["dpkg-query", "-W", "-f", "${db:Status-Eflag} ${binary:Package}\n"]
        result = self.agent.run(query, show=False, apart=True)
        flagged = (line.split(" ", 1) for line in result.text.splitlines())
        return [name for flag, name in flagged if flag == "reinstreq"]

    def apt(self, arguments: list[str]) -> Result:
        """apt-get; waits for whoever else works with packages now."""
        while True:
            wait_s = max(1, int(self.agent.left_s() / 2))
            self.wait_for_lock("/var/lib/apt/lists/lock")  # apt itself waits for dpkg's lock only
            argv = ["apt-get", "-y", "-q", "-o", f"DPkg::Lock::Timeout={wait_s}", *QUIET, *arguments]
            # Ubuntu's needrestart would ask, or restart services that have a step of their own
            result = self.agent.run(argv, environment=[("NEEDRESTART_MODE", "l")])
            if result.code == 0 or not any(text in result.tail for text in LOCK_TEXTS):
                return result
            self.agent.say("another program took the lock: trying again")
            time.sleep(1.0)
            if self.agent.left_s() <= 0:
                return result

    def wait_for_lock(self, path: str) -> None:
        if not os.path.exists(path):
            return
        told = False
        fd = os.open(path, os.O_RDWR)
        try:
            while True:
                try:
                    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return  # given back by close: apt takes it next
                except OSError:
                    pass
                if self.agent.left_s() <= 0:
                    raise Failed(f"waited {self.agent.step_timeout_s:g} s for {path}: another program holds it")
                if not told:
                    self.agent.say(f"waiting for {path}")
                    told = True
                time.sleep(0.2)
        finally:
            os.close(fd)

    def wait_for_first_boot(self) -> None:
        """cloud-init may still write apt's sources; the lock covers what comes after."""
        if not os.path.exists("/run/cloud-init/enabled") or os.path.lexists("/run/cloud-init/result.json"):
            return
        self.agent.say("waiting for cloud-init to finish the first boot")
        half = self.agent.left_s() / 2
        while not os.path.lexists("/run/cloud-init/result.json"):
            if self.agent.left_s() <= half:
                self.agent.say("cloud-init has not finished: going on without it")
                return
            time.sleep(0.2)


def lists_are_old() -> bool:
    """Whether apt's lists are missing or older than a day."""
    lists = glob.glob("/var/lib/apt/lists/*_Packages*") + glob.glob("/var/lib/apt/lists/*InRelease")
    if not any("_Packages" in path for path in lists):
        return True
    newest = os.path.getmtime("/var/lib/apt/lists")
    for path in (*lists, "/var/lib/apt/periodic/update-success-stamp"):
        if os.path.exists(path):
            newest = max(newest, os.path.getctime(path))  # mtime is the mirror's
    return time.time() - newest > LISTS_AGE_S


KINDS.update(Package=Package)
