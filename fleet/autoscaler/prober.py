"""One prober: the program ``buildyard-probe`` on one machine, kept running and listened to by a thread of its own."""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet.autoscaler.here import talk_here
from fleet.autoscaler.view import Load, Observation, Outcome
from recipes.load import LOAD_PATH
from recipes.prober import FILE, PROGRAM
from recipes.ssh import Link
from recipes.texts import path_of
from recipes.webserver import HEALTH_PATH
from state.clock import Clock
from state.errors import BuildyardError, MachineError
from state.printable import printable

#: A prober says something every few seconds; one that does not for so long is started anew.
SILENCE_S = 30.0
#: After so long at work the next pause is the first one again.
STEADY_S = 60.0
#: Lines over which the shortest way of a line is looked for.
WAYS = 60
LONGEST_DETAIL = 200
#: A thread that connects to a machine that is gone is not waited for: it ends by itself, and with no process.
JOIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Looking:
    """How webservers are looked at.

    Attributes:
        host: the site's name.
        expect: texts that its front page holds; the site's own name and its last tag make a whole page of this site.
        ca_pem: the authority of its certificate, "" for the system's.
        path: the front page.
        every_s: between two looks at the same webserver.
        timeout_s: until the page must be whole.
    """

    host: str
    expect: tuple[str, ...]
    ca_pem: str = ""
    path: str = "/"
    every_s: float = 5.0
    timeout_s: float = 2.0
    port: int = 443

    @classmethod
    def at_site(cls, host: str, ca_pem: str) -> Looking:
        """At the front page of any site whose pages are HTML and name their host (WordPress links to itself)."""
        return cls(host, (host, "</html>"), ca_pem)


@dataclass(frozen=True, slots=True)
class Prober:
    """A machine that looks.

    Attributes:
        name: the machine's.
        connect: gives a connection to it, each time a new one; None for the machine this program runs on.
        has_database: MariaDB runs there: it also says how the database is.
    """

    name: str
    connect: Callable[[], Link] | None = field(default=None, compare=False)
    has_database: bool = False
    #: tells apart two machines of the same name (a rebuilt one): its address, or whatever the caller likes
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """One line of a prober; what it does not tell is None or "". Times are by this machine's clock."""

    at: float
    machine: str = ""
    address: str = ""
    observation: Observation | None = None
    load: Load | None = None
    database: str | None = None


class Watch:
    """Keeps one prober at work.

    Args:
        prober: which.
        looking: how it shall look.
        clock: where time comes from.
        targets: gives addresses by webserver; another object whenever they changed.
        hear: is given each line, from this prober's thread.
        pauses_s: the first and the longest pause between two starts.
    """

    def __init__(
        self,
        prober: Prober,
        looking: Looking,
        clock: Clock,
        targets: Callable[[], Mapping[str, str]],
        hear: Callable[[Watch, Heard], None],
        pauses_s: tuple[float, float],
    ) -> None:
        self.prober = prober
        #: why it does not look at the moment, "" while it does
        self.trouble = "it has not begun yet"
        self._looking = looking
        self._clock = clock
        self._targets = targets
        self._hear = hear
        self._pauses_s = pauses_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"prober {prober.name}", daemon=True)

    def start(self) -> None:
        """Begins; once."""
        self._thread.start()

    def stop(self) -> None:
        """Tells it to end."""
        self._stopped.set()

    def join(self) -> None:
        """Waits for its end, after :meth:`stop`."""
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        first_s, longest_s = self._pauses_s
        pause_s = first_s
        while not self._stopped.is_set():
            began = self._clock.monotonic()
            try:
                self.trouble = self._talk() or "it ended without a word"
            except BuildyardError as error:
                self.trouble = f"{error.summary} {error.detail}".strip()
            except Exception as error:  # noqa: BLE001 - whatever ended it, it is started again
                self.trouble = f"{type(error).__name__}: {error}"
            if self._clock.monotonic() - began >= STEADY_S:
                pause_s = first_s
            self._stopped.wait(pause_s)
            pause_s = min(2 * pause_s, longest_s)

    def _talk(self) -> str:
        """From a start of the program to its end; what it said last."""
        if self.prober.connect is None:
            argv = (sys.executable, "-I", str(path_of(FILE)))
            session = self._session()
            code, errors = talk_here(argv, session.line, take=session.take, cancel=self._stopped)
        else:
            with self.prober.connect() as link:
                session = self._session()
                # root's rights only where the database is asked
                ended = link.talk(
                    (PROGRAM,),
                    session.line,
                    take=session.take,
                    cancel=self._stopped,
                    as_root=self.prober.has_database,
                )
                code, errors = ended.exit_code, ended.stderr
        last = printable(errors.decode("utf-8", "replace")).strip().splitlines()
        return f"the prober on {self.prober.name} ended with exit code {code}" + (f": {last[-1]}" if last else "")

    def _session(self) -> _Session:
        settings = {
            "host": self._looking.host,
            "path": self._looking.path,
            "health": HEALTH_PATH,
            "load": LOAD_PATH,
            "expect": list(self._looking.expect),
            "ca_pem": self._looking.ca_pem,
            "port": self._looking.port,
            "every_s": self._looking.every_s,
            "timeout_s": self._looking.timeout_s,
            "prober": self.prober.name,
            "database": self.prober.has_database,
        }
        return _Session(self.prober.name, settings, self._targets, self._heard, self._clock)

    def _heard(self, heard: Heard) -> None:
        self.trouble = ""
        self._hear(self, heard)


class _Session:
    """One run of the program: what it is told, and its lines as values."""

    def __init__(
        self,
        prober: str,
        settings: Mapping[str, Any],
        targets: Callable[[], Mapping[str, str]],
        heard: Callable[[Heard], None],
        clock: Clock,
    ) -> None:
        self._prober = prober
        self._settings = settings
        self._targets = targets
        self._heard = heard
        self._clock = clock
        self._sent: Mapping[str, str] | None = None
        self._heard_at = clock.monotonic()
        self._ways: deque[float] = deque(maxlen=WAYS)

    def take(self) -> bytes:
        """What is sent next.

        Raises:
            MachineError: the program says nothing any more.
        """
        if self._clock.monotonic() - self._heard_at > SILENCE_S:
            raise MachineError(f"The prober on {self._prober} said nothing for {SILENCE_S:g} s; it is started anew.")
        targets = self._targets()
        if targets is self._sent:
            return b""
        lines = [] if self._sent is not None else [self._settings]
        self._sent = targets
        return b"".join(json.dumps(line).encode() + b"\n" for line in (*lines, {"targets": dict(targets)}))

    def line(self, line: bytes) -> None:
        """One line of the program.

        Raises:
            MachineError: it is none that the program writes.
        """
        self._heard_at = self._clock.monotonic()
        try:
            self._heard(self._value(json.loads(line)))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            said = printable(line[:LONGEST_DETAIL].decode("utf-8", "replace"))
            raise MachineError(f"The prober on {self._prober} said what is no look.", detail=said) from error

    def _value(self, said: Mapping[str, Any]) -> Heard:
        at = self._here(float(said["at"]))
        if "database" in said:
            return Heard(at, database=_words(said["database"]))
        if "machine" not in said:
            return Heard(at)
        machine, address = str(said["machine"]), str(said["address"])
        if "load" in said:
            figures = said["load"]
            load = Load(
                at,
                float(figures["cpu_percent"]),
                float(figures["requests_per_s"]),
                int(figures["connections"]),
                float(figures["last_visit_s"]),
                float(figures["disk_free_percent"]),
            )
            return Heard(at, machine, address, load=load)
        outcome, answer_ms = Outcome(said["outcome"]), int(said["answer_ms"])
        return Heard(
            at, machine, address, observation=Observation(self._prober, at, outcome, answer_ms, _words(said["detail"]))
        )

    def _here(self, at: float) -> float:
        """That moment of the prober's machine by our clock, whatever the other shows.

        The line that came fastest of the last ones tells how far the clocks are apart; one that came later than that
        was on its way for longer.
        """
        way = self._clock.monotonic() - at
        self._ways.append(way)
        return self._clock.now() - (way - min(self._ways))


def _words(text: Any) -> str:
    return printable(str(text))[:LONGEST_DETAIL]
