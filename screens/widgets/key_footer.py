"""The footer with the keys that can be pressed now."""

from __future__ import annotations

from textual.screen import Screen
from textual.widgets import Footer


class KeyFooter(Footer):
    """Textual's footer, made anew only when its keys differ: Textual makes it anew at each move of the focus, which
    takes longer than drawing the whole page."""

    _shown: list[tuple[str, str, str, bool]] | None = None

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Hears that keys may have changed."""
        if not screen.app.app_focus or not self.is_attached or screen is not self.screen:
            super().bindings_changed(screen)
            return
        keys = [
            (active.binding.key, active.binding.description, active.binding.action, active.enabled)
            for active in screen.active_bindings.values()
            if active.binding.show
        ]
        if keys != self._shown:
            self._shown = keys
            super().bindings_changed(screen)
