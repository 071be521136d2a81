"""The steps of the wizard and how far each is: sign and word."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from screens import signs
from wizard.overview import Part, Stage

REVIEW = "Review"
_SIGNS = {Stage.DONE: signs.DONE, Stage.NOW: signs.DOING, Stage.TODO: signs.TODO}
_STYLES = {Stage.DONE: "$text-success", Stage.NOW: "bold $text-accent", Stage.TODO: "$foreground-muted"}


class StepList(Static):
    """All steps in order, the review last."""

    def __init__(self) -> None:
        super().__init__("", id="steps", markup=False)
        self.border_title = "Steps"

    def show(self, parts: Sequence[Part], *, at_review: bool = False) -> None:
        """Shows how far they are."""
        steps = [(part.title, part.stage) for part in parts]
        steps.append((REVIEW, Stage.NOW if at_review else Stage.TODO))
        width = max(len(title) for title, _ in steps)
        self.update(Content("\n").join(_line(title, stage, width) for title, stage in steps))


def _line(title: str, stage: Stage, width: int) -> Content:
    style = _STYLES[stage]
    plain = "" if stage is Stage.DONE else style
    return Content.assemble(
        (f"{_SIGNS[stage]} ", style), (title.ljust(width), plain), (f"  {stage.value}", "$foreground-muted")
    )
