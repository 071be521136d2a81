"""One more question, declared in one place, appears in the full screen, in lines and in the answers file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from state import answers as answers_file
from state.questions import Question
from tests.screens.at_wizard import EVERYTHING, TYPED, sitting
from tests.screens.wizard_talks import Desk
from tests.wizard.conftest import SmallCloud, keeper_of, plan_of
from wizard.checking import validate_all
from wizard.flow import Conversation
from wizard.keeper import DeploymentKeeper
from wizard.plain import Terminal, converse
from wizard.questions import APPLICATION, all_questions, sections

MOTTO = Question(
    key="application.motto",
    label="Motto under the title",
    help="Readers see it first. Example: Ahoy.",
    default="Ahoy",
    check=lambda value: "" if value == "Ahoy" else "Say Ahoy.",
)


@pytest.fixture(autouse=True)
def _one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one place: the tuple of whoever needs the answer."""
    monkeypatch.setattr("wizard.questions.APPLICATION", (*APPLICATION, MOTTO))


async def test_in_the_full_screen(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with sitting(desk, size=(120, 40)) as at:
        await at.begin(*EVERYTHING)
        await at.answer_until(MOTTO.key)
        await at.sees("Motto under the title")
        await at.sees("Readers see it first.")
        await at.type("Avast")
        await at.press("enter")
        await at.sees("✖ Say Ahoy.")
        await at.press("ctrl+u", *"Ahoy", "enter")
        await at.answer_until("")
        assert "  motto: Ahoy\n" in desk.answers("shop")


def test_in_lines(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    keeper = keeper_of(desk.home)
    keeper = DeploymentKeeper(desk.home, all_questions(), keeper._open_secrets)
    cloud = SmallCloud()
    conversation = Conversation(sections(lambda _answers: cloud), keeper)
    out = io.StringIO()
    with create_pipe_input() as keyboard:
        keyboard.send_text("\x1b[A\x1b[A\r")  # up twice: ask me everything
        for question in all_questions()[1:]:
            if question.applies({"provider.name": "rehearsal", "mail.kind": "none"}):
                keyboard.send_text(TYPED.get(question.key, "") + "\r")
        keyboard.send_text("\r")  # yes, keep it so
        assert converse(
            conversation,
            Terminal(out, keyboard, DummyOutput()),
            plan=lambda: plan_of(conversation.values, cloud),
        )
    assert "Readers see it first." in out.getvalue()
    assert "Motto under the title: Ahoy" in out.getvalue()


def test_in_the_answers_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text("application: {motto: Ahoy}\n")
    read = answers_file.load(path, all_questions())
    assert read is not None
    assert read.values[MOTTO.key] == "Ahoy"
    answers_file.save(path, read, all_questions())
    assert "  # Motto under the title\n  motto: Ahoy\n" in path.read_text()
    with pytest.raises(Exception, match="motto"):
        answers_file.parse(b"application: {motto: Avast}\n", "file", all_questions())
    usual = {"deployment.name": "shop", "site.domain": "shop.example.org", "certificate.email": "o@example.org"}
    placed = dict.fromkeys(
        ("provider.region", "machines.image", "machines.webserver_size", "machines.database_size"), "x"
    )
    assert validate_all({**usual, **placed})[MOTTO.key] == "Ahoy"
