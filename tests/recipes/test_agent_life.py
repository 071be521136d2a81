"""What survives a run that is cut off: debts, the lock, whole steps."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import zlib
from pathlib import Path

import pytest

from recipes.compiler import Program, compile_recipe
from recipes.steps import Command, File, Recipe, Script, Step
from state.clock import SystemClock, wait_until
from state.errors import MachineError, StepFailed
from state.events import Kind, StepStatus
from tests.recipes.conftest import ME, MY_GROUP, Bench


def config(bench: Bench, content: str) -> File:
    return File(label="config", path=str(bench.folder / "config"), content=content, owner=ME, group=MY_GROUP)


def reload(bench: Bench) -> Script:
    """Counts how often it ran; fails while a file "broken" is there."""
    return Script(
        label="reload",
        apply='if [ -e "$1/broken" ]; then exit 1; fi; echo x >> "$1/reloads"',
        arguments=(str(bench.folder),),
        when_changed=("config",),
        user=ME,
    )


def reloads(bench: Bench) -> int:
    path = bench.folder / "reloads"
    return len(path.read_text().split()) if path.exists() else 0


def test_a_change_is_noticed_once(bench: Bench) -> None:
    report = bench.run(config(bench, "1"), reload(bench))
    assert [result.status for result in report.results] == [StepStatus.CHANGED, StepStatus.CHANGED]
    assert reloads(bench) == 1
    assert bench.run(config(bench, "1"), reload(bench)).count(StepStatus.UNCHANGED) == 2
    report = bench.run(config(bench, "2"), reload(bench), check_only=True)
    assert report.count(StepStatus.WOULD_CHANGE) == 2
    assert reloads(bench) == 1


def test_a_debt_is_paid_by_the_next_run(bench: Bench) -> None:
    (bench.folder / "broken").touch()
    with pytest.raises(StepFailed, match="reload"):
        bench.run(config(bench, "1"), reload(bench))
    (bench.folder / "broken").unlink()
    report = bench.run(config(bench, "1"), reload(bench), check_only=True)
    assert [result.status for result in report.results] == [StepStatus.UNCHANGED, StepStatus.WOULD_CHANGE]
    report = bench.run(config(bench, "1"), reload(bench))
    assert [result.status for result in report.results] == [StepStatus.UNCHANGED, StepStatus.CHANGED]
    assert reloads(bench) == 1
    assert bench.run(config(bench, "1"), reload(bench)).count(StepStatus.UNCHANGED) == 2


def program(bench: Bench, *steps: Step, lock_s: float = 30.0) -> Program:
    return compile_recipe(Recipe("test", steps), folder=bench.state, lock_s=lock_s, deadline_s=60)


def slow(bench: Bench) -> Script:
    return Script(
        label="slow",
        check='test -e "$1/slow-done"',
        apply='touch "$1/slow-begun"; while [ ! -e "$1/go" ]; do sleep 0.02; done; touch "$1/slow-done"',
        arguments=(str(bench.folder),),
        user=ME,
    )


def never(bench: Bench) -> Script:
    return Script(label="next", check="false", apply='touch "$1/next"', arguments=(str(bench.folder),), user=ME)


def wait_for(what: str, path: Path) -> None:
    wait_until(what, path.exists, timeout_s=20, clock=SystemClock(), first_s=0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    process.wait(20)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def test_a_killed_agent_leaves_the_debt_on_disk(bench: Bench) -> None:
    """The change is made, the agent dies before the step that must notice: the next run pays."""
    process = bench.link.start(program(bench, config(bench, "1"), slow(bench), reload(bench)))
    wait_for("the slow step", bench.folder / "slow-begun")
    process.kill()
    end(process)
    (bench.folder / "go").touch()
    wait_for("the orphan to end", bench.folder / "slow-done")
    report = bench.run(config(bench, "1"), slow(bench), reload(bench))
    assert [result.status.value for result in report.results] == ["unchanged", "unchanged", "changed"]
    assert reloads(bench) == 1


def test_when_the_build_machine_goes_the_step_is_finished_and_no_other_begun(bench: Bench) -> None:
    process = bench.link.start(program(bench, slow(bench), never(bench)))
    wait_for("the slow step", bench.folder / "slow-begun")
    assert process.stdin
    assert process.stdout
    process.stdin.close()
    process.stdout.close()  # both, as when the channel closes
    (bench.folder / "go").touch()
    end(process)
    assert (bench.folder / "slow-done").exists()
    assert not (bench.folder / "next").exists()


def test_a_build_machine_that_reads_nothing_does_not_hold_the_agent_for_ever(bench: Bench) -> None:
    """Its pipe fills up: after STALL_S the agent ends (shortened here in the program's own text)."""
    done = bench.folder / "flooded"
    noisy = Script(
        label="noisy",
        check="false",
        apply='yes | head -c 3000000; sleep 0.3; yes | head -c 3000000; touch "$1"',
        arguments=(str(done),),
        user=ME,
    )
    steps = [
        noisy,
        *(
            Command(label=f"c{i}", apply=("true",), check=("sh", "-c", "yes | head -c 9000; false"), user=ME)
            for i in range(9)
        ),
    ]
    packed = program(bench, *steps)
    length = int.from_bytes(packed.data[:4], "big")
    source = zlib.decompress(packed.data[4 : 4 + length]).decode().replace("STALL_S = 30.0", "STALL_S = 0.5")
    short = zlib.compress(source.encode())
    data = len(short).to_bytes(4, "big") + short + packed.data[4 + length :]
    process = bench.link.start(Program(packed.recipe, packed.labels, data))
    process.wait(30)
    end(process)


def test_one_agent_at_a_time_and_the_second_says_who_holds_it(bench: Bench) -> None:
    first = bench.link.start(program(bench, slow(bench)))
    wait_for("the slow step", bench.folder / "slow-begun")
    second = Bench(bench.folder)
    process = second.link.start(program(bench, never(bench), lock_s=0.3))
    out, _ = process.communicate(timeout=20)
    assert b"another run holds this machine: recipe test, process" in out
    assert not (bench.folder / "next").exists()
    (bench.folder / "go").touch()
    assert first.stdin
    first.wait(20)
    end(first)


def test_the_second_waits_for_the_first_and_tells(bench: Bench) -> None:
    first = bench.link.start(program(bench, slow(bench)))
    wait_for("the slow step", bench.folder / "slow-begun")
    second = Bench(bench.folder)

    def tell(event: object) -> None:
        if getattr(event, "kind", None) is Kind.NOTE:
            (bench.folder / "go").touch()

    second.events = _Told(tell)  # type: ignore[assignment]
    assert second.run(slow(bench)).count(StepStatus.UNCHANGED) == 1
    first.wait(20)
    end(first)


class _Told(list[object]):
    def __init__(self, tell: object) -> None:
        super().__init__()
        self.append = tell  # type: ignore[method-assign,assignment]


def test_a_run_held_off_is_an_error_for_the_user(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bench.link.start(program(bench, slow(bench)))
    wait_for("the slow step", bench.folder / "slow-begun")
    with pytest.raises(MachineError, match="another run holds this machine"):
        Bench(bench.folder).run(never(bench), deadline_s=0.5)
    (bench.folder / "go").touch()
    first.wait(20)
    end(first)


def test_sigkill_at_many_instants_ends_in_the_same_state(bench: Bench) -> None:
    """Twelve instants spread over a run; each time the next whole run settles everything and reloads at least once."""
    steps = (config(bench, "final"), slow(bench), reload(bench))
    (bench.folder / "go").touch()
    for number in range(12):
        for name in ("config", "slow-done", "reloads"):
            (bench.folder / name).unlink(missing_ok=True)
        process = bench.link.start(program(bench, *steps))
        time.sleep(number * 0.02)  # the instant itself is what is varied
        os.kill(process.pid, signal.SIGKILL)
        end(process)
        bench.run(*steps)
        assert (bench.folder / "config").read_text() == "final"
        assert reloads(bench) >= 1
        assert bench.run(*steps).count(StepStatus.UNCHANGED) == 3


def test_a_program_that_arrives_half_does_nothing(bench: Bench) -> None:
    """The build machine died while it sent."""
    whole = program(bench, never(bench))
    for size in (0, 3, 4, 100, len(whole.data) // 2, len(whole.data) - 1):
        process = bench.link.start(Program(whole.recipe, whole.labels, whole.data[:size]))
        assert process.stdin
        process.stdin.close()
        end(process)
        assert process.returncode != 0
    assert sorted(path.name for path in bench.folder.iterdir()) == []


def test_no_place_for_the_lock_is_said(bench: Bench) -> None:
    (bench.folder / "state").write_text("a file where a folder should be")
    with pytest.raises(MachineError, match="File exists"):
        bench.run(never(bench))
