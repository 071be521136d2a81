"""The review: all answers, the plan as table and graph, what it costs and touches, the command that does the same."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from fleet.cost import is_free, per_month
from screens import signs
from screens.widgets.plan_graph import graph
from screens.widgets.plan_table import table
from screens.wording import counted
from state.errors import BuildyardError
from wizard.overview import NOTHING_ELSE, Part, as_text, commands
from wizard.plan_rows import touched

if TYPE_CHECKING:
    from fleet.plan import Plan

_ASKING = f"{signs.WAITING} Asking the provider what is there already. Nothing is changed."


class View(StrEnum):
    """What is shown."""

    ANSWERS = "Answers"
    PLAN = "Plan"
    GRAPH = "Graph"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What the review shows.

    Attributes:
        name: of the deployment.
        provider: its name in the answers.
        parts: the steps with their answers; of a deployment that exists only what differs.
        plan: None while it is made, or when it could not be.
        notes: sentences beside it.
        problem: why there is no plan.
    """

    name: str = ""
    provider: str = ""
    parts: tuple[Part, ...] = ()
    plan: Plan | None = None
    notes: tuple[str, ...] = ()
    problem: BuildyardError | None = None


class Review(Vertical):
    """A panel over the whole page. It does nothing itself: its messages say what the user wants."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "view('ANSWERS')", "Answers", tooltip="All answers, price and what will be touched"),
        Binding("p", "view('PLAN')", "Plan", tooltip="The plan as a table"),
        Binding("g", "view('GRAPH')", "Graph", tooltip="The plan as a graph: what waits for what"),
        Binding("r", "retry", "Retry", tooltip="Ask the provider for the plan once more"),
        Binding("ctrl+b", "build", "Build now", tooltip="Build what the plan says", show=False),
        Binding("down", "read(1)", "Read", tooltip="Move the text on", key_display="↑↓"),
        Binding("up", "read(-1)", "Read back", tooltip="Move the text back", show=False),
        Binding("left", "app.focus_previous", "Button before", tooltip="The button to the left", show=False),
        Binding("right", "app.focus_next", "Next button", tooltip="The button to the right", show=False),
    ]

    class BuildWanted(Message):
        """Build it."""

    class ChangeWanted(Message):
        """Change an answer."""

    class LeaveWanted(Message):
        """Leave; everything is kept."""

    class PlanWanted(Message):
        """Ask for the plan once more."""

    def __init__(self) -> None:
        super().__init__(id="review")
        self._shown = Reviewed()
        self._view = View.ANSWERS
        self.border_title = "Review"

    def compose(self) -> ComposeResult:
        yield Static("", id="review-views", markup=False)
        with VerticalScroll(id="review-scroll", can_focus=False):
            yield Static("", id="review-text", markup=False)
        yield Static("", id="review-sum", markup=False)
        with Horizontal(id="review-buttons"):
            yield Button("Build now", id="build", variant="primary", compact=True)
            yield Button("Change something", id="change", compact=True)
            yield Button("Leave", id="leave", compact=True)

    def show(self, reviewed: Reviewed) -> None:
        """Shows this from its beginning, and focuses the likely button."""
        self._shown, self._view = reviewed, View.ANSWERS
        self._draw()
        self.query_one("#build", Button).focus()

    def planned(self, plan: Plan, notes: Sequence[str]) -> None:
        """The plan is there."""
        self._shown = replace(self._shown, plan=plan, notes=tuple(notes), problem=None)
        self._draw()

    def cannot_plan(self, problem: BuildyardError) -> None:
        """There is no plan."""
        self._shown = replace(self._shown, plan=None, notes=(), problem=problem)
        self._draw()

    def waits(self) -> None:
        """The plan is asked for once more."""
        self._shown = replace(self._shown, plan=None, notes=(), problem=None)
        self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Only what failed can be tried again."""
        return self._shown.problem is not None if action == "retry" else True

    def action_view(self, name: str) -> None:
        """Another view of the same."""
        self._view = View[name]
        self._draw()
        self.query_one("#review-scroll", VerticalScroll).scroll_home(animate=False)

    def action_read(self, direction: int) -> None:
        """Moves the text by some lines."""
        self.query_one("#review-scroll", VerticalScroll).scroll_relative(y=3 * direction, animate=False)

    def action_retry(self) -> None:
        """Asks for the plan once more."""
        self.post_message(self.PlanWanted())

    def action_build(self) -> None:
        """Builds, once it is known what that would do."""
        if self._shown.plan is not None:
            self.post_message(self.BuildWanted())
            return
        why = "There is no plan: r asks again." if self._shown.problem else "The plan is being made: a moment."
        self.notify(why, severity="warning", markup=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "build":
            self.action_build()
        else:
            self.post_message(self.ChangeWanted() if event.button.id == "change" else self.LeaveWanted())

    def on_resize(self, _event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.query_one("#review-scroll").content_size.width - 1
        self.query_one("#review-views", Static).update(_views(self._view))
        self.query_one("#review-text", Static).update(self._text(max(40, width)))
        self.query_one("#review-sum", Static).update(_sum(self._shown))
        self.refresh_bindings()

    def _text(self, width: int) -> Content:
        shown = self._shown
        if self._view is View.ANSWERS:
            return _answers(shown, width)
        if shown.problem is not None:
            return _problem(shown.problem)
        if shown.plan is None:
            return Content.styled(_ASKING, "$foreground-muted")
        return table(shown.plan, width) if self._view is View.PLAN else graph(shown.plan, width)


def _views(now: View) -> Content:
    gap = Content("   ")
    return gap.join(
        Content.styled(f"{signs.DOING} {view.value}", "bold $text-accent")
        if view is now
        else Content.styled(f"  {view.value}", "$foreground-muted")
        for view in View
    )


def _sum(shown: Reviewed) -> Content:
    """The last line above the buttons: what it comes to."""
    if shown.problem is not None:
        return Content.styled(f"{signs.FAILED} There is no plan: {shown.problem.summary}", "$text-error")
    if shown.plan is None:
        return Content.styled(_ASKING, "$foreground-muted")
    costs = per_month(shown.plan.price_per_month, shown.provider)
    whose = "" if is_free(shown.provider) else " for all machines"
    count = len(shown.plan.changes)
    does = counted(count, "change") if count else "nothing to change"
    return Content.assemble((f"{signs.DONE} {does}", "$text-success"), "  ·  ", (costs, "bold"), whose)


def _answers(shown: Reviewed, width: int) -> Content:
    blocks: list[Content] = []
    if shown.problem is not None:
        blocks.append(_problem(shown.problem))
    if shown.plan is not None:
        blocks.append(_sentences("What will be touched", (*touched(shown.plan), NOTHING_ELSE), width))
    if shown.notes:
        blocks.append(_sentences("Notes", shown.notes, width))
    parts = [part for part in shown.parts if part.lines]
    if not parts:
        blocks.append(Content("No answer differs from before."))
    for part in parts:
        width = max(len(line.label) for each in parts for line in each.lines)
        title = Content.styled(part.title, "bold")
        if part.found:
            title += Content.styled(f"  {signs.DONE} {part.found}", "$text-success")
        lines = [
            Content.assemble((f"  {line.label.ljust(width)}  ", "$foreground-muted"), as_text(line))
            for line in part.lines
        ]
        blocks.append(Content("\n").join([title, *lines]))
    here, elsewhere = commands(shown.name)
    blocks.append(
        Content.assemble(
            ("The same by command\n", "bold"),
            (f"  {here}\n", "$text-accent"),
            ("  elsewhere, with a copy of the answers: ", "$foreground-muted"),
            (elsewhere, "$text-accent"),
        )
    )
    return Content("\n\n").join(blocks)


def _sentences(title: str, sentences: Sequence[str], width: int) -> Content:
    wrapped = [
        textwrap.fill(each, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
        for each in sentences
    ]
    return Content("\n").join([Content.styled(title, "bold"), *map(Content, wrapped)])


def _problem(problem: BuildyardError) -> Content:
    lines = [Content.styled(f"{signs.FAILED} {problem.summary}", "$text-error")]
    if problem.detail:
        lines.append(Content(problem.detail))
    if problem.hint:
        lines.append(Content.styled(f"Next: {problem.hint}", "$text-accent"))
    lines.append(Content("r asks the provider again; everything you answered is kept."))
    return Content("\n").join(lines)
