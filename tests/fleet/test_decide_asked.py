"""What an owner asks for one webserver: another one in its place, or that it stays without visitors."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.decide import decide
from fleet.autoscaler.decision import Act, Decisions
from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.view import Phase, View, WebserverView
from tests.fleet.autoscaler_views import NOW, machines, policy, told, view, web

ASKED = NOW - 10


def renew(*names: str, **more: Any) -> ScalingPolicy:
    return policy(replacing=tuple(Asked(name, ASKED) for name in names), **more)


def drain(*names: str, **more: Any) -> ScalingPolicy:
    return policy(drained=tuple(Asked(name, ASKED) for name in names), **more)


def substitute(name: str = "ws-3", of: str = "ws-1", **more: Any) -> WebserverView:
    return web(name, since=NOW - 5, replaces=of, **more)


def held(decisions: Decisions) -> str:
    return " ".join(decisions.held_back)


# Another one in its place


def test_another_one_is_made_before_it_goes() -> None:
    (act,) = decide(view(web("ws-1"), web("ws-2")), renew("ws-1"), NOW).acts
    assert (act.act, act.replaces, act.reason) == (Act.BUILD, "ws-1", "In the place of ws-1: its owner asked.")
    building = web("ws-3", "", phase=Phase.BUILDING, since=NOW - 5, replaces="ws-1")
    assert decide(view(web("ws-1"), web("ws-2"), building), renew("ws-1"), NOW).acts == ()
    entering = substitute(in_dns=False)
    assert told(decide(view(web("ws-1"), web("ws-2"), entering), renew("ws-1"), NOW)) == [("enter-dns", "ws-3")]
    (act,) = decide(view(web("ws-1"), web("ws-2"), substitute()), renew("ws-1"), NOW).acts
    assert (act.act, act.machine) == (Act.DRAIN, "ws-1")
    assert act.reason == "ws-3 has taken the place of ws-1, its owner asked."


def test_the_next_machine_of_that_name_is_not_meant() -> None:
    new = web("ws-1", since=ASKED + 3)
    assert decide(view(new, web("ws-3", since=NOW - 900, replaces="ws-1")), renew("ws-1"), NOW).acts == ()


def test_a_later_one_of_that_name_is_not_taken_for_replaced() -> None:
    """ws-3 took the place of an earlier ws-1; the new one was not looked at yet."""
    new = web("ws-1", "", since=NOW - 1, in_dns=False)
    decisions = decide(view(new, web("ws-2"), web("ws-3", since=NOW - 900, replaces="ws-1")), policy(target=3), NOW)
    assert decisions.acts == ()


def test_a_clock_that_is_ahead_makes_it_wait_and_says_so() -> None:
    decisions = decide(view(web("ws-1"), web("ws-2")), policy(replacing=(Asked("ws-1", NOW + 90),)), NOW)
    assert decisions.acts == ()
    assert decisions.held_back == ("ws-1 is replaced in 90 s: the clock is ahead where that was asked.",)


def test_ill_ones_come_first_and_a_third_at_a_time() -> None:
    ill = web("ws-3", "R" * 10, in_dns=False, left_dns_at=NOW - 60)
    decisions = decide(view(web("ws-1"), web("ws-2"), ill), renew("ws-1", "ws-2", target=3), NOW)
    assert told(decisions) == [("build", "ws-3")]
    assert "ws-1 is not replaced yet (its owner asked): 1 of 3 are being replaced, at most 1" in held(decisions)


def test_a_protected_one_is_not_replaced() -> None:
    decisions = decide(view(web("ws-1"), web("ws-2")), renew("ws-1", protected=frozenset({"ws-1"})), NOW)
    assert decisions.acts == ()
    assert decisions.held_back == ("ws-1 is not replaced though its owner asked: it is protected.",)


def test_when_fewer_are_wanted_it_is_the_one_that_goes() -> None:
    servers = [web("ws-1"), web("ws-2", since=NOW - 500), web("ws-3", since=NOW - 400)]
    (act,) = decide(view(*servers), renew("ws-1"), NOW).acts
    assert (act.act, act.machine) == (Act.DRAIN, "ws-1")
    assert act.reason.endswith("ws-1 is to be replaced, as its owner asked.")


def test_at_the_maximum_it_goes_first_where_the_minimum_serves_without_it() -> None:
    decisions = decide(view(web("ws-1"), web("ws-2")), renew("ws-1", maximum=2), NOW)
    assert told(decisions) == [("drain", "ws-1")]
    assert "ws-1 goes before another comes, its owner asked" in decisions.acts[0].reason
    few = decide(view(web("ws-1"), web("ws-2")), renew("ws-1", minimum=2, maximum=2), NOW)
    assert few.acts == ()
    assert "allowed, 2 of 2, and 1 other is well and in DNS, 2 must be." in held(few)


def test_the_price_cap_holds_for_it_too() -> None:
    cap = {"price_cap_per_month": Decimal(24)}  # two at 6, and 12 for the others
    decisions = decide(view(web("ws-1"), web("ws-2")), renew("ws-1", **cap), NOW)
    assert machines(decisions, Act.BUILD) == []
    assert told(decisions) == [("drain", "ws-1")]


def test_a_prober_alone_is_enough_where_its_owner_asked() -> None:
    one = {"probers": ("as-1",)}
    seen = view(web("ws-1", **one), web("ws-2", **one), substitute(**one), probers=("as-1",))
    assert told(decide(seen, renew("ws-1"), NOW)) == [("drain", "ws-1")]


BLIND = {"as-1": "sssss", "db-1": "....."}


@pytest.mark.parametrize(
    "cause",
    [
        view(web("ws-1"), web("ws-2"), database_problem="MariaDB is stopped"),
        view(web("ws-1", BLIND), web("ws-2", BLIND)),
    ],
    ids=["database", "prober"],
)
def test_nobody_goes_while_something_else_is_the_cause(cause: View) -> None:
    for rule in (renew("ws-1"), drain("ws-1"), renew("ws-1", maximum=2)):
        assert {act.act for act in decide(cause, rule, NOW).acts} <= {Act.BUILD}
    assert decide(cause, renew("ws-1"), NOW).acts == ()


# Without visitors


def test_a_drained_one_leaves_dns_and_another_is_made() -> None:
    decisions = decide(view(web("ws-1"), web("ws-2")), drain("ws-1"), NOW)
    assert told(decisions) == [("leave-dns", "ws-1"), ("build", "")]
    assert decisions.acts[0].reason == "ws-1 is drained: its owner wants no visitors on it."
    assert decisions.acts[1].reason == "2 of 2: the target is 2; there are 1, and 0 being built."


def test_it_stays_whatever_it_does_and_does_not_count() -> None:
    for pattern in ("..........", "RRRRRRRRRR", "....RRR..."):
        out = web("ws-1", pattern, in_dns=False, left_dns_at=NOW - 9000)
        decisions = decide(view(out, web("ws-2"), web("ws-3")), drain("ws-1"), NOW)
        assert decisions.acts == (), pattern
    well = decide(view(web("ws-1", in_dns=False), web("ws-2"), web("ws-3")), drain("ws-1"), NOW)
    assert well.held_back == ("ws-1 is well and stays out of DNS: its owner drained it.",)


def test_given_back_it_enters_and_the_youngest_goes_when_there_are_too_many() -> None:
    back = web("ws-1", in_dns=False, left_dns_at=NOW - 900)
    others = web("ws-2"), web("ws-3", since=NOW - 600)
    assert told(decide(view(back, *others), policy(), NOW))[0] == ("enter-dns", "ws-1")
    assert told(decide(view(web("ws-1"), *others), policy(), NOW)) == [("drain", "ws-3")]


def test_the_last_one_stays_in_dns_until_another_serves() -> None:
    alone = decide(view(web("ws-1")), drain("ws-1", target=1), NOW)
    assert told(alone) == [("build", "")]
    assert "ws-1 is drained and stays in DNS: nobody else in it is known to be well." in alone.held_back
    ill = decide(view(web("ws-1"), web("ws-2", "RRRRRR", in_dns=False)), drain("ws-1"), NOW)
    assert machines(ill, Act.LEAVE_DNS) == []
    assert told(decide(view(web("ws-1"), web("ws-2")), drain("ws-1", target=1), NOW)) == [("leave-dns", "ws-1")]


def test_the_minimum_serves_on_where_another_can_come() -> None:
    servers = web("ws-1"), web("ws-2")
    waits = decide(view(*servers), drain("ws-1", minimum=2), NOW)
    assert told(waits) == [("build", "")]
    assert waits.held_back == (
        "ws-1 is drained and stays in DNS until others serve: 1 other is well and in DNS, 2 must be.",
    )
    # Nobody can come: it is its owner's word.
    full = decide(view(*servers), drain("ws-1", minimum=2, maximum=2), NOW)
    assert told(full) == [("leave-dns", "ws-1")]
    assert "1 more must wait: there are 2 machines (0 of them leaving, 1 drained), and at most 2" in held(full)


def test_several_drained_at_once_leave_somebody() -> None:
    decisions = decide(view(web("ws-1"), web("ws-2")), drain("ws-1", "ws-2", maximum=2), NOW)
    assert told(decisions) == [("leave-dns", "ws-1")]
    assert "ws-2 is drained and stays in DNS" in held(decisions)


def test_one_that_was_sent_away_in_the_same_seconds_is_kept() -> None:
    going = web("ws-1", phase=Phase.LEAVING, since=ASKED + 4, in_dns=False, left_dns_at=ASKED + 5)
    later = NOW + 2000
    seen = view(replace(going, observations=web("x", until=NOW + 1999).observations), web("ws-2", until=NOW + 1999))
    kept = decide(seen, drain("ws-1", target=1), later)
    assert kept.acts == ()
    assert kept.held_back == ("ws-1 shall go and stays: its owner drained it.",)
    assert told(decide(seen, policy(target=1), later)) == [("destroy", "ws-1")]


def test_a_drained_substitute_is_none() -> None:
    ill = web("ws-1", "R" * 10, in_dns=False, left_dns_at=NOW - 60)
    out = web("ws-3", in_dns=False, since=NOW - 50, replaces="ws-1")
    decisions = decide(view(ill, web("ws-2"), out), drain("ws-3"), NOW)
    assert told(decisions) == [("build", "ws-1")]


# Healing where nobody serves, or substitutes fail


def test_all_ill_at_the_maximum_the_one_that_failed_longest_goes_first() -> None:
    longest, other = web("ws-1", "." + "R" * 11), web("ws-2", "..." + "R" * 20)
    decisions = decide(view(longest, other), policy(maximum=2), NOW)
    assert told(decisions) == [("drain", "ws-2")]
    cap = policy(price_cap_per_month=Decimal(24))
    assert told(decide(view(longest, other), cap, NOW)) == [("drain", "ws-2")]
    kept = policy(maximum=2, protected=frozenset({"ws-2"}))
    assert told(decide(view(longest, other), kept, NOW)) == [("drain", "ws-1")]


def test_all_ill_the_only_one_in_dns_stays_and_a_new_one_gets_its_time() -> None:
    in_dns, out = web("ws-1", "R" * 20), web("ws-2", "R" * 12, in_dns=False, left_dns_at=NOW - 50)
    assert told(decide(view(in_dns, out), policy(maximum=2), NOW)) == [("drain", "ws-2")]
    new = web("ws-2", "R" * 12, in_dns=False, since=NOW - 100)
    assert decide(view(in_dns, new), policy(maximum=2), NOW).acts == ()


def test_a_substitute_that_was_never_well_gives_way_to_the_next() -> None:
    ill = web("ws-1", "R" * 10, in_dns=False, left_dns_at=NOW - 900)
    bad = web("ws-3", "5" * 10, in_dns=False, since=NOW - 400, replaces="ws-1")
    assert told(decide(view(ill, web("ws-2"), bad), policy(), NOW)) == [("drain", "ws-3")]
    leaving = web("ws-3", "5" * 10, phase=Phase.LEAVING, since=NOW - 1, in_dns=False, replaces="ws-1")
    assert told(decide(view(ill, web("ws-2"), leaving), policy(), NOW)) == [("build", "ws-1")]
