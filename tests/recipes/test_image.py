"""An image of webservers holds what they have in common, and nothing that is secret or one machine's own."""

from __future__ import annotations

import dataclasses
import zlib
from pathlib import Path

import pytest

from recipes import image, roles
from recipes.compiler import compile_recipe
from recipes.context import Context, Node, Release, Role
from recipes.steps import FirewallRules, Script, Step
from recipes.texts import path_of
from tests.recipes.test_roles import ALLOW, DATA, RELEASE, WEB, context_for
from tests.recipes.test_roles import _secret_lines as secret_lines

MOULD = Node("mould", Role.WEBSERVER, "192.0.2.19", "2001:db8::19", "10.1.0.19", 1024)
RELEASES = pytest.mark.parametrize("release", [None, RELEASE], ids=["virgin", "baseline"])
#: Steps that only a mould has.
OWN = {"nginx waits for its settings", "nothing of this machine is left"}


def mould_context(release: Release | None) -> Context:
    return context_for(MOULD, release=release, fleet=(MOULD,))


def sent(context: Context) -> str:
    """All that goes to the mould, as text: programs and steps."""
    texts = []
    for recipe in image.recipes(context):
        data = compile_recipe(recipe).data
        while data:
            length = int.from_bytes(data[:4], "big")
            texts.append(zlib.decompress(data[4 : 4 + length]).decode())
            data = data[4 + length :]
    return "\n".join(texts)


@RELEASES
def test_no_secret_goes_to_the_mould_but_the_address_of_the_code(release: Release | None) -> None:
    context = mould_context(release)
    context = dataclasses.replace(context, store=dataclasses.replace(context.store, access_key="canary-access"))
    text = sent(context)
    for name, secret in context.secrets.items():
        for line in secret_lines(secret.reveal()):
            assert line not in text, name
    assert RELEASE.database_url.reveal() not in text
    assert (RELEASE.webroot_url.reveal() in text) == (release is not None)
    assert "canary-access" not in text, "nor the other half of the key to the store"


def test_without_a_secret_it_is_made_as_well() -> None:
    """The recipes cannot even ask for one."""
    context = mould_context(RELEASE)
    assert image.recipes(dataclasses.replace(context, secrets={})) == image.recipes(context)


@RELEASES
def test_nothing_of_one_machine_goes_to_the_mould(release: Release | None) -> None:
    text = sent(mould_context(release))
    for node in (MOULD, WEB, DATA):
        for address in (node.public_ipv4, node.public_ipv6, node.private_ipv4):
            assert address not in text, node.name
    assert "198.51.100.7" not in text, "the operators' addresses"


@RELEASES
def test_a_webserver_finds_all_of_it_done(release: Release | None) -> None:
    """Each step is one of a webserver's own recipes: so from an image or from bare, it becomes the same."""
    webserver = roles.stages(context_for(WEB, release=release), ALLOW)
    own = {step.label: step for stage in webserver for step in stage.recipe.steps}
    steps = [step for recipe in image.recipes(mould_context(release)) for step in recipe.steps if step.label not in OWN]
    assert len(steps) > 20
    for step in steps:
        assert same(step, own[step.label]), step.label


def same(step: Step, other: Step) -> bool:
    """A baseline's code is laid out without its uploads; they are the bucket's by then."""
    if isinstance(step, Script) and isinstance(other, Script) and step.label == "release" and step.arguments:
        step = dataclasses.replace(step, arguments=(*step.arguments[:-1], "uploads"))
    return dataclasses.replace(step, notifies=()) == dataclasses.replace(other, notifies=())


def test_the_last_thing_done_is_that_the_machine_forgets_itself() -> None:
    recipes = image.recipes(mould_context(None))
    assert [recipe.name for recipe in recipes][-1] == image.STRIP
    (strip,) = recipes[-1].steps
    assert isinstance(strip, Script)
    assert strip.arguments == ("buildyard",)
    text = Path(path_of("buildyard-strip")).read_text()
    for thing in (
        "/etc/ssh/*host*_key",
        "/var/lib/cloud/*",
        "/etc/machine-id",
        "/var/lib/dbus/machine-id",
        "random-seed",
        "/var/lib/dhcp",
        "/var/log",
        "/root/.ssh",
        '"$home/.ssh"',
        "_history",
        "/tmp",
    ):
        assert thing in text, thing


def test_a_new_machine_can_be_reached_before_it_has_rules_of_its_own() -> None:
    """Rules of the mould would name the mould's addresses, and shut everybody out of what is made from it."""
    steps = [step for recipe in image.recipes(mould_context(None)) for step in recipe.steps]
    assert not [step for step in steps if isinstance(step, FirewallRules)]
    assert "ufw" in {step.label for step in steps}
