"""What all pages share: help and palette from the bindings, problems, passphrases, few characters, crashes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from screens.app import BuildyardApp
from screens.dialogs.help import HelpDialog
from screens.dialogs.passphrase import PassphraseDialog
from screens.dialogs.problem import ProblemDialog
from screens.look import Look, look_of
from screens.page import Page
from screens.signs import translator
from state.errors import PassphraseMissing, ProviderError
from state.secret import Secret
from tests.screens.conftest import app_of, text_on, until
from tests.screens.fake_backend import FakeBackend


class Small(Page):
    NAME = "A small page"
    HELP = "It is here for its tests."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "act", "Act", tooltip="Does what it is for"),
        Binding("x", "fail", "Fail", tooltip="Goes wrong"),
        Binding("k", "crash", "Crash", tooltip="A fault of our own"),
        Binding("s", "secret", "Secret", tooltip="Needs a passphrase"),
    ]
    done = ""

    def body(self) -> ComposeResult:
        yield Static("╭─ body ✔ ─╮", id="body")

    def action_act(self) -> None:
        self.attempt(lambda: "done", lambda result: setattr(self, "done", result))

    def action_fail(self) -> None:
        def work() -> None:
            raise ProviderError("The cloud [refused] it.", detail="Because.", hint="buildyard plan")

        self.attempt(work, lambda _: None)

    def action_crash(self) -> None:
        token = "a-secret-in-a-local"  # noqa: F841 - a crash report must not show it
        raise RuntimeError("boom")

    def action_secret(self) -> None:
        backend = self.yard.backend
        assert isinstance(backend, FakeBackend)

        def work() -> str:
            if backend.passphrase is None:
                raise PassphraseMissing("There is no passphrase.")
            return backend.passphrase.reveal()

        self.attempt(work, lambda result: setattr(self, "done", result), secrets_of="shop")


def page_of(app: BuildyardApp) -> Small:
    page = app.page
    assert isinstance(page, Small)
    return page


async def test_work_is_done_beside_the_screen(backend: FakeBackend) -> None:
    app = app_of(backend, Small)
    async with app.run_test() as pilot:
        await pilot.press("a")
        await until(pilot, "the result", lambda: page_of(app).done == "done")


async def test_a_problem_says_what_why_and_what_next_and_can_be_copied(backend: FakeBackend) -> None:
    app = app_of(backend, Small)
    async with app.run_test() as pilot:
        await pilot.press("x")
        await until(pilot, "the dialog", lambda: isinstance(app.screen, ProblemDialog))
        await pilot.pause()
        shown = text_on(app)
        assert "The cloud [refused] it." in shown
        assert "Because." in shown
        assert "Next: buildyard plan" in shown
        await pilot.press("c")
        assert "Because." in app.clipboard
        await pilot.press("escape")
        await until(pilot, "the page", lambda: isinstance(app.screen, Small))


async def test_help_and_palette_are_made_from_the_bindings(backend: FakeBackend) -> None:
    app = app_of(backend, Small)
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.pause()
        commands = {command.title: command.help for command in app.get_system_commands(app.screen)}
        assert commands["Act"] == "Does what it is for"
        await pilot.press("question_mark")
        await until(pilot, "help", lambda: isinstance(app.screen, HelpDialog))
        await pilot.pause()
        shown = text_on(app)
        for text in ("A small page", "It is here for its tests.", "Does what it is for", "Every action by name"):
            assert text in shown
        await pilot.press("escape")


async def test_a_passphrase_is_asked_for_when_it_is_needed(backend: FakeBackend) -> None:
    app = app_of(backend, Small)
    async with app.run_test() as pilot:
        await pilot.press("s")
        await until(pilot, "the dialog", lambda: isinstance(app.screen, PassphraseDialog))
        field = app.screen.query_one(Input)
        for text, said in (("short", "at least 8"), ("long enough", ""), ("another one", "not the same")):
            field.value = text
            await pilot.press("enter")
            await pilot.pause()
            assert said in text_on(app)
        for _ in range(2):
            field.value = "long enough"
            await pilot.press("enter")
        await until(pilot, "the result", lambda: page_of(app).done == "long enough")
        assert backend.passphrase == Secret("long enough")


async def test_a_crash_tells_where_its_log_is_and_no_value(
    backend: FakeBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[BaseException] = []

    def tell(fault: BaseException) -> Path:
        told.append(fault)
        return tmp_path / "fault.log"

    app = app_of(backend, Small, tell_fault=tell)
    with pytest.raises(RuntimeError, match="boom"):
        async with app.run_test() as pilot:
            await pilot.press("k")
    assert str(told[0]) == "boom"
    printed = capsys.readouterr()
    assert "fault.log" in printed.err + printed.out
    assert "a-secret-in-a-local" not in printed.err + printed.out


@pytest.mark.parametrize(
    ("encoding", "shown"), [("cp437", "┌─ ok √ ä"), ("ascii", "+- ok ? a"), ("iso-8859-1", "+- ok ? ä")]
)
def test_a_terminal_with_few_characters_gets_their_relatives(encoding: str, shown: str) -> None:
    assert translator(encoding)("┌─ ok √ ä") == shown
    assert translator(encoding)("✔ done · 界") == {"cp437": "+ done · ??", "iso-8859-1": "+ done · ??"}.get(
        encoding, "+ done . ??"
    )


async def test_with_few_characters_no_other_one_is_drawn(backend: FakeBackend) -> None:
    app = app_of(backend, Small, look=Look(encoding="ascii"))
    async with app.run_test() as pilot:
        await pilot.pause()
        filters = app.get_line_filters()
        assert [type(each).__name__ for each in filters][-1] == "FewCharacters"


def test_the_look_follows_the_terminal() -> None:
    assert look_of({"TERM": "xterm-256color"}, "UTF-8").encoding == "utf-8"
    assert look_of({"TERM": "linux"}, "utf-8") == Look("ansi-dark", "cp437")
    assert look_of({"TERM": "xterm"}, "ISO-8859-1").encoding == "iso-8859-1"
    assert look_of({"TERM": "xterm"}, None).encoding == "ascii"
    assert look_of({}, "utf-8", "buildyard-light").theme == "buildyard-light"
