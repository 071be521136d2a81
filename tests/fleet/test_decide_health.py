"""Healing: who leaves DNS, who is replaced, and when something else is the cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleet.autoscaler.decide import decide
from fleet.autoscaler.decision import Act
from fleet.autoscaler.view import Phase, WebserverView
from tests.fleet.autoscaler_views import NOW, load, looks, machines, policy, told, view, web

OUT = NOW - 40  # when an ill one left DNS


def ill(name: str = "ws-1", **more: Any) -> WebserverView:
    """Out of DNS for 40 s, failing all the time."""
    return web(name, "RRRRRRRRRR", in_dns=False, left_dns_at=OUT, **more)


def test_all_is_well() -> None:
    decisions = decide(view(web("ws-1"), web("ws-2")), policy(), NOW)
    assert decisions.acts == ()
    assert decisions.held_back == ()
    assert decisions.wanted == 2
    assert decisions.reason == "2 webservers wanted: the target is 2."


@pytest.mark.parametrize(
    ("pattern", "leaves"), [("..RRR", True), ("R.R.R", True), ("RR...", False), (".....RR", False), ("RRR", True)]
)
def test_out_of_dns_after_three_of_the_last_five_looks_of_both(pattern: str, leaves: bool) -> None:
    decisions = decide(view(web("ws-1", pattern), web("ws-2")), policy(), NOW)
    assert machines(decisions, Act.LEAVE_DNS) == (["ws-1"] if leaves else [])


def test_one_prober_of_two_is_not_enough() -> None:
    seen = {"as-1": ".....RRRRR", "db-1": ".........."}
    assert decide(view(web("ws-1", seen), web("ws-2")), policy(), NOW).acts == ()


@pytest.mark.parametrize(
    ("letter", "detail", "says"),
    [
        ("R", "", "connections are refused"),
        ("s", "", "it is silent"),
        ("u", "", "there is no route to it"),
        ("5", "HTTP 500", "HTTP 500"),
        ("S", "", "it is slow"),
        ("W", "", "wrong content"),
        ("C", "certificate expired", "certificate expired"),
        ("F", "", "its disk is full"),
    ],
)
def test_the_reason_says_what_is_wrong_and_who_saw_it_how_often(letter: str, detail: str, says: str) -> None:
    seen = {"as-1": ".." + 3 * letter, "db-1": "." + 4 * letter}
    (act,) = decide(view(web("ws-1", seen, detail=detail), web("ws-2")), policy(), NOW).acts
    assert act.reason == f"ws-1 is ill, {says}: as-1 saw it 3 of 5 times, db-1 saw it 4 of 5 times."


def test_a_full_disk_is_named_whatever_the_page_says() -> None:
    full = web("ws-1", "..555", detail="HTTP 500", load=load(disk_free=0.2))
    (act,) = decide(view(full, web("ws-2")), policy(), NOW).acts
    assert "its disk is full (0.2 % free)" in act.reason


def test_replaced_after_a_further_proof() -> None:
    soon = web("ws-1", ".....RRRRR", in_dns=False, left_dns_at=NOW - 10)
    early = decide(view(soon, web("ws-2")), policy(), NOW)
    assert early.acts == ()
    assert "it must fail for 11 s more" in early.held_back[0]
    late = decide(view(ill(), web("ws-2")), policy(), NOW)
    assert told(late) == [("build", "ws-1")]
    assert late.acts[0].reason.startswith("In the place of ws-1: connections are refused")


def test_one_that_answered_in_between_is_not_replaced() -> None:
    flapping = web("ws-1", "RRRRR.RRRR", in_dns=False, left_dns_at=NOW - 600)
    decisions = decide(view(flapping, web("ws-2")), policy(), NOW)
    assert machines(decisions, Act.BUILD) == []


def test_well_again_after_three_good_looks() -> None:
    for pattern, enters in (("RRRRR..", False), ("RRRRR...", True)):
        server = web("ws-1", pattern, in_dns=False, left_dns_at=OUT)
        decisions = decide(view(server, web("ws-2")), policy(), NOW)
        assert machines(decisions, Act.ENTER_DNS) == (["ws-1"] if enters else []), pattern


def test_a_new_one_enters_with_the_first_good_look_of_both() -> None:
    new = web("ws-3", {"as-1": "RRR.", "db-1": "RRR."}, in_dns=False, since=NOW - 3)
    assert told(decide(view(web("ws-1"), new), policy(), NOW)) == [("enter-dns", "ws-3")]
    half = web("ws-3", {"as-1": "RRR.", "db-1": "RRR"}, in_dns=False, since=NOW - 3)
    assert decide(view(web("ws-1"), half), policy(), NOW).acts == ()


def test_the_ill_one_goes_when_its_substitute_serves() -> None:
    building = web("ws-3", "", phase=Phase.BUILDING, since=NOW - 30, replaces="ws-1")
    assert decide(view(ill(), web("ws-2"), building), policy(), NOW).acts == ()
    there = web("ws-3", since=NOW - 60, replaces="ws-1")
    (act,) = decide(view(ill(), web("ws-2"), there), policy(), NOW).acts
    assert (act.act, act.machine) == (Act.DRAIN, "ws-1")
    assert act.reason.startswith("ws-3 has taken the place of ws-1")


def test_the_last_one_stays_in_dns_and_is_replaced_where_it_stands() -> None:
    decisions = decide(view(web("ws-1", "RRRRRRRRRR")), policy(target=1), NOW)
    assert told(decisions) == [("build", "ws-1")]
    assert "an ill page is better than none" in " ".join(decisions.held_back)


def test_when_all_are_ill_none_leaves_dns_and_one_is_replaced_at_a_time() -> None:
    servers = [web(f"ws-{n}", "ssssssssss") for n in (1, 2, 3)]
    assert told(decide(view(*servers), policy(target=3), NOW)) == [("build", "ws-1")]


def test_slow_ones_leave_only_in_part_for_the_others_would_become_slow_too() -> None:
    servers = [web("ws-1"), *(web(f"ws-{n}", "SSSSS") for n in (2, 3, 4))]
    assert machines(decide(view(*servers), policy(target=4), NOW), Act.LEAVE_DNS) == ["ws-2"]


@pytest.mark.parametrize(("n", "most"), [(2, 1), (3, 1), (5, 1), (6, 2), (7, 2)])
def test_at_most_a_third_is_replaced_at_a_time(n: int, most: int) -> None:
    servers = [web("ws-1"), *(ill(f"ws-{number}") for number in range(2, n + 1))]
    decisions = decide(view(*servers), policy(target=n, maximum=20), NOW)
    assert len(machines(decisions, Act.BUILD)) == most


def test_the_prober_is_the_cause() -> None:
    seen = {"as-1": "sssss", "db-1": "....."}
    decisions = decide(view(web("ws-1", seen), web("ws-2", seen)), policy(), NOW)
    assert decisions.acts == ()
    assert decisions.held_back == (
        "as-1 sees all 2 webservers failing while db-1 sees ws-1 and ws-2 well: nobody is taken for ill on its word.",
    )


def test_a_prober_that_no_longer_looks() -> None:
    def old(name: str, pattern: str) -> WebserverView:
        one = web(name, {"as-1": pattern})
        return replace(one, observations=one.observations + looks("RRRRR", "db-1", until=NOW - 25))

    decisions = decide(view(old("ws-1", "RRRRR"), old("ws-2", ".....")), policy(), NOW)
    assert decisions.acts == ()
    assert "db-1 has not looked at any webserver for more than 20 s" in decisions.held_back[0]


@pytest.mark.parametrize("problem", ["MariaDB is stopped", None, ""])
def test_the_database_is_the_cause(problem: str | None) -> None:
    letter = "D" if problem == "" else "5"
    servers = [web(f"ws-{n}", "55555" + 5 * letter) for n in (1, 2)]
    leaving = web("ws-3", "5555555555", phase=Phase.LEAVING, since=NOW - 99_999, in_dns=False)
    decisions = decide(view(*servers, leaving, database_problem=problem), policy(), NOW)
    assert decisions.acts == ()
    assert "database" in decisions.held_back[0]
    if problem:
        assert problem in decisions.held_back[0]


def test_nothing_known_of_the_database_matters_only_when_nobody_is_well() -> None:
    decisions = decide(view(web("ws-1", "..RRR"), web("ws-2"), database_problem=None), policy(), NOW)
    assert told(decisions) == [("leave-dns", "ws-1")]


def test_one_prober_alone_takes_out_of_dns_and_replaces_but_ends_nobody() -> None:
    alone = {"probers": ("as-1",)}
    gone = web("ws-1", "R" * 20, in_dns=False, left_dns_at=NOW - 90, probers=("as-1",))
    well = web("ws-2", probers=("as-1",))
    taken = decide(view(web("ws-1", "..RRR", probers=("as-1",)), well, **alone), policy(), NOW)
    assert told(taken) == [("leave-dns", "ws-1")]
    assert told(decide(view(gone, well, **alone), policy(), NOW)) == [("build", "ws-1")]
    there = web("ws-3", since=NOW - 60, replaces="ws-1", probers=("as-1",))
    kept = decide(view(gone, well, there, **alone), policy(), NOW)
    assert kept.acts == ()
    assert "its word alone is not enough to end a machine" in kept.held_back[0]


def test_at_the_maximum_the_ill_one_goes_first() -> None:
    decisions = decide(view(ill(), web("ws-2")), policy(maximum=2), NOW)
    assert told(decisions) == [("drain", "ws-1")]
    leaving = web("ws-1", "R" * 10, phase=Phase.LEAVING, since=NOW - 5, in_dns=False, left_dns_at=OUT)
    waits = decide(view(leaving, web("ws-2")), policy(maximum=2), NOW)
    assert machines(waits, Act.BUILD) == []
    assert machines(decide(view(web("ws-2")), policy(maximum=2), NOW), Act.BUILD) == [""]


def test_at_the_maximum_the_only_one_does_not_go_first() -> None:
    decisions = decide(view(web("ws-1", "R" * 10)), policy(target=1, maximum=1), NOW)
    assert decisions.acts == ()
    assert "as many machines as are allowed, 1 of 1." in " ".join(decisions.held_back)


def test_a_substitute_that_was_never_well_is_not_replaced_at_once() -> None:
    bad = web("ws-3", "5" * 10, in_dns=False, since=NOW - 100, replaces="ws-1")
    decisions = decide(view(ill(), web("ws-2"), bad), policy(), NOW)
    assert decisions.acts == ()
    assert "it must fail for 200 s more (made in the place of an ill one" in " ".join(decisions.held_back)


def test_a_protected_one_is_never_ended() -> None:
    there = web("ws-3", since=NOW - 60, replaces="ws-1")
    rules = policy(protected=frozenset({"ws-1"}))
    for shown in (view(ill(), web("ws-2")), view(ill(), web("ws-2"), there)):
        decisions = decide(shown, rules, NOW)
        assert decisions.acts == ()
        assert "it is protected" in " ".join(decisions.held_back)


def test_one_that_is_never_built_is_given_up() -> None:
    stuck = web("ws-3", "", phase=Phase.BUILDING, since=NOW - 1801)
    decisions = decide(view(web("ws-1"), stuck), policy(), NOW)
    assert told(decisions) == [("destroy", "ws-3")]
