"""A run while it goes on, or afterwards: a pane a machine, how far it is, what is waited for and why.

The journal is read on a thread (:mod:`screens.run_feed`); one timer brings what came to the screen.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from fleet.standing import MachineView, Phase, Problem, Snapshot, State
from screens.build_words import heading_words, number_words, sentence, time_words
from screens.page import Page
from screens.run_feed import Output, RunFeed
from screens.widgets.machine_pane import MachinePane
from screens.widgets.pane_grid import PaneGrid
from screens.widgets.progress_line import ProgressLine
from state.clock import Clock, SystemClock
from state.errors import BuildyardError

if TYPE_CHECKING:
    from fleet.expected import Expected
    from screens.zoom import ZoomPage

#: More often an eye does not notice, and a machine may print thousands of lines in between.
DRAWN_PER_S = 20
#: The action that looks at the site; what it looks at is the site's address (as in :mod:`fleet.plan`).
SITE = "site"
_DETACHED = "Detached: the {job} of {name} goes on. buildyard attach shows it again."


class BuildPage(Page):
    """Shows one run of a deployment.

    Args:
        name: of the deployment.
        folder: of the run.
        job: ``build`` or ``destroy``.
        url: of its site; without it the plan tells.
        detail: more for the heading, such as "development · on this machine".
        live: the run is followed; else it is shown as it was.
        expected: reads how long earlier runs took; called in the background.
        clock: what time it is.
        on_retry: begins a new run of the deployment and shows it; None where that cannot be.
        on_closed: hears the exit code and a sentence about it when the page is to be left; by default the page before
            is shown, or the program ends.
    """

    NAME = "A run, machine by machine"
    HELP = (
        "Every machine has a pane: what is done with its time and how much it changed, what is done now, and what the "
        "machine prints. A machine with nothing to do says what it waits for. The bar counts the steps of the plan; "
        "the expected time is the median of earlier runs of the same kind. The run does not need this screen: close "
        "it, close the terminal, it goes on; buildyard attach shows it again, as often as you like."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "details", "Details", tooltip="What failed, why, and what to do next", key_display="⏎"),
        Binding("enter", "finish", "Done", tooltip="Leave: the run has ended well", key_display="⏎"),
        Binding("enter", "zoom", "Zoom", tooltip="The focused machine on the whole screen", key_display="⏎"),
        Binding("1", "zoom_number(1)", "Zoom", tooltip="That machine on the whole screen", key_display="1-9"),
        *(Binding(str(number), f"zoom_number({number})", "Zoom", show=False) for number in range(2, 10)),
        Binding("0", "zoom_number(0)", "Cloud", tooltip="The provider's part on the whole screen", show=False),
        Binding("slash", "search", "Search", tooltip="Find a text in the focused machine's lines", key_display="/"),
        Binding("left", "beside(-1)", "Beside", tooltip="To another pane: arrows or tab", show=False),
        Binding("right", "beside(1)", "Beside", show=False),
        Binding("up", "above(-1)", "Above", show=False),
        Binding("down", "above(1)", "Below", show=False),
        Binding("r", "retry", "Retry", tooltip="Begin again; what is done stays done"),
        Binding("d", "detach", "Detach", tooltip="Leave; the run goes on and can be attached to again"),
        Binding("ctrl+c", "stop", "Stop", tooltip="Stop the run after the steps under way", key_display="^c"),
        Binding("escape,q", "close", "Close", tooltip="Leave this page", key_display="esc"),
    ]

    progress = getters.query_one(ProgressLine)
    cloud = getters.query_one("#pane-cloud", MachinePane)
    grid = getters.query_one(PaneGrid)

    def __init__(
        self,
        name: str,
        folder: Path,
        job: str = "build",
        *,
        url: str = "",
        detail: str = "",
        live: bool = True,
        expected: Callable[[], Expected] | None = None,
        clock: Clock | None = None,
        on_retry: Callable[[str], None] | None = None,
        on_closed: Callable[[int, str], None] | None = None,
    ) -> None:
        super().__init__()
        self.deployment, self.url, self.folder, self.job, self.detail, self.live = name, url, folder, job, detail, live
        self.farewell = ""
        self.snapshot: Snapshot | None = None
        self._clock = clock or SystemClock()
        self._feed = RunFeed(folder, self._clock, live=live)
        self._read_expected = expected
        self._expected: Expected | None = None
        self._on_retry, self._on_closed = on_retry, on_closed
        self._zoomed: ZoomPage | None = None
        self._second = 0
        self._asked_to_stop = False
        self._seen_failure = False
        self._is_over = False

    @property
    def outputs(self) -> Mapping[str, Output]:
        """The lines of every machine, "" for the cloud's."""
        return self._feed.outputs

    def body(self) -> ComposeResult:
        yield ProgressLine()
        yield MachinePane("")
        yield PaneGrid()

    def on_mount(self) -> None:
        self._head()
        # Nothing to show yet: an empty pane takes as long to draw as a full one.
        self.cloud.display = self.grid.display = False
        # The thread's work would keep the first screen waiting.
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        # What is loaded by now stays for good. Looking through all of it for garbage, again and again while lines pour
        # in, takes longer than all else a key has to wait for. Once is enough: what is frozen is never freed.
        if not gc.get_freeze_count():
            gc.freeze()
        self.in_background(self._feed.follow, self._has_read, self.show_problem)
        if self._read_expected is not None:
            self.in_background(self._read_expected, self._take_expected, lambda _: None)
        self.set_interval(1 / DRAWN_PER_S, self._draw)

    def on_unmount(self) -> None:
        self._feed.stop()

    # what came ------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        """Brings to the screen what came since."""
        fresh = self._feed.drain()
        snapshot = self._feed.snapshot()
        now = self._clock.now()
        if snapshot is None and int(now) == self._second:
            return
        self._second = int(now)
        self.snapshot = snapshot = snapshot or self.snapshot
        if snapshot is None:
            return
        self._place(snapshot)
        if not self.url:
            self.url = next((action.target for action in snapshot.cloud.actions if action.id == SITE), "")
            self._head()
        over = snapshot.phase is not Phase.RUNNING
        for pane, view in zip((self.cloud, *self.grid.panes), snapshot.everywhere, strict=True):
            pane.show(view, now=now, over=over, expected_s=self._expected_s)
        self.heading.right = time_words(snapshot, now, self._expected)
        self.progress.show(
            snapshot.fraction,
            number_words(snapshot),
            *sentence(snapshot, now, self.job, self.deployment, self.url, stopping=self._asked_to_stop),
        )
        self._draw_zoomed(fresh, now)
        if snapshot.failure is not None and not self._seen_failure:
            self._seen_failure = True
            self._pane_of(snapshot.failure[0].name).focus()
        if over != self._is_over:
            self._is_over = over
            self._head()
            self.refresh_bindings()

    def _head(self) -> None:
        self.heading.left = heading_words(
            self.job, self.deployment, self.url, self.detail, live=self.live, over=self._is_over
        )

    def _place(self, snapshot: Snapshot) -> None:
        """A pane for every machine there is."""
        if not self.cloud.display:
            self.cloud.display = True
            self.cloud.focus()
        first = not self.grid.panes
        if self.grid.place([view.name for view in snapshot.machines]) and first:
            self.grid.display = True
            self.cloud.strip = True
            if self.focused in (None, self.cloud):
                self.grid.panes[0].focus()

    def _draw_zoomed(self, fresh: frozenset[str], now: float) -> None:
        zoomed = self._zoomed
        if zoomed is None or not zoomed.is_mounted:
            return
        if zoomed.machine in fresh:
            zoomed.show_lines()
        zoomed.show(self._view_of(zoomed.machine), now)

    def _take_expected(self, expected: Expected) -> None:
        self._expected = expected
        self._second = 0

    def _expected_s(self, recipe: str) -> float:
        if self._expected is None or self.snapshot is None:
            return 0.0
        return self._expected.of_recipe(self.snapshot.kind, recipe)

    def _has_read(self, to_the_end: bool) -> None:
        """The journal has nothing more to say, or nobody listens any more."""
        if not to_the_end:
            return
        self._second = 0
        self._draw()
        snapshot = self.snapshot
        if snapshot is None or not self.live:
            return
        if snapshot.problem is not None and snapshot.phase in (Phase.FAILED, Phase.INTERRUPTED):
            self._tell(snapshot.problem)

    # what the person does -------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what can be done now is offered."""
        phase = self.snapshot.phase if self.snapshot is not None else Phase.RUNNING
        pane = self.focused if isinstance(self.focused, MachinePane) else None
        match action:
            case "details":
                return pane is not None and self._problem_at(pane) is not None
            case "finish":
                return self.live and phase is Phase.DONE
            case "zoom":
                return not self.check_action("details", ()) and not self.check_action("finish", ())
            case "retry":
                return self._can_retry
            case "detach" | "stop":
                return self.live and phase is Phase.RUNNING
            case "close":
                return not (self.live and phase is Phase.RUNNING)
            case "zoom_number":
                return parameters[0] == 0 or int(str(parameters[0])) <= max(1, len(self.grid.panes))
            case _:
                return super().check_action(action, parameters)

    @property
    def _can_retry(self) -> bool:
        phase = self.snapshot.phase if self.snapshot is not None else Phase.RUNNING
        return self._on_retry is not None and phase in (Phase.FAILED, Phase.STOPPED, Phase.INTERRUPTED)

    def action_zoom(self, search: bool = False) -> None:
        """The focused machine on the whole screen."""
        from screens.zoom import ZoomPage

        pane = self.focused if isinstance(self.focused, MachinePane) else self.cloud
        if self.snapshot is None:
            return
        pane.focus()
        output = self._feed.outputs.setdefault(pane.machine, Output())
        self._zoomed = ZoomPage(self._view_of(pane.machine), output, self._clock.now(), search=search)
        self.app.push_screen(self._zoomed)

    def action_search(self) -> None:
        """The focused machine on the whole screen, and a search in its lines."""
        self.action_zoom(search=True)

    def action_zoom_number(self, number: int) -> None:
        """That machine on the whole screen."""
        if number <= len(self.grid.panes):
            (self.grid.panes[number - 1] if number else self.cloud).focus()
            self.call_later(self.action_zoom)

    def action_beside(self, step: int) -> None:
        """Focus one pane on."""
        panes = [self.cloud, *self.grid.panes]
        here = panes.index(self.focused) if isinstance(self.focused, MachinePane) else 0
        panes[min(max(0, here + step), len(panes) - 1)].focus()

    def action_above(self, step: int) -> None:
        """Focus a row of panes up or down; above the first row is the cloud."""
        pane = self.focused
        if isinstance(pane, MachinePane) and pane is not self.cloud:
            (self.grid.above(pane, step) or self.cloud).focus()
        elif step > 0 and self.grid.panes:
            self.grid.panes[0].focus()

    def action_details(self) -> None:
        """What failed, why, what next."""
        pane = self.focused
        if not isinstance(pane, MachinePane):
            return
        failed = self._view_of(pane.machine).failed
        if failed is None:
            problem = self._problem_at(pane)
            if problem is not None:
                self._tell(problem)
            return
        from screens.dialogs.failure import FailureDialog

        def again(wanted: bool | None) -> None:
            if wanted:
                self.action_retry()

        self.app.push_screen(FailureDialog(pane.machine, failed, can_retry=self._can_retry), again)

    def action_retry(self) -> None:
        """A new run."""
        if self._on_retry is not None:
            self._on_retry(self.deployment)

    def action_stop(self) -> None:
        """Asks, then lets the run end its steps and begin nothing new."""
        from screens.dialogs.confirm import ConfirmDialog

        def told(there: bool) -> None:
            self._asked_to_stop = there
            self.notify("The steps under way end first." if there else "Nothing runs there any more.", title="Stopping")

        def sure(wanted: bool | None) -> None:
            if wanted:
                self.attempt(lambda: self.yard.backend.stop(self.folder), told)

        detail = "The steps under way end first; what is finished stays. The same command goes on from there later."
        question = f"Stop the {self.job} of {self.deployment}?"
        self.app.push_screen(ConfirmDialog(question, yes="Stop it", no="Let it run", detail=detail), sure)

    def action_detach(self) -> None:
        """Leaves; the run goes on."""
        self.farewell = _DETACHED.format(job=self.job, name=self.deployment)
        self._go(0)

    def action_close(self) -> None:
        """Leaves; the run has ended, or it is only replayed."""
        snapshot = self.snapshot
        if snapshot is not None and self.live:
            now = self._clock.now()
            self.farewell, _ = sentence(snapshot, now, self.job, self.deployment, self.url, stopping=False)
        self._go((snapshot.exit_code or 0) if snapshot is not None and self.live else 0)

    def action_finish(self) -> None:
        """Leaves."""
        self.action_close()

    def _go(self, code: int) -> None:
        self._feed.stop()
        if self._on_closed is not None:
            self._on_closed(code, self.farewell)
        elif len(self.app.screen_stack) > 2:
            if self.farewell:
                self.app.notify(self.farewell, markup=False)
            self.leave(code)
        else:
            self.app.exit(code, message=Text(self.farewell) if self.farewell else None)

    # what is where --------------------------------------------------------------------------------------------------

    def _pane_of(self, name: str) -> MachinePane:
        return next((pane for pane in self.grid.panes if pane.machine == name), self.cloud)

    def _view_of(self, name: str) -> MachineView:
        assert self.snapshot is not None
        return next((view for view in self.snapshot.everywhere if view.name == name), self.snapshot.cloud)

    def _problem_at(self, pane: MachinePane) -> Problem | None:
        if self.snapshot is None:
            return None
        view = self._view_of(pane.machine)
        if view.failed is not None:
            return view.failed.problem
        over = self.snapshot.phase in (Phase.FAILED, Phase.INTERRUPTED)
        return self.snapshot.problem if over and view.state is not State.DONE else None

    def _tell(self, problem: Problem) -> None:
        self.show_problem(BuildyardError(problem.summary, detail=problem.detail, hint=problem.hint))
