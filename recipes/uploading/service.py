"""The program ``buildyard-uploads``: the service, and what recipes and cron ask it.

usage: buildyard-uploads serve           the service
       buildyard-uploads state           prints what waits
       buildyard-uploads check           exit 1, with the reason, when uploads wait for the bucket for long
       buildyard-uploads first ID        exit 0: the baseline of that name was never brought into the bucket; 4: it was
       buildyard-uploads settled ID      waits until everything here is in the bucket, then writes down that ID is
"""

from __future__ import annotations

import http.client
import io
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pwd import getpwnam
from typing import Any

from .folder import Folder
from .known import Known
from .server import Server
from .store import Access, Store, StoreAway
from .sync import Sync
from .watch import Watch

SETTINGS = "/etc/buildyard/uploads.json"
_SENDERS, _FETCHERS = 4, 4
#: How long changes are collected before the other webservers are told.
_COLLECT_S = 0.3
_SETTLE_S = 900.0
#: A bucket that is away for less is nobody's business.
_LONG_S = 300.0
_BASELINES = ".baselines/"


@dataclass(frozen=True)
class Settings:
    """What ``recipes/uploads.py`` wrote; see there."""

    store: Access
    folder: str
    state: str
    socket: str
    socket_group: str
    owner: str
    prefix: str
    poll_s: float
    compare_s: float
    fetch_ahead_mib: int


def read_settings(path: str) -> Settings:
    """The settings, with the key from the file they name."""
    with open(path, encoding="utf-8") as file:
        said = json.load(file)
    store = said.pop("store")
    with open(store.pop("secret_file"), encoding="utf-8") as file:
        store["secret_key"] = file.read().strip()
    return Settings(store=Access(**store), **said)


class Service:
    """All threads of it. One that dies of what nobody foresaw ends the program; systemd starts it anew.

    Args:
        settings: see there.
        fatal: takes the place of ending the program.
    """

    def __init__(self, settings: Settings, fatal: Callable[[], None]) -> None:
        self._settings, self._fatal = settings, fatal
        self._ended = threading.Event()
        os.makedirs(settings.state, exist_ok=True)
        owner = getpwnam(settings.owner) if settings.owner else None
        ids = (owner.pw_uid, owner.pw_gid) if owner else None
        folder = Folder(settings.folder, ids)
        self._known = Known(os.path.join(settings.state, "known.sqlite"))
        self.sync = Sync(
            Store(settings.store),
            folder,
            self._known,
            machine=f"{socket.gethostname()}-{secrets.token_hex(4)}",
            say=say,
            fetch_ahead_bytes=settings.fetch_ahead_mib << 20,
        )
        self._watch = Watch(settings.folder, self.sync.look, self.sync.look_below, say)
        self._server = Server(settings.socket, settings.socket_group, settings.prefix, self.sync, self.state, say)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begins; what happened while it did not run is found at once."""
        sync, seconds = self.sync, self._settings
        self._begin("watch", self._watch.run)
        self._begin("door", self._server.run)
        for _ in range(_SENDERS):
            self._begin("sender", lambda: self._work(sync.outbox, sync.send))
        for _ in range(_FETCHERS):
            self._begin("fetcher", lambda: self._work(sync.inbox, sync.refresh))
        self._begin("teller", lambda: self._again(_COLLECT_S, sync.write_notices))
        self._begin("reader", lambda: self._again(seconds.poll_s, sync.read_notices))
        self._begin("comparer", lambda: self._again(seconds.compare_s, self._compare))

    def stop(self) -> None:
        """Ends all threads; what waits is found again at the next start."""
        self._ended.set()
        self.sync.outbox.end()
        self.sync.inbox.end()
        self._watch.stop()
        self._server.stop()
        for thread in self._threads:
            thread.join()
        self._known.close()

    def state(self) -> dict[str, Any]:
        """What waits, for ``state`` and ``check``."""
        (sending, oldest_s), (fetching, _) = self.sync.outbox.waiting(), self.sync.inbox.waiting()
        return {"to_send": sending, "oldest_s": round(oldest_s, 1), "to_fetch": fetching}

    def _compare(self) -> None:
        self.sync.look_below()
        self.sync.compare()

    def _work(self, backlog: Any, on: Callable[[str], None]) -> None:
        while (name := backlog.take()) is not None:
            try:
                on(name)
            except (StoreAway, OSError) as problem:
                say(f"{name}: {problem}; tried again")
                backlog.failed(name)
                self._ended.wait(1.0)  # when the bucket is away all names fail: no hurry then
            else:
                backlog.done(name)

    def _again(self, pause_s: float, act: Callable[[], None]) -> None:
        failures = 0
        while not self._ended.is_set():
            try:
                act()
                failures = 0
            except (StoreAway, OSError) as problem:
                failures += 1
                if failures == 1:
                    say(f"the bucket cannot be used: {problem}; tried again")
            self._ended.wait(min(pause_s, 5.0) * min(failures, 6) if failures else pause_s)

    def _begin(self, name: str, run: Callable[[], None]) -> None:
        def guarded() -> None:
            well = False
            try:
                run()
                well = True
            finally:
                if not well:
                    traceback.print_exc()
                    self._fatal()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()


def say(text: str) -> None:
    """A line for the system's log."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """See the module; returns the exit code."""
    command, *rest = arguments or [""]
    settings = read_settings(os.environ.get("BUILDYARD_UPLOADS", SETTINGS))
    if command == "serve":
        return _serve(settings)
    if command == "state":
        print(json.dumps(_ask(settings, "/state")))
        return 0
    if command == "check":
        return _check(settings)
    if command in ("first", "settled") and len(rest) == 1:
        try:
            return _first(settings, rest[0]) if command == "first" else _settled(settings, rest[0])
        except StoreAway as problem:
            say(f"the bucket of the uploads cannot be used: {problem}")
            return 1
    say(__doc__)
    return 2


def _serve(settings: Settings) -> int:
    # a mask, not a handler: threads inherit it, and the main thread takes the signal when it comes
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    service = Service(settings, fatal=lambda: os._exit(1))
    service.start()
    notify("READY=1")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    os._exit(0)  # requests in flight have nothing to save


def _check(settings: Settings) -> int:
    try:
        state = _ask(settings, "/state")
    except OSError as problem:
        say(f"the service of the uploads does not answer: {problem}")
        return 1
    if state["oldest_s"] > _LONG_S:
        say(f"{state['to_send']} uploads wait for the bucket, the oldest for {state['oldest_s'] / 60:.0f} minutes")
        return 1
    return 0


def _first(settings: Settings, baseline: str) -> int:
    return 4 if Store(settings.store).head(_BASELINES + baseline) else 0


def _settled(settings: Settings, baseline: str) -> int:
    end = time.monotonic() + _SETTLE_S
    while (state := _ask(settings, "/look"))["to_send"]:
        if time.monotonic() > end:
            say(f"waited {_SETTLE_S:.0f} s: {state['to_send']} uploads are not in the bucket yet")
            return 1
        time.sleep(0.5)
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    Store(settings.store).put(_BASELINES + baseline, io.BytesIO(), 0, empty, time.time_ns())
    return 0


def _ask(settings: Settings, path: str) -> dict[str, Any]:
    """What the running service answers."""
    connection = http.client.HTTPConnection("uploads", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(60)
    try:
        connection.sock.connect(settings.socket)
        connection.request("GET", path)
        said: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return said


def notify(text: str) -> None:
    """Tells systemd, where it wants to know."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            to.send(text.encode())
