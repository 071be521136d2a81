"""Says what would be gone and what would stay, and asks for the deployment's name."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from fleet.cost import dollars, is_free
from screens import signs
from screens.looking import Seen
from screens.wording import counted


class DestroyDialog(ModalScreen[bool]):
    """True when the name was typed exactly.

    Args:
        seen: the deployment, with what the last look found.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "Keep it", tooltip="Nothing is destroyed", key_display="esc"),
    ]

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen

    def compose(self) -> ComposeResult:
        name = self._seen.card.name
        with Vertical(classes="dialog -error"):
            yield Static(f"{signs.WARNING} Destroy {name}?", classes="dialog-title", markup=False)
            with VerticalScroll(classes="dialog-body", can_focus=False):
                for head, text in what_goes(self._seen):
                    with Horizontal(classes="destroy-row"):
                        yield Static(head, classes="destroy-head", markup=False)
                        yield Static(text, classes="destroy-text", markup=False)
            yield Static(
                f"Type {name} and press enter to destroy it; esc keeps it.", classes="dialog-hint", markup=False
            )
            yield Input(id="destroy-name", compact=True)
            yield Static("", id="destroy-problem", classes="field-problem", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value == self._seen.card.name:
            self.dismiss(True)
            return
        said = "Type its name first." if not event.value else "That is not its name; nothing was destroyed."
        self.query_one("#destroy-problem", Static).update(said)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one("#destroy-problem", Static).update("")


def what_goes(seen: Seen) -> tuple[tuple[str, str], ...]:
    """(word, sentence) about what would be gone, saved, and stay."""
    card, status = seen.card, seen.status
    if status is not None and status.machines:
        names = ", ".join(machine.name for machine in status.machines)
        machines = f"{counted(len(status.machines), 'machine')} ({names})"
    else:
        machines = "all its machines"
    lines = [
        ("gone", f"{machines} with all that is on them, the database too; firewalls, network, buckets."),
        ("address", f"{card.url} answers no more: its DNS records are removed, the zone stays."),
    ]
    if status is not None and not is_free(card.provider):
        lines.append(("saved", f"${dollars(status.cost_per_month)} a month."))
    lines.append(("stays", "on this machine: the answers, the credentials you entered and the records of its runs."))
    return tuple(lines)
