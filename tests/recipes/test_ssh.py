"""Links over a real sshd: pinned keys, quoting, big data, cancel, deadlines, a channel that is cut."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from recipes.compiler import compile_recipe
from recipes.keys import make_ssh_key
from recipes.run import run_recipe
from recipes.ssh import Address, Link, open_link, wait_for_ssh
from recipes.steps import Recipe, Script
from state.clock import SystemClock, wait_until
from state.errors import DeadlineExceeded, HostKeyMismatch, MachineError, SecretsError, Stopped, Unreachable
from state.events import Event, Kind, StepStatus
from state.secret import Redactor, Secret
from tests.recipes.conftest import ME, Sshd

NASTY = ("a b", "'", '"', "$(id)", "`id`", "\\", "line\nline", "", "*", "~", "--", "ü€", "; exit 3")


@pytest.fixture
def link(sshd: Sshd) -> Iterator[Link]:
    with open_link(sshd.address, sshd.key) as opened:
        yield opened


def test_arguments_arrive_as_they_are(link: Link) -> None:
    done = link.run(["printf", "%s\\0", *NASTY], timeout_s=10)
    assert done.stdout.decode().split("\0")[:-1] == list(NASTY)


def test_exit_code_and_both_streams_come_back(link: Link) -> None:
    done = link.run(["sh", "-c", "echo out; echo err >&2; exit 7"], timeout_s=10)
    assert (done.exit_code, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_input_and_output_larger_than_every_window(link: Link) -> None:
    data = os.urandom(5_000_000)
    assert link.run(["cat"], timeout_s=60, stdin=data).stdout == data
    assert link.run(["true"], timeout_s=60, stdin=data).exit_code == 0


def test_a_secret_is_given_on_standard_input(link: Link) -> None:
    assert link.run(["cat"], timeout_s=10, stdin=Secret("hush hush")).stdout == b"hush hush"


def test_a_command_that_takes_too_long_is_left(link: Link) -> None:
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"Waited 0\.5 s for sleep"):
        link.run(["sleep", "60"], timeout_s=0.5)
    assert time.monotonic() - begun < 5
    assert link.alive


def test_a_user_who_stops_is_heard_at_once(link: Link) -> None:
    cancel = threading.Event()
    timer = threading.Timer(0.3, cancel.set)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(Stopped):
        link.run(["sleep", "60"], timeout_s=60, cancel=cancel)
    assert time.monotonic() - begun < 5
    timer.join()


@pytest.fixture
def hung(link: Link) -> Iterator[Link]:
    """A connection whose sshd hangs: its kernel takes what is sent, nobody answers."""
    session = int(link.run(["sh", "-c", "echo $PPID"], timeout_s=10).stdout)
    os.kill(session, signal.SIGSTOP)
    try:
        yield link
    finally:
        os.kill(session, signal.SIGCONT)


@pytest.mark.parametrize(
    "ask",
    [
        lambda link: link.run(["true"], timeout_s=0.5),
        lambda link: link.get("/etc/hostname", timeout_s=0.5),
        lambda link: link.put(b"", "/dev/null", timeout_s=0.5),
    ],
)
def test_a_machine_whose_sshd_hangs_is_left_at_the_deadline(hung: Link, ask: Callable[[Link], object]) -> None:
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"Waited 0\.5 s for"):
        ask(hung)
    assert time.monotonic() - begun < 5


def test_a_user_who_stops_is_heard_while_a_machines_sshd_hangs(hung: Link) -> None:
    cancel = threading.Event()
    timer = threading.Timer(0.3, cancel.set)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(Stopped):
        hung.run(["true"], timeout_s=60, cancel=cancel)
    assert time.monotonic() - begun < 5
    timer.join()


def test_files_travel_whole(link: Link, tmp_path: Path) -> None:
    target = tmp_path / "a 'file'"
    data = os.urandom(300_000)
    link.put(data, str(target), mode=0o600)
    assert target.read_bytes() == data
    assert target.stat().st_mode & 0o777 == 0o600
    link.put(target, str(tmp_path / "copy"))
    assert link.get(str(tmp_path / "copy")) == data
    with pytest.raises(MachineError, match="No such file"):
        link.get(str(tmp_path / "nothing"))
    with pytest.raises(MachineError):
        link.put(b"", str(tmp_path / "no" / "folder"))


def test_ipv6(sshd: Sshd) -> None:
    with open_link(replace(sshd.address, host="::1"), sshd.key) as link:
        assert link.run(["echo", "hi"], timeout_s=10).stdout == b"hi\n"


def test_several_links_in_threads(sshd: Sshd) -> None:
    def one(number: int) -> bytes:
        with open_link(sshd.address, sshd.key) as link:
            return link.run(["echo", str(number)], timeout_s=20).stdout

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(one, range(6))) == [b"%d\n" % number for number in range(6)]


def test_a_wrong_host_key_is_refused_before_anything_of_ours_is_sent(sshd: Sshd) -> None:
    seen = len(sshd.log.read_text())
    with pytest.raises(HostKeyMismatch) as caught:
        open_link(replace(sshd.address, host_key=sshd.other_host_key), sshd.key)
    assert "Nothing was sent" in caught.value.summary
    assert caught.value.detail.count("SHA256:") == 2
    with open_link(sshd.address, sshd.key):
        pass
    log = sshd.log.read_text()[seen:]
    assert log.count("Accepted publickey") == 1, "only the second contact got as far as a login"
    assert "Failed" not in log
    wrong = replace(sshd.address, host_key=sshd.other_host_key)
    with pytest.raises(HostKeyMismatch):
        wait_for_ssh(wrong, sshd.key, timeout_s=60, clock=SystemClock())


def test_another_kind_of_host_key_is_no_way_around(sshd: Sshd, tmp_path: Path) -> None:
    """The pinned key is ed25519; a server that has only an RSA key must not pass as unknown."""
    import subprocess

    key = tmp_path / "rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(key)], check=True)
    config = tmp_path / "config"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config.write_text(f"Port {port}\nListenAddress 127.0.0.1\nHostKey {key}\nPidFile none\nUsePAM no\n")
    server = ["/usr/sbin/sshd", "-D", "-f", str(config), "-E", str(tmp_path / "log")]
    with subprocess.Popen(server) as process:
        try:
            with pytest.raises(HostKeyMismatch):
                wait_for_ssh(replace(sshd.address, port=port), sshd.key, timeout_s=20, clock=SystemClock())
        finally:
            process.terminate()


def test_what_cannot_be_reached_says_why(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    nobody = Address("127.0.0.1", free, ME, sshd.address.host_key)
    with pytest.raises(Unreachable) as refused:
        open_link(nobody, sshd.key)
    assert "refused" in refused.value.detail
    assert "buildyard allow" in refused.value.hint
    with pytest.raises(Unreachable, match="does not accept our key"):
        open_link(sshd.address, make_ssh_key("stranger")[0])
    with pytest.raises(DeadlineExceeded, match=r"Waited 0\.5 s for SSH") as late:
        wait_for_ssh(nobody, sshd.key, timeout_s=0.5, clock=SystemClock())
    assert "refused" in late.value.detail
    with pytest.raises(SecretsError) as broken:
        open_link(sshd.address, Secret("no key at all"))
    assert "no key at all" not in broken.value.text()
    with pytest.raises(MachineError, match="no OpenSSH public key"):
        open_link(replace(sshd.address, host_key="rubbish"), sshd.key)


def test_a_server_that_says_nothing_does_not_hold_us(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = replace(sshd.address, port=silent.getsockname()[1])
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            open_link(address, sshd.key, timeout_s=1.0)
        assert time.monotonic() - begun < 5


def test_waiting_ends_when_the_machine_answers(sshd: Sshd) -> None:
    """Refused at first, then a real sshd behind the same port (a relay that starts late)."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ready, done = threading.Event(), threading.Event()

    def serve(near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", sshd.address.port)) as far:
            back = threading.Thread(target=_pump, args=(far, near))
            back.start()
            _pump(near, far)
            back.join(10)

    def relay() -> None:
        ready.wait(10)
        with socket.create_server(("127.0.0.1", port)) as server:
            server.settimeout(0.2)
            while not done.is_set():  # a busy machine may need more than one attempt
                try:
                    near, _ = server.accept()
                except TimeoutError:
                    continue
                near.settimeout(None)
                threading.Thread(target=serve, args=(near,)).start()

    thread = threading.Thread(target=relay)
    thread.start()
    threading.Timer(0.5, ready.set).start()
    link = wait_for_ssh(replace(sshd.address, port=port), sshd.key, timeout_s=20, clock=SystemClock())
    assert link.run(["echo", "up"], timeout_s=10).stdout == b"up\n"
    link.close()
    done.set()
    thread.join(10)
    assert not thread.is_alive()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):  # after a reset too: else the other direction waits for ever
        target.shutdown(socket.SHUT_WR)


def test_no_settings_of_the_user_are_read(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  ProxyCommand false\n  User somebody-else\n")
    (tmp_path / ".fabric.yaml").write_text("user: somebody-else\nconnect_kwargs: {key_filename: /nowhere}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with open_link(sshd.address, sshd.key) as link:
        assert link.run(["id", "-un"], timeout_s=10).stdout.decode().strip() == ME


def a_slow_script(folder: Path) -> Script:
    return Script(
        label="slow",
        check='test -e "$1/done"',
        apply='echo begun; touch "$1/begun"; while [ ! -e "$1/go" ]; do sleep 0.02; done; touch "$1/done"',
        arguments=(str(folder),),
        user=ME,
    )


def visitors_of(sshd: Sshd) -> list[str]:
    """Connections that sshd still has: established, or left by the other side (proc(5), tcp_states.h)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f":{sshd.address.port:04X}"
    return [row[2] for row in rows if row[1].endswith(port) and row[3] in ("01", "08")]


@pytest.mark.parametrize("way", ["cancel", "cut"])
def test_stopped_in_the_middle_the_machine_ends_its_step_and_no_more(
    sshd: Sshd, link: Link, tmp_path: Path, way: str
) -> None:
    """The user stops, or the connection dies; afterwards the same recipe goes on and settles."""
    after = Script(
        label="next", check='test -e "$1/next"', apply='touch "$1/next"', arguments=(str(tmp_path),), user=ME
    )
    recipe = Recipe("r", (a_slow_script(tmp_path), after))
    cancel = threading.Event()
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        if event.kind is Kind.OUTPUT:
            if way == "cancel":
                cancel.set()
            else:
                transport = link._connection.transport
                assert transport is not None
                transport.sock.shutdown(socket.SHUT_RDWR)  # closed alone, it lives on in the thread that reads it

    def run(one: Link, stop: threading.Event) -> int:
        options = {"machine": "m", "redact": Redactor(), "deadline_s": 30.0, "folder": str(tmp_path / "state")}
        return run_recipe(one, recipe, emit=emit, cancel=stop, **options).count(StepStatus.UNCHANGED)  # type: ignore[arg-type]

    with pytest.raises(Stopped if way == "cancel" else Unreachable):
        run(link, cancel)
    if way == "cut":
        wait_until("sshd to notice", lambda: not visitors_of(sshd), timeout_s=20, clock=SystemClock())
    (tmp_path / "go").touch()
    wait_until("the step to end", (tmp_path / "done").exists, timeout_s=20, clock=SystemClock())
    cancel.clear()
    way = "cancel"
    with open_link(sshd.address, sshd.key) as again:
        assert run(again, threading.Event()) == 1, "the slow step is done, the next one was not begun"
        assert run(again, threading.Event()) == 2


def test_a_machine_that_is_no_machine_is_an_error_that_helps(sshd: Sshd, link: Link) -> None:
    """A user without sudo (here: a user name that sends the command through sudo, which refuses or is missing)."""
    stranger = Link(replace(link.address, user="not-root"), link._connection)
    program = compile_recipe(
        Recipe("r", (Script(label="s", check="true", apply="true", user=ME),)), folder="/nonexistent"
    )
    done = stranger.run_agent(program, lambda _line: None, timeout_s=20, cancel=threading.Event())
    assert done.exit_code != -1


def test_a_machine_that_sends_without_end_is_left(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipes.ssh.OUTPUT_LIMIT", 1_000_000)
    with pytest.raises(MachineError, match="sent more than"):
        link.run(["yes"], timeout_s=30)
    assert link.run(["echo", "still here"], timeout_s=10).stdout == b"still here\n"
