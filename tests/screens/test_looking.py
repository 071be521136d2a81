"""Whose turn it is to be looked at, without a screen; and how times and numbers are said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from screens.looking import EVERY_S, MOST_AT_A_TIME, Looking
from screens.wording import ago, counted, duration, since
from state.errors import PassphraseMissing, Unavailable
from state.runs import RunState
from tests.screens.fleet_samples import (
    BLOG_CARD,
    NOW,
    RUNNING_CARD,
    SHOP,
    SHOP_CARD,
    UNFINISHED_CARD,
    machine,
    run_of,
)

NAMES = ("a", "b", "c")


@pytest.fixture
def looking() -> Looking:
    some = Looking()
    some.cards_came(replace(SHOP_CARD, name=name) for name in NAMES)
    return some


def test_only_so_many_looks_go_on_at_a_time(looking: Looking) -> None:
    assert looking.turn(NAMES, NOW) == NAMES[:MOST_AT_A_TIME]
    assert looking.turn(NAMES, NOW) == ()
    looking.came("a", SHOP, NOW)
    assert looking.turn(NAMES, NOW) == ("c",)


def test_what_is_shown_is_looked_at_again_after_a_minute_and_nothing_else(looking: Looking) -> None:
    for name in NAMES:
        looking.turn([name], NOW)
        looking.came(name, SHOP, NOW)
    assert looking.turn(NAMES, NOW + EVERY_S - 1) == ()
    assert looking.turn(["b"], NOW + EVERY_S) == ("b",)


def test_a_wish_comes_before_its_time_and_before_the_others(looking: Looking) -> None:
    for name in NAMES:
        looking.turn([name], NOW)
        looking.came(name, SHOP, NOW)
    looking.want("c")
    assert looking.turn(["a"], NOW + 1) == ("c",)
    assert looking.turn(["a"], NOW + 1) == ()


def test_a_failed_look_keeps_what_was_seen_before(looking: Looking) -> None:
    looking.came("a", SHOP, NOW)
    looking.failed("a", Unavailable("No answer."), NOW + 5)
    seen = looking.of("a")
    assert seen is not None
    assert seen.status == SHOP
    assert seen.status_at == NOW
    assert seen.problem is not None


def test_without_the_passphrase_nothing_is_tried_again_by_itself(looking: Looking) -> None:
    looking.turn(["a"], NOW)
    looking.failed("a", PassphraseMissing("Nobody said it."), NOW)
    assert looking.turn(["a"], NOW + 10 * EVERY_S) == ()
    looking.want("a")
    assert looking.turn((), NOW + 10 * EVERY_S) == ("a",)


def test_what_is_not_built_is_not_looked_at() -> None:
    looking = Looking()
    looking.cards_came((UNFINISHED_CARD,))
    assert looking.turn([UNFINISHED_CARD.name], NOW) == ()


def test_the_end_of_a_run_is_a_reason_to_look() -> None:
    looking = Looking()
    looking.cards_came((RUNNING_CARD,))
    looking.turn(["shop"], NOW)
    looking.came("shop", SHOP, NOW)
    looking.cards_came((replace(RUNNING_CARD, runs=(run_of(5, RunState.DONE),)),))
    assert looking.turn((), NOW + 1) == ("shop",)


def test_what_was_seen_of_a_destroyed_deployment_is_forgotten(looking: Looking) -> None:
    looking.came("a", SHOP, NOW)
    gone = replace(SHOP_CARD, name="a", built=False, runs=(run_of(9, RunState.DONE, "destroy"),))
    looking.cards_came((gone, BLOG_CARD))
    seen = looking.of("a")
    assert seen is not None
    assert seen.status is None
    assert seen.destroyed is not None
    assert looking.of("b") is None


def test_what_machines_say_is_made_safe_to_show() -> None:
    looking = Looking()
    looking.cards_came((SHOP_CARD,))
    sick = machine("ws-1", "webserver", 1, healthy=False, reason="page: \x1b]0;title\x07\x1b[31mno\x9b")
    looking.came("shop", replace(SHOP, reason="ws-1: \x1b[2Jno", machines=(sick,)), NOW)
    seen = looking.of("shop")
    assert seen is not None
    assert seen.status is not None
    assert seen.status.reason == "ws-1: no"
    assert seen.status.machines[0].reason == "page: no"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (ago(59), "just now"),
        (ago(130), "2 min ago"),
        (ago(3 * 3600), "3 h ago"),
        (ago(86400), "1 day ago"),
        (ago(5 * 86400), "5 days ago"),
        (duration(41.4), "41 s"),
        (duration(482), "8 min 02 s"),
        (duration(3725), "1 h 02 min"),
        (since(10), "since a moment ago"),
        (since(130), "for 2 min"),
        (since(3725), "for 1 h 02 min"),
        (counted(1, "machine"), "1 machine"),
        (counted(0, "machine"), "0 machines"),
    ],
)
def test_times_and_numbers_as_a_person_says_them(said: str, expected: str) -> None:
    assert said == expected
