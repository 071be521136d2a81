"""How many webservers are wanted as a rule: a number to change by keys, and the command that does the same."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.wishes import scale
from screens.wording import counted


class ScaleDialog(ModalScreen[int | None]):
    """The wanted number, None when it is to stay.

    Args:
        deployment: its name.
        policy: as it is now.
        begin: the number to begin with; brought within what is allowed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign,up,right", "more(1)", "More", tooltip="One webserver more", key_display="+"),
        Binding("minus,down,left", "more(-1)", "Fewer", tooltip="One webserver fewer", key_display="-"),
        Binding("enter", "choose", "Scale", tooltip="Want that number", key_display="⏎"),
        Binding("escape", "dismiss(None)", "Leave it", tooltip="Change nothing", key_display="esc"),
    ]

    def __init__(self, deployment: str, policy: ScalingPolicy, begin: int) -> None:
        super().__init__()
        self._deployment, self._policy = deployment, policy
        self.number = min(max(begin, policy.minimum), policy.maximum)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("How many webservers as a rule?", classes="dialog-title", markup=False)
            yield Static("", id="scale-number", markup=False)
            yield Static(scale(self.number).means, id="scale-means", markup=False)
            yield Static("", id="scale-command", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._show()

    def action_more(self, step: int) -> None:
        """Another number, within what is allowed."""
        number = min(max(self.number + step, self._policy.minimum), self._policy.maximum)
        if number == self.number:
            self.app.bell()
        self.number = number
        self._show()

    def action_choose(self) -> None:
        """That number; the one there is needs no change."""
        self.dismiss(self.number if self.number != self._policy.target else None)

    def _show(self) -> None:
        policy = self._policy
        self.query_one("#scale-number", Static).update(
            Content.assemble(
                (f"  {counted(self.number, 'webserver')}  ", "bold reverse"),
                f"   now {policy.target}; {policy.minimum} to {policy.maximum} are allowed",
            )
        )
        self.query_one("#scale-command", Static).update(
            Content.assemble(
                ("the same: ", "$foreground-muted"), (scale(self.number).command(self._deployment), "$accent")
            )
        )
