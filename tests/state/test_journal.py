"""The journal: survives kills and torn lines, tells no secret, is followed to its end and never beyond."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from state.clock import SystemClock
from state.errors import StateError, UsageError
from state.events import Event, Kind
from state.journal import ASIDE, JOURNAL, Journal, follow, new_run_id, read, read_runner, write_runner
from state.paths import DeploymentPaths
from state.process import ProcessIdentity
from state.runs import RunState, interrupted, medians_s, run, runs
from state.secret import Redactor, Secret

SECRET = Secret("correct horse/battery+staple")


@pytest.fixture
def paths(tmp_path: Path) -> DeploymentPaths:
    return DeploymentPaths("shop", tmp_path / "deployments" / "shop").create()


def in_another_process(folder: Path, last: str) -> subprocess.Popen[bytes]:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from state.events import Event, Kind\n"
        "from state.journal import Journal, write_runner\n"
        "from state.process import ProcessIdentity\n"
        "from state.secret import Redactor\n"
        "folder = Path(sys.argv[1])\n"
        "write_runner(folder, ProcessIdentity.of_this_process())\n"
        "journal = Journal(folder, Redactor())\n"
        "journal.emit(Event(Kind.RUN_STARTED, data={'command': 'build'}))\n"
        "print('started', flush=True)\n"
        "sys.stdin.readline()\n"
        "journal.emit(Event(Kind.NOTE, text='the last word'))\n"
    ) + last
    return subprocess.Popen([sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_secret_in_any_form_and_place_is_dots(paths: DeploymentPaths) -> None:
    folder = paths.run("r")
    text = SECRET.reveal()
    with Journal(folder, Redactor([SECRET])) as journal:
        journal.emit(
            Event(
                Kind.STEP_FINISHED,
                text=f"password={text}",
                machine=text,
                data={
                    text: 1,
                    "diff": ["a", {"b": base64.b64encode(text.encode()).decode()}],
                    "secret": SECRET,
                    "path": Path(f"/{text}"),
                },
            )
        )
    written = (folder / JOURNAL).read_text()
    assert "correct" not in written
    assert base64.b64encode(text.encode()).decode() not in written
    assert written.count("•••") >= 5
    assert (folder / JOURNAL).stat().st_mode & 0o777 == 0o600


def test_many_threads_write_whole_lines(paths: DeploymentPaths) -> None:
    folder = paths.run("r")
    with Journal(folder, Redactor()) as journal:

        def write(name: str) -> None:
            for number in range(200):
                journal.emit(Event(Kind.OUTPUT, text=f"{number} " + "x" * 500, machine=name))

        threads = [threading.Thread(target=write, args=(f"ws-{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = list(read(folder))
    assert len(events) == 800
    mine = [int(event.text.split()[0]) for event in events if event.machine == "ws-2"]
    assert mine == list(range(200)), "the order of each machine is kept"


def test_a_torn_line_is_passed_over_and_does_not_swallow_the_next(paths: DeploymentPaths) -> None:
    folder = paths.run("r")
    with Journal(folder, Redactor()) as journal:
        journal.emit(Event(Kind.NOTE, text="one"))
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"at":1,"kind":"no')
    with Journal(folder, Redactor()) as journal:
        journal.emit(Event(Kind.NOTE, text="two"))
    assert [event.text for event in read(folder)] == ["one", "two"]


def test_a_full_disk_is_said_and_what_was_written_stays(paths: DeploymentPaths, monkeypatch) -> None:
    folder = paths.run("r")
    with Journal(folder, Redactor()) as journal:
        journal.emit(Event(Kind.NOTE, text="one"))
        write, written = os.write, []

        def full(file: int, data: bytes) -> int:
            if written:
                raise OSError(28, "No space left on device")
            written.append(write(file, data[:10]))  # the kernel takes what still fits
            return written[0]

        with monkeypatch.context() as patched:
            patched.setattr("os.write", full)
            with pytest.raises(StateError, match="No space left"):
                journal.emit(Event(Kind.NOTE, text="two"))
        journal.emit(Event(Kind.NOTE, text="three"))
    assert [event.text for event in read(folder)] == ["one", "three"]


def test_following_ends_with_the_run(paths: DeploymentPaths) -> None:
    folder = paths.run("r")
    last = "journal.emit(Event(Kind.RUN_FINISHED, data={'ok': True}))\nsys.stdin.readline()\n"
    process = in_another_process(folder, last)
    assert process.stdin is not None
    events = follow(folder, threading.Event(), SystemClock())
    assert next(events).kind is Kind.RUN_STARTED
    assert run(paths).state is RunState.RUNNING
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert [event.kind for event in events] == [Kind.NOTE, Kind.RUN_FINISHED]
    process.communicate(b"\n", timeout=30)
    assert run(paths, "r").state is RunState.DONE


def test_following_a_killed_run_shows_its_last_word_and_ends(paths: DeploymentPaths) -> None:
    folder = paths.run("r")
    process = in_another_process(folder, "os.kill(os.getpid(), signal.SIGKILL)\n")
    assert process.stdin is not None
    events = follow(folder, threading.Event(), SystemClock())
    assert next(events).kind is Kind.RUN_STARTED
    process.stdin.write(b"\n")
    process.stdin.flush()
    # Nobody has waited for the dead process yet: a zombie counts as dead.
    assert [event.text for event in events] == ["the last word"]
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert [each.id for each in interrupted(paths)] == ["r"]


def test_a_pid_used_again_or_of_another_boot_is_not_the_runner(paths: DeploymentPaths) -> None:
    folder = paths.run("r")
    me = ProcessIdentity.of_this_process()
    for other in (
        ProcessIdentity(me.pid, me.started_at - 1, me.boot_id, me.pid_namespace),
        ProcessIdentity(me.pid, me.started_at, "another", me.pid_namespace),
        ProcessIdentity(me.pid, me.started_at, me.boot_id, me.pid_namespace + 1),
    ):
        write_runner(folder, other)
        assert read_runner(folder) == other
        assert run(paths).state is RunState.INTERRUPTED
        assert list(follow(folder, threading.Event(), SystemClock())) == []
    write_runner(folder, me)
    assert run(paths).state is RunState.RUNNING


def test_a_run_that_is_just_beginning_is_not_taken_for_an_interrupted_one(paths: DeploymentPaths) -> None:
    folder = paths.run("r")
    folder.mkdir()
    assert run(paths).state is RunState.RUNNING
    os.utime(folder, (1, 1))
    assert run(paths).state is RunState.INTERRUPTED


def test_a_runner_that_died_before_it_began_is_not_waited_for(paths: DeploymentPaths) -> None:
    folder = paths.run("r")
    folder.mkdir()
    clock = SystemClock()
    began = clock.monotonic()
    assert list(follow(folder, threading.Event(), clock, lambda: False)) == []
    assert clock.monotonic() - began < 5


def test_following_stops_when_told(paths: DeploymentPaths) -> None:
    folder = paths.run("r")
    write_runner(folder, ProcessIdentity.of_this_process())
    stop = threading.Event()
    with Journal(folder, Redactor()) as journal:
        journal.emit(Event(Kind.NOTE, text="one"))
        for event in follow(folder, stop, SystemClock()):
            assert event.text == "one"
            stop.set()


def test_runs_are_found_by_the_beginning_of_their_id(paths: DeploymentPaths) -> None:
    for run_id, ok in (("20260101-000000-aaaaaa", True), ("20260102-000000-bbbbbb", False)):
        with Journal(paths.run(run_id), Redactor()) as journal:
            journal.emit(Event(Kind.RUN_STARTED, data={"command": "build"}))
            journal.emit(Event(Kind.RUN_FINISHED, data={"ok": ok}))
    assert [each.state for each in runs(paths)] == [RunState.DONE, RunState.FAILED]
    assert run(paths).id.endswith("bbbbbb")
    assert run(paths, "20260101").command == "build"
    with pytest.raises(UsageError, match="2 runs named 2026"):
        run(paths, "2026")
    with pytest.raises(UsageError, match="no run named x"):
        run(paths, "x")
    assert new_run_id(0).startswith("19700101-000000-")


def test_medians_say_how_long_a_recipe_takes() -> None:
    def journal(seconds: float, status: str = "changed") -> list[Event]:
        words = {"machine": "ws-1", "recipe": "base"}
        return [
            Event(Kind.STEP_STARTED, step="a", at=10.0, **words),
            Event(Kind.STEP_FINISHED, step="a", data={"status": status, "ms": 1}, at=11.0, **words),
            Event(Kind.STEP_FINISHED, step="b", data={"status": status, "ms": 1}, at=10.0 + seconds, **words),
        ]

    assert medians_s([journal(4), journal(8), journal(6), journal(100, "failed")]) == {"base": 6.0}


def test_lines_are_json_that_other_programs_can_read(paths: DeploymentPaths) -> None:
    folder = paths.run("r")
    with Journal(folder, Redactor()) as journal:
        journal.emit(Event(Kind.OUTPUT, text="ü\n\r\u2028\ud800", machine="ws-1", at=1.5))
    assert json.loads((folder / JOURNAL).read_bytes()) == {
        "at": 1.5,
        "kind": "output",
        "text": "ü\n\r\u2028?",
        "machine": "ws-1",
    }


def test_a_journal_without_an_end_is_put_aside_when_it_is_large(tmp_path: Path) -> None:
    with Journal(tmp_path, Redactor(), largest_bytes=2000) as journal:
        for number in range(100):
            journal.emit(Event(Kind.NOTE, f"{number} {'x' * 50}"))
    kept = [event.text.split()[0] for event in read(tmp_path)]
    before = (tmp_path / ASIDE).read_bytes().splitlines()
    assert (tmp_path / JOURNAL).stat().st_size <= 2200
    assert len(before) > 10, "what was written last is still there"
    assert kept in ([], [str(number) for number in range(100 - len(kept), 100)]), "no line was lost at the change"
    first = int(kept[0]) if kept else 100
    assert json.loads(before[-1])["text"].startswith(f"{first - 1} ")
    assert (tmp_path / JOURNAL).stat().st_mode & 0o777 == 0o600
