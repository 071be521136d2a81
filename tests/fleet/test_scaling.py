"""The scaling policy in the state bucket: what a build, `scale` and a changed answer make of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.codec import POLICY_OBJECT
from fleet.autoscaler.policy import ScalingPolicy
from fleet.beginning import begin
from fleet.deployment import Deployment
from fleet.scaling import bring_policy, change_policy, opened_state, policy_in_force, policy_to_write, set_target
from state.errors import UsageError
from tests.fleet.autoscaler_journal import machine, record
from tests.fleet.paper import Ground
from wizard.templates import REHEARSAL_IN_PRODUCTION


def deployed(ground: Ground, **answers: Any) -> Deployment:
    given = {key.replace(".", "__"): value for key, value in REHEARSAL_IN_PRODUCTION.items()}
    one = ground.deployment("shop", **{**given, **answers})
    begin(one, ground.paths("shop"))
    one.bucket("state").ensure()
    return one


def in_force(one: Deployment) -> ScalingPolicy:
    state = opened_state(one)
    assert state is not None
    found = policy_in_force(state)
    assert found is not None
    return found


def test_a_build_writes_it_once_and_only_the_deployment_can_read_it(ground: Ground) -> None:
    shop = deployed(ground, scaling__windows=["08:30-18:00 Mon-Fri = 5"])
    assert policy_to_write(shop) == "the autoscaler has none yet"
    assert bring_policy(shop)
    assert not bring_policy(shop)
    assert policy_to_write(shop) == ""
    assert in_force(shop) == shop.settings.scaling
    assert b"windows" not in ground.store.buckets[shop.bucket_name("state")][POLICY_OBJECT]


def test_a_target_that_was_scaled_to_stays_until_that_question_is_answered_anew(ground: Ground) -> None:
    shop = deployed(ground)
    bring_policy(shop)
    assert set_target(shop, 4).target == 4
    assert not bring_policy(shop), "scale to 4, then build: 0 changes"
    more = deployed(ground, scaling__maximum=9)
    assert policy_to_write(more) == "answered anew: maximum"
    assert bring_policy(more)
    assert (in_force(more).target, in_force(more).maximum) == (4, 9)
    assert bring_policy(deployed(ground, scaling__maximum=9, scaling__webservers=3))
    assert in_force(more).target == 3


def test_what_nobody_asks_survives_a_build(ground: Ground) -> None:
    shop = deployed(ground)
    bring_policy(shop)
    change_policy(shop, lambda old: replace(old, paused=True, protected=frozenset({"ws-2"})))
    assert bring_policy(deployed(ground, scaling__minimum=2))
    assert (in_force(shop).paused, in_force(shop).protected) == (True, frozenset({"ws-2"}))


def test_what_was_asked_for_a_machine_that_is_gone_goes_with_the_next_change(ground: Ground) -> None:
    shop = deployed(ground)
    bring_policy(shop)
    shop.record.update(lambda old: replace(old, machines=record(2, ws_2={"ready_at": 5000.0}).machines))
    asked = tuple(Asked(f"ws-{number}", 4000.0) for number in (1, 2, 3))  # the ws-2 of then is another one now
    since = (Asked("ws-2", 6000.0),)
    shop.record.update(lambda old: old.with_machine(machine("ws-1", "webserver", 21, ready_at=3000.0)))
    change_policy(shop, lambda old: replace(old, replacing=asked, drained=since))
    assert in_force(shop).replacing == asked
    set_target(shop, 3)
    assert (in_force(shop).replacing, in_force(shop).drained) == (asked[:1], since)


def test_a_target_outside_new_limits_is_brought_inside(ground: Ground) -> None:
    shop = deployed(ground)
    bring_policy(shop)
    set_target(shop, 6)
    assert bring_policy(deployed(ground, scaling__maximum=4))
    assert in_force(shop).target == 4


@pytest.mark.parametrize("wanted", [0, 7])
def test_outside_of_the_limits_it_is_refused_with_what_to_do(ground: Ground, wanted: int) -> None:
    shop = deployed(ground)
    bring_policy(shop)
    with pytest.raises(UsageError, match=f"allows 1 to 6 webservers, not {wanted}") as caught:
        set_target(shop, wanted)
    assert "buildyard new --deployment shop" in caught.value.hint
    assert in_force(shop).target == 2


def test_development_mode_and_what_is_not_built_have_nothing_to_scale(ground: Ground) -> None:
    with pytest.raises(UsageError, match="development mode, which has one webserver"):
        set_target(ground.deployment("blog"), 2)
    with pytest.raises(UsageError, match="no scaling policy yet") as caught:
        set_target(deployed(ground), 2)
    assert "buildyard build" in caught.value.hint
