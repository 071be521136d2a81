"""What came back from running a recipe on a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from state.events import StepStatus


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step ended; ``diff`` and ``output`` are redacted."""

    label: str
    status: StepStatus
    milliseconds: int
    diff: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """How one recipe ended."""

    recipe: str
    results: tuple[StepResult, ...]
    facts: Mapping[str, str] = field(default_factory=dict)

    def count(self, status: StepStatus) -> int:
        """How many steps ended so."""
        return sum(result.status is status for result in self.results)
