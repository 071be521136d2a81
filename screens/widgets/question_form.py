"""One question: what it is, a field for the answer, and beside the field what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from screens import signs
from screens.widgets.answer_input import AnswerInput
from screens.widgets.choice_list import ChoiceList
from state.errors import BuildyardError
from state.questions import AnswerKind, Choice, Question
from state.secret import Secret
from wizard.overview import Line, as_text

if TYPE_CHECKING:
    from wizard.flow import Asked

#: Something that is there sooner than this never says that it is waited for.
PATIENCE_S = 0.3
YES_NO = (Choice("yes", "Yes"), Choice("no", "No"))

#: Says what is wrong with a typed answer, "" when nothing is; quick, asks nobody.
Check = Callable[[Question, str], str]


class QuestionForm(Vertical):
    """Shows one question, or why none can be shown.

    Args:
        check: see :data:`Check`.
    """

    @dataclass
    class Given(Message):
        """The user answers what was ``asked``."""

        asked: Asked
        value: Any

    def __init__(self, check: Check) -> None:
        super().__init__(id="form")
        self._check = check
        self._asked: Asked | None = None
        self._busy = ""
        self._refused = False

    def compose(self) -> ComposeResult:
        yield Static("", id="said", markup=False)
        yield Static("", id="earlier", markup=False)
        yield Static("", id="label", markup=False)
        yield Vertical(id="field")
        yield Static("", id="detail", markup=False)
        yield Static("", id="beside", markup=False)

    @property
    def choice(self) -> Choice | None:
        """The highlighted choice, when there is something to choose."""
        found = self.query(ChoiceList)
        return found.first().choice if found else None

    async def ask(self, asked: Asked, earlier: Sequence[Line], said: str) -> None:
        """Shows a question.

        Args:
            asked: the question, its default and its choices.
            earlier: answers of the same step, shown above it.
            said: what trying the step before showed.
        """
        self._asked, self._refused = asked, False
        self.border_title = asked.section.title
        self._set("said", Content.styled(f"{signs.DONE} {said}", "$text-success") if said else "")
        self._set("earlier", aligned(earlier))
        self._set("label", asked.question.label)
        self._set("detail", "")
        self.not_busy()
        field = self.query_one("#field", Vertical)
        await field.remove_children()
        widget = _field_of(asked)
        await field.mount(widget)
        widget.focus()

    async def cannot(self, problem: BuildyardError, title: str) -> None:
        """Shows why no question can be asked, and what to do."""
        await self._clear()
        self.border_title = title
        lines = [Content.styled(f"{signs.FAILED} {problem.summary}", "bold $text-error")]
        lines += [Content(problem.detail)] if problem.detail else []
        lines += [Content.styled(f"Next: {problem.hint}", "$text-accent")] if problem.hint else []
        lines.append(Content("r tries again, esc goes back. What you answered is kept."))
        self._set("said", Content("\n\n").join(lines))

    async def busy(self, what: str, *, at_once: bool) -> None:
        """Says what is waited for: beside the question, or in its place while there is none.

        Args:
            what: is being done.
            at_once: else it is said only when it takes longer than a moment.
        """
        self._busy = what
        if self._asked is None:
            await self._clear()
            self._busy = what
            at_once = True
        if at_once:
            self._show_busy()
        else:
            self.set_timer(PATIENCE_S, self._show_busy)

    def not_busy(self) -> None:
        """Nothing is waited for any more."""
        self._busy = ""
        self._set("beside", "")

    def refuse(self, problem: str) -> None:
        """Says beside the field what is wrong with the answer; the field keeps what was typed."""
        self._busy, self._refused = "", True
        self._set("beside", Content.styled(f"{signs.FAILED} {problem}", "$text-error"))

    def _show_busy(self) -> None:
        if self._busy:
            self._set("beside", Content.styled(f"{signs.WAITING} {self._busy}", "$foreground-muted"))

    async def _clear(self) -> None:
        self._asked = None
        for name in ("said", "earlier", "label", "detail"):
            self._set(name, "")
        self.not_busy()
        await self.query_one("#field", Vertical).remove_children()

    def _set(self, name: str, text: str | Content) -> None:
        widget = self.query_one(f"#{name}", Static)
        widget.update(text)
        widget.display = bool(text) if isinstance(text, str) else bool(text.plain)

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        self._give(Secret(event.value) if self._asked and self._asked.question.secret else event.value)

    @on(Input.Changed)
    def _typing(self, event: Input.Changed) -> None:
        """Once refused, it is said at each key whether it is right now; before that nobody is interrupted."""
        if not self._refused or self._asked is None or self._asked.question.secret:
            return
        problem = self._check(self._asked.question, event.value)
        self._set("beside", Content.styled(f"{signs.FAILED} {problem}", "$text-error") if problem else "")

    @on(ChoiceList.Chosen)
    def _chosen(self, event: ChoiceList.Chosen) -> None:
        event.stop()
        self._give(event.value)

    def _give(self, value: Any) -> None:
        if self._asked is not None:
            self.post_message(self.Given(self._asked, value))

    @on(ChoiceList.Looked)
    def _looked(self, event: ChoiceList.Looked) -> None:
        event.stop()
        if event.choice is not self.choice or self._busy:
            return
        self._set("detail", event.choice.help)
        if not event.choice.unavailable:
            self._set("beside", "")
            return
        sign, style = (signs.FAILED, "$text-error") if event.refused else (signs.WARNING, "$text-warning")
        self._set("beside", Content.styled(f"{sign} Not available: {event.choice.unavailable}.", style))


def _field_of(asked: Asked) -> ChoiceList | AnswerInput:
    question = asked.question
    if question.kind is AnswerKind.CHOICE:
        return ChoiceList(asked.choices, asked.default)
    if question.kind is AnswerKind.YES_NO:
        return ChoiceList(YES_NO, "no" if asked.default is False else "yes")
    placeholder = "kept already; leave it empty to keep it" if asked.kept else "" if question.required else "(none)"
    return AnswerInput(question.kind, _typed(asked.default), placeholder)


def _typed(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)


def aligned(lines: Sequence[Line]) -> Content:
    """Answers behind their questions, in two columns."""
    width = max((len(line.label) for line in lines), default=0)
    return Content("\n").join(
        Content.assemble((f"{line.label.ljust(width)}  ", "$foreground-muted"), as_text(line)) for line in lines
    )
