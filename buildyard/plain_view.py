"""A run as lines: one reader of the journal, for terminals and logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from state.events import Event, Kind, StepStatus

Print = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ending:
    """What the run said of itself at its end; ``ok`` is None when it was cut off before it could."""

    ok: bool | None
    changed: int = 0
    unchanged: int = 0
    failed: int = 0
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    exit_code: int = 1


def show(events: Iterable[Event], tell: Print, *, verbose: bool = False) -> Ending:
    """Tells each event that a person wants to know.

    Args:
        events: of one run, from its beginning.
        tell: prints one line.
        verbose: unchanged steps and the machines' own output too.
    """
    began: float | None = None
    problems: list[str] = []
    for event in events:
        began = event.at if began is None else began
        line = _line(event, verbose=verbose)
        if line:
            who = (event.machine or "").ljust(5)
            for number, part in enumerate(line.splitlines()):
                tell(f"{_clock(event.at - began) if number == 0 else ' ' * 6} {who} {part}".rstrip())
        if event.kind is Kind.PROBLEM or (event.kind is Kind.ACTION_FINISHED and not event.data.get("ok")):
            problems.append(str(event.data.get("summary", event.text)))
        if event.kind is Kind.RUN_FINISHED:
            data = event.data
            return Ending(
                bool(data.get("ok")),
                int(data.get("changed", 0)),
                int(data.get("unchanged", 0)),
                int(data.get("failed", 0)),
                float(data.get("seconds", 0.0)),
                tuple(problems),
                int(data.get("exit_code", 0 if data.get("ok") else 1)),
            )
    return Ending(None, problems=tuple(problems))


def _line(event: Event, *, verbose: bool) -> str:
    data = event.data
    match event.kind:
        case Kind.RUN_STARTED:
            return event.text
        case Kind.ACTION_STARTED:
            return f"▶ {event.text}"
        case Kind.ACTION_WAITING:
            return f"… {event.text}"
        case Kind.ACTION_FINISHED if data.get("ok"):
            changed, seconds = int(data.get("changed", 0)), float(data.get("seconds", 0))
            return f"✔ {event.text}: {_counted(changed, int(data.get('unchanged', 0)))}, {seconds:.1f} s"
        case Kind.ACTION_FINISHED:
            next_ = f"Next: {data['hint']}" if data.get("hint") else ""
            rest = [str(text) for text in (data.get("detail"), next_) if text]
            return "\n".join([f"✖ {event.text}", *(f"  {part}" for text in rest for part in text.splitlines())])
        case Kind.STEP_FINISHED:
            return _step(event, verbose=verbose)
        case Kind.OUTPUT:
            return f"    {event.text}" if verbose else ""
        case Kind.NOTE | Kind.PROBLEM:
            return event.text
        case Kind.RUN_FINISHED:
            return event.text
        case _:
            return ""


def _step(event: Event, *, verbose: bool) -> str:
    status = str(event.data.get("status", ""))
    seconds = float(event.data.get("ms", 0)) / 1000
    if status == StepStatus.UNCHANGED:
        return f"  = {event.recipe}: {event.step}" if verbose else ""
    sign = {StepStatus.CHANGED: "+", StepStatus.WOULD_CHANGE: "~", StepStatus.FAILED: "✖"}.get(StepStatus(status), "?")
    return f"  {sign} {event.recipe}: {event.step} ({seconds:.1f} s)"


def _counted(changed: int, unchanged: int) -> str:
    return f"{changed} changed, {unchanged} as it was" if changed else "as it was"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:3d}:{int(seconds) % 60:02d}"
