"""The wizard: steps on the left, one question at a time, the reason beside it, the review at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from screens.backend import Talk
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.jump import JumpDialog
from screens.page import Page
from screens.review import Review, Reviewed
from screens.widgets.question_form import QuestionForm
from screens.widgets.step_list import StepList
from state.errors import BuildyardError
from state.questions import Question
from wizard.overview import Line, Part, Stage, differences, parts
from wizard.section import BEGIN

T = TypeVar("T")

_OPENING = "opening the conversation …"
_ASKING = "asking the provider …"
_TRYING = "checking …"
_KEEPING = "a moment …"

if TYPE_CHECKING:
    from fleet.plan import Plan
    from wizard.flow import Asked


@dataclass(frozen=True, slots=True)
class Turn:
    """What is shown next: a question, or the review when there is none."""

    asked: Asked | None
    parts: tuple[Part, ...]


class WizardPage(Page):
    """One conversation.

    Args:
        name: of a deployment to go on with; None for the only unfinished one, or a new one.
        on_build: hears the name of the deployment that shall be built.
        on_leave: hears the name ("" while there is none) of what was left.
    """

    NAME = "The wizard"
    HELP = (
        "One question at a time; the likely answer is filled in, enter takes it. Every answer is kept at once: leave "
        "whenever you like, you go on at the same question. Nothing is made anywhere before you say Build now."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "retry", "Retry", tooltip="Try once more what did not work"),
        Binding("escape", "back", "Back", tooltip="The question before; on the first one, leave", key_display="esc"),
        Binding("ctrl+j,f2", "jump", "Jump", tooltip="Open a finished step again", key_display="^j"),
    ]

    steps = getters.query_one(StepList)
    form = getters.query_one(QuestionForm)
    review = getters.query_one(Review)

    @dataclass
    class Said(Message, bubble=False):
        """Progress of what is done in the background."""

        text: str

    def __init__(
        self,
        name: str | None,
        *,
        on_build: Callable[[str], None],
        on_leave: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._name = name
        self._told_to_build, self._told_to_leave = on_build, on_leave
        self._talk: Talk | None = None
        self._turn = Turn(None, ())
        self._is_busy = False
        self._is_review = False
        self._retry: Callable[[], None] | None = None

    def body(self) -> ComposeResult:
        with Horizontal(id="wizard"):
            yield StepList()
            with Vertical(id="right"):
                yield QuestionForm(self._problem_of)
                with VerticalScroll(id="why", can_focus=False):
                    yield Static("", id="why-text", markup=False)
        yield Review()

    async def on_mount(self) -> None:
        self.query_one("#why").border_title = "Why we ask"
        self._show_review(False)
        self.query_one("#why").display = False
        # Painted first: opening loads the whole program.
        self.call_after_refresh(self._open)

    def help_for_focus(self) -> str:
        choice = self.form.choice
        if choice is not None and choice.unavailable:
            return f"{choice.label} is not available: {choice.unavailable}."
        return ""

    # the conversation -------------------------------------------------------------------------------------------

    @property
    def _deployment(self) -> str:
        return self._talk.name() if self._talk is not None else self._name or ""

    def _open(self) -> None:
        """Finds out which deployment it is about, then opens its conversation."""
        backend = self.yard.backend

        def unfinished() -> str:
            names = [card.name for card in backend.cards() if not card.complete and not card.built]
            return self._name or (names[0] if len(names) == 1 else "")

        def say(text: str) -> None:
            self.post_message(self.Said(text))

        def talk_about(name: str) -> None:
            self._work(lambda: backend.talk(name or None, say), self._opened, _OPENING, self._open, secrets_of=name)

        self._work(unfinished, talk_about, _OPENING, self._open)

    def _opened(self, talk: Talk) -> None:
        self._talk = talk
        self._go_on()

    def _go_on(self) -> None:
        """What comes next."""
        talk = self._talk
        assert talk is not None

        def look() -> Turn:
            asked = talk.conversation.next()
            return Turn(asked, parts(talk.conversation, asked))

        self._work(look, lambda turn: self.call_later(self._show, turn), _ASKING, self._go_on)

    async def _show(self, turn: Turn) -> None:
        talk = self._talk
        assert talk is not None
        said = self._just_found(turn)
        self._turn = turn
        self._show_heading()
        self.steps.show(turn.parts, at_review=turn.asked is None)
        self._show_review(turn.asked is None)
        if turn.asked is None:
            shown = differences(talk.conversation) if talk.exists else turn.parts
            provider = str(talk.conversation.values.get("provider.name", ""))
            self.review.show(Reviewed(self._deployment, provider, tuple(part for part in shown if part.key != BEGIN)))
            self._plan()
            return
        part = next(part for part in turn.parts if part.key == turn.asked.section.key)
        self.query_one("#why-text", Static).update(turn.asked.question.help)
        self.query_one("#why").display = bool(turn.asked.question.help)
        await self.form.ask(turn.asked, _before(part, turn.asked, talk), said)

    def _just_found(self, turn: Turn) -> str:
        """What trying the last step showed, once: beside the question after it."""
        before = {part.key: part.found for part in self._turn.parts}
        new = [part for part in turn.parts if part.found and part.found != before.get(part.key, "")]
        return f"{new[-1].title}: {new[-1].found}" if new else ""

    def _show_heading(self) -> None:
        talk, turn = self._talk, self._turn
        assert talk is not None
        domain = str(talk.conversation.values.get("site.domain", ""))
        title = domain or self._deployment or "a new deployment"
        number = next((number for number, part in enumerate(turn.parts, 1) if part.stage is Stage.NOW), 0)
        count = len(turn.parts) + 1
        saved = "saved" if self._deployment else "nothing to save yet"
        self.heading.left = f"Buildyard · {title}"
        self.heading.right = f"{number or count} of {count} · {saved}"

    def _show_review(self, shown: bool) -> None:
        self._is_review = shown
        self.review.display = shown
        self.query_one("#wizard").display = not shown

    def _plan(self) -> None:
        """Beside the review: whoever goes on meanwhile is not held up, and an older answer is not shown."""
        talk, turn = self._talk, self._turn
        assert talk is not None

        def look() -> tuple[Plan, tuple[str, ...]]:
            return talk.plan(), talk.notes()

        def planned(found: tuple[Plan, tuple[str, ...]]) -> None:
            if self._turn is turn:
                self.review.planned(*found)

        def failed(problem: BuildyardError) -> None:
            if self._turn is turn:
                self.review.cannot_plan(problem)

        self.review.waits()
        self.attempt(look, planned, failed, secrets_of=self._deployment)

    def _problem_of(self, question: Question, text: str) -> str:
        """For texts only: choices may ask the provider."""
        if self._talk is None or question.choices is not None:
            return ""
        return self._talk.conversation.problem(question, text)

    # work in the background, one thing at a time ----------------------------------------------------------------

    def _work(
        self,
        work: Callable[[], T],
        then: Callable[[T], object],
        what: str,
        again: Callable[[], None],
        *,
        secrets_of: str = "",
    ) -> None:
        self._is_busy, self._retry = True, None
        self.call_later(self._say, what, at_once=False)

        def done(result: T) -> None:
            self._is_busy = False
            then(result)

        def failed(problem: BuildyardError) -> None:
            self._is_busy, self._retry = False, again
            self.call_later(self._cannot, problem)

        self.attempt(work, done, failed, secrets_of=secrets_of or self._deployment)
        self.refresh_bindings()

    async def _say(self, what: str, *, at_once: bool) -> None:
        if self._is_busy:
            await self.form.busy(what, at_once=at_once)

    async def _cannot(self, problem: BuildyardError) -> None:
        """There is no next question, and why."""
        title = ""
        if self._talk is not None:
            found = parts(self._talk.conversation, None)
            now = next((part for part in found if part.stage is Stage.TODO), None)
            found = tuple(replace(part, stage=Stage.NOW) if part is now else part for part in found)
            title = now.title if now is not None else ""
            self._turn = Turn(None, found)
            self._show_heading()
            self.steps.show(found)
        self._show_review(False)
        self.query_one("#why").display = False
        await self.form.cannot(problem, title)
        self.refresh_bindings()

    @on(Said)
    async def _said(self, event: Said) -> None:
        await self._say(f"{event.text} …", at_once=True)

    @on(QuestionForm.Given)
    def _given(self, event: QuestionForm.Given) -> None:
        talk = self._talk
        # What was typed for a question that is gone by now answers nothing.
        if self._is_busy or talk is None or event.asked is not self._turn.asked:
            return
        self._is_busy = True
        what = _TRYING if event.asked.question.secret or event.asked.section.verify else _KEEPING
        self.call_later(self._say, what, at_once=event.asked.question.secret)

        def taken(refused: str) -> None:
            self._is_busy = False
            if refused:
                self.form.refuse(refused)
            else:
                self._go_on()

        def failed(problem: BuildyardError) -> None:
            taken(" ".join(part for part in (problem.summary, problem.detail, problem.hint) if part))

        self.attempt(lambda: talk.conversation.answer(event.value), taken, failed, secrets_of=self._deployment)

    # keys ---------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Only what failed can be tried again."""
        return self._retry is not None if action == "retry" else True

    def action_retry(self) -> None:
        """Tries once more what failed."""
        if self._retry is not None:
            self._retry()

    def action_back(self) -> None:
        """The question before; where there is none, or something takes long, it asks whether to leave."""
        talk = self._talk
        if talk is None or self._is_busy or (self._is_review and talk.exists) or not talk.conversation.back():
            self._ask_to_leave()
        else:
            self._go_on()

    def action_jump(self) -> None:
        """Opens a finished step again."""
        if self._talk is None or self._is_busy:
            return
        now = self._turn.asked.section.key if self._turn.asked else ""
        finished = [part for part in self._turn.parts if part.open and part.key != now]
        if finished:
            self.app.push_screen(JumpDialog(finished), self._jump_to)
        else:
            self.notify("No step is finished yet that could be opened again.", timeout=4)

    def _jump_to(self, key: str | None) -> None:
        if key is not None and self._talk is not None and not self._is_busy:
            self._talk.conversation.reopen(key)
            self._go_on()

    def _ask_to_leave(self) -> None:
        detail = "Everything you answered is kept. You go on at this question."
        question = ConfirmDialog("Leave the wizard?", yes="Leave", no="Stay", detail=detail if self._deployment else "")
        self.app.push_screen(question, lambda sure: self._told_to_leave(self._deployment) if sure else None)

    @on(Review.BuildWanted)
    def _build(self) -> None:
        self._told_to_build(self._deployment)

    @on(Review.ChangeWanted)
    def _change(self) -> None:
        self.action_jump()

    @on(Review.LeaveWanted)
    def _leave_it(self) -> None:
        self._told_to_leave(self._deployment)

    @on(Review.PlanWanted)
    def _plan_again(self) -> None:
        self._plan()


def _before(part: Part, asked: Asked, talk: Talk) -> tuple[Line, ...]:
    """Answers of the step that stand above the question: those before it."""
    keys = [question.key for question in asked.section.questions if question.applies(talk.conversation.values)]
    return part.lines[: keys.index(asked.question.key)]
