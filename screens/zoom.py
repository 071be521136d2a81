"""One machine of a build on the whole screen: every step, all its lines, with search and copy."""

from __future__ import annotations

from typing import ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from fleet.standing import ActionView, MachineView, State, StepView
from screens import signs
from screens.durations import short, took
from screens.page import Page
from screens.run_feed import Line, Output
from screens.widgets.lines_view import LinesView
from screens.widgets.machine_rows import KINDS, SIGNS, standing, tally, wait_words, wrapped

_STEP_KINDS = {"": "doing", "failed": "failed", "unchanged": "muted"}
_STEP_SIGNS = {"": signs.DOING, "unchanged": signs.UNCHANGED, "failed": signs.FAILED}


class ZoomPage(Page):
    """One machine; the build page below goes on feeding it.

    Args:
        view: how the machine stands.
        output: its lines.
        now: seconds since the epoch.
        search: begin by asking what to find.
    """

    NAME = "One machine"
    HELP = (
        "On the left every step with its time, on the right what the machine printed: the last 2,000 lines. "
        "On a narrow terminal one of the two is shown; l changes. The view follows new lines while its end is in "
        "sight; scroll up and it stands still. All lines of a run: buildyard replay."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back to all machines", key_display="esc"),
        Binding("slash", "search", "Search", tooltip="Find a text in what is shown", key_display="/"),
        Binding("n", "step(1)", "Next", tooltip="To the next place with the text"),
        Binding("N", "step(-1)", "Previous", tooltip="To the place before", show=False),
        Binding("c", "copy", "Copy", tooltip="Copy what is selected, else what is in sight"),
        Binding("l", "other", "Steps/lines", tooltip="Between the steps and the lines the machine printed"),
    ]

    steps = getters.query_one("#zoom-steps", LinesView)
    lines = getters.query_one("#zoom-lines", LinesView)
    searched = getters.query_one("#zoom-search", Input)

    def __init__(self, view: MachineView, output: Output, now: float, *, search: bool = False) -> None:
        super().__init__()
        self._begins_with_search = search
        self.machine = view.name
        self._view, self._output, self._now = view, output, now
        self._reads = "lines"

    def body(self) -> ComposeResult:
        with Horizontal(id="zoom-both"):
            yield LinesView(id="zoom-steps", follow=self._view.state is State.DOING)
            yield LinesView(id="zoom-lines", follow=True)
        yield Input(placeholder="Text to find; enter finds, esc closes", id="zoom-search", compact=True)

    def on_mount(self) -> None:
        self.searched.display = False
        self._read("lines")
        self.call_after_refresh(self.show, self._view, self._now)
        if self._begins_with_search:
            self.action_search()

    def show(self, view: MachineView, now: float) -> None:
        """How the machine stands now."""
        self._view, self._now = view, now
        if not self.is_mounted:
            return
        role = f" {view.role}" if view.role else ""
        self.heading.left = f"{view.name or 'cloud'}{role} · {standing(view)}"
        self.steps.show(step_lines(view, now, self.steps.size.width or 72))
        self.show_lines()

    def show_lines(self) -> None:
        """The lines there are now."""
        if self.is_mounted:
            self.lines.show(self._output.lines, self._output.dropped)

    @property
    def _reading(self) -> LinesView:
        return self.lines if self._reads == "lines" else self.steps

    def _read(self, which: str) -> None:
        self._reads = which
        self.query_one("#zoom-both").set_class(which == "steps", "-steps")
        self._reading.focus()

    def action_back(self) -> None:
        """Back to all machines; a search ends first."""
        if self.searched.display:
            self._end_search()
        else:
            self.leave()

    def action_search(self) -> None:
        """Asks for the text."""
        self.searched.display = True
        self.searched.value = ""
        self.searched.focus()

    @on(Input.Submitted, "#zoom-search")
    def _find(self, event: Input.Submitted) -> None:
        event.stop()
        term = event.value.strip()
        self.searched.display = False
        self._reading.focus()
        self._reading.find(term)
        if not term:
            self.heading.right = ""
        else:
            self._say_place(*self._reading.place())

    def _end_search(self) -> None:
        self.searched.display = False
        self._reading.find("")
        self.heading.right = ""
        self._reading.focus()

    def action_step(self, direction: int) -> None:
        """To the next place with the text, or the one before."""
        if not self._reading.term:
            self.action_search()
            return
        self._say_place(*self._reading.step(direction))

    def _say_place(self, number: int, count: int) -> None:
        term = self.searched.value.strip()
        self.heading.right = f'{number} of {count} with "{term}"' if count else f'"{term}" is nowhere'

    def action_copy(self) -> None:
        """To the terminal's clipboard."""
        text = self.get_selected_text() or self._reading.visible_text()
        self.app.copy_to_clipboard(text)
        count = len(text.splitlines())
        self.notify(f"Copied {count} line{'' if count == 1 else 's'}.", timeout=2)

    def action_other(self) -> None:
        """Between steps and lines."""
        self._read("steps" if self._reads == "lines" else "lines")


def step_lines(view: MachineView, now: float, width: int) -> list[Line]:
    """Every action and every step of it; reasons are wrapped to that width."""
    name = max((len(action.label) for action in view.actions), default=0)
    lines: list[Line] = []
    for action in view.actions:
        lines.append(
            Line(KINDS[action.state], f"{SIGNS[action.state]} {action.label.ljust(name)}  {_how(action, now)}")
        )
        lines += [_step_line(step, now) for step in action.steps]
        if action.problem is not None:
            problem = action.problem
            said = [("plain", text) for text in (problem.summary, *problem.detail.splitlines())]
            said.append(("waiting", f"Next: {problem.hint}" if problem.hint else ""))
            for kind, text in said:
                lines += [Line(kind, f"      {row}") for row in wrapped(text, width - 6, 20) if row]
    return lines


def _step_line(step: StepView, now: float) -> Line:
    word = step.status or "runs"
    time = took(step.seconds) if step.status else short(now - step.started_at)
    sign = _STEP_SIGNS.get(step.status, signs.CHANGED)
    return Line(_STEP_KINDS.get(step.status, "plain"), f"    {sign} {word:<9} {time:>6}  {step.label}")


def _how(action: ActionView, now: float) -> str:
    match action.state:
        case State.DONE:
            return f"{took(action.seconds):>6}   {tally(action)}"
        case State.DOING:
            return f"{short(now - action.started_at):>6}   runs"
        case State.WAITING if action.waiting is not None:
            return wait_words(action.waiting, now)
        case State.FAILED:
            return f"{took(action.seconds):>6}   failed"
        case _:
            return action.state.value
