"""The runner: a process of its own that owns a run. Closing the terminal that started it does not stop it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from state.clock import Clock
from state.files import file_error, make_private_folder
from state.journal import new_run_id, read_runner
from state.paths import DeploymentPaths
from state.secret import Secret

#: What the runner prints (its own faults; everything else goes to the journal).
LOG = "runner.log"


@dataclass(frozen=True, slots=True)
class Runner:
    """A run that was started here.

    Attributes:
        folder: of the run; its journal is in it.
        process: the runner's.
    """

    folder: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Asks it to stop: it ends the step it is in, begins nothing new and says so in its journal.

        One that has not begun yet ends at once; it has done nothing.
        """
        self.process.terminate()

    def is_alive(self) -> bool:
        """Whether it still lives, known from its first moment on, long before it can say so itself."""
        return self.process.poll() is None


def start(
    paths: DeploymentPaths,
    words: Sequence[str],
    passphrase: Secret | None,
    clock: Clock,
    environment: Mapping[str, str],
) -> Runner:
    """Starts a run in a session and a folder of its own.

    Args:
        paths: of the deployment.
        words: what the run is told (``["--command", "build"]``); no secret among them.
        passphrase: of the secrets' file, handed over through a pipe; None when there is none.
        environment: the runner's; paths in it are absolute.

    Raises:
        StateError: it could not be started.
    """
    run_id = new_run_id(clock.now())
    folder = make_private_folder(paths.run(run_id))
    command = [sys.executable, "-P", "-m", "buildyard", "run-detached", "--deployment", paths.name, "--run", run_id]
    try:
        with (folder / LOG).open("wb") as log:
            process = subprocess.Popen(
                [*command, *words],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env=dict(environment),
                start_new_session=True,
            )
    except OSError as error:
        raise file_error(folder / LOG, "write", error) from error
    assert process.stdin is not None
    # One that ended at once is known by its process: it was stopped (Ctrl-C reaches it before it has a session of its
    # own), or its last words say why.
    with suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(json.dumps({"passphrase": passphrase.reveal() if passphrase else ""}).encode())
    return Runner(folder, process)


def stop(folder: Path) -> bool:
    """Asks the runner of a run that another process began to stop; False when none runs there (any more)."""
    identity = read_runner(folder)
    if identity is None or not identity.is_alive():
        return False
    os.kill(identity.pid, signal.SIGTERM)
    return True


def last_words(folder: Path, lines: int = 20) -> str:
    """The end of what the runner printed; "" when it printed nothing."""
    try:
        return "\n".join((folder / LOG).read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
