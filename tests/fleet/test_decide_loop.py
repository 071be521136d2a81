"""The closed loop of decisions and what comes of them, with machines on paper."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.decide import decide
from fleet.autoscaler.decision import Act, Decision
from fleet.autoscaler.policy import LoadRule, Metric, ScalingPolicy
from fleet.autoscaler.view import Outcome
from fleet.autoscaler.virtual import VirtualFleet
from tests.examples import examples
from tests.fleet.autoscaler_views import NOW
from tests.fleet.test_decide_properties import MANY

EVERY_S = 5.0


def run(
    fleet: VirtualFleet, policy: ScalingPolicy, begin: float, seconds: float, rate: float, least: int = 0
) -> list[Decision]:
    done: list[Decision] = []
    for step in range(int(seconds / EVERY_S)):
        now = begin + step * EVERY_S
        fleet.pass_time(now, rate)
        decisions = decide(fleet.view(), policy, now)
        done += decisions.acts
        fleet.carry_out(decisions, policy, now)
        assert len(fleet.webservers) <= policy.maximum
        assert sum(one.in_dns for one in fleet.webservers) >= least
    return done


FAST = {"drain_s": 10.0, "drain_quiet_s": 5.0, "longest_drain_s": 60.0, "never_well_proof_s": 60.0}
KINDS = st.sampled_from([Outcome.REFUSED, Outcome.SILENT, Outcome.SLOW, Outcome.HTTP_ERROR, Outcome.DISK_FULL])


@settings(MANY, max_examples=examples(25))
@given(
    st.integers(1, 6),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, 7), KINDS), max_size=8),
    st.sampled_from([0.0, 30.0, 90.0]),
    st.lists(st.integers(1, 6), min_size=1, max_size=3),
)
def test_failures_and_changes_of_mind_end_in_as_many_well_ones_as_are_wanted(
    first: int, spare: int, failures: list[tuple[int, Outcome]], build_s: float, targets: list[int]
) -> None:
    maximum = min(9, max(first, *targets) + spare)
    fleet = VirtualFleet(100.0, build_s)
    fleet.begin(first, NOW)
    now = NOW
    for number, target in enumerate(targets):
        policy = ScalingPolicy(1, maximum, target, **FAST)  # type: ignore[arg-type]
        for index, outcome in failures[number :: len(targets)]:
            if index < len(fleet.webservers):
                fleet.webservers[index].outcome = outcome
        run(fleet, policy, now, 150, 10.0)  # in the midst of it the next thing goes wrong
        now += 150
    # One at a time at the worst: proof, build, drain for each.
    run(fleet, policy, now, len(fleet.webservers) * (200 + 2 * build_s) + 600, 10.0)
    now += len(fleet.webservers) * 1000 + 1000
    well = [one for one in fleet.webservers if one.outcome is Outcome.OK and one.in_dns]
    if not well:
        # Told to a person: see test_at_the_maximum_the_only_one_does_not_go_first.
        assert (maximum, len(fleet.webservers)) == (1, 1)
        return
    assert len(well) == policy.target, [(one.name, one.phase, one.in_dns, one.outcome) for one in fleet.webservers]
    assert len(fleet.webservers) == policy.target
    assert run(fleet, policy, now, 60, 10.0) == []  # quiet


@settings(MANY, max_examples=examples(40))
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 2),
    st.sets(st.integers(1, 6), max_size=3),
    st.sets(st.integers(1, 6), max_size=4),
    st.sampled_from([0.0, 30.0, 90.0]),
)
def test_what_an_owner_asked_is_done_once_and_never_costs_the_minimum(
    first: int, minimum: int, spare: int, drain: set[int], renew: set[int], build_s: float
) -> None:
    first, minimum = max(first, minimum), min(first, minimum)
    drained = {f"ws-{number}" for number in drain if number <= first}
    renewed = {f"ws-{number}" for number in renew if number <= first} - drained
    fleet = VirtualFleet(100.0, build_s)
    fleet.begin(first, NOW)
    policy = ScalingPolicy(
        minimum,
        first + len(drained) + spare,
        first,
        drained=tuple(Asked(name, NOW) for name in sorted(drained)),
        replacing=tuple(Asked(name, NOW) for name in sorted(renewed)),
        **FAST,  # type: ignore[arg-type]
    )
    first_ones = {one.name: one for one in fleet.webservers}
    length = (len(drained) + len(renewed) + 1) * (60 + build_s) + 100
    done = run(fleet, policy, NOW, length, 10.0, least=minimum)
    now = NOW + length
    there = {one.name: one for one in fleet.webservers}
    assert all(there[name] is first_ones[name] and not there[name].in_dns for name in drained)
    held = first == minimum and not spare  # one more or one fewer is not allowed
    assert {name for name in renewed if there.get(name) is first_ones[name]} == (renewed if held else set())
    builds = [one for one in done if one.act is Act.BUILD]
    assert len(builds) == len(drained) + (0 if held else len(renewed))
    assert (len(there), sum(one.in_dns for one in fleet.webservers)) == (first + len(drained), first)
    assert run(fleet, policy, now, 200, 10.0) == []  # quiet
    # Given back they are like the others.
    run(fleet, replace(policy, drained=()), now + 200, 400, 10.0, least=minimum)
    assert [one.in_dns for one in fleet.webservers] == [True] * first
    assert run(fleet, replace(policy, drained=()), now + 600, 200, 10.0) == []


@settings(MANY, max_examples=examples(12))
@given(st.integers(1, 8), st.lists(st.floats(-0.099, 0.099), min_size=300, max_size=300))
def test_noise_within_the_tolerance_moves_nobody(n: int, noise: list[float]) -> None:
    policy = ScalingPolicy(1, 10, 1, load_rules=(LoadRule(Metric.REQUESTS_PER_S, 50.0),))
    fleet = VirtualFleet(100.0, 30.0)
    fleet.begin(n, NOW)
    for step, part in enumerate(noise):
        now = NOW + step * EVERY_S
        fleet.pass_time(now, 50.0 * n * (1 + part))
        decisions = decide(fleet.view(), policy, now)
        assert decisions.acts == ()
        fleet.carry_out(decisions, policy, now)


@settings(MANY, max_examples=examples(12))
@given(st.floats(1, 900), st.lists(st.floats(0.93, 1.07), min_size=400, max_size=400))
def test_noise_about_any_load_never_goes_up_and_down_again(rate: float, noise: list[float]) -> None:
    policy = ScalingPolicy(1, 20, 1, load_rules=(LoadRule(Metric.REQUESTS_PER_S, 50.0),))
    fleet = VirtualFleet(100.0, 30.0)
    fleet.begin(max(1, math.ceil(rate / 50)), NOW)
    moves = []
    for step, part in enumerate(noise):
        now = NOW + step * EVERY_S
        fleet.pass_time(now, rate * part)
        decisions = decide(fleet.view(), policy, now)
        moves += [decision.act for decision in decisions.acts if decision.act in (Act.BUILD, Act.DRAIN)]
        fleet.carry_out(decisions, policy, now)
    assert len(set(moves)) <= 1, moves
    assert len(moves) <= 2
