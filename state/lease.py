"""The lease: whoever changes a deployment holds it, the build machine and the autoscaler alike; never two at a time.

Clocks of different machines are not trusted. A lease whose holder does not renew it is taken over only after the
taker saw it unchanged for its whole lifetime by its own clock; a holder stops believing in it a margin earlier by its
own (:mod:`state.lease_terms`). Only on the same boot of the same machine can a dead holder be known at once.
"""

from __future__ import annotations

import os
import pwd
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from time import gmtime, strftime

from state.clock import Clock
from state.errors import BuildyardError, LeaseHeld, ProviderError, StateError
from state.lease_record import LeaseRecord, parse
from state.lease_terms import RUN, Terms
from state.objects import CompareAndSet
from state.process import ProcessIdentity

#: The object's key in the state bucket.
KEY = "lease.json"
_HOW_TO_BREAK = (
    "Wait, or watch it with `buildyard attach`. If you are sure that nothing runs there any more: "
    "`buildyard build --break-lease`."
)


class Lease:
    """One holder's side of the lease.

    Args:
        store: where it is kept.
        key: of its object.
        who: the user, for the others to read.
        where: the machine.
        why: the command.
        clock: where time comes from.
        process: the holder's process.
        on_lost: called once, from any thread, when the lease is lost: the run must stop at once.
        tell: told in a sentence what it waits for.
        how_to_break: hint for whoever meets a lease that is held.
        terms: its times; None for those of a person's run.
    """

    def __init__(
        self,
        store: CompareAndSet,
        key: str = KEY,
        *,
        who: str,
        where: str,
        why: str,
        clock: Clock,
        process: ProcessIdentity | None = None,
        on_lost: Callable[[], None] = lambda: None,
        tell: Callable[[str], None] = lambda _sentence: None,
        how_to_break: str = _HOW_TO_BREAK,
        terms: Terms | None = None,
    ) -> None:
        self._store = store
        self._key = key
        self._mine = LeaseRecord(
            holder=uuid.uuid4().hex,
            who=who,
            where=where,
            why=why,
            epoch=0,
            since=0.0,
            until=0.0,
            process=process or ProcessIdentity.of_this_process(),
            lifetime_s=(terms or RUN).lifetime_s,
        )
        self._terms = terms or RUN
        self._seen: tuple[str, float] | None = None  # another's lease, and since when it is unchanged by our clock
        self._clock = clock
        self._on_lost = on_lost
        self._tell = tell
        self._how_to_break = how_to_break
        self._store_lock = threading.Lock()  # one talk with the store at a time; it may take long
        self._lock = threading.Lock()  # what is known of the lease; never held over a question to the store
        self._etag = ""
        self._renewed: tuple[float, float] | None = None  # monotonic and wall time; None while it is not held

    @property
    def epoch(self) -> int:
        """The epoch it was acquired with; every holder's is higher than the one before."""
        return self._mine.epoch

    def acquire(self, *, least_epoch: int = 0, patience_s: float = 0.0, watch: bool = True) -> int:
        """Takes the lease, at once or after seeing that its holder is dead.

        Args:
            least_epoch: highest epoch known from elsewhere (the fleet record), should the lease itself be lost.
            patience_s: how long a living holder is waited for.
            watch: one that was left behind is watched here until it is dead; else it counts as held until then, and
                later attempts of this object know since when it is unchanged.

        Returns:
            The new epoch.

        Raises:
            LeaseHeld: somebody holds it; says who, where, why and since when.
            ProviderError: the store did not answer.
            StateError: what is there is no lease.
        """
        end = self._clock.monotonic() + patience_s
        told = ""
        while True:
            try:
                return self._acquire(least_epoch, watch=watch)
            except LeaseHeld as held:
                left = end - self._clock.monotonic()
                if left <= 0:
                    raise
                if held.summary != told:
                    told = held.summary
                    self._tell(f"{told} Waiting up to {left:.0f} s for it.")
            self._clock.sleep(min(self._terms.watch_s, left))

    def _acquire(self, least_epoch: int, *, watch: bool) -> int:
        with self._store_lock:
            there = self._read()
            if there is None:
                record, etag = None, None
            else:
                record, etag = there
                self._wait_until_free(record, etag, watch=watch)
            began = self._times()
            epoch = max(record.epoch if record else 0, least_epoch) + 1
            mine = replace(self._mine, epoch=epoch, since=began[1], until=began[1] + self._terms.lifetime_s)
            new_etag = self._write_surely(mine, etag)
            if new_etag is None:
                now_there = self._read()
                raise self._held(now_there[0] if now_there else mine)
            with self._lock:
                self._mine, self._etag, self._renewed = mine, new_etag, began
            return epoch

    def holds(self) -> bool:
        """Whether nobody else can have it now, judged without asking anybody."""
        with self._lock:
            if self._renewed is None:
                return False
            # The monotonic clock stands still while a laptop sleeps; the wall clock may jump. The larger one counts.
            elapsed = max(now - then for now, then in zip(self._times(), self._renewed, strict=True))
            return elapsed < self._terms.lifetime_s - self._terms.margin_s

    def ensure(self) -> None:
        """Before each change: makes sure that the lease is held, asking the store when it is not certain.

        Raises:
            LeaseHeld: it is lost; nothing may be changed any more.
        """
        if self.holds():
            return
        # Where the store hangs, this hangs a while too: nothing begins meanwhile, and the guard tells the loss in time.
        with suppress(ProviderError, StateError):
            if self.renew():
                return
        self._lose()
        raise LeaseHeld(
            "This run lost its lease: the store could not be reached in time, or somebody took over.",
            hint="Repeat the command; what was finished stays as it is.",
        )

    def renew(self) -> bool:
        """Renews it; False when it is lost for good.

        Raises:
            ProviderError: the store did not answer; it may be tried again.
        """
        if self._is_lost():
            return False
        with self._store_lock:
            with self._lock:
                if self._renewed is None:
                    return False
                before, etag = self._mine, self._etag
            began = self._times()
            mine = replace(before, until=began[1] + self._terms.lifetime_s)
            new = self._write(mine, etag)
            if new is None:
                # An earlier renewal whose answer was lost may have been written after all.
                there = self._read()
                if there is not None and there[0].is_held_by(mine):
                    new = self._write(mine, there[1])
            if new is not None:
                return self._is_renewed(mine, new, began)
        self._lose()
        return False

    def release(self) -> None:
        """Gives it back, so that the next one need not wait; a store that is away does no harm."""
        with self._store_lock:
            with self._lock:
                if self._renewed is None:
                    return
                self._renewed = None
            with suppress(ProviderError, StateError):
                self._write(replace(self._mine, released=True), self._etag)

    @contextmanager
    def hold(self, *, least_epoch: int = 0, patience_s: float = 0.0, watch: bool = True) -> Iterator[int]:
        """Holds it while in the block, renewed and guarded by threads of its own; gives the epoch.

        Raises:
            LeaseHeld: as :meth:`acquire`.
        """
        epoch = self.acquire(least_epoch=least_epoch, patience_s=patience_s, watch=watch)
        done = threading.Event()
        for work in (self._beat, self._guard):
            threading.Thread(target=work, args=(done,), name=f"lease{work.__name__}", daemon=True).start()
        try:
            yield epoch
        finally:
            done.set()
            self.release()

    def _beat(self, done: threading.Event) -> None:
        # Not the clock's sleep: that ends when the user stops the run, which still has to wind up under the lease.
        while not done.wait(self._terms.heartbeat_s):
            # A store that does not answer is asked again; when it was silent for too long, the guard says so.
            with suppress(BuildyardError):
                if not self.renew():
                    return

    def _guard(self, done: threading.Event) -> None:
        """Tells the loss in time, also while a renewal waits for a store that hangs."""
        doubtful_since: float | None = None
        while not done.wait(self._terms.guard_s):
            now = self._clock.monotonic()
            if self.holds():
                doubtful_since = None
            elif doubtful_since is None:
                doubtful_since = now  # after a long sleep too: the renewal may find that nobody took over
            elif now - doubtful_since >= self._terms.last_chance_s:
                self._lose()
                return

    def _is_renewed(self, mine: LeaseRecord, etag: str, began: tuple[float, float]) -> bool:
        with self._lock:
            if self._renewed is None:
                return False  # it took too long: the loss was told already
            self._mine, self._etag, self._renewed = mine, etag, began
            return True

    def _is_lost(self) -> bool:
        with self._lock:
            return self._renewed is None

    def _lose(self) -> None:
        with self._lock:
            was_held, self._renewed = self._renewed is not None, None
        if was_held:
            self._on_lost()

    def _wait_until_free(self, record: LeaseRecord, etag: str, *, watch: bool) -> None:
        if record.released or record.process_is_dead():
            return
        # Clocks differ: only an unchanged lease tells. What was seen in earlier attempts counts.
        if self._seen is None or self._seen[0] != etag:
            self._seen = (etag, self._clock.monotonic())
        end = self._seen[1] + record.lifetime_s
        if self._clock.monotonic() >= end:
            return
        if not watch or 0 < record.until - self._clock.now() <= record.lifetime_s:
            raise self._held(record)
        self._tell(
            f"{record.who} on {record.where} left a lease behind: watching it for {record.lifetime_s:g} s to be sure."
        )
        while self._clock.monotonic() < end:
            self._clock.sleep(self._terms.watch_s)
            there = self._read()
            if there is not None and there[1] != etag:
                raise self._held(there[0])

    def _read(self) -> tuple[LeaseRecord, str] | None:
        found = self._store.get(self._key)
        return None if found is None else (parse(found[0]), found[1])

    def _write(self, record: LeaseRecord, etag: str | None) -> str | None:
        """The new ETag, or None when somebody else was quicker (or an earlier answer was lost)."""
        data = record.as_json()
        if etag is None:
            return self._store.put_if_absent(self._key, data)
        return self._store.put_if_match(self._key, data, etag)

    def _write_surely(self, record: LeaseRecord, etag: str | None) -> str | None:
        """As :meth:`_write`; a lost answer is looked up."""
        data = record.as_json()
        try:
            new = self._write(record, etag)
        except ProviderError:
            there = self._store.get(self._key)
            if there is None or there[0] != data:
                raise
            return there[1]
        if new is None:
            there = self._store.get(self._key)
            return there[1] if there is not None and there[0] == data else None
        return new

    def _times(self) -> tuple[float, float]:
        return self._clock.monotonic(), self._clock.now()

    def _held(self, record: LeaseRecord) -> LeaseHeld:
        return LeaseHeld(
            f"{record.who} on {record.where} is changing this deployment ({record.why}).",
            detail=f"Since {_utc(record.since)}, renewed until {_utc(record.until)} by the clock there; "
            f"epoch {record.epoch}, process {record.process.pid}.",
            hint=self._how_to_break,
        )


@contextmanager
def held(
    store: CompareAndSet,
    key: str = KEY,
    *,
    why: str,
    clock: Clock,
    lost: Callable[[], None],
    tell: Callable[[str], None] = lambda _sentence: None,
    least_epoch: int = 0,
    patience_s: float = 0.0,
    terms: Terms | None = None,
) -> Iterator[Lease]:
    """Holds the lease for this user on this machine while in the block.

    Args:
        store: where it is kept.
        key: of its object.
        why: the command, for others to read.
        clock: where time comes from.
        lost: called when it is lost: the run must stop at once.
        tell: told in a sentence what it waits for.
        least_epoch, patience_s: see :meth:`Lease.acquire`.
        terms: its times; None for those of a person's run.

    Raises:
        LeaseHeld: somebody else holds it.
    """
    who, where = _user(), os.uname().nodename
    lease = Lease(store, key, who=who, where=where, why=why, clock=clock, on_lost=lost, tell=tell, terms=terms)
    with lease.hold(least_epoch=least_epoch, patience_s=patience_s):
        yield lease


def break_lease(store: CompareAndSet, key: str = KEY) -> LeaseRecord | None:
    """Takes the lease from whoever has it, for a person who is sure: that run notices with its next renewal and stops.

    The next one waits its whole lifetime all the same: until then the run that lost it may not know.

    Returns:
        The lease that was broken; None when there was none, or none that could be read.

    Raises:
        LeaseHeld: it was renewed this very moment.
    """
    found = store.get(key)
    if found is None:
        return None
    try:
        record = parse(found[0])
    except StateError:
        store.delete(key)  # what cannot be read cannot be taken over; the fleet record still knows the epoch
        return None
    if record.released:
        return None
    if store.put_if_match(key, replace(record, holder="", until=0.0).as_json(), found[1]) is None:
        raise LeaseHeld(
            f"{record.who} on {record.where} renewed the lease this moment: that run is alive.",
            hint="Stop it there, or try once more.",
        )
    return record


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container without that user in its passwd
        return f"user {os.getuid()}"


def _utc(seconds: float) -> str:
    return strftime("%Y-%m-%d %H:%M:%S UTC", gmtime(seconds))
