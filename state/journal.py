"""The journal of a run: append-only JSON lines; every view of a run is a reader of it."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import gmtime, strftime
from typing import Any, Self

from state.clock import Clock
from state.errors import StateError
from state.events import Event, Kind
from state.files import file_error, make_private_folder, read_file, sync_folder, write_file
from state.process import ProcessIdentity
from state.secret import Redactor

JOURNAL = "journal.jsonl"
#: A journal that has no end, as far as it was put aside.
ASIDE = f"{JOURNAL}.1"
RUNNER = "runner.json"

#: These survive a power cut before what they announce happens: without them a machine could exist that nobody knows.
_SYNCED = frozenset({Kind.RUN_STARTED, Kind.RUN_FINISHED, Kind.ACTION_STARTED, Kind.ACTION_FINISHED})
#: Readers ask the file ten times a second: quick for an eye, nothing for a disk.
_POLL_S = 0.1
#: So many events at once, and there may be more to read at once.
_MANY = 2000
#: A runner has this long to begin; then a run without one counts as dead.
START_S = 30.0


def new_run_id(now: float) -> str:
    """``20260131-154500-a1b2c3``: UTC time, so that names sort by age, and a random part."""
    return f"{strftime('%Y%m%d-%H%M%S', gmtime(now))}-{secrets.token_hex(3)}"


class Journal:
    """Writes the journal of one run; may be used from any thread.

    Args:
        folder: the run's folder; made when it is not there.
        redactor: every text passes through it before it is written.
        largest_bytes: a journal that has grown beyond it is put aside (:data:`ASIDE`; one is kept) and a new one
            begun; 0 for never. Only for one that has no end, since readers begin at what is there.
    """

    def __init__(self, folder: Path, redactor: Redactor, *, largest_bytes: int = 0) -> None:
        make_private_folder(folder)
        self.path = folder / JOURNAL
        self._largest_bytes = largest_bytes
        self._redact = redactor
        self._lock = threading.Lock()
        try:
            self._file = self._open()
            size = os.fstat(self._file).st_size
            self._torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
            sync_folder(folder)
        except OSError as error:
            raise file_error(self.path, "open", error) from error

    def emit(self, event: Event) -> None:
        """Appends one event; when this returns, every reader can see it.

        Raises:
            StateError: the disk is full or gone. What was written before stays readable.
        """
        line = (json.dumps(self._as_data(event), ensure_ascii=False, separators=(",", ":")) + "\n").encode(
            "utf-8", errors="replace"
        )
        with self._lock:
            try:
                # A line cut off by a full disk must not swallow the next one.
                self._append(b"\n" + line if self._torn else line)
                if event.kind in _SYNCED:
                    os.fdatasync(self._file)
                if self._largest_bytes and os.fstat(self._file).st_size > self._largest_bytes:
                    self._begin_anew()
            except OSError as error:
                raise file_error(self.path, "write", error) from error

    def close(self) -> None:
        """Ends writing."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _begin_anew(self) -> None:
        full = self._file
        self.path.replace(self.path.with_name(ASIDE))
        self._file = self._open()
        os.close(full)

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        while left:  # nearly always once; the kernel may take less when the disk fills up
            self._torn = True
            left = left[os.write(self._file, left) :]
        self._torn = False

    def _as_data(self, event: Event) -> dict[str, Any]:
        # Not asdict: that copies deeply, which a Secret refuses.
        data: dict[str, Any] = {"at": round(event.at, 3), "kind": event.kind.value}
        for key in ("text", "machine", "action", "recipe", "step", "data"):
            value = getattr(event, key)
            if value:
                data[key] = self._clean(value)
        return data

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, Mapping):
            return {self._redact(str(key)): self._clean(each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(each) for each in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._redact(str(value))


def write_runner(folder: Path, identity: ProcessIdentity) -> None:
    """Says who runs this run; the runner does it first of all."""
    make_private_folder(folder)
    write_file(folder / RUNNER, json.dumps(identity.as_data()).encode())


def read_runner(folder: Path) -> ProcessIdentity | None:
    """Who runs or ran this run, None when nobody has begun (or the file is damaged)."""
    data = read_file(folder / RUNNER)
    if data is None:
        return None
    try:
        return ProcessIdentity.from_data(json.loads(data))
    except (KeyError, TypeError, ValueError):
        return None


def runner_is_alive(folder: Path) -> bool:
    """Whether the process that runs this run still lives; a pid used again does not count."""
    identity = read_runner(folder)
    return identity is not None and identity.is_alive()


def parse_line(line: bytes) -> Event | None:
    """One line as an event; None for what is torn or of a kind this program does not know."""
    try:
        raw = json.loads(line)
        at = raw.pop("at")
        return Event(kind=Kind(raw.pop("kind")), at=float(at), **raw)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def read(folder: Path) -> Iterator[Event]:
    """The events of a run so far; a torn line is passed over.

    Raises:
        StateError: the journal cannot be read.
    """
    try:
        with (folder / JOURNAL).open("rb") as file:
            for line in file:
                event = parse_line(line)
                if event is not None:
                    yield event
    except FileNotFoundError:
        return
    except OSError as error:
        raise file_error(folder / JOURNAL, "read", error) from error


def follow(
    folder: Path, stop: threading.Event, clock: Clock, may_begin: Callable[[], bool] = lambda: True
) -> Iterator[Event]:
    """The events of a run as they come, from the first one on.

    Ends at RUN_FINISHED, when ``stop`` is set, or when the runner process is dead and all it wrote was read.
    It waits as long as the run lives: a run has deadlines of its own.

    Args:
        may_begin: whether a runner that has not said who it is may still do so; who started it knows.

    Raises:
        StateError: the journal cannot be read.
    """
    began = clock.monotonic()
    offset = 0
    while not stop.is_set():
        # asked first: one that says who it is and ends in between is then not taken for one that never began
        may = may_begin()
        waiting = read_runner(folder) is None and may and clock.monotonic() - began < START_S
        alive = waiting or runner_is_alive(folder)  # asked before reading: what it wrote last is then not missed
        offset, events = _read_from(folder / JOURNAL, offset)
        for event in events:
            yield event
            if event.kind is Kind.RUN_FINISHED:
                return
        if not events and not alive:
            return
        # Even when something came: a runner that writes all the time would else keep its readers busy for nothing.
        if len(events) < _MANY:
            clock.sleep(_POLL_S)


def _read_from(path: Path, offset: int) -> tuple[int, list[Event]]:
    """The whole lines from ``offset`` on, a megabyte at most, and where the next ones begin."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(1 << 20)
            if data and b"\n" not in data and len(data) == 1 << 20:
                data += file.readline()
    except FileNotFoundError:
        return offset, []
    except OSError as error:
        raise StateError(
            f"Cannot read {path}: {error.strerror}.", hint="Look at the disk, then attach again."
        ) from error
    whole = data[: data.rfind(b"\n") + 1]
    events = [event for line in whole.splitlines() if (event := parse_line(line)) is not None]
    return offset + len(whole), events
