"""`buildyard simulate`, as a person and a script meet it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from buildyard.text_plot import in_columns, plot
from fleet.autoscaler.policy import LoadRule, Metric, ScalingPolicy
from fleet.autoscaler.simulate import Sample, read_trace, simulate
from state.errors import UsageError
from tests import forked


def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "BUILDYARD_HOME": str(home),
        "HOME": str(home),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


def buildyard(*words: str, home: Path) -> subprocess.CompletedProcess[bytes]:
    return forked.run("simulate", *words, environment=environment(home))


def in_a_new_python(*words: str, home: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "buildyard", "simulate", *words],
        env={**environment(home), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Two hours, with a rush in the middle."""
    path = tmp_path / "trace.csv"
    rates = [50 + 250 * math.exp(-(((minute - 60) / 20) ** 2)) for minute in range(0, 120, 5)]
    rows = [f"2027-01-15T{n * 5 // 60:02d}:{n * 5 % 60:02d}:00Z,{rate:.1f}" for n, rate in enumerate(rates)]
    path.write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    return path


def test_machines_price_overload_flaps_and_decisions_at_most_80_columns_wide(trace: Path, tmp_path: Path) -> None:
    words = (str(trace), "--capacity-per-machine", "60", "--price-per-machine", "6")
    done = buildyard(*words, home=tmp_path)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    drawn, _, told = text.partition("\n\n")
    assert max(len(line) for line in drawn.splitlines()) <= 80
    assert "█" in drawn
    for word in ("webservers          2 to", "price               $0.", "minutes overloaded", "flaps               0"):
        assert word in told
    assert "build" in told
    assert "requests/s on 2 against a target of 42 requests/s" in told
    assert "drain" in told


def test_the_same_to_the_last_byte_when_it_is_repeated(trace: Path, tmp_path: Path) -> None:
    words = (str(trace), "--capacity-per-machine", "60", "--json")
    # dictionaries and sets of another process may be in another order
    first, second = (in_a_new_python(*words, home=tmp_path, PYTHONHASHSEED=seed) for seed in "12")
    assert first.stdout == second.stdout
    found = json.loads(first.stdout)
    assert found["ok"] is True
    assert found["price"] is None
    assert found["machines"]["least"] == 2
    assert found["decisions"][0]["act"] == "build"
    assert {"at", "serving", "machines", "wanted", "overloaded"} <= found["moments"][0].keys()


def test_without_utf_8(trace: Path, tmp_path: Path) -> None:
    words = (str(trace), "--capacity-per-machine", "60")
    done = in_a_new_python(*words, home=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"####" in done.stdout


def test_nothing_is_written_and_no_deployment_is_needed(trace: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert buildyard(str(trace), "--capacity-per-machine", "60", home=home).returncode == 0
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--capacity-per-machine", "0"), "0 is not above 0"),
        ((), "--capacity-per-machine"),
        (("--capacity-per-machine", "60", "--window", "never"), "'never' is not a window"),
        (("--capacity-per-machine", "60", "--minimum", "5", "--maximum", "3"), "no minimum above the maximum"),
        (("--capacity-per-machine", "60", "--time-zone", "Mars/Olympus"), "Mars/Olympus is not known"),
        (("--capacity-per-machine", "60", "--deployment", "none"), "There is no deployment none"),
    ],
)
def test_wrong_words_are_told_in_a_sentence(words: tuple[str, ...], says: str, trace: Path, tmp_path: Path) -> None:
    done = buildyard(str(trace), *words, home=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "two lines or more"),
        ("0,1\n", "two lines or more"),
        ("0,1\nyesterday,2\n", "Line 2"),
        ("0,1\n1,2,3\n", "Line 2"),
        ("0,1\n1,nan\n", "Line 2 of the trace has a figure that cannot be"),
        ("0,1\n1,-1\n", "Line 2"),
        ("5,1\n5,2\n", "not later"),
    ],
)
def test_a_trace_that_cannot_be_used(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_trace(text.splitlines(keepends=True))


def test_seconds_and_iso_8601() -> None:
    assert read_trace(["timestamp,value\n", "0,1\n", "1970-01-01T00:01:00,2\n", "1970-01-01T02:02:00+02:00,3\n"]) == (
        Sample(0, 1),
        Sample(60, 2),
        Sample(120, 3),
    )


def policy(**more: object) -> ScalingPolicy:
    rule = LoadRule(Metric.REQUESTS_PER_S, 70.0)
    return ScalingPolicy(**{"minimum": 1, "maximum": 10, "target": 1, "load_rules": (rule,), **more})  # type: ignore[arg-type]


def test_price_and_overload_by_hand() -> None:
    # One machine for an hour, which may not become two: 200 requests/s are too many for the second half.
    found = simulate(
        (Sample(0, 50), Sample(1800, 200)),
        policy(maximum=1),
        capacity_per_machine=100,
        price_per_machine=Decimal(730),
    )
    assert (found.machine_s, found.overloaded_s, found.price) == (3600, 1800, Decimal("1.00"))
    assert found.decided == ()


def test_a_slower_build_is_a_longer_overload() -> None:
    rush = (Sample(0, 50), Sample(600, 400), Sample(1800, 400))
    quick, slow = (simulate(rush, policy(), capacity_per_machine=100, build_s=s).overloaded_s for s in (30, 300))
    assert 0 < quick < slow


def test_flaps_are_counted() -> None:
    hasty = policy(scale_in_stabilisation_s=0.0, scale_in_cooldown_s=0.0, scale_out_cooldown_s=0.0)
    jumping = tuple(Sample(240 * n, 60 if n % 2 else 200) for n in range(12))
    assert simulate(jumping, hasty, capacity_per_machine=100, build_s=0).flaps > 3
    assert simulate(jumping, policy(), capacity_per_machine=100, build_s=0).flaps == 0


def test_a_trace_that_is_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 1000000"):
        simulate((Sample(0, 1), Sample(1e9, 1)), policy(), capacity_per_machine=100)


def test_a_plot_keeps_its_peaks() -> None:
    columns = in_columns([(0.0, 1.0), (50.0, 9.0), (51.0, 1.0)], 1000.0, columns=10)
    assert columns == [9.0, *[1.0] * 9]
    assert plot("t", [0.0, 4.0], blocks=False, height=2) == ["t", "        4| #", "        2| #", "        0+--"]
