"""The deployments, a line each: sign, name, word, address, price."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from fleet.cost import short_per_month
from screens.looking import Seen
from screens.widgets.deployment_card import stand_of

_LONGEST_NAME = 24
_GAP = "  "


class DeploymentList(OptionList):
    """Lines are changed in place, so that the highlighted one stays."""

    def __init__(self) -> None:
        super().__init__(compact=True)
        self.border_title = "Deployments"
        self._seen: tuple[Seen, ...] = ()
        self._now = 0.0

    def show(self, all_seen: Sequence[Seen], now: float) -> None:
        """Shows these.

        Args:
            now: seconds since the epoch.
        """
        before, self._seen, self._now = self.names, tuple(all_seen), now
        if before == self.names:
            self._fill()
            return
        chosen = self.chosen
        self.set_options([Option(line, id=name) for name, line in zip(self.names, self._drawn(), strict=True)])
        if self.names:
            self.highlighted = self.names.index(chosen) if chosen in self.names else 0

    @property
    def names(self) -> tuple[str, ...]:
        """Of all deployments, in order."""
        return tuple(seen.card.name for seen in self._seen)

    @property
    def names_shown(self) -> tuple[str, ...]:
        """Of those a person sees now, the highlighted one first."""
        top = int(self.scroll_offset.y)
        rows = self.names[top : top + max(1, self.scrollable_content_region.height)]
        return (self.chosen, *rows) if self.chosen else rows

    @property
    def chosen(self) -> str:
        """The highlighted one's name, "" when there is none."""
        option = self.highlighted_option
        return option.id or "" if option is not None else ""

    def on_resize(self, _event: events.Resize) -> None:
        self._fill()

    def _fill(self) -> None:
        for name, line in zip(self.names, self._drawn(), strict=True):
            if self.get_option(name).prompt != line:
                self.replace_option_prompt(name, line)

    def _drawn(self) -> list[Content]:
        width = self.scrollable_content_region.width or 74
        longest = min(_LONGEST_NAME, max((len(name) for name in self.names), default=0))
        return [self._line(seen, longest, width) for seen in self._seen]

    def _line(self, seen: Seen, longest: int, width: int) -> Content:
        stand = stand_of(seen, self._now)
        status = seen.status
        price = short_per_month(status.cost_per_month, seen.card.provider) if status is not None else ""
        fixed = 2 + longest + len(_GAP) + 12 + len(_GAP) + 14
        room = max(0, width - fixed - len(_GAP))
        return Content.assemble(
            (f"{stand.sign} ", stand.style),
            (_cut(seen.card.name, longest), "bold"),
            _GAP,
            (f"{stand.word:12}", stand.style),
            _GAP,
            (_cut(seen.card.url, room), ""),
            _GAP,
            (price.rjust(14), ""),
        )


def _cut(text: str, width: int) -> str:
    return (text if len(text) <= width else text[: max(0, width - 1)] + "…").ljust(width)[:width]
