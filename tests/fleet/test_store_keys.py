"""Who may do what in the object store: each key no wider than its holder's work, and none left in the account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from fleet import store_keys
from fleet.beginning import begin
from fleet.context import ContextMaker
from fleet.deployment import Deployment
from fleet.preview import preview
from fleet.store_keys import OWN, end_key, own_key
from providers.contract import FULL_ACCESS, BucketGrant, BucketKey, Permission
from providers.digitalocean import api
from recipes.context import Node, Role
from state.errors import Conflict, SecretsError, Unauthorized
from tests.fleet.paper import Ground, build


def keys(ground: Ground) -> dict[str, list[dict[str, str]]]:
    """Name to grants, as the vendor has them."""
    listed = cast("Any", ground.provider)._api.listed(api.BUCKET_KEYS, lambda body: body)
    return {body["name"]: body["grants"] for body in listed}


def told(one: Deployment, role: Role) -> tuple[str, str]:
    """The pair that machines of a role are given."""
    node = Node(f"{role.value}-1", role, "192.0.2.1", "", "10.0.0.1")
    context = ContextMaker(one).make(node, (node,))
    return context.store.access_key, context.secrets["s3-secret-key"].reveal()


def test_only_the_build_machine_may_do_everything(ground: Ground) -> None:
    shop = ground.deployment("shop")
    begin(shop, ground.paths("shop"))
    assert build(shop).ok
    config = shop.bucket_name("config")
    assert keys(ground) == {
        shop.names.store_key(OWN, "of-shop"): [{"bucket": "", "permission": "fullaccess"}],
        shop.names.store_key("webserver", "of-shop"): [
            {"bucket": config, "permission": "read"},
            {"bucket": shop.bucket_name("assets"), "permission": "readwrite"},
        ],
        shop.names.store_key("database", "of-shop"): [{"bucket": config, "permission": "readwrite"}],
    }
    own = own_key(shop.record, shop.secrets)
    pairs = {told(shop, Role.WEBSERVER), told(shop, Role.DATABASE), (own.access_key, own.secret_key.reveal())}
    assert len(pairs) == 3
    assert build(shop).changed == 0


def test_a_key_that_was_deleted_in_the_account_is_made_anew(ground: Ground) -> None:
    shop = ground.deployment("shop")
    begin(shop, ground.paths("shop"))
    assert build(shop).ok
    before = told(shop, Role.WEBSERVER)
    ground.provider.delete_bucket_key(before[0])
    own = own_key(shop.record, shop.secrets).access_key
    ground.provider.delete_bucket_key(own)
    begin(shop, ground.paths("shop"))
    assert own_key(shop.record, shop.secrets).access_key != own
    assert build(shop).changed == 1
    assert told(shop, Role.WEBSERVER)[0] != before[0]


def test_a_key_of_before_that_may_do_less_is_made_anew(ground: Ground) -> None:
    """As a fleet has it that was built before there was a bucket for uploads."""
    shop = ground.deployment("shop")
    begin(shop, ground.paths("shop"))
    assert build(shop).ok
    now = keys(ground)
    narrow = (BucketGrant(shop.bucket_name("config"), Permission.READ),)
    access_key, secret = ground.provider.create_bucket_key(shop.names.store_key("webserver", "of-shop"), narrow)
    shop.secrets.set(store_keys.secret_name("webserver"), secret)
    shop.record.update(lambda old: old.with_store_key("webserver", access_key))
    assert build(shop).changed == 1
    assert keys(ground) == now
    assert told(shop, Role.WEBSERVER)[0] != access_key
    assert build(shop).changed == 0


def test_where_no_key_can_be_narrow_one_that_opens_everything_is_right(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = ground.deployment("shop")
    begin(shop, ground.paths("shop"))
    assert build(shop).ok
    provider = cast("Any", ground.provider)
    listed = provider.bucket_keys

    def wide(name: str) -> tuple[BucketKey, ...]:
        return tuple(BucketKey(key.access_key, frozenset(FULL_ACCESS)) for key in listed(name))

    monkeypatch.setattr(provider, "bucket_keys", wide)
    monkeypatch.setattr(provider, "capabilities", replace(provider.capabilities, narrow_bucket_keys=False))
    assert build(shop).changed == 0


def test_another_deployment_of_that_name_keeps_its_key(ground: Ground) -> None:
    """Here a build machine whose deployment of the same name never was built; there one that is."""
    theirs = ground.deployment("shop")
    begin(theirs, ground.paths("shop"))
    assert build(theirs).ok
    before = keys(ground)
    elsewhere = Ground(ground.provider, ground.folder / "elsewhere")
    ours = elsewhere.deployment("shop")
    ours.record.update(lambda old: type(old).new("shop", old.lineage))
    with pytest.raises(Conflict, match="taken"):
        preview(ours)
    assert keys(ground) == before


def test_a_plan_makes_nothing_anywhere(ground: Ground) -> None:
    shop = ground.deployment("shop")
    ground.paths("shop").fleet_record.unlink()
    found = preview(shop)
    assert {each.action.id for each in found.changes} >= {"network", "machine:ws-1", "dns"}
    assert keys(ground) == {}
    assert ground.store.buckets == {}
    assert shop.secrets.names() == ()
    assert shop.record.load() is None
    with pytest.raises(SecretsError, match="no key") as caught:
        own_key(shop.record, shop.secrets)
    assert "buildyard build" in caught.value.hint


def test_the_last_key_is_removed_at_the_end(ground: Ground) -> None:
    shop = ground.deployment("shop")
    begin(shop, ground.paths("shop"))
    end_key(shop, OWN)
    assert keys(ground) == {}
    end_key(shop, OWN)


def test_a_store_that_never_hears_of_the_key_is_told_in_its_own_words(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_keys, "KNOWN_DEADLINE_S", 0.2)
    shop = ground.deployment("shop")
    ground.store.unknown_keys.add("")
    with pytest.raises(Unauthorized, match="does not know"):
        begin(shop, ground.paths("shop"))
