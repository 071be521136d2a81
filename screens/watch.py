"""The live view of the autoscaler: what it sees, what it decides and why, and what its owner may want of it.

The journal is followed on a thread (:class:`fleet.autoscaler.heard.Heard`); one timer brings what came to the screen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from fleet.autoscaler import wishes
from fleet.autoscaler.asked import Asked, ask, serving_webserver
from fleet.autoscaler.heard import Heard
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.watch_rows import Known, Row, rows
from fleet.autoscaler.watched import Watched
from fleet.autoscaler.wishes import Wish
from recipes.context import Role
from screens import charts
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.scale import ScaleDialog
from screens.page import Page
from screens.watch_words import (
    TREND,
    WIDE,
    detail_row,
    dns_row,
    heading_words,
    rule,
    status_row,
    table_rows,
    told_rows,
)
from screens.widgets.rows_view import ChoosingRows, RowsView, ScrollingRows
from state.errors import BuildyardError, UsageError

#: Figures come every ten seconds, decisions every second: more often an eye does not need it.
DRAWN_PER_S = 4
#: Record, prices and DNS are asked for again after so long; and at once when the journal names an unknown machine.
KNOWN_S = 30.0
LEAST_KNOWN_S = 5.0
#: A change of the policy is in the leader's decisions after so long.
OBEYED_S = 10.0
#: What charts show, in minutes.
MINUTES = (30, 60, 10)


def local_time(at: float) -> str:
    """``12:04:10``, as the clock on the wall says."""
    return time.strftime("%H:%M:%S", time.localtime(at))


class WatchPage(Page):
    """Watches the autoscaler of one deployment.

    Args:
        name: the deployment's.
        free: machines cost nothing there.
        on_closed: called when the page is to be left; by default the page before is shown, or the program ends.
        now: seconds since the epoch.
        time_of: a moment as a person reads it.
    """

    NAME = "The autoscaler at work"
    HELP = (
        "What the leading autoscaler sees and decides, as it happens: over one SSH connection to it, and to the next "
        "one when it dies. Arrows choose a machine; the answer time is that of the chosen webserver, else of the "
        "slowest. In the right chart █ are webservers there are, ┄ such as are wanted and not there yet, ░ more than "
        "are wanted; ▲ below it marks when something was done. Decisions say what is done (▶), what is held back and "
        "why (…), and why so many are wanted (=). A change changes only the policy in the state bucket: the "
        "autoscaler obeys within seconds, whether this view is open or not."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "scale(1)", "More", tooltip="Want more webservers as a rule", key_display="+"),
        Binding("minus", "scale(-1)", "Fewer", show=False, tooltip="Want fewer webservers as a rule", key_display="-"),
        Binding("space", "pause", "Pause", tooltip="Let the autoscaler decide, and do nothing of it"),
        Binding("space", "resume", "Resume", tooltip="Let the autoscaler act again"),
        Binding("p", "protect", "Protect", tooltip="Never end the chosen webserver, or let it be like the others"),
        Binding("r", "replace", "Replace", tooltip="Another webserver takes the place of the chosen one"),
        Binding("d", "drain", "Drain", tooltip="Keep the chosen webserver without visitors, or let it be as before"),
        Binding("t", "time", "Time", show=False, tooltip="Charts of 10, 30 or 60 minutes"),
        Binding("escape,q", "close", "Close", tooltip="Leave; the autoscaler goes on", key_display="esc"),
    ]

    status = getters.query_one("#watch-status", RowsView)
    machines = getters.query_one("#watch-machines", ChoosingRows)
    detail = getters.query_one("#watch-detail", RowsView)
    dns = getters.query_one("#watch-dns", RowsView)
    answers = getters.query_one("#watch-answers", RowsView)
    counts = getters.query_one("#watch-counts", RowsView)
    told = getters.query_one("#watch-told", ScrollingRows)

    def __init__(
        self,
        name: str,
        *,
        free: bool = False,
        on_closed: Callable[[int, str], None] | None = None,
        now: Callable[[], float] = time.time,
        time_of: Callable[[float], str] = local_time,
    ) -> None:
        super().__init__()
        self.deployment = name
        self.heard = Heard()
        self.watched = Watched()
        self._free, self._on_closed, self._now, self._time_of = free, on_closed, now, time_of
        self._stop = threading.Event()
        self._known = Known()
        self._known_at = 0.0
        self._asking = False
        self._known_problem = ""
        self._wished: tuple[float, ScalingPolicy] | None = None
        self._drawn: tuple[object, ...] = ()
        self._minutes = MINUTES[0]
        self._rows: tuple[Row, ...] = ()
        self._was_paused = False

    def body(self) -> ComposeResult:
        with Vertical(id="watch-body"):
            with Vertical(id="watch-left"):
                yield RowsView(id="watch-status")
                yield ChoosingRows(id="watch-machines")
                yield RowsView(id="watch-detail")
                yield RowsView(id="watch-dns")
                with Horizontal(id="watch-charts"):
                    yield RowsView(id="watch-answers")
                    yield RowsView(id="watch-counts")
            yield ScrollingRows(heads=1, id="watch-told")

    def on_mount(self) -> None:
        self.heading.left = f"Watch · {self.deployment}"
        self.machines.focus()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._draw()
        self._ask(self._follow)
        self.set_interval(1 / DRAWN_PER_S, self._draw)

    def on_unmount(self) -> None:
        self._stop.set()

    def _follow(self) -> None:
        backend, name, heard, stop = self.yard.backend, self.deployment, self.heard, self._stop
        self.in_background(lambda: backend.follow(name, heard, stop), lambda _: None, self.show_problem)

    # what record and provider say -------------------------------------------------------------------------------

    def _ask(self, then: Callable[[], object] = lambda: None) -> None:
        self._asking = True

        def came(known: Known) -> None:
            self._answered("")
            self._known = known
            self._drawn = ()
            then()

        def failed(problem: BuildyardError) -> None:
            self._answered(problem.summary)
            if not self._rows:  # nothing can be watched
                self.show_problem(problem)

        name = self.deployment
        first = not self._known_at
        if first:
            self.attempt(lambda: self.yard.backend.known_of(name), came, failed, secrets_of=name)
        else:
            # By itself no page asks for a passphrase.
            self.in_background(lambda: self.yard.backend.known_of(name), came, failed)

    def _answered(self, problem: str) -> None:
        self._asking = False
        self._known_at = self._now()
        self._known_problem = problem

    def _ask_again(self, now: float) -> None:
        if self._asking or not self._known_at:
            return
        record = self._known.record
        unknown = any(not row.address for row in self._rows) or record is None
        if now - self._known_at >= (LEAST_KNOWN_S if unknown else KNOWN_S):
            self._ask()

    # drawing ----------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        """Brings to the screen what came since, and ages once a second."""
        news = self.heard.news()
        now = self._now()
        drawn = (int(now), self.size, self.machines.chosen, self._minutes)
        if news is None and drawn == self._drawn:
            return
        self._drawn = drawn
        self.watched = watched = self._with_policy(news or self.watched, now)
        self._rows = rows(watched, self._known)
        self._draw_machines(watched, now)
        self._draw_charts(watched, now)
        self.status.show([status_row(watched, self.heard.connection, now, self.status.size.width)])
        width = self.told.size.width
        told = told_rows(watched.told, self._time_of, width)
        self.told.show([rule("Decisions", width), *told])
        self.heading.right = self._known_problem or heading_words(
            self._rows, self._known.certificate_days, free=self._free
        )
        if watched.paused != self._was_paused:
            self._was_paused = watched.paused
            self.refresh_bindings()
        self._ask_again(now)

    def _with_policy(self, watched: Watched, now: float) -> Watched:
        """A change made here counts until the leader's own decisions show what it obeys."""
        if self._wished is None:
            return watched
        at, policy = self._wished
        decision = watched.decision
        if now - at > OBEYED_S and decision is not None and decision.until > at + OBEYED_S:
            self._wished = None
            return watched
        return replace(watched, policy=policy)

    def _draw_machines(self, watched: Watched, now: float) -> None:
        width = self.machines.size.width
        self._fit_machines()
        trends = {}
        if width >= WIDE:
            span = charts.Span(now, self._minutes * 60.0, TREND)
            figures = {name: charts.largest(points, span) for name, points in watched.answers.items()}
            top = charts.nice_top(value for values in figures.values() for value in values)
            trends = {name: charts.spark(values, top) for name, values in figures.items()}
        head, table = table_rows(self._rows, trends, now, width, free=self._free)
        self.machines.show_named(head, [row.name for row in self._rows], table)
        chosen = next((row for row in self._rows if row.name == self.machines.chosen), None)
        self.detail.show([detail_row(chosen, self.detail.size.width)])
        self.dns.show([dns_row(self._known.dns, self._rows, self.dns.size.width)])

    def _fit_machines(self) -> None:
        """As many rows as there are machines, but never more than leave room for charts and decisions."""
        height = self.size.height
        share = height - 24 if self.has_class("-very-wide") else height * 2 // 5 if height >= 32 else height // 3
        wanted = min(len(self._rows) + 1, max(5, share))
        if self.machines.styles.height is None or self.machines.styles.height.value != wanted:
            self.machines.styles.height = wanted

    def _draw_charts(self, watched: Watched, now: float) -> None:
        chosen = self.machines.chosen if self.machines.chosen in watched.answers else ""
        answers, counts = self.answers, self.counts
        width, height = answers.size
        span = charts.Span(now, self._minutes * 60.0, max(1, width - charts.SCALE))
        series = [watched.answers[chosen]] if chosen else list(watched.answers.values())
        columns = [charts.largest(points, span) for points in series]
        values = [
            max((value for value in column if value is not None), default=None) for column in zip(*columns, strict=True)
        ]
        known = [value for value in values if value is not None]
        title = f"Answer ms, {self._minutes} min"
        newest = f"{chosen or 'slowest'} {known[-1]:.0f}, worst {max(known):.0f}" if known else "not known yet"
        body = max(1, height - 2)
        drawn = charts.answer_chart(values or [None] * span.columns, charts.nice_top(values), body)
        answers.show([rule(title, width, newest), *drawn, charts.axis((), span)])

        width, height = counts.size
        span = replace(span, columns=max(1, width - charts.SCALE))
        acted = [one.at for one in watched.told if one.acts]
        words = f"{watched.there} there, {watched.sample.wanted} wanted" if watched.sampled_at else ""
        counts.show(
            [
                rule(f"Webservers, {self._minutes} min", width, words),
                *charts.count_chart(charts.latest(watched.counts, span), max(1, height - 2)),
                charts.axis(acted, span),
            ]
        )

    def on_choosing_rows_chosen(self) -> None:
        """The chart and the sentence are about the chosen machine."""
        self._draw()
        self.refresh_bindings()

    # what the person does ---------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Pause or resume, whichever changes something."""
        if action in ("pause", "resume"):
            return self._was_paused == (action == "resume")
        return super().check_action(action, parameters)

    def action_scale(self, step: int) -> None:
        """Another number of webservers as a rule."""
        policy = self.watched.policy
        if policy is None:
            self.notify("The scaling policy is not known yet.", markup=False)
            return

        def chosen(number: int | None) -> None:
            if number is not None:
                self._wish(wishes.scale(number))

        self.app.push_screen(ScaleDialog(self.deployment, policy, policy.target + step), chosen)

    def action_pause(self) -> None:
        """Decisions are made and told, none is carried out."""
        self._confirm(wishes.pause(), "Pause")

    def action_resume(self) -> None:
        """Decisions are carried out again."""
        self._confirm(wishes.resume(), "Resume")

    def action_protect(self) -> None:
        """The chosen webserver is never ended, or may be ended again."""
        row = self._chosen_webserver()
        if row is None:
            return
        if row.protected:
            self._confirm(wishes.unprotect(row.name), "Protect no longer")
        else:
            self._confirm(wishes.protect(row.name), "Protect")

    def action_replace(self) -> None:
        """Another one takes the place of the chosen webserver."""
        if row := self._chosen_webserver():
            self._confirm_for_one(row, wishes.another, "Replace")

    def action_drain(self) -> None:
        """The chosen webserver stays without visitors, or is like the others again."""
        row = self._chosen_webserver()
        if row is None:
            return
        if row.drained:
            self._confirm(wishes.undrain(row.name), "Drain no longer")
        else:
            self._confirm_for_one(row, wishes.drain, "Drain")

    def _chosen_webserver(self) -> Row | None:
        row = next((row for row in self._rows if row.name == self.machines.chosen), None)
        if row is not None and row.role == Role.WEBSERVER.value:
            return row
        self.notify("Only webservers are ended by decisions: choose one with the arrows.", markup=False)
        return None

    def _confirm_for_one(self, row: Row, wish: Callable[[Asked], Wish], yes: str) -> None:
        """Asks it for that very machine: another one may have its name one day."""
        try:
            machine = serving_webserver(self._known.record, row.name)
        except UsageError as problem:
            self.show_problem(problem)
        else:
            self._confirm(wish(ask(machine, self._now())), yes)

    def action_time(self) -> None:
        """Charts of another length."""
        self._minutes = MINUTES[(MINUTES.index(self._minutes) + 1) % len(MINUTES)]
        self._draw()

    def action_close(self) -> None:
        """Leaves; the autoscaler does not notice."""
        self._stop.set()
        if self._on_closed is not None:
            self._on_closed(0, "")
        else:
            self.leave()

    def _confirm(self, wish: Wish, yes: str) -> None:
        detail = f"{wish.means}\n\nthe same: {wish.command(self.deployment)}"
        dialog = ConfirmDialog(wish.question, yes=yes, no="Leave it", detail=detail)
        self.app.push_screen(dialog, lambda sure: self._wish(wish) if sure else None)

    def _wish(self, wish: Wish) -> None:
        def changed(policy: ScalingPolicy) -> None:
            self._wished = (self._now(), policy)
            self._drawn = ()
            self.notify(wish.done, title=wish.command(self.deployment), markup=False)
            self._draw()

        name = self.deployment
        self.attempt(lambda: self.yard.backend.change_policy(name, wish), changed, secrets_of=name)
