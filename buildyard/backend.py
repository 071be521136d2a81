"""The program behind the screens: what :class:`screens.backend.Backend` asks for, done by the collaborators.

Nothing heavy is imported before it is asked for something: the first screen is painted meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from state.errors import BuildyardError, PassphraseMissing, SecretsError
from state.secret import Secret

if TYPE_CHECKING:
    from buildyard.program import Program
    from fleet.autoscaler.following import Hears
    from fleet.autoscaler.policy import ScalingPolicy
    from fleet.autoscaler.watch_rows import Known
    from fleet.autoscaler.wishes import Wish
    from fleet.deployment import Deployment
    from fleet.runner import Runner
    from fleet.status import Status
    from screens.backend import Card, Say, Talk

#: How many earlier runs a deployment shows.
RUNS = 20
#: As many lines as a person looks through.
LOG_LINES = 2000


class ProgramBackend:
    """See the protocol for what each method is for.

    Args:
        make_program: called once, with the first question.
    """

    def __init__(self, make_program: Callable[[], Program]) -> None:
        self._make = make_program
        self._program: Program | None = None
        self._lock = threading.Lock()
        self._started: dict[Path, Runner] = {}

    @property
    def program(self) -> Program:
        """The program, made when it is first needed."""
        with self._lock:
            if self._program is None:
                self._program = self._make()
            return self._program

    def cards(self) -> tuple[Card, ...]:
        from screens.backend import Card
        from state.answers import load
        from state.runs import runs
        from wizard.keeper import is_complete
        from wizard.questions import all_questions

        found = []
        for paths in self.program.home.deployments():
            values = {}
            with suppress(BuildyardError):
                answers = load(paths.answers, all_questions())
                values = dict(answers.values) if answers is not None else {}
            domain = values.get("site.domain")
            found.append(
                Card(
                    name=paths.name,
                    url=f"https://{domain}/" if domain else "",
                    provider=str(values.get("provider.name", "")),
                    mode=str(values.get("mode", "")),
                    complete=is_complete(paths, all_questions()),
                    built=paths.fleet_record.exists(),
                    runs=runs(paths)[::-1][:RUNS],
                )
            )
        return tuple(found)

    def talk(self, name: str | None, say: Say) -> Talk:
        from buildyard.conversation import begin
        from screens.backend import Talk

        with self._secrets_told():
            begun = begin(self.program, name, say, may_ask=False)
        keeper, conversation = begun.keeper, begun.conversation
        return Talk(
            conversation=conversation,
            name=lambda: keeper.paths.name if keeper.paths is not None else "",
            exists=begun.exists,
            plan=begun.plan,
            notes=begun.notes,
        )

    def status(self, name: str) -> Status:
        from fleet.status import look_at

        with self._opened(name) as deployment:
            return look_at(deployment)

    def start(self, name: str, job: str) -> Path:
        from buildyard.running import start_run

        with self._secrets_told():
            started = start_run(self.program, self.program.paths(name), ("--job", job), may_ask=False)
        self._started[started.folder] = started
        return started.folder

    def stop(self, folder: Path) -> bool:
        from fleet import runner

        started = self._started.get(folder)
        if started is None:
            return runner.stop(folder)
        alive = started.is_alive()
        started.stop()
        return alive

    def run_folder(self, name: str, run_id: str = "") -> Path:
        from state import runs

        return runs.run(self.program.paths(name), run_id).folder

    def answers(self, name: str) -> Mapping[str, Any]:
        """The answers of a deployment, none when they cannot be read."""
        with suppress(BuildyardError):
            return self.program.answers(self.program.home.deployment(name)).values
        return {}

    def earlier_runs(self, name: str, before: Path) -> tuple[Path, ...]:
        """Folders of the runs before one, newest last."""
        from state.runs import runs

        paths = self.program.home.deployment(name)
        return tuple(each.folder for each in runs(paths) if each.folder.name < before.name)

    def logs(self, name: str, machine: str, lines: int) -> tuple[str, ...]:
        from buildyard.login import command_on
        from state.printable import printable

        words = ["sudo", "-n", "journalctl", "--no-pager", "-o", "short-iso", "-n", str(min(lines, LOG_LINES))]
        with self._opened(name) as deployment:
            answer = command_on(deployment, machine, words)
        text = answer.stdout.decode(errors="replace") + answer.stderr.decode(errors="replace")
        return tuple(self.program.redact(printable(text)).splitlines())

    def login(self, name: str) -> Mapping[str, Any]:
        from recipes.wordpress import ADMIN_PASSWORD

        with self._opened(name) as deployment:
            return {
                "url": f"{deployment.settings.url}wp-login.php",
                "user": str(deployment.settings.answers["application.admin_user"]),
                "password": deployment.known_secret(ADMIN_PASSWORD.name),
            }

    def known_of(self, name: str) -> Known:
        from buildyard.autoscaled import known

        with self._opened(name) as deployment:
            return known(deployment)

    def follow(self, name: str, hears: Hears, stop: threading.Event) -> None:
        from buildyard.autoscaled import follow_leader

        with self._opened(name) as deployment:
            follow_leader(deployment, hears, stop)

    def change_policy(self, name: str, wish: Wish) -> ScalingPolicy:
        from buildyard.autoscaled import change

        with self._opened(name) as deployment:
            return change(deployment, wish)

    def unlock(self, passphrase: Secret) -> None:
        self.program.redact.add(passphrase)
        self.program.passphrase = passphrase

    def has_secrets(self, name: str) -> bool:
        with suppress(BuildyardError):
            return bool(name) and self.program.home.deployment(name).encrypted_secrets.exists()
        return False

    @contextmanager
    def _opened(self, name: str) -> Iterator[Deployment]:
        with self._secrets_told():
            deployment = self.program.open_built(self.program.paths(name), may_ask=False)
        try:
            yield deployment
        finally:
            deployment.access.provider.close()

    @contextmanager
    def _secrets_told(self) -> Iterator[None]:
        """A passphrase that turned out wrong is forgotten, so that it is asked for again."""
        try:
            yield
        except PassphraseMissing:
            raise
        except SecretsError as wrong:
            if self.program.passphrase is None:
                raise
            self.program.passphrase = None
            raise PassphraseMissing(wrong.summary, detail=wrong.detail, hint=wrong.hint) from wrong
