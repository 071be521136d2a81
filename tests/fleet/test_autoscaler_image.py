"""New webservers from an image, against the rehearsal's API: machines are on paper, their insides are left out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fleet.autoscaler import image
from fleet.autoscaler.image import bring_image
from fleet.deployment import Handed, first_host_keys
from fleet.destroy import destroy
from fleet.images import image_for, image_name, images_of
from fleet.names import MOULD, Names
from fleet.release import UNMADE_RELEASE
from providers.contract import Machine, MachineSpec, MachineStatus
from recipes.context import Release, Role
from state.errors import LeaseHeld, ProviderError, StepFailed
from state.events import Kind
from tests.fleet.autoscaler_world import POLICY, World, world
from tests.fleet.test_leftovers import destroyed, plan, stray

__all__ = ["world"]  # the fixture

RELEASE = "b" * 64


@dataclass
class Cloud:
    """What the provider was asked for, in order."""

    made: list[MachineSpec] = field(default_factory=list)
    imaged: list[str] = field(default_factory=list)

    def image_of(self, name: str) -> str:
        """What the newest machine of that name was made from."""
        return next(spec.image for spec in reversed(self.made) if spec.name == name)

    @property
    def moulds(self) -> int:
        return sum(spec.name == MOULD for spec in self.made)


@pytest.fixture
def cloud(world: World, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Nobody logs in to a mould; of machines and images it is written down what was asked for."""
    told, provider = Cloud(), world.ground.provider
    create, snapshot = provider.create_machine, provider.snapshot

    def creating(spec: MachineSpec, action_tag: str) -> Machine:
        told.made.append(spec)
        return create(spec, action_tag)

    def imaging(machine_id: str, name: str) -> Any:
        machine = provider.machine(machine_id)
        assert (machine.name, machine.status) == (MOULD, MachineStatus.OFF), "an image is of a mould that is off"
        told.imaged.append(name)
        return snapshot(machine_id, name)

    monkeypatch.setattr(provider, "create_machine", creating)
    monkeypatch.setattr(provider, "snapshot", imaging)
    monkeypatch.setattr(image, "_fill", lambda *_: None)
    world.one = replace(world.one, handed=Handed("program-1", "0" * 64, None))
    return told


def names(world: World) -> list[str]:
    return [each.name for each in images_of(world.one)]


def bring(world: World, *, wanted: bool = True, before_each: Callable[[], None] = lambda: None) -> None:
    bring_image(world.one, wanted, threading.Event(), before_each)


def test_an_image_is_made_once_and_the_next_webserver_comes_from_it(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.autoscaler.acting.COMPARE_S", 0.1)  # it is looked at again and again
    with world.autoscaler():
        world.comes_true("an image", lambda: names(world) == [image_name(world.one)])
        world.comes_true("the mould to be gone", lambda: world.at_provider == ["ws-1"])
        world.policy = replace(POLICY, target=3)
        world.comes_true("three in DNS", lambda: world.in_dns == {"ws-1", "ws-2", "ws-3"})
    made = images_of(world.one)[0]
    assert (cloud.image_of("ws-2"), cloud.image_of("ws-3")) == (made.id, made.id)
    assert cloud.moulds == 1
    assert [event.text for event in world.ground.events if "ws-2 is made from the image" in event.text]
    assert {each.image for each in world.record.machines} == {world.one.settings.image}, "what a plan compares"
    assert MOULD not in world.webservers


def test_the_mould_is_a_bare_webserver_by_size_and_rules_and_is_nobody_else(world: World, cloud: Cloud) -> None:
    bring(world)
    (spec,) = [spec for spec in cloud.made if spec.name == MOULD]
    one = world.one
    assert (spec.image, spec.size) == (one.settings.image, one.settings.sizes[Role.WEBSERVER])
    assert set(spec.tags[:2]) == {one.names.tag, one.names.role_tag(Role.WEBSERVER)}, "the role's firewall guards it"
    assert one.names.made_by(spec.tags[2]) == (MOULD, world.record.epoch)
    assert not [name for name in one.secrets.names() if name.startswith(first_host_keys(MOULD))]


def test_while_an_image_is_made_webservers_are_built_from_bare_and_nobody_waits(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def fill(*_: object) -> None:
        begun.set()
        assert go_on.wait(60)

    monkeypatch.setattr(image, "_fill", fill)
    monkeypatch.setattr("fleet.autoscaler.acting.COMPARE_S", 0.1)  # and it is swept meanwhile
    with world.autoscaler():
        assert begun.wait(30)
        world.policy = replace(POLICY, target=2)
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
        assert cloud.image_of("ws-2") == world.one.settings.image
        assert MOULD in world.at_provider, "the sweep leaves it alone"
        go_on.set()
        world.comes_true("the image", lambda: bool(names(world)))


@pytest.mark.parametrize(
    "newer",
    [Handed("program-2", "0" * 64, None), "release", "size", "region", "image"],
)
def test_another_program_release_size_place_or_system_calls_for_another_image(
    world: World, cloud: Cloud, newer: Handed | str
) -> None:
    before = image_name(world.one)
    settings = world.one.settings
    if isinstance(newer, Handed):
        changed = replace(world.one, handed=newer)
    elif newer == "release":
        changed = replace(world.one, handed=Handed("program-1", "0" * 64, a_release(RELEASE)))
    elif newer == "size":
        sizes = {**settings.sizes, Role.WEBSERVER: "s-2vcpu-2gb"}
        changed = replace(world.one, settings=replace(settings, sizes=sizes))
    else:
        changed = replace(world.one, settings=replace(settings, **{newer: "other"}))
    assert image_name(changed) != before
    assert world.one.names.owns_image(image_name(changed))
    assert cloud.moulds == 0


def test_after_a_redeploy_the_image_is_renewed_and_the_old_one_goes(world: World, cloud: Cloud) -> None:
    world.one = replace(world.one, handed=Handed("program-1", "0" * 64, a_release("a" * 64)))
    bring(world)
    (before,) = names(world)
    world.one = replace(world.one, handed=Handed("program-1", "0" * 64, a_release(RELEASE)))
    assert image_for(world.one, Role.WEBSERVER) is None, "what it would bring is out of date: from bare"
    bring(world)
    assert names(world) == [image_name(world.one)] != [before]
    assert cloud.moulds == 2


def test_an_image_of_old_packages_is_made_anew(world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(world)
    (before,) = images_of(world.one)
    bring(world)
    assert images_of(world.one) == (before,)
    monkeypatch.setattr(image, "LONGEST_KEPT", image.timedelta(0))
    bring(world)
    (after,) = images_of(world.one)
    assert after.name == before.name
    assert after.id != before.id


def test_a_mould_left_behind_goes_with_the_next_image_or_the_next_sweep(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = world.one.names.action_tag(MOULD, 1)
    left = stray(world.ground, world.one, Role.WEBSERVER, tag, name=MOULD)
    bring(world)
    assert left.id not in {each.id for each in world.ground.provider.machines(world.one.names.tag)}
    assert names(world)
    stray(world.ground, world.one, Role.WEBSERVER, tag, name=MOULD)
    world.policy = replace(POLICY, paused=True)
    monkeypatch.setattr("fleet.autoscaler.acting.COMPARE_S", 0.1)
    with world.autoscaler():
        world.comes_true("the mould to be gone", lambda: world.at_provider == ["ws-1"])
    assert f"{MOULD} (id" in world.said(Kind.NOTE)


def test_a_build_leaves_the_mould_to_the_autoscaler(world: World, cloud: Cloud) -> None:
    stray(world.ground, world.one, Role.WEBSERVER, world.one.names.action_tag(MOULD, 1), name=MOULD)
    stray(world.ground, world.one, Role.WEBSERVER, world.one.names.action_tag("ws-7", 1), name="ws-7")
    (action,) = destroyed(plan(world.one))
    assert "ws-7" in action.target


def test_a_mould_that_fails_is_ended_told_and_tried_again(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[str] = []

    def fails_once(*_: object) -> None:
        if not failures:
            failures.append("")
            raise StepFailed("common packages failed")

    monkeypatch.setattr(image, "_fill", fails_once)
    with world.autoscaler():
        world.comes_true("the problem to be told", lambda: "common packages failed" in world.said(Kind.PROBLEM))
        world.comes_true("an image at last", lambda: bool(names(world)))
        world.comes_true("no mould", lambda: world.at_provider == ["ws-1"])
    assert cloud.moulds == 2


def test_who_leads_no_longer_takes_no_image_and_leaves_no_mould(world: World, cloud: Cloud) -> None:
    leads = [True, True, False]

    def ensure() -> None:
        if not leads.pop(0):
            raise LeaseHeld("This autoscaler leads no longer.")

    with pytest.raises(LeaseHeld):
        bring(world, before_each=ensure)
    assert (names(world), cloud.imaged, world.at_provider) == ([], [], ["ws-1"])


def test_an_image_that_is_gone_or_refused_costs_time_only(
    world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(world)
    (there,) = images_of(world.one)
    world.ground.provider.delete_snapshot(there.id)
    monkeypatch.setattr("fleet.machines.image_for", lambda *_: there)  # it went after it was looked for
    world.policy = replace(POLICY, target=2, from_image=False)
    with world.autoscaler():
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
    assert [spec.image for spec in cloud.made if spec.name == "ws-2"] == [there.id, world.one.settings.image]
    assert "ws-2 is made from bare" in world.said(Kind.NOTE)


def test_without_an_image_wanted_none_is_made_and_what_is_there_goes(world: World, cloud: Cloud) -> None:
    bring(world)
    world.policy = replace(POLICY, target=2, from_image=False)
    with world.autoscaler():
        world.comes_true("the image to be gone", lambda: names(world) == [])
        world.comes_true("two in DNS", lambda: world.in_dns == {"ws-1", "ws-2"})
    assert cloud.moulds == 1, "the one of before"


def test_paused_it_makes_no_image(world: World, cloud: Cloud) -> None:
    world.policy = replace(POLICY, paused=True)
    with world.autoscaler():
        world.comes_true("a decision", lambda: bool(world.statuses))
    assert (cloud.moulds, names(world)) == (0, [])


def test_where_there_are_no_images_and_on_the_build_machine_all_is_made_from_bare(world: World, cloud: Cloud) -> None:
    assert image_name(replace(world.one, handed=None)) == ""
    provider = world.ground.provider
    provider.capabilities = replace(provider.capabilities, supports_snapshots=False)
    assert (image_name(world.one), images_of(world.one)) == ("", ())
    bring(world)
    assert cloud.moulds == 0


def test_only_webservers_come_from_it(world: World, cloud: Cloud) -> None:
    bring(world)
    assert image_for(world.one, Role.WEBSERVER) is not None
    assert image_for(world.one, Role.DATABASE) is None
    assert image_for(world.one, Role.AUTOSCALER) is None


def test_destroy_ends_images_and_moulds_and_no_neighbours(world: World, cloud: Cloud) -> None:
    bring(world)
    (own,) = images_of(world.one)
    provider = world.ground.provider
    (machine,) = provider.machines(world.one.names.role_tag(Role.WEBSERVER))
    provider.power_off(machine.id)
    theirs = Names("shop-image").image("0" * 16)
    keep = ("by-shop-image-mine", theirs)
    for name in keep:
        type(provider).snapshot(provider, machine.id, name)
    stray(world.ground, world.one, Role.WEBSERVER, world.one.names.action_tag(MOULD, 1), name=MOULD)
    destroy(world.one)
    assert sorted(each.name for each in provider.snapshots("")) == sorted(keep)
    assert provider.machines(world.one.names.tag) == ()
    targets = [event.text for event in world.ground.events if event.kind is Kind.ACTION_FINISHED]
    assert f"image {own.name}" in targets
    assert f"machine {MOULD}" in targets


def test_an_image_that_does_not_go_is_said(world: World, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(world)
    monkeypatch.setattr(world.ground.provider, "delete_snapshot", lambda _: None)
    with pytest.raises(ProviderError, match="image by-shop-image-"):
        destroy(world.one)


def a_release(sha256: str) -> Release:
    return replace(UNMADE_RELEASE, id=f"baseline-{sha256[:4]}", webroot_sha256=sha256)
