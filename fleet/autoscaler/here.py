"""Speaks with a program on this machine as :meth:`recipes.ssh.Link.talk` does with one on another."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import threading
from collections.abc import Callable

from recipes.channel import CHUNK, POLL_S, Lines
from state.errors import MachineError, Stopped

#: A program that was told to end (its standard input did) is waited for so long, then killed.
GRACE_S = 2.0
LAST_ERRORS = 8_192
#: Bytes of one line; a program that writes more is broken.
LINE_LIMIT = 4_194_304


def talk_here(
    argv: tuple[str, ...],
    on_line: Callable[[bytes], None],
    *,
    take: Callable[[], bytes],
    cancel: threading.Event,
) -> tuple[int, bytes]:
    """Runs the program and speaks with it while it runs; whatever ends this function ends the program too.

    Args:
        argv: the program; it must end when its standard input does.
        on_line: is given each line of its standard output as it comes, without its line end.
        take: asked every now and then for what is sent next, b"" for nothing; what it raises ends the talk.
        cancel: when set, the program is ended.

    Returns:
        Exit code and the end of its standard error.

    Raises:
        MachineError: it cannot be started, or writes without end.
        Stopped: by ``cancel``.
    """
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
    except OSError as error:
        raise MachineError(f"{argv[0]} cannot be started here.", detail=str(error)) from error
    assert process.stdin
    assert process.stdout
    assert process.stderr
    lines, errors = Lines(on_line), bytearray()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            while selector.get_map():
                if cancel.is_set():
                    raise Stopped(f"Stopped during {argv[0]} here.")
                if data := take():
                    with contextlib.suppress(BrokenPipeError):  # it has ended; what it printed says why
                        process.stdin.write(data)
                for key, _ in selector.select(POLL_S):
                    received = os.read(key.fd, CHUNK)
                    if not received:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is process.stderr:
                        errors.extend(received)
                        del errors[:-LAST_ERRORS]
                    elif lines.feed(received) > LINE_LIMIT:
                        raise MachineError(f"{argv[0]} wrote a line of more than {LINE_LIMIT} bytes; it was ended.")
        return process.wait(GRACE_S), bytes(errors)
    except subprocess.TimeoutExpired:
        return -1, bytes(errors)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """No process and no open file is left of it."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.close()
    # what it still wants to write must not hold it
    process.stdout.close()
    process.stderr.close()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
