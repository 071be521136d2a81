"""A person at the keyboard of the wizard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from textual import events
from textual.pilot import Pilot

from screens.app import BuildyardApp
from screens.wizard import WizardPage
from tests.screens.conftest import app_of, text_on, until
from tests.screens.wizard_talks import Desk
from tests.wizard.conftest import GOOD_TOKEN

#: What is typed where the likely answer is not taken: keys for lists, text for lines.
TYPED = {
    "deployment.name": "shop",
    "site.domain": "shop.example.org",
    "digitalocean.token": GOOD_TOKEN,
    "certificate.email": "owner@example.org",
}
SMALL, EVERYTHING = ("down",), ("up",)


@dataclass
class At:
    """A person at the keyboard of the wizard."""

    desk: Desk
    app: BuildyardApp
    pilot: Pilot[Any]

    @property
    def page(self) -> WizardPage:
        assert isinstance(self.app.page, WizardPage)
        return self.app.page

    @property
    def shown(self) -> str:
        return text_on(self.app)

    @property
    def key(self) -> str:
        """Of the question that can be answered now; "" while there is none."""
        asked = self.page._turn.asked
        field = self.page.form.query("#field > *")
        return asked.question.key if asked and field and not self.page._is_busy else ""

    async def until(self, what: str, holds: Callable[[], object]) -> None:
        await until(self.pilot, what, holds)
        await self.pilot.pause()

    async def sees(self, text: str) -> None:
        await self.until(repr(text), lambda: " ".join(text.split()) in " ".join(self.words.split()))

    @property
    def words(self) -> str:
        """What is written, without the frames, the right-hand panel as one text."""
        return " ".join(line.split("││")[-1].strip("│ ") for line in self.shown.splitlines())

    async def asked(self, key: str) -> None:
        await self.until(f"the question {key}", lambda: self.key == key)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """As a terminal pastes it."""
        self.app.screen.focused.post_message(events.Paste(text))
        await self.pilot.pause()

    async def answer(self, key: str) -> None:
        """The usual answer of these tests to that question."""
        if key in TYPED:
            await self.type(TYPED[key])
        await self.press("enter")
        await self.until(f"what follows {key}", lambda: self.key not in ("", key) or self.page._is_review)

    async def answer_until(self, key: str) -> list[str]:
        """Answers until that question, or the review ("")."""
        keys: list[str] = []
        while True:
            await self.until("a question", lambda: self.key or self.page._is_review)
            if self.key == key or self.page._is_review:
                return keys
            keys.append(self.key)
            await self.answer(self.key)

    async def begin(self, *keys: str) -> None:
        """Chooses a way to begin."""
        await self.asked("template")
        await self.press(*keys, "enter")
        await self.until("what follows", lambda: self.key not in ("", "template") or self.page._is_review)

    async def planned(self) -> None:
        await self.until("the plan", lambda: self.page.review._shown.plan is not None)


@asynccontextmanager
async def sitting(desk: Desk, name: str | None = None, size: tuple[int, int] = (80, 24)) -> AsyncIterator[At]:
    app = app_of(desk.backend, desk.page(name))
    async with app.run_test(size=size) as pilot:
        yield At(desk, app, pilot)
