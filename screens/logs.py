"""What all machines of a deployment say, in one list: search, filter, one machine alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from screens import signs
from screens.log_lines import LogLine, merge, parsed
from screens.page import Page
from screens.widgets.log_list import LogList
from screens.wording import counted
from state.errors import BuildyardError, PassphraseMissing

if TYPE_CHECKING:
    from fleet.status import Status  # not at run time: brings SSH along

#: Of each machine.
LINES = 2000


class LogsPage(Page):
    """The logs of one deployment.

    Args:
        name: the deployment's.
        machines: their names; looked for when none are given.
    """

    NAME = "Logs"
    HELP = (
        "The last lines of every machine's journal, in the order of time (UTC). The highlighted line is shown in full "
        "at the bottom; left and right move long lines. / searches while you type, enter goes back to the lines, "
        "n and N walk from one find to the next, f shows only what was found, m one machine after the other."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", tooltip="Find words in all lines", key_display="/"),
        Binding("n", "hit(1)", "Next", tooltip="To the next find"),
        Binding("N", "hit(-1)", "Before", tooltip="To the find before", show=False),
        Binding("f", "filter", "Filter", tooltip="Show only the lines that were found, or all again"),
        Binding("m", "machine", "Machine", tooltip="Show one machine after the other, then all again"),
        Binding("r", "reload", "Reload", tooltip="Ask the machines again"),
        Binding("c", "copy", "Copy", tooltip="Copy the highlighted line to the clipboard"),
        Binding("C", "copy_all", "Copy all", tooltip="Copy all lines that are shown", show=False),
        Binding("escape", "back", "Back", tooltip="End the search; then back to the page before", key_display="esc"),
    ]

    rows = getters.query_one(LogList)
    searching = getters.query_one("#logs-searching", Horizontal)
    search_field = getters.query_one("#logs-search", Input)

    def __init__(self, name: str, machines: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._deployment = name
        self._machines = machines
        self._asked: set[str] = set()
        self._lines_of: dict[str, tuple[LogLine, ...]] = {}
        self._problems: dict[str, BuildyardError] = {}
        self._only = ""
        self._filtered = False
        self._asking_passphrase = False

    def body(self) -> ComposeResult:
        yield Static("", id="logs-problems", markup=False)
        yield LogList()
        yield Static("", id="logs-line", markup=False)
        with Horizontal(id="logs-searching"):
            yield Static("find: ", id="logs-search-word")
            yield Input(id="logs-search", placeholder="words in any line; enter goes to the lines", compact=True)

    def on_mount(self) -> None:
        self.heading.left = f"Logs · {self._deployment}"
        self.searching.display = False
        self.rows.focus()
        self.action_reload()

    # Asking the machines

    def action_reload(self) -> None:
        """Asks every machine again, each in the background."""
        if self._asked:
            return
        self._problems.clear()
        if self._machines:
            for machine in self._machines:
                self._ask(machine)
        else:
            self._asked.add("")
            name = self._deployment
            self.attempt(
                lambda: self.yard.backend.status(name), self._machines_known, self._no_machines, secrets_of=name
            )
        self._tell()

    def _machines_known(self, status: Status) -> None:
        self._asked.discard("")
        self._machines = tuple(machine.name for machine in status.machines)
        if self._machines:
            self.action_reload()
        self._tell()

    def _no_machines(self, problem: BuildyardError) -> None:
        self._asked.discard("")
        self._problems[self._deployment] = problem
        self._tell()

    def _ask(self, machine: str) -> None:
        self._asked.add(machine)
        self._problems.pop(machine, None)
        backend, name = self.yard.backend, self._deployment
        self.in_background(
            # Parsed there too: ten thousand lines take longer than an eye waits.
            lambda: parsed(machine, backend.logs(name, machine, LINES)),
            lambda lines: self._came(machine, lines),
            lambda problem: self._failed(machine, problem),
        )

    def _came(self, machine: str, lines: tuple[LogLine, ...]) -> None:
        self._asked.discard(machine)
        self._lines_of[machine] = lines
        self._show()

    def _failed(self, machine: str, problem: BuildyardError) -> None:
        self._asked.discard(machine)
        self._problems[machine] = problem
        self._tell()
        if isinstance(problem, PassphraseMissing) and not self._asking_passphrase:
            self._asking_passphrase = True
            self.ask_passphrase(self._deployment, self._unlocked, problem)

    def _unlocked(self) -> None:
        self._asking_passphrase = False
        for machine, problem in tuple(self._problems.items()):
            if isinstance(problem, PassphraseMissing):
                self._ask(machine)
        self._tell()

    # Showing

    def _show(self) -> None:
        chosen = {name: lines for name, lines in self._lines_of.items() if self._only in ("", name)}
        # In the order of the machines, whoever answered first.
        lines = merge({name: chosen[name] for name in self._machines if name in chosen})
        words = self.rows.words.lower()
        if self._filtered and words:
            lines = tuple(line for line in lines if words in line.searched)
        self.rows.show(lines)
        self._tell()

    def _tell(self) -> None:
        """What is shown, in the heading; who did not answer, in a line each; the highlighted line in full."""
        rows = self.rows
        parts = [self._only or "all machines", counted(len(rows.lines), "line")]
        if rows.words:
            found = counted(len(rows.hits), "find")
            parts.append(f"{rows.hit} of {found}" if rows.hit else found)
        if self._filtered and rows.words:
            parts.append("filtered")
        if self._asked:
            parts.append("asking…")
        self.heading.right = " · ".join(parts)
        problems = self.query_one("#logs-problems", Static)
        problems.update(
            "\n".join(
                f"{signs.FAILED} {machine}: {problem.summary}" + (f" Next: {problem.hint}" if problem.hint else "")
                for machine, problem in self._problems.items()
            )
        )
        problems.display = bool(self._problems)
        line = rows.line
        whole = self.query_one("#logs-line", Static)
        whole.update(f"{line.when} {line.machine}  {line.text}".strip() if line else self._why_empty())

    def _why_empty(self) -> str:
        if self._asked:
            return "The machines are asked for their last lines…"
        if self._filtered and self.rows.words:
            return "No line holds these words; f shows all lines again."
        return "There are no lines." if self._machines else "There are no machines."

    def on_log_list_moved(self, _event: LogList.Moved) -> None:
        self._tell()

    # Searching

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.rows.words = event.value
        if self._filtered:
            self._show()
        self.rows.to_hit(1, stay=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.rows.focus()
        if not event.value:
            self._end_search()

    def _end_search(self) -> None:
        self.search_field.clear()
        self.searching.display = False
        self.rows.words = ""
        self._filtered = False
        self.rows.focus()
        self._show()

    def action_search(self) -> None:
        """Asks for the words."""
        self.searching.display = True
        self.search_field.focus()

    def action_hit(self, direction: int) -> None:
        """To another find."""
        if self.rows.words:
            self.rows.to_hit(direction)
        else:
            self.action_search()

    def action_filter(self) -> None:
        """Only the lines that were found, or all again."""
        if not self.rows.words:
            self.action_search()
            return
        self._filtered = not self._filtered
        self._show()

    def action_machine(self) -> None:
        """One machine after the other, then all."""
        names = ("", *self._machines)
        self._only = names[(names.index(self._only) + 1) % len(names)]
        self._show()

    def action_copy(self) -> None:
        """The highlighted line, to the terminal's clipboard (OSC 52, where the terminal allows it)."""
        line = self.rows.line
        if line is not None:
            self.app.copy_to_clipboard(_plain(line))
            self.notify("The line is in the clipboard.", timeout=2)

    def action_copy_all(self) -> None:
        """All lines that are shown."""
        self.app.copy_to_clipboard("\n".join(map(_plain, self.rows.lines)))
        self.notify(f"{counted(len(self.rows.lines), 'line')} in the clipboard.", timeout=2)

    def action_back(self) -> None:
        """Ends the search, else leaves."""
        if self.rows.words or self.searching.display:
            self._end_search()
        else:
            self.leave()


def _plain(line: LogLine) -> str:
    return f"{line.when} {line.machine} {line.text}".strip()
