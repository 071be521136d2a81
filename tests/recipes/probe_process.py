"""The program that looks at webservers, as a process of its own, spoken with by tests."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from recipes.prober import FILE
from recipes.texts import path_of
from state.clock import SystemClock, wait_until

PATIENCE_S = 30.0
HERE = (sys.executable, "-I", str(path_of(FILE)))


class Probe:
    """The program, spoken with as the autoscaler does.

    Args:
        settings: its first line.
        argv: how it is started, if not here.
    """

    patience_s = PATIENCE_S

    def __init__(
        self, settings: dict[str, Any], argv: tuple[str, ...] = HERE, env: dict[str, str] | None = None
    ) -> None:
        self.lines: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._write(settings)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def _write(self, line: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()

    def look_at(self, **targets: str) -> None:
        self._write({"targets": {name.replace("_", "-"): address for name, address in targets.items()}})

    def looks(self, machine: str) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line.get("machine") == machine and "outcome" in line]

    def loads(self, machine: str) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line.get("machine") == machine and "load" in line]

    def until(self, what: str, answer: Callable[[], Any]) -> Any:
        return wait_until(
            what, lambda: answer() or None, timeout_s=self.patience_s, clock=SystemClock(), first_s=0.02, longest_s=0.1
        )

    def first_look(self, machine: str) -> dict[str, Any]:
        look: dict[str, Any] = self.until(f"a look at {machine}", lambda: self.looks(machine))[0]
        return look

    def end(self) -> str:
        """Ends its input, waits; what it wrote to standard error."""
        assert self.process.stdin
        assert self.process.stderr
        assert self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
        self._reader.join(10)
        errors = self.process.stderr.read().decode()
        self.process.stderr.close()
        self.process.stdout.close()
        return errors
