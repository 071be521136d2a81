"""Buildyard in a full screen: which page comes first, and how one leads to another."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from providers.names import REHEARSAL
from state.errors import BuildyardError
from state.paths import Home

if TYPE_CHECKING:
    from buildyard.backend import ProgramBackend
    from buildyard.program import Program
    from fleet.expected import Expected
    from screens.app import BuildyardApp
    from screens.page import Page

THEME = "theme"


def is_wanted(arguments: argparse.Namespace, environment: Mapping[str, str]) -> bool:
    """Whether there is a terminal that can hold a screen, and nobody asked for lines."""
    if arguments.plain or arguments.json or environment.get("TERM", "dumb") == "dumb":
        return False
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__))


class FullScreen:
    """One execution of the full-screen program.

    Args:
        environment: of the process.
        make_program: makes what does the work; called beside the first screen, not before it.
    """

    def __init__(self, environment: Mapping[str, str], make_program: Callable[[], Program]) -> None:
        from buildyard.backend import ProgramBackend

        self._environment = environment
        self._home = Home.from_environment(environment)
        self._backend: ProgramBackend = ProgramBackend(make_program)
        self._last_words = ""
        self._is_whole = False

    def everything(self) -> int:
        """The dashboard; first the wizard while there is no deployment yet."""
        self._is_whole = True
        return self._run(self._dashboard if self._home.deployments() else lambda: self._wizard(None))

    def ask(self, name: str | None) -> int:
        """The wizard; from its review a build may begin."""
        return self._run(lambda: self._wizard(name))

    def show(self, name: str, folder: Path, job: str, *, live: bool) -> int:
        """A run: one that goes on, or an earlier one again.

        Args:
            job: ``build`` or ``destroy``.
        """
        return self._run(lambda: self._build(name, folder, job, live=live))

    def watch(self, name: str) -> int:
        """The autoscaler of a deployment at work."""
        return self._run(lambda: self._watch(name))

    # pages ------------------------------------------------------------------------------------------------------

    def _dashboard(self) -> Page:
        from screens.dashboard import DashboardPage

        def open_run(name: str, folder: Path, job: str, live: bool) -> None:
            self._app.push_screen(self._build(name, folder, job, live=live))

        return DashboardPage(
            on_new=lambda: self._app.push_screen(self._wizard(None)),
            on_change=lambda name: self._app.push_screen(self._wizard(name)),
            on_run=open_run,
            on_watch=lambda name: self._app.push_screen(self._watch(name)),
        )

    def _watch(self, name: str) -> Page:
        from screens.watch import WatchPage

        place = str(self._backend.answers(name).get("provider.name", ""))
        return WatchPage(name, free=place == REHEARSAL)

    def _wizard(self, name: str | None) -> Page:
        from screens.wizard import WizardPage

        return WizardPage(name, on_build=self._start_build, on_leave=self._left_wizard)

    def _build(self, name: str, folder: Path, job: str, *, live: bool) -> Page:
        from screens.build import BuildPage

        def usual() -> Expected:
            from fleet.expected import expected

            return expected(self._backend.earlier_runs(name, folder))

        answers = self._backend.answers(name)
        domain, place = answers.get("site.domain"), str(answers.get("provider.name", ""))
        where = "on this machine" if place == REHEARSAL else f"on {place}"
        return BuildPage(
            name,
            folder,
            job,
            url=f"https://{domain}/" if domain else "",
            detail=f"{answers.get('mode', '')} · {where}",
            live=live,
            expected=usual,
            on_retry=self._start_build,
            on_closed=self._leave,
        )

    # from one to the other --------------------------------------------------------------------------------------

    def _start_build(self, name: str) -> None:
        page = self._app.page
        assert page is not None
        page.attempt(
            lambda: self._backend.start(name, "build"),
            lambda folder: self._app.switch_screen(self._build(name, folder, "build", live=True)),
            secrets_of=name,
        )

    def _left_wizard(self, name: str) -> None:
        self._leave(0, f"What you answered is kept. Next: buildyard new{f' --deployment {name}' if name else ''}")

    def _leave(self, code: int, last_words: str) -> None:
        """Back to the dashboard, where there is one to go to; else the program ends."""
        page = self._app.page
        assert page is not None
        is_last = len(self._app.screen_stack) <= 2  # below any page lies Textual's own empty screen
        if is_last and self._is_whole and self._home.deployments():
            self._app.switch_screen(self._dashboard())
            return
        if is_last:
            self._last_words = last_words
        page.leave(code)

    # the program ------------------------------------------------------------------------------------------------

    def _run(self, first: Callable[[], Page]) -> int:
        from screens.app import BuildyardApp
        from screens.look import look_of

        kept = self._home.root / THEME
        theme = ""
        with suppress(OSError, UnicodeDecodeError):
            theme = kept.read_text(encoding="ascii").strip()
        self._app: BuildyardApp = BuildyardApp(
            self._backend,
            (first,),
            look=look_of(self._environment, getattr(sys.__stderr__, "encoding", None), theme),
            tell_fault=self._keep_fault,
            keep_theme=lambda name: _keep(kept, name),
        )
        code = self._app.run()
        if self._app.return_code:
            return self._app.return_code
        if self._last_words:
            print(self._last_words)
        return code or 0

    def _keep_fault(self, fault: BaseException) -> Path | None:
        from time import time

        from buildyard.faults import keep_fault

        try:
            redact: Callable[[str], str] = self._backend.program.redact
        except BuildyardError:
            redact = str
        return keep_fault(self._home.root / "faults", redact, fault, time())


def _keep(path: Path, name: str) -> None:
    from state.files import make_private_folder, write_file

    with suppress(BuildyardError):
        make_private_folder(path.parent)
        write_file(path, name.encode())
