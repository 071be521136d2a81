"""Work that may take long, beside the screen: on a daemon thread, its result back on the screen's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from textual.message import Message
from textual.message_pump import MessagePump

from state.errors import BuildyardError

T = TypeVar("T")


@dataclass
class Arrived(Message, bubble=False):
    """A result is there; ``take`` puts it to use."""

    take: Callable[[], None]


class Receives(MessagePump):
    """Whoever lets work be done in the background: takes results on its own thread, none after it has gone."""

    def on_arrived(self, message: Arrived) -> None:
        """Runs what was to be done with a result."""
        message.take()

    def in_background(
        self, work: Callable[[], T], then: Callable[[T], Any], failed: Callable[[BuildyardError], Any]
    ) -> None:
        """Does the work on a thread of its own.

        The thread is a daemon and no worker of Textual's: those share six threads, and the program waits for them
        when it ends.

        Args:
            work: raises only BuildyardError; any other exception ends the program as a fault of its own.
            then: hears the result, on the screen's thread.
            failed: hears the error, on the screen's thread.
        """

        def run() -> None:
            try:
                result = work()
            except BuildyardError as problem:
                error = problem
                self.post_message(Arrived(lambda: failed(error)))
            except Exception as fault:  # noqa: BLE001 - raised again where the program can tell of it
                self.post_message(Arrived(_raises(fault)))
            else:
                self.post_message(Arrived(lambda: then(result)))

        threading.Thread(target=run, name="background", daemon=True).start()


def _raises(fault: Exception) -> Callable[[], None]:
    def take() -> None:
        raise fault

    return take
