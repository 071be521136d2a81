"""Keeps the recovery copy of one deployment while a run holds its lease, and says what another build machine left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from buildyard.program import Program
from fleet.deployment import Deployment
from fleet.recovery import RecoveryCopy, keep
from fleet.release import portable_answers, release_of
from recipes.context import Release
from state.answers import Answers, render
from state.errors import BuildyardError, StateError
from state.events import Event, Kind
from state.files import write_file
from state.lease import Lease
from state.paths import DeploymentPaths
from wizard.questions import all_questions


@dataclass(frozen=True)
class RecoveryCopies:
    """The copy of one deployment, kept by one run.

    Args:
        paths: its files here.
    """

    program: Program
    paths: DeploymentPaths
    deployment: Deployment

    def keep(self) -> None:
        """Takes over what another build machine made since, then brings the copy up to date.

        Raises:
            StateError: another build machine built it by other answers since; said once, then those here count.
            BuildyardError: the copy cannot be read or written.
        """
        answers = self._answers()
        other = keep(self.deployment, answers, self.paths)
        if other is not None:
            raise self._differs(other, answers)

    def keep_at_the_end(self, lease: Lease) -> None:
        """The same when the work is done: a copy that cannot be written fails nothing, but is told.

        Until the recovery key was shown once, each run ends with a word about it.
        """
        try:
            lease.ensure()
            self.keep()
        except BuildyardError as problem:
            self.deployment.emit(Event(Kind.NOTE, text=_not_kept(problem)))
        if not self.paths.recovery_key_shown.exists():
            name = self.paths.name
            text = (
                f"What this build machine knows of {name} is kept sealed in its state bucket too. Write down the key "
                "to it and keep it elsewhere; then a lost stick costs nothing: "
                f"buildyard recovery-key --deployment {name}"
            )
            self.deployment.emit(Event(Kind.NOTE, text=text))

    def keep_answers(self, tell: Callable[[str], None]) -> None:
        """For who changed an answer and builds nothing: what another build machine left waits for the next build."""
        try:
            keep(self.deployment, self._answers(), self.paths, take_over=False)
        except BuildyardError as problem:
            tell(_not_kept(problem))

    def _answers(self) -> Answers:
        """Those of now, as they hold on another build machine too."""
        found = self.program.answers(self.paths)
        return replace(found, values=portable_answers(self.deployment, found.values, self._release))

    @cached_property
    def _release(self) -> Release | None:
        """Found out once: a baseline is read from beginning to end for it."""
        return release_of(self.deployment)

    def _differs(self, other: RecoveryCopy, here: Answers) -> StateError:
        name, place = self.paths.name, self.paths.answers_elsewhere
        theirs = Answers(other.answers, here.lineage, max(other.serial, here.serial))
        write_file(place, render(theirs, all_questions()).encode())
        differing = sorted(
            key for key in {*other.answers, *here.values} if other.answers.get(key) != _plain(here.values.get(key))
        )
        return StateError(
            f"{name} was built by other answers since, on another build machine.",
            detail=f"They differ in: {', '.join(differing)}. Nothing was changed by this run.",
            hint=f"buildyard build --answers {place} takes those; repeating the command goes by the answers here",
        )


def _not_kept(problem: BuildyardError) -> str:
    return f"What is new here is not in the recovery copy yet; the next build tries again. {problem.summary}"


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
