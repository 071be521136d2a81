"""What holds for every view and every policy, and for the closed loop of decisions and what comes of them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Part
from hypothesis import strategies as st

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.codec import as_data, from_data
from fleet.autoscaler.decide import decide
from fleet.autoscaler.decision import Act, Decision, Decisions
from fleet.autoscaler.health import Health, diagnose
from fleet.autoscaler.policy import LoadRule, Metric, ScalingPolicy, policy_problem
from fleet.autoscaler.schedule import parse_window
from fleet.autoscaler.view import Load, Observation, Outcome, Phase, View, WebserverView
from tests.examples import examples
from tests.fleet.autoscaler_views import NOW, PROBERS, web

# Without shrinking: a view is made from a number, and a smaller number is no simpler view.
MANY = settings(
    max_examples=examples(300),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Part.explicit, Part.reuse, Part.generate),
)
ENDS = (Act.LEAVE_DNS, Act.DRAIN, Act.DESTROY)
#: Ages that lie on both sides of every limit; most are long ago.
AGES = (0.0, 1.0, 9.0, 19.0, 30.0, 70.0, 130.0, 400.0, 1900.0, *[90_000.0] * 9)


def looks(chance: Random) -> tuple[Observation, ...]:
    """Rows of looks, most of them of one outcome and seen by both: those matter, and pure chance never makes them."""
    found = []
    both = chance.choice([Outcome.OK, Outcome.OK, Outcome.REFUSED, Outcome.SLOW, Outcome.SILENT])
    for prober in PROBERS:
        last = chance.choice([-4.0, 19.0, 21.0, 90.0, *[0.5, 2.0] * 12])
        usual = chance.choice([both] * 19 + list(Outcome))
        count = chance.choice([0, 1, 3, 5, *[10] * 20])
        odd = {chance.randrange(10): chance.choice(list(Outcome)) for _ in range(chance.choice([0] * 8 + [1, 2]))}
        found += [
            Observation(prober, NOW - last - 5 * (count - 1 - n), odd.get(n, usual), chance.randint(1, 2000))
            for n in range(count)
        ]
    return tuple(found)


def some_load(chance: Random) -> Load | None:
    if chance.random() < 0.2:
        return None
    age, visit = chance.choice([1.0, 1.0, 1.0, 59.0, 61.0]), chance.choice(AGES)
    return Load(NOW - age, chance.uniform(0, 100), chance.uniform(0, 500), 3, visit, chance.choice([0.2, 50.0, 60.0]))


def some_webserver(chance: Random, number: int) -> WebserverView:
    phase = chance.choice([*[Phase.SERVING] * 7, Phase.BUILDING, Phase.LEAVING])
    return WebserverView(
        f"ws-{number}",
        phase,
        NOW - chance.choice(AGES),
        chance.random() < {Phase.SERVING: 0.6, Phase.BUILDING: 0.0, Phase.LEAVING: 0.2}[phase],
        looks(chance),
        some_load(chance),
        f"ws-{chance.randint(1, 9)}" if chance.random() < 0.2 else "",
        chance.choice([0.0, NOW - chance.choice(AGES)]),
    )


def some_view(seed: int) -> View:
    """From one number: drawing each part of it would cost a hundred times what deciding on it does."""
    chance = Random(seed)
    return View(
        tuple(some_webserver(chance, number + 1) for number in range(chance.randint(0, 9))),
        chance.choice([*[PROBERS] * 8, ("as-1",), ()]),
        chance.choice([*[""] * 8, "stopped", None]),
        tuple(sorted((NOW - chance.choice([0.0, 70.0, 290.0, 400.0]), chance.randint(1, 9)) for _ in range(3))),
        NOW - chance.choice(AGES),
        NOW - chance.choice(AGES),
        chance.choice([Decimal(6), Decimal("4.5"), Decimal(0), None]),
        chance.choice([Decimal(0), Decimal(12)]),
    )


def some_policy(seed: int) -> ScalingPolicy:
    chance = Random(seed)
    minimum = chance.randint(1, 4)
    maximum = chance.randint(minimum, 14)
    target = chance.randint(minimum, maximum)
    texts = ("08:00-18:00 Mon-Fri = 7", "22:00-09:30 Thu,Sun = 3", "00:00-24:00 Mon-Sun = 12")
    found = ScalingPolicy(
        minimum,
        maximum,
        target,
        chance.choice(["Etc/UTC", "Europe/Berlin", "Nowhere/Town"]),
        tuple(parse_window(text) for text in texts if chance.random() < 0.15),
        tuple(
            LoadRule(metric, chance.uniform(1, 200), chance.uniform(0, 0.5))
            for metric in Metric
            if chance.random() < 0.2
        ),
        largest_step_out=chance.randint(1, 5),
        largest_step_in=chance.randint(1, 5),
        price_cap_per_month=chance.choice([None, None, None, Decimal(20), Decimal(40), Decimal(0)]),
        paused=chance.random() < 0.2,
        protected=frozenset(name for name in ("ws-1", "ws-2", "ws-3") if chance.random() < 0.15),
        replacing=some_asked(chance),
        drained=some_asked(chance),
    )
    assert policy_problem(found) == ""
    return found


def some_asked(chance: Random) -> tuple[Asked, ...]:
    """For machines that are meant, for earlier ones of that name, and by clocks that are ahead."""
    at = [NOW - 1, NOW - 1, NOW - 100, NOW + 4, NOW + 900]
    return tuple(Asked(f"ws-{number}", chance.choice(at)) for number in range(1, 10) if chance.random() < 0.12)


def meant(asked: tuple[Asked, ...], view: View) -> set[str]:
    """Names of those webservers that serve and for which it was asked."""
    by_name = {one.name: one for one in view.webservers if one.phase is Phase.SERVING}
    return {
        each.machine
        for each in asked
        if each.machine in by_name and by_name[each.machine].since < each.asked_at <= NOW + 5
    }


SEEDS = st.integers(0, 2**64)


def views() -> st.SearchStrategy[View]:
    return SEEDS.map(some_view)


def policies() -> st.SearchStrategy[ScalingPolicy]:
    return SEEDS.map(some_policy)


def with_one_serving(view: View) -> View:
    """One more, well and in DNS."""
    return replace(view, webservers=(*view.webservers, web("ws-10")))


def acts(decisions: Decisions, *which: Act) -> list[Decision]:
    return [decision for decision in decisions.acts if decision.act in which]


@MANY
@given(views(), policies())
def test_it_keeps_to_every_limit(view: View, policy: ScalingPolicy) -> None:
    decisions = decide(view, policy, NOW)
    assert policy.minimum <= decisions.wanted <= policy.maximum
    builds = acts(decisions, Act.BUILD)
    total = len(view.webservers) + len(builds)
    if builds:
        # All that cost money count, those that leave and those being made among them.
        assert total <= policy.maximum
        if policy.price_cap_per_month is not None:
            assert view.price_per_webserver is not None
            assert view.price_of_others + total * view.price_per_webserver <= policy.price_cap_per_month
    assert len([one for one in builds if not one.replaces]) <= policy.largest_step_out


@MANY
@given(views(), policies())
def test_nobody_unseen_is_ended_and_nobody_protected(view: View, policy: ScalingPolicy) -> None:
    by_name = {one.name: one for one in view.webservers}
    for decision in acts(decide(view, policy, NOW), *ENDS):
        one = by_name[decision.machine]
        if decision.act is not Act.LEAVE_DNS:
            assert one.name not in policy.protected
        if one.phase is Phase.BUILDING:
            assert decision.act is Act.DESTROY
            assert not one.in_dns
            assert NOW - one.since > policy.build_deadline_s
            continue
        if decision.act is Act.LEAVE_DNS and one.name in meant(policy.drained, view):
            continue  # its owner said so
        fresh = [look for look in one.observations if look.prober in view.probers and abs(NOW - look.at) <= 20]
        assert fresh, decision
        if decision.act is Act.DESTROY:
            assert one.phase is Phase.LEAVING
            assert not one.in_dns


@MANY
@given(views(), policies())
def test_a_database_that_is_away_ends_nobody(view: View, policy: ScalingPolicy) -> None:
    decisions = decide(replace(view, database_problem="MariaDB is stopped"), policy, NOW)
    assert {decision.act for decision in decisions.acts} <= {Act.ENTER_DNS}
    assert any("database" in sentence for sentence in decisions.held_back)


@MANY
@given(views(), policies())
def test_one_webserver_that_blames_the_database_is_enough_to_end_nobody(view: View, policy: ScalingPolicy) -> None:
    view = replace(with_one_serving(view), probers=view.probers or PROBERS)
    blamed = [
        replace(one, since=NOW - 1000, observations=(Observation(view.probers[0], NOW, Outcome.DATABASE, 9),))
        if one.phase is Phase.SERVING
        else one
        for one in view.webservers
    ]
    decisions = decide(replace(view, webservers=tuple(blamed)), policy, NOW)
    assert {decision.act for decision in decisions.acts} <= {Act.ENTER_DNS}


@MANY
@given(views(), policies())
def test_at_most_a_third_is_replaced_at_a_time(view: View, policy: ScalingPolicy) -> None:
    decisions = decide(view, policy, NOW)
    drained = meant(policy.drained, view)
    asked = meant(policy.replacing, view) - drained
    serving = {one.name: one for one in view.webservers if one.phase is Phase.SERVING and one.name not in drained}
    health = diagnose(view, NOW).verdicts
    under_way = {
        one.replaces
        for one in view.webservers
        if one.phase is not Phase.LEAVING
        and one.name not in drained
        and one.replaces in serving
        and serving[one.replaces].since < one.since
        and (one.replaces in asked or health[one.replaces].health is not Health.WELL)
    }
    new = [one.replaces for one in acts(decisions, Act.BUILD) if one.replaces]
    first = [one.machine for one in acts(decisions, Act.DRAIN) if "goes before another comes" in one.reason]
    assert len(first) <= 1
    assert len({*new, *first, *under_way}) == len(new) + len(first) + len(under_way), "each has one substitute"
    assert all(name in asked or health[name].health is Health.ILL for name in (*new, *first))
    assert not {*new, *first} & policy.protected
    if new or (first and any(health[name].health is not Health.ILL for name, one in serving.items() if one.in_dns)):
        assert len(under_way) + len(new) + len(first) <= max(1, len(serving) // 3)
    # One that is replaced goes only when its substitute is well and in DNS.
    for one in acts(decisions, Act.DRAIN):
        if "has taken the place of" in one.reason:
            assert any(
                other.replaces == one.machine and other.in_dns and health[other.name].health is Health.WELL
                for other in serving.values()
            )


@MANY
@given(views(), policies())
def test_visitors_always_have_somebody_left(view: View, policy: ScalingPolicy) -> None:
    decisions = decide(view, policy, NOW)
    health = diagnose(view, NOW).verdicts
    gone = {decision.machine for decision in acts(decisions, Act.LEAVE_DNS, Act.DRAIN)}
    serving = [one for one in view.webservers if one.phase is Phase.SERVING and one.in_dns]
    left = [one for one in serving if one.name not in gone]
    if any(one.in_dns and one.name in gone for one in view.webservers):
        if all(health[one.name].health is Health.ILL for one in serving):
            assert left  # at the ceiling one of several ill ones goes first
        else:
            assert [one for one in left if health[one.name].health is not Health.ILL and health[one.name].seen]
    # Where a well one goes, as many well ones stay as are wanted: never fewer than the minimum.
    well = {one.name for one in serving if one.name in gone and health[one.name].health is Health.WELL}
    drained = meant(policy.drained, view)
    asked = meant(policy.replacing, view) - drained
    stay = sum(health[one.name].health is Health.WELL for one in left)
    if well - asked - drained:
        assert stay >= max(policy.minimum, decisions.wanted)
    elif well - drained:  # its owner wants another in its place
        affordable = len(view.webservers)  # a price cap below the minimum wins
        assert stay >= min(policy.minimum, affordable - 1)
    elif well and len(view.webservers) < decisions.wanted:
        assert stay >= policy.minimum or policy.price_cap_per_month is not None, "another one is made first"


@MANY
@given(views(), policies())
def test_what_an_owner_drained_stays_and_has_no_visitors(view: View, policy: ScalingPolicy) -> None:
    drained = meant(policy.drained, view)
    decisions = decide(view, policy, NOW)
    for decision in decisions.acts:
        if decision.machine in drained:
            assert decision.act is Act.LEAVE_DNS
        assert decision.replaces not in drained


@MANY
@given(views(), policies())
def test_unknown_figures_let_nobody_go(view: View, policy: ScalingPolicy) -> None:
    view = with_one_serving(view)
    policy = replace(
        policy,
        load_rules=(LoadRule(Metric.CPU_PERCENT, 50.0), *policy.load_rules),
        price_cap_per_month=None,
        maximum=20,
    )
    servers = list(view.webservers)
    index = next(n for n, one in enumerate(servers) if one.phase is Phase.SERVING and one.in_dns)
    old = servers[index].load
    servers[index] = replace(servers[index], load=None if old is None else replace(old, at=NOW - 61))
    decisions = decide(replace(view, webservers=tuple(servers)), policy, NOW)
    for one in acts(decisions, Act.DRAIN):
        assert "are enough" not in one.reason


@MANY
@given(views(), policies())
def test_a_prober_alone_ends_nobody_for_being_ill(view: View, policy: ScalingPolicy) -> None:
    decisions = decide(replace(view, probers=("as-1",)), policy, NOW)
    asked = meant(policy.replacing, view)
    for one in acts(decisions, Act.DRAIN, Act.DESTROY):
        if one.machine not in asked:
            words = ("taken the place", "goes before", "serves nobody", "never well")
            assert not any(word in one.reason for word in words), one


@MANY
@given(views(), policies())
def test_it_says_the_same_again_and_each_act_is_one_sentence_about_one_machine(
    view: View, policy: ScalingPolicy
) -> None:
    decisions = decide(view, policy, NOW)
    assert decide(view, policy, NOW) == decisions
    kept = json.loads(json.dumps([as_data(view), as_data(policy), as_data(decisions)]))
    assert decide(from_data(View, kept[0]), from_data(ScalingPolicy, kept[1]), NOW) == from_data(Decisions, kept[2])
    assert from_data(View, kept[0]) == view
    assert from_data(ScalingPolicy, kept[1]) == policy
    names = Counter(decision.machine for decision in decisions.acts if decision.act is not Act.BUILD)
    assert all(count == 1 for count in names.values())
    assert names.keys() <= {one.name for one in view.webservers}
    for sentence in (decisions.reason, *decisions.held_back, *(decision.reason for decision in decisions.acts)):
        assert sentence.endswith(".")
        assert not sentence.endswith("..")
        assert "\n" not in sentence
