"""The agent's heart: frames to the build machine, commands, debts, the lock, and the loop over the steps.

A step's life: check; when something is missing note the debts of those to be notified, apply, check again. What a
child prints never meets the frames: frames go through a copy of the first standard output, descriptor 1 itself is
bent to standard error. Standard input stays open for the whole run; its end means that the build machine is gone or
wants no more, so no further step is begun.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import time

from recipes.agent.disk import full_disk
from recipes.agent.wire import BURST_LINES, BURST_S, DIFF_LIMIT, TAIL_LINES, Frames, Lines, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Failed(Exception):
    """A step cannot be done; the text is for a person, ``output`` the last lines a command printed."""

    def __init__(self, text: str, output: str = "") -> None:
        super().__init__(text)
        self.output = output


class Debts:
    """Who must still take notice of a change, kept on disk so that a run that was cut off pays in the next one."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def owed(self, key: str) -> bool:
        return bool(key) and os.path.exists(os.path.join(self.folder, key))

    def note(self, key: str) -> None:
        path = os.path.join(self.folder, key)
        if not os.path.exists(path):
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.fsync(fd)
            os.close(fd)
            sync_folder(self.folder)

    def paid(self, key: str) -> None:
        os.unlink(os.path.join(self.folder, key))


def sync_folder(path: str) -> None:
    """What was renamed or made in the folder survives a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Agent:
    """What the kinds of steps use: commands, facts that are asked once for all, time left."""

    def __init__(self, payload: dict[str, Any], frames: Frames) -> None:
        self.frames = frames
        self.steps: list[dict[str, Any]] = payload["steps"]
        self.recipe: str = payload["recipe"]
        self.check_only: bool = payload["check_only"]
        self.folder: str = payload["folder"]
        self.lock_s: float = payload["lock_s"]
        self.end: float = time.monotonic() + payload["deadline_s"]
        self.step_end: float = self.end
        self.step_timeout_s = 0.0
        self.index = 0
        self.debts = Debts(os.path.join(self.folder, "debts"))
        self.would_owe: set[str] = set()
        self.asked: dict[str, Any] = {}
        self.lock_fd = -1

    def once(self, name: str, ask: Callable[[], Any]) -> Any:
        """The answer to a question about the whole machine, asked again only after something changed."""
        if name not in self.asked:
            self.asked[name] = ask()
        return self.asked[name]

    def left_s(self) -> float:
        return self.step_end - time.monotonic()

    def say(self, *lines: str) -> None:
        """Output lines of the running step."""
        self.frames.add(f="output", i=self.index, lines=list(lines))
        self.frames.flush()

    def must(self, argv: list[str], **options: Any) -> Result:
        """As ``run``, and an exit code other than 0 is a failure."""
        result = self.run(argv, **options)
        if result.code != 0:
            raise Failed(f"{argv[0]} {ending(result.code)}", result.tail)
        return result

    def run(
        self,
        argv: list[str],
        stdin: bytes = b"",
        user: str = "",
        environment: Any = (),
        show: bool = True,
        apart: bool = False,
        timeout_s: float | None = None,
    ) -> Result:
        """Runs a command in a session of its own and ends the whole process group when time is up.

        Args:
            user: whom it runs as, "" for the agent's own user.
            show: its output is sent as it comes.
            apart: standard error is not part of ``Result.text``.
            timeout_s: less than what is left of the step.
        """
        end = self.step_end if timeout_s is None else min(self.step_end, time.monotonic() + timeout_s)
        options, variables = identity(user)
        variables.update(environment)
        source = os.open(os.devnull, os.O_RDONLY)
        if stdin:
            os.close(source)
            source = os.memfd_create("stdin")  # in memory only; a pipe could block on a child that does not read
            with os.fdopen(os.dup(source), "wb") as handle:
                handle.write(stdin)
            os.lseek(source, 0, os.SEEK_SET)
        read_fd, write_fd = os.pipe()
        error_read_fd, error_write_fd = os.pipe() if apart else (-1, write_fd)
        streams = {read_fd: Lines()}
        if apart:
            streams[error_read_fd] = Lines()
        try:
            process = subprocess.Popen(
                argv,
                stdin=source,
                stdout=write_fd,
                stderr=error_write_fd,
                cwd="/",
                env=variables,
                start_new_session=True,
                **options,
            )
        except OSError as error:
            for fd in streams:
                os.close(fd)
            return Result(127, "", f"{argv[0]}: {error.strerror}")
        finally:
            os.close(source)
            for fd in {write_fd, error_write_fd}:
                os.close(fd)
        text = streams[read_fd]
        tail = self.follow(process, streams, end, show)
        return Result(process.returncode, text.kept.decode("utf-8", "replace"), "\n".join(tail))

    def follow(self, process: subprocess.Popen[bytes], streams: dict[int, Lines], end: float, show: bool) -> list[str]:
        """Reads until the process has ended; a daemon it leaves behind may keep the pipe."""
        tail: list[str] = []
        fresh: list[str] = []
        skipped = 0
        sent = time.monotonic()
        poller = select.poll()
        for fd in streams:
            poller.register(fd, select.POLLIN)
        over_by: float | None = None
        try:
            while True:
                now = time.monotonic()
                lines: list[str] = []
                for fd, _event in poller.poll(100 if streams else 1):
                    data = os.read(fd, 65536)
                    lines += streams[fd].feed(data) if data else streams[fd].rest()
                    if not data:
                        poller.unregister(fd)
                        os.close(fd)
                        del streams[fd]
                tail = (tail + lines)[-TAIL_LINES:]
                fresh += lines
                if len(fresh) > BURST_LINES:
                    skipped += len(fresh) - BURST_LINES
                    fresh = fresh[-BURST_LINES:]
                if process.poll() is not None and over_by is None:
                    over_by = now + 0.2
                over = over_by is not None and (not streams or now >= over_by)
                if show and fresh and (over or now - sent >= BURST_S):
                    note = [f"({skipped} lines left out)"] if skipped else []
                    self.say(*note, *fresh)
                    fresh, skipped, sent = [], 0, now
                if over:
                    return tail
                if now >= end:
                    stop_group(process)
                    raise Failed(f"took longer than {self.step_timeout_s:g} s and was ended", "\n".join(tail))
        finally:
            for fd in streams:
                os.close(fd)

    def cut_off(self) -> bool:
        """Whether the build machine is gone or wants no more."""
        if self.frames.gone:
            return True
        ready, _, _ = select.select([0], [], [], 0)
        return bool(ready) and not os.read(0, 4096)


def ending(code: int) -> str:
    return f"ended with {code}" if code >= 0 else f"was ended by signal {-code}"


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a command and all it started: politely, then for sure."""
    for number, patience_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
        try:  # noqa: SIM105 - contextlib is one import more at each start
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        limit = time.monotonic() + patience_s
        while time.monotonic() < limit and process.poll() is None:
            time.sleep(0.02)


def identity(user: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Options of Popen and the environment for a command of that user; nothing of ours is inherited."""
    import pwd

    try:
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
    except KeyError:
        raise Failed(f"there is no user {user}") from None
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": entry.pw_dir,
        "USER": entry.pw_name,
        "LOGNAME": entry.pw_name,
        "LANG": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    if entry.pw_uid == os.geteuid():
        return {}, variables
    groups = os.getgrouplist(user, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}, variables


class Kind:
    """One kind of step: says what is missing and mends it."""

    def __init__(self, step: dict[str, Any], agent: Agent) -> None:
        self.step = step
        self.agent = agent

    def check(self) -> str | None:
        """What would change, None when all is as declared."""
        raise NotImplementedError

    def apply(self) -> None:
        raise NotImplementedError

    def pay(self, applied: bool) -> None:
        """Takes notice of a change of another step; ``applied`` says that this step itself was applied just now."""

    def guard(self) -> None:
        """Before a change: what the step wants to have run."""
        if self.step["guard"]:
            result = self.agent.run(self.step["guard"], show=False)
            if result.code != 0:
                raise Failed(f"{self.step['guard'][0]} {ending(result.code)}: nothing was changed", result.tail)


KINDS: dict[str, type[Kind]] = {}


def content_of(value: dict[str, str]) -> bytes:
    """The bytes of a Content as the compiler wrote it."""
    if "base64" in value:
        import binascii

        return binascii.a2b_base64(value["base64"])
    return value["text"].encode()


def take_lock(agent: Agent) -> str:
    """One agent at a time; returns why not, or ""."""
    os.makedirs(agent.folder, mode=0o755, exist_ok=True)
    fd = os.open(os.path.join(agent.folder, "agent.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    end = min(agent.end, time.monotonic() + agent.lock_s)
    told = False
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            holder = os.pread(fd, 300, 0).decode("utf-8", "replace").strip()
        if time.monotonic() >= end or agent.cut_off():
            return f"another run holds this machine: {holder}"
        if not told:
            agent.frames.add(f="waiting", text=f"for another run on this machine to end its step: {holder}")
            agent.frames.flush()
            told = True
        time.sleep(0.1)
    os.ftruncate(fd, 0)
    since = time.strftime("%H:%M:%S UTC", time.gmtime())
    os.pwrite(fd, f"recipe {agent.recipe}, process {os.getpid()}, since {since}\n".encode(), 0)
    os.set_inheritable(fd, False)
    agent.lock_fd = fd  # given back by the end of this process
    return ""


def do_step(agent: Agent, step: dict[str, Any]) -> tuple[str, str]:
    """Checks and applies one step; returns its status and diff."""
    kind = KINDS[step["kind"]](step, agent)
    owed = agent.debts.owed(step["debt"]) or step["debt"] in agent.would_owe
    try:
        diff = kind.check()
    except Failed as error:
        if not agent.check_only:
            raise
        diff = f"cannot be checked yet: {error}"
    if diff is None and not owed:
        return "unchanged", ""
    shown = (diff or "must take notice of a change")[:DIFF_LIMIT]
    if agent.check_only:
        agent.would_owe.update(step["debts"])
        return "would-change", shown
    for key in step["debts"]:
        agent.debts.note(key)
    if diff is not None:
        kind.apply()
        agent.asked.clear()
    if owed:
        kind.pay(diff is not None)
        agent.asked.clear()
    left = kind.check()
    if left is not None:
        raise Failed(f"was applied, but its check still fails: {left[:DIFF_LIMIT]}")
    if owed:
        agent.debts.paid(step["debt"])
    return "changed", shown


def run_all(agent: Agent) -> str:
    """Does the steps in order until one fails; returns why it ended early, or ""."""
    for index, step in enumerate(agent.steps):
        agent.index = index
        if agent.cut_off():
            return "stopped"
        start = time.monotonic()
        if start >= agent.end:
            return "no time left for the next step"
        agent.step_timeout_s = min(step["timeout_s"], agent.end - start)
        agent.step_end = start + agent.step_timeout_s
        agent.frames.add(f="start", i=agent.index)
        output = ""
        try:
            status, diff = do_step(agent, step)
        except Failed as error:
            status, diff, output = "failed", str(error), error.output
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            status, diff = "failed", f"{error.strerror}{where}"
        except Exception as error:  # noqa: BLE001 - the frame is the only way to tell; no traceback, it shows values
            status, diff = "failed", f"{type(error).__name__}: {error}"
        if status == "failed":
            diff = full_disk(diff, output) + diff
        milliseconds = int((time.monotonic() - start) * 1000)
        agent.frames.add(f="finished", i=agent.index, status=status, ms=milliseconds, diff=diff, output=output)
        if status != "unchanged":
            agent.frames.flush()
        if status == "failed":
            return "failed"
    return ""


def main(payload: dict[str, Any]) -> None:
    """Runs a recipe; ``payload`` is what the compiler wrote."""
    frames = Frames(os.dup(1))
    os.dup2(2, 1)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o022)
    agent = Agent(payload, frames)
    why = ""
    if not agent.check_only:
        try:
            why = take_lock(agent)
        except OSError as error:
            why = f"{agent.folder}: {error.strerror}"
    if not why:
        why = run_all(agent)
    frames.add(f="end", why=why)
    frames.flush()
