"""What every page has: a heading, a footer with its keys, help and palette made from the same bindings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.screen import Screen

from screens.background import Receives
from screens.widgets.heading import Heading
from screens.widgets.key_footer import KeyFooter
from state.errors import BuildyardError, PassphraseMissing

if TYPE_CHECKING:
    from screens.app import BuildyardApp

T = TypeVar("T")


class Page(Screen[None], Receives):
    """A whole screen.

    Attributes:
        NAME: what the page is called in help.
        HELP: sentences for a person who sees it for the first time.
    """

    NAME: ClassVar[str] = ""
    HELP: ClassVar[str] = ""

    heading = getters.query_one(Heading)

    @property
    def yard(self) -> BuildyardApp:
        """The program this page belongs to."""
        from screens.app import BuildyardApp

        assert isinstance(self.app, BuildyardApp)
        return self.app

    def compose(self) -> ComposeResult:
        yield Heading()
        yield from self.body()
        yield KeyFooter(show_command_palette=False, compact=True)

    def body(self) -> ComposeResult:
        """Everything between heading and footer."""
        raise NotImplementedError

    def actions(self) -> tuple[ActiveBinding, ...]:
        """What can be done here now, once each, for help and palette: every binding that says what it is for."""
        seen: dict[str, ActiveBinding] = {}
        for active in self.active_bindings.values():
            binding = active.binding
            if binding.tooltip and active.enabled and not binding.system:
                seen.setdefault(binding.action, active)
        return tuple(seen.values())

    def help_for_focus(self) -> str:
        """More for help about what is focused now, such as why a choice is not offered; "" when there is none."""
        return ""

    def attempt(
        self,
        work: Callable[[], T],
        then: Callable[[T], Any],
        failed: Callable[[BuildyardError], Any] | None = None,
        *,
        secrets_of: str = "",
    ) -> None:
        """Work in the background; asks for the passphrase when it is needed and tries again.

        Args:
            work: see :meth:`Receives.in_background`.
            then: hears the result.
            failed: hears the error; by default a dialog shows it.
            secrets_of: the deployment whose secrets are opened.
        """
        show = failed or self.show_problem

        def again() -> None:
            self.attempt(work, then, failed, secrets_of=secrets_of)

        def went_wrong(problem: BuildyardError) -> None:
            if isinstance(problem, PassphraseMissing):
                self.ask_passphrase(secrets_of, again, problem, failed)
            else:
                show(problem)

        self.in_background(work, then, went_wrong)

    def show_problem(self, problem: BuildyardError) -> None:
        """What happened, why, what next: over the page, until it is closed."""
        from screens.dialogs.problem import ProblemDialog

        self.app.push_screen(ProblemDialog(problem))

    def ask_passphrase(
        self,
        name: str,
        again: Callable[[], Any],
        problem: BuildyardError,
        failed: Callable[[BuildyardError], Any] | None = None,
    ) -> None:
        """Asks for the passphrase, tells the program, then ``again``; without one ``failed`` hears the problem."""
        from screens.dialogs.passphrase import PassphraseDialog
        from state.secret import Secret

        def told(passphrase: Secret | None) -> None:
            if passphrase is None:
                (failed or self.show_problem)(problem)
                return
            self.yard.backend.unlock(passphrase)
            again()

        self.app.push_screen(PassphraseDialog(is_new=not self.yard.backend.has_secrets(name)), told)

    def leave(self, code: int = 0) -> None:
        """Back to the page before; the program ends with that exit code when there is none."""
        if len(self.app.screen_stack) > 2:
            self.app.pop_screen()
        else:
            self.app.exit(code)


def keys_of(actions: Iterable[ActiveBinding]) -> tuple[tuple[str, str, str], ...]:
    """(key, word, what it is for) of bindings, as help shows them."""
    return tuple(
        (active.node.app.get_key_display(active.binding), active.binding.description, active.binding.tooltip)
        for active in actions
    )
