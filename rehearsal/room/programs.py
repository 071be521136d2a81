"""Running the system's own programs: one way, always with a deadline, never through a shell's eyes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from state.errors import MachineError

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
"""What programs of ours see of the caller's environment: nothing."""


def run(argv: Sequence[str], *, stdin: str = "", timeout_s: float = 60, cwd: str | os.PathLike[str] = "/") -> str:
    """Runs a program and returns what it wrote to standard output.

    Raises:
        MachineError: it failed, is missing, or did not end in time; the detail holds the end of its error output.
    """
    done = attempt(argv, stdin=stdin, timeout_s=timeout_s, cwd=cwd)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise MachineError(f"`{' '.join(argv[:6])}` ended with {done.returncode}.", detail=said)
    return done.stdout


def attempt(
    argv: Sequence[str], *, stdin: str = "", timeout_s: float = 60, cwd: str | os.PathLike[str] = "/"
) -> subprocess.CompletedProcess[str]:
    """Like :func:`run`, but a program that fails is an answer, not an error."""
    try:
        return subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=ENVIRONMENT,
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as missing:
        raise MachineError(f"The program `{argv[0]}` is not installed.", hint="./start installs it") from missing
    except subprocess.TimeoutExpired as late:
        raise MachineError(f"`{' '.join(argv[:6])}` did not end within {timeout_s:g} s.") from late
