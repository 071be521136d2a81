"""The full-screen program: themes, palette, help and errors for all pages; it does no work of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.screen import Screen

from screens.backend import Backend
from screens.dialogs.help import HelpDialog
from screens.filters import NoColours, NoControls
from screens.look import THEMES, Look
from screens.page import Page, keys_of
from screens.signs import FewCharacters
from screens.widgets.heading import Heading

#: The styles of all pages and dialogs; each lies beside what it is for.
STYLES: list[str | PurePath] = [
    "app.tcss",
    *sorted(str(path) for path in Path(__file__).parent.rglob("*.tcss") if path.name != "app.tcss"),
]
#: Writes a fault of the program's own into a log, without any value of a variable; returns where.
TellFault = Callable[[BaseException], Path | None]

# One of each: what a filter made of a line is remembered by the filter.
_NO_CONTROLS, _NO_COLOURS = NoControls(), NoColours()


class BuildyardApp(App[int]):
    """Buildyard in a terminal; its return value is the exit code.

    Args:
        backend: the program behind it.
        first: make the pages to begin with, the lowest first.
        look: what this terminal can show.
        tell_fault: keeps the traceback of a crash.
        keep_theme: hears the theme that the user chose.
        paint_first: shows the program's name before the first page is loaded and laid out, which takes longer.
    """

    TITLE = "Buildyard"
    # All at once: a page that brings its own makes Textual read every one again.
    CSS_PATH = STYLES
    # As Textual declares them, so that mypy takes them for the same thing.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-very-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1,question_mark", "help", "Help", tooltip="What this page is for, and its keys", key_display="?"),
        Binding(
            "ctrl+p", "command_palette", "Palette", tooltip="Every action by name", key_display="^p", priority=True
        ),
        Binding(
            "ctrl+q", "quit", "Quit", tooltip="Leave; what runs goes on", key_display="^q", show=False, priority=True
        ),
    ]

    def __init__(
        self,
        backend: Backend,
        first: Sequence[Callable[[], Page]],
        *,
        look: Look | None = None,
        tell_fault: TellFault = lambda _fault: None,
        keep_theme: Callable[[str], None] = lambda _name: None,
        paint_first: bool = True,
    ) -> None:
        super().__init__()
        self.backend = backend
        self._first = first
        self._look = look or Look()
        self._tell_fault = tell_fault
        self._keep_theme = keep_theme
        self._paint_first = paint_first
        self._few = [] if self._look.encoding == "utf-8" else [FewCharacters(self._look.encoding)]
        self.animation_level = "basic" if self._look.motion else "none"
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self._look.theme if self._look.theme in self.available_themes else THEMES[0].name

    def compose(self) -> ComposeResult:
        # The page's own heading takes its place.
        yield Heading()

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda theme: self._keep_theme(theme.name))
        if self._paint_first:
            self.call_after_refresh(self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        for make in self._first:
            self.push_screen(make())

    def get_line_filters(self) -> list[LineFilter]:
        """Textual's, and ours: nothing that steers the terminal, no colours, few characters."""
        colours = [_NO_COLOURS] if self.no_color else []
        return [*super().get_line_filters(), _NO_CONTROLS, *colours, *self._few]

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: all that the page can do now, then Textual's own."""
        page = self.page
        if page is not None:
            for active in page.actions():
                title = active.binding.description
                yield SystemCommand(title, active.binding.tooltip, _runs(active.node, active.binding.action))
        yield from super().get_system_commands(screen)

    @property
    def page(self) -> Page | None:
        """The page on top, below any dialog."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, Page)), None)

    def action_help(self) -> None:
        """Help for the page, from its own data."""
        page = self.page
        if page is not None and self.screen is page:
            self.push_screen(HelpDialog(page.NAME, page.HELP, keys_of(page.actions()), page.help_for_focus()))

    def _fatal_error(self) -> None:
        """A fault of our own: Textual's report would print the values of variables, secrets among them."""
        fault = self._exception or RuntimeError("unknown")
        path = self._tell_fault(fault)
        where = f"Its log: {path}" if path else "No log could be written."
        lines = f"Buildyard itself failed: {type(fault).__name__}.\n{where}\n\nNext: buildyard goes on where you were"
        self.error_console.soft_wrap = True  # a path in two pieces cannot be copied
        self._exit_renderables.append(Text(lines))
        self._close_messages_no_wait()


def _runs(node: object, action: str) -> Callable[[], object]:
    async def run() -> None:
        await node.run_action(action)  # type: ignore[attr-defined]

    return run
