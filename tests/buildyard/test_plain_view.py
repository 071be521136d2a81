"""A run as lines: what a person reads, and what the end says."""

from __future__ import annotations

from buildyard.plain_view import show
from state.events import Event, Kind


def lines_of(*events: Event, verbose: bool = False) -> list[str]:
    lines: list[str] = []
    show(events, lines.append, verbose=verbose)
    return lines


def test_a_failure_shows_what_why_and_what_next() -> None:
    data = {
        "ok": False,
        "summary": "nginx failed",
        "detail": 'unknown directive "brotl"',
        "hint": "buildyard logs ws-1",
    }
    shown = "\n".join(
        lines_of(Event(Kind.ACTION_FINISHED, "nginx failed", machine="ws-1", action="recipe:ws-1:webserver", data=data))
    )
    assert "✖ nginx failed" in shown
    assert 'unknown directive "brotl"' in shown
    assert "buildyard logs ws-1" in shown


def test_unchanged_steps_are_quiet_unless_asked_for() -> None:
    step = Event(Kind.STEP_FINISHED, "sshd", machine="ws-1", recipe="base", step="sshd", data={"status": "unchanged"})
    assert lines_of(step) == []
    assert "sshd" in lines_of(step, verbose=True)[0]


def test_the_end_counts() -> None:
    data = {"ok": True, "changed": 3, "unchanged": 40, "failed": 0, "seconds": 12.5}
    ending = show([Event(Kind.RUN_FINISHED, "Done.", data=data)], lambda _line: None)
    assert (ending.ok, ending.changed, ending.unchanged, ending.seconds) == (True, 3, 40, 12.5)


def test_a_run_that_was_cut_off_has_no_ending() -> None:
    assert show([Event(Kind.NOTE, "hello")], lambda _line: None).ok is None


def test_time_is_counted_from_the_beginning_of_the_run() -> None:
    shown = lines_of(Event(Kind.NOTE, "first", at=100.0), Event(Kind.NOTE, "later", at=165.0))
    assert shown[1].startswith("  1:05")
