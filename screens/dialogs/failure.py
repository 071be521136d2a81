"""A failed action: which step, why, the last lines, what to do next; from here it can be tried again."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from fleet.standing import ActionView
from screens import signs
from screens.durations import clock


class FailureDialog(ModalScreen[bool]):
    """Shows one failure; True when it shall be tried again.

    Args:
        where: the machine's name, "" for the cloud.
        action: that failed.
        can_retry: a new run may begin from here.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "retry", "Retry", tooltip="Begin again; what is done stays done"),
        Binding("c", "copy", "Copy", tooltip="Copy all of this to the clipboard"),
        Binding("escape,enter,q", "dismiss(False)", "Close", tooltip="Back to the build", key_display="esc"),
    ]

    def __init__(self, where: str, action: ActionView, *, can_retry: bool) -> None:
        super().__init__()
        self._where, self._action, self._can_retry = where, action, can_retry

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -error -wide"):
            (_, title), *rest = self.parts()
            yield Static(title, classes="dialog-title", markup=False)
            with VerticalScroll(classes="dialog-body"):
                for kind, text in rest:
                    if kind != "hint":
                        yield Static(text, classes=_CLASSES[kind], markup=False)
            for kind, text in rest:
                if kind == "hint":
                    yield Static(text, classes=_CLASSES[kind], markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def parts(self) -> list[tuple[str, str]]:
        """(kind, text) from top to bottom."""
        action = self._action
        where = f" on {self._where}" if self._where else ""
        parts = [("title", f"{signs.FAILED} {action.label}{where} failed after {clock(action.seconds)}")]
        if action.step is not None:
            number = len(action.steps)
            of = f" of {action.steps_known}" if action.steps_known >= number else ""
            parts.append(("muted", f"Step {number}{of}: {action.step.label}"))
        problem = action.problem
        if problem is None:
            return parts
        parts.append(("text", problem.summary))
        if problem.detail:
            parts += [("head", "Why"), ("output", problem.detail)]
        # What the error itself quotes already is not said twice.
        if problem.lines and not problem.detail.rstrip().endswith(problem.lines[-1].strip()):
            parts += [("head", f"The last {len(problem.lines)} lines it printed"), ("output", "\n".join(problem.lines))]
        if problem.hint:
            parts.append(("hint", f"Next: {problem.hint}"))
        return parts

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's form
        """No retry where there is nothing to begin again."""
        return action != "retry" or self._can_retry

    def action_retry(self) -> None:
        """Closes, and begins again."""
        self.dismiss(True)

    def action_copy(self) -> None:
        """To the terminal's clipboard."""
        self.app.copy_to_clipboard("\n\n".join(text for _, text in self.parts()))
        self.notify("Copied.", timeout=2)


_CLASSES = {
    "muted": "muted",
    "text": "failure-text",
    "head": "failure-head muted",
    "output": "failure-output",
    "hint": "dialog-hint",
}
