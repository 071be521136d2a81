"""The wizard when something does not work: an answer, a token, the cloud, the plan, the disk."""

from __future__ import annotations

import threading
from typing import Any

from textual.widgets import Input

from screens.dialogs.passphrase import PassphraseDialog
from state.errors import StateError, Unavailable
from tests.screens.at_wizard import EVERYTHING, SMALL, sitting
from tests.screens.wizard_talks import Desk
from tests.wizard.conftest import GOOD_TOKEN


async def test_a_wrong_answer_is_refused_beside_the_field_which_keeps_it(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*SMALL)
        await at.type("No!")
        await at.press("enter")
        await at.sees("✖ Use 2 to 30 lower-case letters, digits and hyphens")
        assert at.app.focused.value == "No!"
        await at.press("backspace", "backspace", "backspace", *"shop")
        await at.until("the error gone", lambda: "✖" not in at.shown)
        await at.press("enter")
        await at.asked("site.domain")


async def test_a_wrong_token_is_said_beside_it_and_a_right_one_with_its_account(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*EVERYTHING)
        await at.answer_until("provider.name")
        await at.press("down", "down", "enter")
        await at.asked("digitalocean.token")
        await at.type("dop_v1_" + "1b" * 32)
        await at.press("enter")
        await at.sees("✖ The token does not work. Make a new one.")
        assert "1b1b" not in at.shown
        await at.press("ctrl+u")
        await at.answer("digitalocean.token")
        await at.sees("✔ Provider: valid, account someone")


async def test_a_token_is_checked_in_the_background_which_is_said(desk: Desk) -> None:
    go_on = threading.Event()
    there = desk.cloud.check_credentials

    def slow() -> Any:
        assert go_on.wait(30)
        return there()

    desk.cloud.check_credentials = slow  # type: ignore[method-assign]
    async with sitting(desk) as at:
        await at.begin(*SMALL)
        await at.answer_until("digitalocean.token")
        await at.type(GOOD_TOKEN)
        await at.press("enter")
        await at.sees("checking …")
        await at.press("enter")  # nothing happens twice
        go_on.set()
        await at.asked("provider.region")


async def test_a_cloud_that_is_away_is_asked_again_and_what_was_answered_is_kept(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*EVERYTHING)
        await at.answer_until("mode")
        desk.cloud.is_away = True
        await at.press("enter")
        await at.sees("✖ The cloud does not answer.")
        await at.sees("Next: Look at your network.")
        assert "mode: development" in desk.answers("shop")
        assert "Retry" in at.shown
        await at.press("r")
        await at.sees("✖ The cloud does not answer.")
        desk.cloud.is_away = False
        await at.press("r")
        await at.asked("provider.region")


async def test_from_a_cloud_that_is_away_one_can_go_back(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*EVERYTHING)
        await at.answer_until("mode")
        desk.cloud.is_away = True
        await at.press("enter")
        await at.sees("✖ The cloud does not answer.")
        await at.press("escape")
        await at.asked("mode")


async def test_a_plan_that_cannot_be_made_says_why_and_is_asked_for_again(desk: Desk) -> None:
    desk.plan_problem = Unavailable("The cloud is away.", detail="It said 503.", hint="buildyard doctor")
    async with sitting(desk) as at:
        await at.begin()
        await at.sees("There is no plan: The cloud is away.")
        await at.press("enter")
        assert desk.built == []
        await at.press("p")
        await at.sees("It said 503. Next: buildyard doctor")
        desk.plan_problem = None
        await at.press("r")
        await at.planned()
        await at.until("the button, pressed before, up again", lambda: not at.app.focused.has_class("-active"))
        await at.press("enter")
        await at.until("the build", lambda: desk.built == ["rehearsal"])


async def test_a_passphrase_is_asked_for_when_the_token_is_kept_and_may_be_refused(desk: Desk) -> None:
    desk.needs_passphrase = True
    async with sitting(desk) as at:
        await at.begin(*SMALL)
        await at.answer_until("digitalocean.token")
        await at.type(GOOD_TOKEN)
        await at.press("enter")
        await at.until("the dialog", lambda: isinstance(at.app.screen, PassphraseDialog))
        await at.press("escape")
        await at.sees("✖ There is no passphrase yet.")
        await at.press("enter")
        await at.until("the dialog", lambda: isinstance(at.app.screen, PassphraseDialog))
        for _ in range(2):
            at.app.screen.query_one(Input).value = "long enough"
            await at.press("enter")
        await at.asked("provider.region")
        assert desk.home.deployment("shop").encrypted_secrets.exists()


async def test_an_answer_that_cannot_be_kept_says_why_and_is_given_again(desk: Desk, monkeypatch) -> None:
    async with sitting(desk) as at:
        await at.begin(*SMALL)
        await at.answer_until("certificate.email")

        def full(_self: object, _values: object) -> None:
            raise StateError("No space left on device.", hint="Free some space.")

        with monkeypatch.context() as patched:
            patched.setattr("wizard.keeper.DeploymentKeeper.save", full)
            await at.type("owner@example.org")
            await at.press("enter")
            await at.sees("✖ No space left on device. Free some space.")
        await at.press("enter")
        await at.asked("application.title")
