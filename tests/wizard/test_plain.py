"""The conversation in lines, typed into a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wizard.conftest import GOOD_TOKEN

ROOT = Path(__file__).parents[2]
ENTER, DOWN, UP, CTRL_C = "\r", "\x1b[B", "\x1b[A", "\x03"

PROGRAM = """
import sys
from pathlib import Path
from state.errors import BuildyardError, Unavailable
from state.paths import Home
from tests.wizard.conftest import SmallCloud, keeper_of, plan_of
from wizard.flow import Conversation
from wizard.plain import Terminal, converse
from wizard.questions import review_notes, sections

home, name, failures = Home(Path(sys.argv[1])), sys.argv[2], [Unavailable("The cloud is away.")] * int(sys.argv[3])

def plan():
    if failures:
        raise failures.pop()
    return plan_of(conversation.values, cloud)

cloud = SmallCloud()
keeper = keeper_of(home, name)
conversation = Conversation(sections(lambda _answers: cloud, keeper.taken), keeper, keeper.values)
try:
    done = converse(
        conversation,
        Terminal(sys.stdout),
        plan=plan,
        notes=lambda: review_notes(lambda _answers: cloud, conversation.values),
    )
except BuildyardError as problem:
    print(problem.text())
    sys.exit(problem.exit_code)
print("done" if done else "left")
"""


class Screen:
    """A program in a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self._master, slave = pty.openpty()
        # no CPR: prompt_toolkit would ask this terminal where its cursor is, and wait for an answer
        environment = {**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""
        self._at = 0

    def expect(self, text: str, timeout_s: float = 30.0) -> None:
        """Waits until the text appears after what was expected before."""
        end = time.monotonic() + timeout_s
        while (found := self.seen.find(text, self._at)) < 0:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} did not appear. Seen:\n{self.seen[self._at :]}"
            assert self._read(left), f"the program ended before {text!r}. Seen:\n{self.seen[self._at :]}"
        self._at = found + len(text)

    def type(self, *texts: str) -> None:
        os.write(self._master, "".join(texts).encode())

    def ends(self) -> int:
        while self._read(30.0):
            pass
        return self.process.wait(timeout=30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._master], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side of the terminal is closed
            return False
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", data.decode(errors="replace"))
        self.seen += plain
        return bool(data)


@pytest.fixture
def screens(tmp_path: Path) -> Iterator:
    opened: list[Screen] = []

    def open_screen(name: str = "", failures: int = 0) -> Screen:
        opened.append(Screen(str(tmp_path / "home"), name, str(failures)))
        return opened[-1]

    yield open_screen
    for screen in opened:
        screen.close()


def answer_first_section(screen: Screen) -> None:
    screen.expect("How would you like to begin?")
    screen.type(UP, UP, ENTER)  # the last, before the way back: ask me everything
    screen.expect("Name of the deployment")
    screen.type("shop", ENTER)
    screen.expect("Domain of the site")
    screen.type("shop.example.org", ENTER)


def test_ctrl_c_keeps_what_was_answered_and_the_next_time_goes_on(screens, tmp_path: Path) -> None:
    screen = screens()
    answer_first_section(screen)
    screen.expect("Where shall the machines run?")
    screen.type(CTRL_C)
    assert screen.ends() == 130
    assert "What you answered is kept" in screen.seen
    assert "Traceback" not in screen.seen
    assert "domain: shop.example.org" in (tmp_path / "home/deployments/shop/answers.yaml").read_text()

    again = screens("shop")
    again.expect("Where shall the machines run?")
    assert "Name of the deployment" not in again.seen
    again.type(CTRL_C)
    assert again.ends() == 130


def test_ctrl_c_at_the_first_question_ends_cleanly(screens) -> None:
    screen = screens()
    screen.expect("How would you like to begin?")
    screen.type(CTRL_C)
    assert screen.ends() == 130
    assert "Traceback" not in screen.seen


def test_the_error_stands_beside_the_question(screens) -> None:
    screen = screens()
    screen.expect("How would you like to begin?")
    screen.type(UP, UP, ENTER)
    screen.expect("Name of the deployment")
    screen.type("No!", ENTER)
    screen.expect("Use 2 to 30 lower-case letters")
    screen.type("\x15", "shop", ENTER)  # Ctrl-U empties the line
    screen.expect("Domain of the site")


def test_a_whole_conversation_is_typed_to_its_end(screens, tmp_path: Path) -> None:
    screen = screens()
    answer_first_section(screen)
    screen.expect("This machine, as a rehearsal, free")
    screen.expect("DigitalOcean, from $12/month")
    screen.expect("Where shall the machines run?")
    screen.type(DOWN, DOWN, ENTER)
    screen.expect("DigitalOcean API token")
    screen.type(GOOD_TOKEN, ENTER)
    for label in ("Which mode?", "Which region?", "Which operating system?", "What size is a webserver?"):
        screen.expect(label)
        screen.type(ENTER)
    for label in ("What size is the database machine?", "Time zone", "Who serves the domain's DNS?", "Serve www. as"):
        screen.expect(label)
        screen.type(ENTER)
    screen.expect("E-mail address for the certificate")
    screen.type("owner@example.org", ENTER)
    for label in ("Certificate authority", "Which database?", "Which application?", "What does it start from?"):
        screen.expect(label)
        screen.type(ENTER)
    screen.expect("Title of the site")
    screen.type("<\x01\x0b<", ENTER)  # the line emptied, then: back
    screen.expect("What does it start from?")
    screen.type(ENTER)
    for label in ("Title of the site", "User name of the site", "E-mail address of the site", "Which addresses may"):
        screen.expect(label)
        screen.type(ENTER)
    for label in ("Further public SSH keys", "What shall the Gateway Guardian", "How shall the site send mail?"):
        screen.expect(label)
        screen.type(ENTER)
    screen.expect("What will be touched")
    screen.expect("Makes: private network")
    screen.expect("what")
    screen.expect("$/month")
    screen.expect("machine db-1 (s-1gb, ams3)")
    screen.expect("Price: $12.00 a month for the machines, by the provider's list of today.")
    screen.expect("One layer here")
    screen.expect("buildyard build --deployment shop")
    screen.expect("Is this right?")
    screen.type(ENTER)
    assert screen.ends() == 0
    assert screen.seen.rstrip().endswith("done")
    assert GOOD_TOKEN not in screen.seen
    text = (tmp_path / "home/deployments/shop/answers.yaml").read_text()
    assert "title: shop.example.org" in text
    assert "webserver_size: s-1gb" in text


def test_the_review_shows_the_plan_as_a_table_which_the_terminal_holds_and_what_it_costs_here(screens) -> None:
    screen = screens()
    screen.expect("How would you like to begin?")
    screen.type(ENTER)  # try it here: nothing more is asked
    screen.expect("Is this right?")
    review = screen.seen[screen.seen.rindex("What will be touched") :].splitlines()
    assert max(map(len, review)) <= 80
    rows = {line[:32].strip(): line.split() for line in review if line.startswith("  ")}
    assert rows["what"] == ["what", "change", "why", "$/month"]
    assert rows["machine ws-1 (s-1gb, ams3)"][-1] == "6.00"
    assert "create" in rows["ws-1: 10 recipes"]
    assert "Price: $12.00 a month by the vendor's list; here it costs nothing." in review
    assert "  buildyard build --deployment rehearsal" in review
    screen.type(ENTER)
    assert screen.ends() == 0


def test_a_plan_that_cannot_be_made_says_why_and_is_asked_for_again(screens) -> None:
    screen = screens(failures=1)
    screen.expect("How would you like to begin?")
    screen.type(ENTER)
    screen.expect("There is no plan: The cloud is away.")
    screen.expect("Ask for the plan once more")
    screen.type(ENTER)
    screen.expect("$/month")
    screen.expect("Is this right?")
    screen.expect("Leave; what you answered is kept")
    assert "once more" not in screen.seen[screen.seen.rindex("Is this right?") :]
    screen.type(ENTER)
    assert screen.ends() == 0
