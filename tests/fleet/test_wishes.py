"""What a watcher may want: the change of the policy and the command for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.wishes import Wish, another, drain, pause, protect, resume, scale, undrain, unprotect
from tests.fleet.autoscaler_views import policy

ASKED = Asked("ws-2", 500.0)
RULE = policy(
    target=2, maximum=6, protected=frozenset({"ws-1"}), drained=(Asked("ws-3", 4.0),), replacing=(Asked("ws-4", 4.0),)
)


@pytest.mark.parametrize(
    ("wish", "command", "after"),
    [
        (pause(), "buildyard pause --deployment shop", replace(RULE, paused=True)),
        (resume(), "buildyard resume --deployment shop", RULE),
        (scale(4), "buildyard scale 4 --deployment shop", replace(RULE, target=4)),
        (
            protect("ws-2"),
            "buildyard protect ws-2 --deployment shop",
            replace(RULE, protected=frozenset({"ws-1", "ws-2"})),
        ),
        (
            another(ASKED),
            "buildyard replace ws-2 --deployment shop",
            replace(RULE, replacing=(ASKED, *RULE.replacing)),
        ),
        (drain(ASKED), "buildyard drain ws-2 --deployment shop", replace(RULE, drained=(ASKED, *RULE.drained))),
        (undrain("ws-3"), "buildyard drain ws-3 --off --deployment shop", replace(RULE, drained=())),
        (unprotect("ws-1"), "buildyard protect ws-1 --off --deployment shop", replace(RULE, protected=frozenset())),
    ],
    ids=lambda value: value.words[0] if isinstance(value, Wish) else "",
)
def test_a_wish_changes_only_what_it_says(wish: Wish, command: str, after: ScalingPolicy) -> None:
    assert wish.command("shop") == command
    assert wish.change(RULE) == after
    assert wish.change(wish.change(RULE)) == after, "repeated it changes nothing"


def test_the_newest_wish_for_a_webserver_counts() -> None:
    later = Asked("ws-4", 900.0)
    assert another(later).change(RULE).replacing == (later,)
    assert drain(later).change(RULE).replacing == ()
    assert protect("ws-4").change(RULE).replacing == ()
