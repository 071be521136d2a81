"""Commands, scripts, facts: quoting, input, output of any kind, time limits."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from recipes.steps import Command, Fact, Script
from state.errors import DeadlineExceeded, StepFailed
from state.events import Kind, StepStatus
from state.secret import Redactor, Secret
from tests.recipes.conftest import ME, Bench

NASTY = "a b 'c' \"d\" $(touch never) `id` \\ \n\t; rm -rf x & %s ü €"


def a_command(*apply: str, check: tuple[str, ...] = ("false",), **more: object) -> Command:
    return Command(label="c", apply=apply, check=check, user=ME, **more)  # type: ignore[arg-type]


def test_arguments_arrive_as_they_are(bench: Bench) -> None:
    path = str(bench.folder / "out")
    script = Script(
        label="s",
        check='test "$(cat "$2" 2>/dev/null)" = "$1"',
        apply='printf %s "$1" > "$2"',
        arguments=(NASTY, path),
        user=ME,
    )
    assert bench.run(script).count(StepStatus.CHANGED) == 1
    assert (bench.folder / "out").read_text() == NASTY
    assert bench.run(script).count(StepStatus.UNCHANGED) == 1
    command = a_command("sh", "-c", 'printf %s "$1" > "$2"', "x", NASTY, path + "2", check=("test", "-e", path + "2"))
    bench.run(command)
    assert (bench.folder / "out2").read_text() == NASTY


def test_input_is_given_and_a_child_that_does_not_read_it_blocks_nothing(bench: Bench) -> None:
    path = str(bench.folder / "out")
    big = "x" * 1_000_000
    bench.run(a_command("sh", "-c", f"cat > {path}", check=("test", "-s", path), stdin=Secret(big)))
    assert (bench.folder / "out").read_text() == big
    done = str(bench.folder / "done")
    bench.run(a_command("touch", done, check=("test", "-e", done), stdin=big))


def test_check_reads_its_own_input(bench: Bench) -> None:
    step = a_command("false", check=("grep", "-qx", "right"), check_stdin="right\n")
    assert bench.run(step).count(StepStatus.UNCHANGED) == 1


def test_a_step_whose_check_fails_after_it_says_so(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="its check still fails") as caught:
        bench.run(a_command("true", check=("sh", "-c", "echo not yet; exit 3")))
    assert "not yet" in caught.value.detail
    assert "ended with 3" in caught.value.detail


def test_a_failure_shows_the_last_twenty_lines(bench: Bench) -> None:
    with pytest.raises(StepFailed) as caught:
        bench.run(a_command("sh", "-c", "seq 1 100; echo oops >&2; exit 7"))
    assert caught.value.detail.splitlines() == ["ended with 7", *map(str, range(82, 101)), "oops"]
    assert "c (recipe test on web-1)" in caught.value.summary


def test_a_missing_program_and_a_signal_are_named(bench: Bench) -> None:
    with pytest.raises(StepFailed) as caught:
        bench.run(a_command("/no/such/program"))
    assert "No such file" in caught.value.detail
    with pytest.raises(StepFailed, match="signal 9"):
        bench.run(a_command("sh", "-c", "kill -9 $$"))


@pytest.mark.parametrize(
    "output",
    [
        "head -c 1000000 /dev/zero | tr '\\0' x; echo",
        "head -c 200000 /dev/urandom",
        'printf \'{"f": "end", "why": ""}\\n\'',
        "printf '\\033[2J\\033]0;title\\007plain\\r\\n'",
        "yes | head -n 200000",
        "echo stray >&2; echo stray",
    ],
    ids=["1 MB line", "binary", "looks like a frame", "escapes", "flood", "both streams"],
)
def test_hostile_output_harms_nothing(bench: Bench, output: str) -> None:
    done = str(bench.folder / "done")
    begun = time.monotonic()
    report = bench.run(a_command("sh", "-c", f"{output}; touch {done}", check=("test", "-e", done)))
    assert report.count(StepStatus.CHANGED) == 1
    lines = [event.text for event in bench.events if event.kind is Kind.OUTPUT]
    assert all(len(line) < 2_100 for line in lines)
    assert not any(character in line for line in lines for character in "\x1b\x07\r\x00")
    assert len(lines) < 50 + 500 * (time.monotonic() - begun), "at most about 400 lines a second"


def test_output_comes_while_the_command_runs(bench: Bench) -> None:
    done = bench.folder / "done"
    seen: list[bool] = []
    original = bench.events.append

    def look(event: object) -> None:
        original(event)  # type: ignore[arg-type]
        if getattr(event, "text", "") == "first":
            seen.append(done.exists())
            (bench.folder / "go").touch()

    bench.events = _Listening(look)  # type: ignore[assignment]
    waits = f"echo first; while [ ! -e {bench.folder}/go ]; do sleep 0.05; done; touch {done}"
    bench.run(a_command("sh", "-c", waits, check=("test", "-e", str(done))))
    assert seen == [False]


class _Listening(list[object]):
    def __init__(self, append: object) -> None:
        super().__init__()
        self.append = append  # type: ignore[method-assign,assignment]


def test_time_runs_out_and_the_whole_group_ends(bench: Bench) -> None:
    pid = bench.folder / "pid"
    script = f"sleep 300 & echo $! > {pid}; echo begun; wait"
    begun = time.monotonic()
    with pytest.raises(StepFailed, match=r"took longer than 0\.5 s") as caught:
        bench.run(a_command("sh", "-c", script, timeout_s=0.5))
    assert "begun" in caught.value.detail
    assert time.monotonic() - begun < 10
    stat = Path("/proc", pid.read_text().strip(), "stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_a_daemon_that_stays_behind_blocks_nothing(bench: Bench) -> None:
    done, pid = bench.folder / "done", bench.folder / "pid"
    begun = time.monotonic()
    bench.run(
        a_command("sh", "-c", f"setsid sleep 60 & echo $! > {pid}; touch {done}", check=("test", "-e", str(done)))
    )
    assert time.monotonic() - begun < 10
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_the_deadline_of_the_recipe_ends_it(bench: Bench) -> None:
    with pytest.raises((StepFailed, DeadlineExceeded)):
        bench.run(
            a_command("sleep", "300"),
            Command(label="d", apply=("true",), check=("false",), user=ME),
            deadline_s=1.0,
        )


def test_a_fact_comes_back_and_changes_nothing(bench: Bench) -> None:
    report = bench.run(Fact(label="greeting", command=("sh", "-c", "echo hello; echo noise >&2")))
    assert report.facts == {"greeting": "hello\n"}
    assert report.count(StepStatus.UNCHANGED) == 1


def test_secrets_that_a_command_prints_are_redacted(bench: Bench) -> None:
    secret = Secret("s3cr3t-of-the-shop")
    bench.redactor = Redactor([secret])
    with pytest.raises(StepFailed) as caught:
        bench.run(a_command("sh", "-c", "cat; exit 1", stdin=secret))
    told = caught.value.text() + repr(bench.events)
    assert "s3cr3t" not in told
    assert "•••" in told


def test_nothing_of_the_agents_environment_is_inherited(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "x")
    report = bench.run(Fact(label="e", command=("env",)))
    assert "PLANTED" not in report.facts["e"]
    assert "LANG=C.UTF-8" in report.facts["e"]
