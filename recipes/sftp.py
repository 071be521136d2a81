"""An SFTP session of a link."""

from __future__ import annotations

import time

import paramiko

from recipes.channel import ask
from state.errors import DeadlineExceeded, MachineError, Unreachable


class Sftp:
    """An SFTP session whose every failure is one of ours."""

    def __init__(self, machine: object, transport: paramiko.Transport, timeout_s: float, path: str) -> None:
        self._machine = machine
        self._transport = transport
        self._timeout_s = timeout_s
        self._path = path
        self._client: paramiko.SFTPClient | None = None

    def __enter__(self) -> paramiko.SFTPClient:
        end = time.monotonic() + self._timeout_s

        def go_on() -> None:
            if time.monotonic() >= end:
                raise self._late()

        try:
            self._client = ask(self._transport, self._begin, go_on)
        except TimeoutError as error:
            raise self._late() from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Unreachable(f"The connection to {self._machine} was lost.", detail=str(error)) from error
        return self._client

    def _begin(self, channel: paramiko.Channel) -> paramiko.SFTPClient:
        channel.settimeout(self._timeout_s)
        channel.invoke_subsystem("sftp")
        return paramiko.SFTPClient(channel)

    def _late(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"Waited {self._timeout_s:g} s for {self._path} on {self._machine}.")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        if self._client is not None:
            self._client.close()
        if isinstance(error, TimeoutError):
            raise self._late() from error
        if isinstance(error, OSError | paramiko.SSHException | EOFError):
            raise MachineError(f"{self._path} on {self._machine}: {error or 'failed'}") from error
