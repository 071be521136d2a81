"""The wizard by keyboard: whole conversations, going back, jumping, leaving and coming back."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.help import HelpDialog
from screens.dialogs.jump import JumpDialog
from screens.review import Review
from screens.wizard import WizardPage
from tests.screens.at_wizard import EVERYTHING, SMALL, At, sitting
from tests.screens.wizard_talks import Desk
from tests.wizard.conftest import GOOD_TOKEN


async def test_one_enter_goes_from_try_it_here_to_the_review_and_another_builds(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin()
        assert at.page._is_review
        await at.planned()
        assert "rehearsal" in desk.answers("rehearsal")
        await at.sees("$12.00 a month by the vendor's list; here it costs nothing")
        await at.press("enter")
        assert desk.built == ["rehearsal"]


async def test_one_small_site_is_asked_for_in_eight_questions_and_reviewed(desk: Desk) -> None:
    async with sitting(desk, size=(120, 40)) as at:
        await at.begin(*SMALL)
        keys = await at.answer_until("")
        assert len(keys) == 8
        await at.planned()
        await at.sees("$12.00 a month for all machines")
        assert "costs nothing" not in at.shown
        for text in ("What will be touched", "machine ws-1 (s-1gb, ams3)", "One layer here"):
            assert text in at.shown
        await at.press("p")
        assert "$/month" in at.shown
        await at.press("g")
        assert "wordpress ⇠ db-1 database" in " ".join(at.shown.split())
        await at.press("a", *["down"] * 20)
        assert "buildyard build --deployment shop" in at.shown
        assert GOOD_TOKEN not in at.shown
        await at.press("right", "right", "enter")
        assert (desk.built, desk.left) == ([], ["shop"])


async def test_the_first_line_says_where_one_is_and_that_it_is_saved(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.asked("template")
        assert "a new deployment" in at.shown
        await at.begin(*SMALL)
        await at.answer("deployment.name")
        await at.asked("site.domain")
        assert "name: shop" in desk.answers("shop")
        first = at.shown.splitlines()[0]
        assert "shop" in first
        assert "2 of 11 · saved" in first
        for line in ("✔ Begin         done", "▶ Deployment    now", "○ Provider      to do"):
            assert line in at.shown


async def test_escape_goes_back_and_on_the_first_question_asks_to_leave(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*SMALL)
        await at.answer("deployment.name")
        await at.asked("site.domain")
        await at.press("escape")
        await at.asked("deployment.name")
        assert at.app.focused.value == "shop"
        await at.press("escape")
        await at.asked("template")
        await at.press("escape")
        await at.until("the question", lambda: isinstance(at.app.screen, ConfirmDialog))
        await at.press("escape")
        assert desk.left == []
        await at.press("escape", "y")
        assert desk.left == ["shop"]


async def test_what_is_done_in_the_background_is_told(desk: Desk) -> None:
    go_on = threading.Event()
    make = desk.talk

    def slow(name: str | None) -> Any:
        assert go_on.wait(30)
        return make(name)

    desk.backend.make_talk = slow
    async with sitting(desk) as at:
        await at.sees("opening the conversation …")
        at.page.post_message(WizardPage.Said("starting the cloud on this machine"))
        await at.sees("starting the cloud on this machine …")
        go_on.set()
        await at.asked("template")


async def test_what_cannot_be_chosen_says_why_beside_it_and_in_help(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*EVERYTHING)
        await at.answer_until("application.source")
        assert "A temporal backup, by its period ▲ unavailable" in at.shown
        await at.press("down", "down")
        await at.sees("▲ Not available: this version neither makes nor restores temporal backups")
        await at.press("enter")
        await at.sees("✖ Not available: this version neither makes nor restores temporal backups")
        assert at.key == "application.source"
        await at.press("question_mark")
        await at.until("help", lambda: isinstance(at.app.screen, HelpDialog))
        await at.pilot.pause()
        said = " ".join(at.shown.replace("│", " ").split())
        assert "A temporal backup, by its period is not available: this version neither makes nor restores" in said


async def test_clouds_are_listed_with_their_price_and_that_none_was_run_live(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*EVERYTHING)
        await at.answer_until("provider.name")
        assert "▸ This machine, as a rehearsal  free" in at.shown
        assert "DigitalOcean                  from $12/month" in at.shown
        for label in ("AWS", "Exoscale", "Hetzner", "Linode (Akamai)", "Vultr"):
            assert label in at.shown
        await at.press("down")
        await at.sees("never run on the live API")
        await at.press("home")
        await at.answer_until("dns.kind")
        assert "Cloudflare" in at.shown


async def test_a_finished_step_is_opened_again_and_left_as_it_was(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*EVERYTHING)
        await at.answer_until("database.kind")
        await at.press("ctrl+j")
        await at.until("the steps", lambda: isinstance(at.app.screen, JumpDialog))
        assert "✔ Domain & TLS" in at.shown
        await at.press("enter")
        await at.asked("dns.kind")
        await at.press("escape")
        await at.asked("database.kind")
        await at.press("ctrl+j", "up", "enter")
        await at.asked("provider.region")
        await at.answer("provider.region")
        await at.answer_until("")
        await at.planned()


async def test_a_terminal_closed_in_the_middle_comes_back_to_the_same_question(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*EVERYTHING)
        first = await at.answer_until("certificate.acme_url")
    desk.backend.all_cards = (card("shop", complete=False),)
    async with sitting(desk) as at:
        await at.asked("certificate.acme_url")
        assert "shop.example.org" in at.shown
        assert not set(first) & set(await at.answer_until(""))


async def test_a_deployment_that_exists_begins_at_the_review_with_what_differs(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*SMALL)
        await at.answer_until("")
    desk.exists = True
    async with sitting(desk, "shop", size=(120, 40)) as at:
        await at.until("the review", lambda: at.page._is_review)
        await at.planned()
        assert "No answer differs from before." in at.shown
        await at.press("right", "enter", "up", "up", "enter")
        await at.until("a question", lambda: at.key)
        assert at.key == "application.name"
        await at.answer("application.name")
        await at.answer("application.source")
        await at.type("New shop")
        await at.press("enter")
        await at.answer_until("")
        await at.planned()
        await at.sees("Title of the site shop.example.org → New shop")
        assert "Domain of the site" not in at.shown
        await at.press("escape", "y")
        assert desk.left == ["shop"]


async def test_several_lines_pasted_into_a_list_become_its_members(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*EVERYTHING)
        await at.answer_until("access.operators")
        await at.type("198.51.100.7\n2001:db8::7\n")
        assert at.app.focused.value == "198.51.100.7, 2001:db8::7"


async def test_nothing_is_lost_when_the_program_is_left_at_once(desk: Desk) -> None:
    async with sitting(desk) as at:
        await at.begin(*SMALL)
        await at.answer("deployment.name")
        await at.asked("site.domain")
        await at.press("ctrl+q")
    assert "template: small-site" in desk.answers("shop")


async def test_everything_that_can_be_done_is_in_palette_and_help(desk: Desk) -> None:
    async with sitting(desk, size=(80, 50)) as at:
        await at.begin(*EVERYTHING)  # a line to type into
        await shows_all_actions(at, {"Next", "Back", "Jump", "Help", "Palette", "Quit"})
        await at.answer_until("mode")  # a list
        await shows_all_actions(at, {"Next", "Choose", "Back", "Jump", "Help"})
        desk.cloud.is_away = True
        await at.press("enter")
        await at.sees("✖ The cloud does not answer.")
        await shows_all_actions(at, {"Retry", "Back", "Jump"})
        desk.cloud.is_away = False
        await at.press("r")
        await at.answer_until("")
        await at.planned()
        await shows_all_actions(at, {"Answers", "Plan", "Graph", "Build now", "Read", "Back", "Jump"})


async def shows_all_actions(at: At, least: set[str]) -> None:
    """Help and palette have each action of the page and of what is focused."""
    actions = at.page.actions()
    assert least <= {each.binding.description for each in actions}
    palette = {(command.title, command.help) for command in at.app.get_system_commands(at.app.screen)}
    await at.press("f1")
    await at.until("help", lambda: isinstance(at.app.screen, HelpDialog))
    await at.pilot.pause()
    for each in actions:
        assert (each.binding.description, each.binding.tooltip) in palette
        assert each.binding.tooltip in at.shown
    await at.press("escape")


@pytest.mark.parametrize("kind", [WizardPage, Review, JumpDialog])
def test_every_binding_says_what_it_is_for(kind: type) -> None:
    for binding in kind.BINDINGS:  # type: ignore[attr-defined]
        assert binding.description
        assert binding.tooltip


def card(name: str, *, complete: bool) -> Any:
    from screens.backend import Card

    return Card(name, "", "digitalocean", "development", complete=complete, built=False, runs=())
