"""Commands in processes of their own which need not load the program again: one that has loaded it forks for each.

A command of a few milliseconds otherwise waits most of a second for its imports. What such a process gets is what a
new one would get: its words, environment, files and way to end are its own. Who asks about the start of Python itself
(encodings, what is loaded) starts a real one.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: What most commands load in the end.
LOADED = (
    "buildyard.cli",
    "buildyard.conversation",
    "buildyard.jobs",
    "buildyard.program",
    "buildyard.vendor_cloud",
    "fleet.autoscaler.simulate",
    "httpx",
    "keyring",
    "providers.digitalocean.driver",
    "wizard.questions",
)
_LARGEST_REQUEST_BYTES = 65536


def run(*words: str, environment: dict[str, str], timeout_s: float = 60) -> subprocess.CompletedProcess[bytes]:
    """``python -m buildyard`` with these words, nobody at its terminal.

    Raises:
        subprocess.TimeoutExpired: it did not end in time; it is killed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        code = _forking().run({"words": words, "environment": environment}, output.fileno(), errors.fileno(), timeout_s)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(words, code, output.read(), errors.read())


class _Forking:
    """The process that has loaded the program."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, "-m", "tests.forked", str(theirs.fileno())]
            # Python asks for its encoding once.
            environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
            self._process = subprocess.Popen(
                argv, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )

    def run(self, request: dict[str, object], output: int, errors: int, timeout_s: float) -> int:
        socket.send_fds(self._ours, [json.dumps(request).encode()], [output, errors])
        self._ours.settimeout(60)
        pid = int(self._ours.recv(32))
        self._ours.settimeout(timeout_s)
        try:
            return int(self._ours.recv(32))
        except TimeoutError:
            os.kill(pid, 9)
            self._ours.settimeout(60)
            self._ours.recv(32)
            raise subprocess.TimeoutExpired(str(request["words"]), timeout_s) from None

    def end(self) -> None:
        self._ours.close()
        self._process.wait(30)


@functools.cache
def _forking() -> _Forking:
    one = _Forking()
    atexit.register(one.end)
    return one


def _serve(handle: int) -> None:
    """Forks for each request; comes back in the child, which is to run the program, or ends when nobody asks."""
    import gc
    import importlib

    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()
    asked = socket.socket(fileno=handle)
    while True:
        data, files, _flags, _address = socket.recv_fds(asked, _LARGEST_REQUEST_BYTES, 2)
        if not data:
            sys.exit(0)
        pid = os.fork()
        if not pid:
            asked.close()
            _become(json.loads(data), files)
            return
        for file in files:
            os.close(file)
        asked.send(str(pid).encode())
        _pid, status = os.waitpid(pid, 0)
        asked.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(request: dict[str, object], files: list[int]) -> None:
    """A process of these words, as a new one would be."""
    for file, number in zip(files, (1, 2), strict=True):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    sys.path[:] = [each for each in sys.path if each]
    sys.argv = [str(ROOT / "buildyard" / "__main__.py"), *request["words"]]  # type: ignore[misc]


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
    import runpy

    runpy.run_module("buildyard", run_name="__main__", alter_sys=True)
