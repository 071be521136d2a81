"""What arrives at real terminals of all kinds: colours, characters, sizes, hostile text, and how they are left."""

from __future__ import annotations

import os
import re
import signal
import termios
from pathlib import Path
from typing import cast

import pytest

from tests.screens.terminal import ESCAPES, Terminal
from tests.screens.terminal_program import SECRET

#: Every way to say a colour: 30-37, 38;…, 39, 40-49, 90-107, alone or among others.
COLOURS = r"\x1b\[(?:[0-9]*;)*(?:3[0-9]|4[0-9]|9[0-7]|10[0-7])(?:;[0-9]+)*m"
SICK = ("blog", "not healthy", "ws-1", "HTTP 502", "webserver", "healthy", "looking")
CTRL_Q = "\x11"


def drawn(terminal: Terminal, encoding: str = "utf-8") -> str:
    """All characters that were written, without what steers."""
    return ESCAPES.sub("", terminal.written.decode(encoding))


def test_without_colours_no_colour_is_sent_and_every_word_is_there() -> None:
    with Terminal(environment={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("✖ blog  not healthy")
        terminal.wait_for("✔ shop  healthy")
        written = terminal.written.decode()
        assert re.findall(COLOURS, written) == []
        assert "\x1b[4m✖ " in written, "the chosen line is underlined"
        terminal.type("\r")
        terminal.wait_for("the same: buildyard build --deployment blog")
        terminal.type("l")
        terminal.wait_for("15:43:00 ws-1 nginx")
        assert "\x1b[7m15:43:00" in terminal.written.decode(), "the highlighted line is turned around"
        assert re.findall(COLOURS, terminal.written.decode()) == []


def test_a_linux_console_gets_only_characters_of_its_font() -> None:
    with Terminal(environment={"TERM": "linux", "COLORTERM": None}) as terminal:
        terminal.wait_for("x blog  not healthy")
        terminal.wait_for("+ shop  healthy")
        terminal.type("l")
        terminal.wait_for("GET /ä ??")
        drawn(terminal).encode("cp437", errors="strict")
        terminal.type("?")
        terminal.wait_for("Copy all lines that are shown")
        drawn(terminal).encode("cp437", errors="strict")


@pytest.mark.parametrize(
    ("environment", "encoding", "shown"),
    [
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii", "GET /a ??"),
        ({"PYTHONIOENCODING": "iso-8859-1"}, "iso-8859-1", "GET /ä ??"),
        ({"PYTHONIOENCODING": "iso-8859-15"}, "iso-8859-15", "GET /ä ??"),
        ({"PYTHONIOENCODING": "cp1252"}, "cp1252", "GET /ä ??"),
    ],
    ids=["C", "iso-8859-1", "iso-8859-15", "cp1252"],
)
def test_a_locale_without_utf8_gets_only_characters_it_has(
    environment: dict[str, str], encoding: str, shown: str
) -> None:
    with Terminal(environment=environment) as terminal:
        terminal.wait_for("x blog  not healthy")
        terminal.type("l")
        terminal.wait_for("15:43:00 ws-1 nginx")
        text = drawn(terminal, encoding)
        assert shown in text
        assert "\\u" not in text, "the stream had to escape a character"
        assert "\\x" not in text
        terminal.type(CTRL_Q)
        assert terminal.wait_for_end() == 0


def test_what_machines_say_steers_no_terminal() -> None:
    with Terminal() as terminal:
        terminal.wait_for("HTTP 502")
        terminal.type("l")
        terminal.wait_for("15:43:00 ws-1 nginx")
        terminal.type("z")
        terminal.wait_for("raw text")
        # Textual's own: the shape of the mouse pointer.
        written = re.sub(rb"\x1b\]22;[a-z-]*\x07", b"", terminal.written)
        for code in (b"\x1b]0;", b"\x1b[2J", b"\x1b[6n", b"\x1bc", b"\x07", "\x9b".encode()):
            assert code not in written
        assert b"owned" not in written.split(b"raw text")[0], "a title is taken out whole where text is made safe"


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (132, 43), (250, 80)], ids=str)
def test_every_size_shows_the_same_words(size: tuple[int, int]) -> None:
    with Terminal(size=size) as terminal:
        terminal.wait_for("✔ shop  healthy")
        terminal.wait_for("seen just now")
        terminal.wait_for("^p Palette")
        lines = terminal.text.splitlines()
        assert len(lines) == size[1]
        assert max(map(len, lines)) <= size[0]
        assert lines[-1].startswith("⏎ Actions")
        assert lines[-1].endswith("^p Palette")
        for words in ("502", "ws-1", "203.0.113.21", "12 days left", "$24.00/month", "last runs"):
            assert words in terminal.text
        if size[0] > 100:
            assert "10.77.0.21" in terminal.text


def test_a_terminal_too_small_does_not_end_it() -> None:
    with Terminal(size=(30, 8)) as terminal:
        terminal.wait_for("blog")
        terminal.type("\r")
        terminal.wait_for("Choose")
        terminal.type("\x1b")
        terminal.type(CTRL_Q)
        assert terminal.wait_for_end() == 0


def test_the_light_theme_is_light_and_says_the_same() -> None:
    with Terminal(environment={"BUILDYARD_THEME": "buildyard-light"}) as terminal:
        terminal.wait_for("✖ blog  not healthy")
        assert b"48;2;246;245;242" in terminal.written, "its background"
        assert b"48;2;20;24;28" not in terminal.written, "nothing of the dark one"


def left_alone(terminal: Terminal) -> None:
    """The terminal is as it was: the screen from before, a cursor, echo, no mouse reports."""
    written = terminal.written
    for begun, ended in ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?25l", b"\x1b[?25h")):
        assert written.rindex(ended) > written.rindex(begun)
    for mode in (b"1000", b"1003", b"1006", b"1004", b"2004"):
        assert written.rindex(b"\x1b[?" + mode + b"l") > written.rindex(b"\x1b[?" + mode + b"h")
    flags = cast("int", terminal.line_now[3])
    assert flags & termios.ECHO
    assert flags & termios.ICANON
    assert terminal.line_now == terminal.line_before


def test_after_leaving_the_terminal_is_as_it_was() -> None:
    with Terminal() as terminal:
        terminal.wait_for("✔ shop  healthy")
        terminal.type("q")
        assert terminal.wait_for_end() == 0
        left_alone(terminal)


def test_a_crash_leaves_the_terminal_sane_and_says_where_its_log_is(tmp_path: Path) -> None:
    with Terminal(str(tmp_path)) as terminal:
        terminal.wait_for("✔ shop  healthy")
        terminal.type("z")
        terminal.wait_for("raw text")
        terminal.type("k")
        assert terminal.wait_for_end() == 1
        left_alone(terminal)
        after = terminal.written.rsplit(b"\x1b[?1049l", 1)[1].decode()
        assert "Buildyard itself failed: RuntimeError." in after
        assert f"Its log: {tmp_path / 'fault.log'}\r\n" in after, "in one piece, to be copied"
        assert SECRET not in terminal.written.decode()
        assert "Traceback" not in after
    assert (tmp_path / "fault.log").read_text() == "RuntimeError"


def test_when_the_terminal_goes_away_the_program_ends() -> None:
    with Terminal() as terminal:
        terminal.wait_for("✔ shop  healthy")
        os.killpg(terminal.process.pid, signal.SIGHUP)
        terminal.wait_for_end()
