"""What a machine sends is judged: frames, escapes, endings without a word."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from recipes.compiler import Program
from recipes.report import Report
from recipes.run import run_recipe
from recipes.ssh import Completed
from recipes.steps import Directory, Recipe
from state.errors import MachineError, Stopped, Unreachable
from state.events import Event
from state.printable import printable
from state.secret import Redactor, Secret

RECIPE = Recipe("r", (Directory(label="d", path="/d"),))


class Said:
    """A link to a machine that says these lines and ends."""

    alive = True

    def __init__(self, *lines: bytes, code: int = 0, errors: bytes = b"") -> None:
        self.lines = lines
        self.completed = Completed(code, b"", errors)

    def run_agent(
        self, program: Program, on_line: Callable[[bytes], None], *, timeout_s: float, cancel: threading.Event
    ) -> Completed:
        for line in self.lines:
            on_line(line)
        return self.completed


def run(link: Said, events: list[Event] | None = None, redact: Redactor | None = None) -> Report:
    return run_recipe(
        link,  # type: ignore[arg-type]
        RECIPE,
        machine="web-1",
        emit=(events if events is not None else []).append,
        redact=redact or Redactor(),
        cancel=threading.Event(),
        deadline_s=10,
    )


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"[]",
        b"{}",
        b'{"f": "start", "i": 99}',
        b'{"f": "finished", "i": 0}',
        b"\xff\x00",
        b'{"f":"output","i":0,"lines":[1]}',
    ],
)
def test_what_is_no_frame_is_refused(line: bytes) -> None:
    with pytest.raises(MachineError, match="no frame"):
        run(Said(line))


def test_the_interpreters_last_words_are_shown() -> None:
    with pytest.raises(MachineError) as caught:
        run(Said(code=127, errors=b"sh: 1: python3: not found\n"))
    assert "python3: not found" in caught.value.detail
    assert "python3" in caught.value.hint


def test_endings_have_their_errors() -> None:
    with pytest.raises(Stopped):
        run(Said(b'{"f": "end", "why": "stopped"}'))
    lost = Said(code=-1)
    lost.alive = False
    with pytest.raises(Unreachable, match=r"web-1 stopped answering during recipe r\.") as caught:
        run(lost)
    assert "run the same command again" in caught.value.hint


def test_texts_are_redacted_and_stripped() -> None:
    secret = Secret("very-secret-value")
    events: list[Event] = []
    lines = ["\x1b[31mred\x1b[0m \x1b]0;title\x07very-secret-value"]
    frames = (
        json.dumps({"f": "output", "i": 0, "lines": lines}).encode(),
        json.dumps(
            {"f": "finished", "i": 0, "status": "changed", "ms": 1, "diff": "very-secret-value", "output": ""}
        ).encode(),
        b'{"f": "end", "why": ""}',
    )
    report = run(Said(*frames), events, Redactor([secret]))
    assert events[0].text == "red •••"
    assert report.results[0].diff == "•••"
    assert "very-secret" not in repr(events)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[2J\x1b[1;1Hx", "x"),
        ("\x1b]52;c;ZXZpbA==\x1b\\x", "x"),
        ("\x1bcx", "cx"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x9b31mx\x07\x00", "31mx"),
        ("ü€", "ü€"),
    ],
)
def test_printable(text: str, plain: str) -> None:
    assert printable(text) == plain


def test_a_recipe_without_steps_needs_no_machine() -> None:
    report = run_recipe(
        Said(),  # type: ignore[arg-type]
        Recipe("empty"),
        machine="m",
        emit=lambda _event: None,
        redact=Redactor(),
        cancel=threading.Event(),
        deadline_s=1,
    )
    assert report.results == ()
