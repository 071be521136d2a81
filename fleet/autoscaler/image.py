"""The image of webservers: made on a machine of its own, kept until something in it changes, renewed then.

The machine (the mould) is no webserver: it is in no record, in no list of addresses and never in DNS; nobody decides
about it. It never has a secret, and what makes it a machine of its own is taken from it before the image is taken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fleet.context import ContextMaker
from fleet.deployment import Deployment, first_host_key, first_host_keys
from fleet.images import image_name, images_of
from fleet.leftovers import end_machine, is_mould
from fleet.links import Links
from fleet.machines import create, machine_spec, wait_running, with_addresses
from fleet.names import MOULD
from fleet.policy import node_of
from providers.contract import Machine, Snapshot
from recipes import image as recipes
from recipes.context import Role
from recipes.run import run_recipe
from recipes.secrets import SecretKind, SecretSpec, public_line
from state.events import Event, Kind
from state.fleet_record import FleetRecord, MachineRecord, Stage

#: Packages are as old as the image they are in (ours): a new webserver has the newest after its first night.
LONGEST_KEPT = timedelta(days=7)
#: As for any recipe of a build.
RECIPE_DEADLINE_S = 1800.0
ACTION = "image"


def bring_image(deployment: Deployment, wanted: bool, cancel: threading.Event, before_each: Callable[[], None]) -> None:
    """There is one image of the deployment, the one in force; none when none is wanted.

    Args:
        wanted: new webservers shall be made from one.
        before_each: called before each change; raises when nothing may be changed any more.

    Raises:
        BuildyardError: it could not be made; the machine for it is gone as far as that was possible.
    """
    one, provider = deployment, deployment.access.provider
    for machine in provider.machines(one.names.tag):
        if is_mould(one.names, machine):
            before_each()
            _tell(one, f"{machine.name} (id {machine.id}) was left behind by an act that was cut off: it goes.")
            end_machine(one, machine.id, machine.name)
    name = image_name(one) if wanted else ""
    there = images_of(one)
    fresh = [each for each in there if each.name == name and not _is_old(one, each)]
    if name and not fresh:
        for each in (each for each in there if each.name == name):
            before_each()  # the provider would take a new one of its name for it
            provider.delete_snapshot(each.id)
        _make(one, name, cancel, before_each)
    for each in there:
        if each.name != name:
            before_each()
            provider.delete_snapshot(each.id)
            _tell(one, f"The image {each.name} is no longer needed: it is deleted.")


def _is_old(one: Deployment, image: Snapshot) -> bool:
    made_at = datetime.fromisoformat(image.created_at)
    return datetime.fromtimestamp(one.clock.now(), UTC) - made_at > LONGEST_KEPT


def _make(one: Deployment, name: str, cancel: threading.Event, before_each: Callable[[], None]) -> None:
    began = one.clock.monotonic()
    text = f"image for new webservers {name}"
    _tell(one, "An image for new webservers is made, on a machine of its own.")
    one.emit(Event(Kind.ACTION_STARTED, text=text, machine=MOULD, action=ACTION))
    ok = False
    try:
        _on_mould(one, name, cancel, before_each)
        ok = True
    finally:
        # why it failed is told by whoever asked for it; "stopped" keeps it from being told twice
        one.emit(
            Event(Kind.ACTION_FINISHED, text=text, machine=MOULD, action=ACTION, data={"ok": ok, "stopped": not ok})
        )
    took_s = one.clock.monotonic() - began
    _tell(one, f"New webservers are made from the image {name} from now on; it took {took_s:.0f} s.")


def _on_mould(one: Deployment, name: str, cancel: threading.Event, before_each: Callable[[], None]) -> None:
    provider = one.access.provider
    epoch = (one.record.load() or FleetRecord.new(one.settings.deployment)).epoch
    key = one.secret(SecretSpec(first_host_key(MOULD, epoch), SecretKind.SSH_KEY))
    contexts = ContextMaker(one)
    mould = MachineRecord(MOULD, Role.WEBSERVER.value, 0, epoch, first_host_key=public_line(key))
    machine: Machine | None = None
    try:
        before_each()
        machine = create(one, machine_spec(one, mould, contexts))
        mould = replace(mould, provider_id=machine.id, stage=Stage.CREATED)
        mould = with_addresses(mould, wait_running(one, mould))
        _fill(one, mould, contexts, cancel)
        before_each()
        provider.power_off(machine.id)
        before_each()
        provider.snapshot(machine.id, name)
    finally:
        if machine is not None:
            end_machine(one, machine.id, MOULD)
        for secret in one.secrets.names():
            if secret.startswith(first_host_keys(MOULD)):
                one.secrets.delete(secret)


def _fill(one: Deployment, mould: MachineRecord, contexts: ContextMaker, cancel: threading.Event) -> None:
    """All recipes of the image, over one connection: the last of them takes away the keys for another."""
    node = node_of(mould)
    links = Links(one)
    try:
        link = links.to(mould, patient=True)
        for recipe in recipes.recipes(contexts.make(node, (node,))):
            run_recipe(
                link,
                recipe,
                machine=MOULD,
                emit=lambda event: one.emit(replace(event, action=ACTION)),
                redact=one.redact,
                cancel=cancel,
                deadline_s=RECIPE_DEADLINE_S,
            )
    finally:
        links.close()


def _tell(one: Deployment, text: str) -> None:
    one.emit(Event(Kind.NOTE, text=text))
