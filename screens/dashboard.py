"""The deployments of this build machine: how each is, and what can be done with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static

from fleet.cost import is_free
from screens.backend import Card
from screens.deployment_actions import actions_of, runs_of
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.destroy import DestroyDialog
from screens.dialogs.login import LoginDialog
from screens.dialogs.menu import MenuDialog
from screens.logs import LogsPage
from screens.looking import Looking, Seen
from screens.page import Page
from screens.widgets.deployment_card import DeploymentCard, stand_of
from screens.widgets.deployment_list import DeploymentList
from screens.wording import counted
from state.errors import BuildyardError, PassphraseMissing
from state.runs import RunState

#: Goes to a run: (deployment, the run's folder, its job, whether it goes on now).
OnRun = Callable[[str, Path, str, bool], object]
_NOTHING = (
    "There is no deployment on this build machine yet.\n\n"
    "Press n to begin one. A few questions are asked; nothing is made before you have seen the plan and its price.\n"
    "To try it at no cost, choose the rehearsal: the whole deployment on this machine."
)

#: Why an action is not in a deployment's menu.
_NOT_HERE = {
    "attach": "No run goes on here.",
    "watch": "Only production mode has an autoscaler.",
}


class DashboardPage(Page):
    """The page to come back to.

    Args:
        on_new: begins a new deployment.
        on_change: asks the answers of a deployment, or goes on asking.
        on_run: see :data:`OnRun`.
        on_watch: shows the autoscaler of a deployment at work.
        now: seconds since the epoch.
        tick_s: how often it thinks about whose turn it is to be looked at.
    """

    NAME = "Deployments"
    HELP = (
        "Every deployment of this build machine and how it is. The highlighted one is shown in full below the list; "
        "enter has all that can be done with it, with the command that does the same. What is shown is looked at "
        "again every minute. Leaving never stops a run."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "menu",
            "Actions",
            tooltip="All that can be done with this deployment",
            key_display="⏎",
            priority=True,
        ),
        Binding("n", "new", "New", tooltip="Begin another deployment"),
        Binding("b", "do('build')", "Build", tooltip="Build this deployment, or mend it: what is right stays"),
        Binding("c", "do('change')", "Change", tooltip="Change this deployment's answers, or go on answering"),
        Binding("a", "do('attach')", "Watch the run", tooltip="Watch the run that goes on here", show=False),
        Binding("w", "do('watch')", "Watch", tooltip="Watch the autoscaler at work", show=False),
        Binding("v", "do('runs')", "Runs", tooltip="Earlier runs, to be played again"),
        Binding("l", "do('logs')", "Logs", tooltip="What this deployment's machines say, in one searchable list"),
        Binding("p", "do('login')", "Login", tooltip="How the site's administrator logs in", show=False),
        Binding("r", "do('look')", "Look", tooltip="Look at this deployment again now"),
        Binding("D", "do('destroy')", "Destroy", tooltip="Destroy this deployment; asks for its name", show=False),
        Binding("q", "leave", "Quit", tooltip="Leave; what runs goes on"),
    ]

    deployments = getters.query_one(DeploymentList)
    card = getters.query_one(DeploymentCard)

    def __init__(
        self,
        *,
        on_new: Callable[[], object],
        on_change: Callable[[str], object],
        on_run: OnRun,
        on_watch: Callable[[str], object],
        now: Callable[[], float] = time.time,
        tick_s: float = 5.0,
    ) -> None:
        super().__init__()
        self._on_new, self._on_change, self._on_run, self._on_watch = on_new, on_change, on_run, on_watch
        self._now, self._tick_s = now, tick_s
        self._looking = Looking()
        self._asking_cards = False
        self._is_empty = False  # as far as is known: the footer then does not grow under the user's eyes
        self._may_ask_passphrase = True

    def body(self) -> ComposeResult:
        with Vertical(id="dashboard"):
            yield DeploymentList()
            yield DeploymentCard()
        yield Static("Reading what is here…", id="dashboard-empty", markup=False)

    def on_mount(self) -> None:
        self.query_one("#dashboard").display = False
        self.set_interval(self._tick_s, self.tick)

    def on_screen_resume(self) -> None:
        # Painted first: looking loads the whole program.
        self.call_after_refresh(self.tick)

    # What is there

    def tick(self) -> None:
        """Reads what is here and looks at whose turn it is; nothing while another page is on top."""
        if self.yard.page is not self:
            return
        self._draw()
        self._begin_looks()
        if not self._asking_cards:
            self._asking_cards = True
            self.in_background(self.yard.backend.cards, self._cards_came, self._cards_failed)

    def _cards_came(self, cards: tuple[Card, ...]) -> None:
        self._asking_cards = False
        self._looking.cards_came(cards)
        self._is_empty = not cards
        self.refresh_bindings()
        self._show_there()
        self._draw()
        self._begin_looks()

    def _cards_failed(self, problem: BuildyardError) -> None:
        self._asking_cards = False
        if not self._looking.all:
            self.query_one("#dashboard-empty", Static).update(problem.text())

    def _show_there(self) -> None:
        there = bool(self._looking.all)
        self.query_one("#dashboard").display = there
        empty = self.query_one("#dashboard-empty", Static)
        empty.display = not there
        empty.update(_NOTHING)
        if there and self.focused is None:
            self.deployments.focus()

    # Looking

    def _begin_looks(self) -> None:
        for name in self._looking.turn(self.deployments.names_shown, self._now()):
            self._look(name)

    def _look(self, name: str) -> None:
        def ended(tell: Callable[[], None]) -> None:
            tell()
            self._draw()
            self._begin_looks()

        def failed(problem: BuildyardError) -> None:
            ended(lambda: self._looking.failed(name, problem, self._now()))
            if isinstance(problem, PassphraseMissing):
                self._ask_once(name, problem)

        self.in_background(
            lambda: self.yard.backend.status(name),
            lambda status: ended(lambda: self._looking.came(name, status, self._now())),
            failed,
        )
        self._draw()

    def _ask_once(self, name: str, problem: BuildyardError) -> None:
        """Asks for the passphrase, for all deployments at once; never again by itself, nor over another dialog."""
        if not self._may_ask_passphrase or self.app.screen is not self:
            return
        self._may_ask_passphrase = False

        def again() -> None:
            for seen in self._looking.all:
                if seen.locked:
                    self._looking.want(seen.card.name)
            self._begin_looks()

        # Given up, it stands beside the deployment; a dialog about it would only be one more thing to close.
        self.ask_passphrase(name, again, problem, lambda _: None)

    def _draw(self) -> None:
        now, all_seen = self._now(), self._looking.all
        self.deployments.show(all_seen, now)
        stands = [stand_of(seen, now).word for seen in all_seen]
        words = [counted(len(all_seen), "deployment")] if all_seen else []
        words += [f"{stands.count(word)} {word}" for word in ("not healthy", "unknown", "locked") if word in stands]
        self.heading.right = " · ".join(words)
        if self.chosen is not None:
            self.card.show(self.chosen, now)

    @property
    def chosen(self) -> Seen | None:
        """The highlighted deployment."""
        return self._looking.of(self.deployments.chosen)

    def on_option_list_option_highlighted(self, _event: OptionList.OptionHighlighted) -> None:
        if self.chosen is not None:
            self.card.show(self.chosen, self._now())
            self.card.scroll_home(animate=False)
            self._begin_looks()

    def on_option_list_option_selected(self, _event: OptionList.OptionSelected) -> None:
        """By mouse; enter comes as an action."""
        self.action_menu()

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's form
        """Without a deployment there is nothing to do with one."""
        return action not in ("menu", "do") or not self._is_empty

    def action_new(self) -> None:
        self._on_new()

    def action_leave(self) -> None:
        self.leave()

    def action_menu(self) -> None:
        """All actions of the highlighted deployment."""
        seen = self.chosen
        if seen is not None:
            self.app.push_screen(MenuDialog(seen.card.name, actions_of(seen)), self._chosen_in_menu)

    def _chosen_in_menu(self, action: str | None) -> None:
        if action is not None:
            self.action_do(action)

    def action_do(self, action: str) -> None:
        """One action of the highlighted deployment; says why when it cannot be done now."""
        seen = self.chosen
        if seen is None:
            return
        entry = next((entry for entry in actions_of(seen) if entry.id == action), None)
        why_not = _NOT_HERE.get(action, "That cannot be done here.") if entry is None else entry.why_not
        if why_not:
            self.notify(why_not, markup=False)
            return
        getattr(self, f"_do_{action}")(seen)

    def _do_build(self, seen: Seen) -> None:
        name = seen.card.name
        free = is_free(seen.card.provider)
        costs = "Here it costs nothing." if free else "Machines cost from the moment they are made."
        detail = (
            "What the answers say is made or mended; what is right already stays as it is. "
            f"{costs}\n\nTo see the plan and the price first: esc, then c."
        )
        dialog = ConfirmDialog(f"Build {name} now?", yes="Build", no="Not now", detail=detail)
        self.app.push_screen(dialog, lambda yes: self._start(name, "build") if yes else None)

    def _do_change(self, seen: Seen) -> None:
        self._on_change(seen.card.name)

    def _do_watch(self, seen: Seen) -> None:
        self._on_watch(seen.card.name)

    def _do_attach(self, seen: Seen) -> None:
        run = seen.running
        if run is not None:
            self._on_run(seen.card.name, run.folder, run.command, True)

    def _do_runs(self, seen: Seen) -> None:
        def chosen(run_id: str | None) -> None:
            run = next((run for run in seen.card.runs if run.id == run_id), None)
            if run is not None:
                self._on_run(seen.card.name, run.folder, run.command, run.state is RunState.RUNNING)

        self.app.push_screen(MenuDialog(f"Runs of {seen.card.name}", runs_of(seen, self._now())), chosen)

    def _do_logs(self, seen: Seen) -> None:
        machines = seen.status.machines if seen.status is not None else ()
        self.app.push_screen(LogsPage(seen.card.name, tuple(machine.name for machine in machines)))

    def _do_login(self, seen: Seen) -> None:
        name = seen.card.name
        self.attempt(
            lambda: self.yard.backend.login(name),
            lambda credentials: self.app.push_screen(LoginDialog(credentials)),
            secrets_of=name,
        )

    def _do_look(self, seen: Seen) -> None:
        self._may_ask_passphrase = True
        self._looking.want(seen.card.name)
        self._begin_looks()

    def _do_destroy(self, seen: Seen) -> None:
        name = seen.card.name
        self.app.push_screen(DestroyDialog(seen), lambda yes: self._start(name, "destroy") if yes else None)

    def _start(self, name: str, job: str) -> None:
        self.heading.right = f"starting to {job} {name}…"
        self.attempt(
            lambda: self.yard.backend.start(name, job),
            lambda folder: self._on_run(name, folder, job, True),
            self._start_failed,
            secrets_of=name,
        )

    def _start_failed(self, problem: BuildyardError) -> None:
        self._draw()
        self.show_problem(problem)
