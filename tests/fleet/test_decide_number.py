"""How many there shall be, who comes and who goes, and when they are gone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from fleet.autoscaler.decide import decide
from fleet.autoscaler.decision import Act
from fleet.autoscaler.load import remember
from fleet.autoscaler.policy import LoadRule, Metric
from fleet.autoscaler.schedule import parse_window
from fleet.autoscaler.view import Phase, View, WebserverView
from tests.fleet.autoscaler_views import LONG_AGO, NOW, load, looks, machines, policy, told, view, web

CPU = (LoadRule(Metric.CPU_PERCENT, 60.0),)


def fleet(n: int, cpu: float = 60.0) -> list[WebserverView]:
    return [web(f"ws-{number}", since=LONG_AGO + number, load=load(cpu)) for number in range(1, n + 1)]


def watched(shown: View, number: int) -> View:
    """A view whose load was watched for long enough, and always wanted that many."""
    return replace(shown, recommended_before=tuple((NOW - 345 + 15 * step, number) for step in range(23)))


# A person's number


def test_scale_to_five_builds_what_is_missing_at_once() -> None:
    decisions = decide(view(*fleet(2), scaled_out_at=NOW - 1), policy(target=5), NOW)
    assert told(decisions) == [("build", "")] * 3
    assert decisions.acts[0].reason == "3 of 5: the target is 5; there are 2, and 0 being built."


def test_one_decision_builds_no_more_than_the_largest_step() -> None:
    assert len(decide(view(*fleet(1)), policy(target=8), NOW).acts) == 4


def test_what_is_being_built_counts() -> None:
    building = [web(f"ws-{n}", "", phase=Phase.BUILDING, since=NOW - 9) for n in (3, 4, 5)]
    assert decide(view(*fleet(2), *building), policy(target=5), NOW).acts == ()


def test_scale_to_two_lets_the_youngest_go_first() -> None:
    decisions = decide(view(*fleet(5)), policy(target=2, largest_step_in=3), NOW)
    assert machines(decisions, Act.DRAIN) == ["ws-5", "ws-4", "ws-3"]
    assert decisions.acts[0].reason == "4 of 5 are enough: the target is 2; ws-5 is the youngest that may go."


def test_ill_ones_go_before_well_ones_and_protected_ones_never() -> None:
    servers = [web("ws-1", "RRRRRRRRRR", in_dns=False, left_dns_at=NOW - 5), *fleet(4)[1:]]
    assert machines(decide(view(*servers), policy(target=3), NOW), Act.DRAIN) == ["ws-1"]
    rules = policy(target=1, largest_step_in=9, protected=frozenset({"ws-4", "ws-3"}))
    decisions = decide(view(*fleet(4)), rules, NOW)
    assert machines(decisions, Act.DRAIN) == ["ws-2", "ws-1"]
    assert "ws-4 is more than is wanted, and stays: it is protected." in decisions.held_back


def test_nobody_goes_before_enough_others_serve() -> None:
    new = web("ws-3", "", phase=Phase.BUILDING, since=NOW - 9)
    decisions = decide(view(*fleet(2), new), policy(target=2), NOW)
    assert machines(decisions, Act.DRAIN) == []
    assert "stays until others serve" in decisions.held_back[0]


def test_a_webserver_nobody_looked_at_does_not_go() -> None:
    # Both look at others, so no prober is the cause.
    blind = web("ws-3", "..", since=LONG_AGO + 9, until=NOW - 120)
    decisions = decide(view(*fleet(2), blind), policy(target=2), NOW)
    assert machines(decisions, Act.DRAIN) == []
    assert "ws-3 is more than is wanted, and stays: nobody looked at it lately." in decisions.held_back


# Limits


def test_minimum_and_maximum() -> None:
    assert decide(view(*fleet(2)), policy(minimum=3, target=1), NOW).wanted == 3
    decisions = decide(view(*fleet(2)), policy(maximum=4, target=9), NOW)
    assert decisions.wanted == 4
    assert decisions.reason == "4 webservers wanted: the maximum of 4 allows 4 of 9 (the target is 9)."
    leaving = web("ws-9", phase=Phase.LEAVING, since=NOW - 5)
    full = decide(view(*fleet(2), leaving), policy(maximum=4, target=4), NOW)
    assert told(full) == [("build", "")]
    assert "1 more must wait: there are 3 machines (1 of them leaving), and at most 4 are allowed." in full.held_back


def test_the_price_cap() -> None:
    # 12 for the others and 6 for each webserver: 30 is enough for three.
    decisions = decide(view(*fleet(2)), policy(target=5, price_cap_per_month=Decimal(30)), NOW)
    assert told(decisions) == [("build", "")]
    assert "the price cap of $30.00 a month at $6.00 each allows 3 of 5" in decisions.reason
    unknown = view(*fleet(2), price_per_webserver=None)
    assert decide(unknown, policy(target=5, price_cap_per_month=Decimal(30)), NOW).acts == ()
    low = decide(view(*fleet(2)), policy(minimum=2, price_cap_per_month=Decimal(20)), NOW)
    assert (low.wanted, low.acts) == (2, ())
    assert low.held_back[0].startswith("The minimum of 2 is not reached: the price cap of $20.00")


def test_a_window_wants_more() -> None:
    # NOW is Friday, 15 January 2027, 08:00 UTC.
    rules = policy(windows=(parse_window("08:30-18:00 Mon-Fri = 5"),), time_zone="Europe/Berlin")
    decisions = decide(view(*fleet(5)), rules, NOW)
    assert (decisions.wanted, decisions.acts) == (5, ())
    assert decisions.reason == ("5 webservers wanted: the window 08:30-18:00 Mon-Fri = 5 (Europe/Berlin) is open.")
    unknown = decide(view(*fleet(5)), replace(rules, time_zone="Mars/Olympus"), NOW)
    assert (unknown.wanted, unknown.acts) == (5, ())
    assert "The time zone Mars/Olympus is not known on this machine." in unknown.held_back[0]


# Load


def test_load_wants_more_and_says_the_figures() -> None:
    decisions = decide(view(*fleet(2, cpu=90.0)), policy(load_rules=CPU), NOW)
    assert decisions.wanted == 3
    assert "CPU 90 % on 2 against a target of 60 %" in decisions.acts[0].reason
    assert told(decisions) == [("build", "")]


def test_within_the_tolerance_nothing_changes() -> None:
    for cpu in (54.5, 60.0, 65.9):
        assert decide(watched(view(*fleet(3, cpu)), 3), policy(load_rules=CPU), NOW).wanted == 3
    assert decide(watched(view(*fleet(3, 66.7)), 3), policy(load_rules=CPU), NOW).wanted == 4


def test_the_largest_of_several_rules() -> None:
    rules = (*CPU, LoadRule(Metric.REQUESTS_PER_S, 2.5))
    decisions = decide(view(*fleet(2)), policy(load_rules=rules), NOW)
    assert decisions.wanted == 8
    assert "load 10 requests/s" in decisions.reason


def test_slow_answers_want_more_and_refused_ones_do_not_look_quick() -> None:
    rules = policy(load_rules=(LoadRule(Metric.ANSWER_MS, 20.0),))
    assert decide(view(*fleet(2)), rules, NOW).wanted == 4
    refused = [web("ws-1", "RRRRR"), web("ws-2", "RRRRR")]
    assert decide(view(*refused), rules, NOW).recommended == 2


def test_scale_out_cooldown_is_for_load_only() -> None:
    shown = view(*fleet(2, cpu=90.0), scaled_out_at=NOW - 20)
    decisions = decide(shown, policy(load_rules=CPU), NOW)
    assert decisions.acts == ()
    assert "1 more for load in 40 s: the last was 20 s ago, the cooldown is 60 s." in decisions.held_back
    assert len(decide(shown, policy(load_rules=CPU, target=3), NOW).acts) == 1


def test_fewer_only_when_fewer_were_wanted_all_the_time() -> None:
    rules = policy(load_rules=CPU, target=1)
    quiet = view(*fleet(4, cpu=10.0))
    assert machines(decide(watched(quiet, 1), rules, NOW), Act.DRAIN) == ["ws-4"]
    lately = replace(watched(quiet, 1), recommended_before=(*watched(quiet, 1).recommended_before, (NOW - 60, 3)))
    assert decide(lately, rules, NOW).wanted == 3
    newcomer = decide(quiet, rules, NOW)
    assert newcomer.wanted == 4
    assert "Load has been watched for less than 300 s; nobody goes for load." in newcomer.held_back


def test_scale_in_cooldown() -> None:
    shown = replace(watched(view(*fleet(4, cpu=10.0)), 1), scaled_in_at=NOW - 100)
    decisions = decide(shown, policy(load_rules=CPU, target=1), NOW)
    assert decisions.acts == ()
    assert "3 fewer in 200 s: the last went 100 s ago, the cooldown is 300 s." in decisions.held_back


def test_unknown_load_lets_nobody_go_and_calls_for_nobody() -> None:
    rules = policy(load_rules=CPU, target=1)
    for strange in (None, load(5.0, at=NOW - 61)):
        servers = [*fleet(3, cpu=5.0), web("ws-4", load=strange)]
        decisions = decide(watched(view(*servers), 1), rules, NOW)
        assert (decisions.wanted, decisions.acts) == (4, ())
        assert "CPU of ws-4 is not known: nobody goes." in decisions.held_back
    # The unknown one counts as at its target: (90 + 60) / 2 = 75 → ceil(2 × 75 / 60) = 3.
    half = view(web("ws-1", load=load(90.0)), web("ws-2"))
    assert decide(half, rules, NOW).wanted == 3


def test_what_was_wanted_is_remembered_in_slices() -> None:
    rules = policy(load_rules=CPU)
    before: tuple[tuple[float, int], ...] = ()
    for second in range(0, 1000, 5):
        decisions = decide(view(*fleet(2, 90.0 if second == 700 else 60.0)), rules, NOW)
        before = remember(before, decisions, rules, NOW + second)
    assert len(before) <= 24
    assert before[0][0] <= NOW + 995 - 300
    assert max(number for _, number in before) == 3
    assert remember(before, decide(view(), policy(), NOW), policy(), NOW) == ()


# Leaving


def leaving(**more: object) -> WebserverView:
    return web("ws-3", **{"phase": Phase.LEAVING, "since": NOW - 300, "in_dns": False, **more})  # type: ignore[arg-type]


def test_one_that_left_is_destroyed_when_its_last_visitor_has_gone() -> None:
    rules = policy()
    for server, gone in (
        (leaving(load=load(last_visit_s=61.0)), True),
        (leaving(load=load(last_visit_s=10.0)), False),
        (leaving(load=None), False),
        (leaving(load=load(last_visit_s=500.0), since=NOW - 100), False),  # two TTLs are not over
        (leaving(load=load(last_visit_s=500.0), left_dns_at=NOW - 100), False),  # nor since it left DNS
        (leaving(load=load(last_visit_s=1.0), since=NOW - 1800), True),  # kept alive for ever
        (leaving(load=load(last_visit_s=500.0, at=NOW - 90)), False),  # what it said is too old
        (leaving(seen="RRRRR"), True),  # it serves nobody
        (leaving(load=load(last_visit_s=500.0), until=NOW - 40), False),  # nobody looks at it
    ):
        decisions = decide(view(*fleet(2), server), rules, NOW)
        assert machines(decisions, Act.DESTROY) == (["ws-3"] if gone else []), server
        assert gone or "ws-3" in decisions.held_back[0]


def test_tests_may_shorten_the_drain() -> None:
    server = leaving(load=load(last_visit_s=4.0), since=NOW - 11)
    rules = policy(drain_s=10.0, drain_quiet_s=3.0)
    assert told(decide(view(*fleet(2), server), rules, NOW)) == [("destroy", "ws-3")]


def test_one_that_shall_go_and_is_still_in_dns_is_told_again() -> None:
    assert told(decide(view(*fleet(2), leaving(in_dns=True)), policy(), NOW)) == [("drain", "ws-3")]


# The owner's word


def test_paused_tells_and_marks() -> None:
    decisions = decide(view(*fleet(2)), policy(target=3, paused=True), NOW)
    assert decisions.paused
    assert told(decisions) == [("build", "")]
    assert decisions.held_back[0] == "Paused by the owner: nothing of this is carried out (1 in all)."


def test_no_machine_gets_two_acts_at_once() -> None:
    surplus = web("ws-3", in_dns=False, left_dns_at=NOW - 30, since=NOW - 500)
    assert told(decide(view(*fleet(2), surplus), policy(), NOW)) == [("enter-dns", "ws-3")]


def test_looks_of_machines_that_are_no_probers_do_not_count() -> None:
    server = replace(web("ws-1"), observations=(*web("ws-1").observations, *looks("RRRRR", "ws-2")))
    assert decide(view(server, web("ws-2")), policy(), NOW).acts == ()
