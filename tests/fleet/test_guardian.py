"""Whom the Gateway Guardian lets in: the list, its changes, cut-offs; and how Buildyard looks at such a site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import bcrypt
import pytest

from fleet import site
from fleet.beginning import begin
from fleet.deployment import SIGNING_KEY, Deployment
from fleet.guardian import (
    PENDING,
    added,
    change_people,
    change_people_to_be,
    hash_of,
    new_password,
    people_of,
    people_to_be,
    publish_guardian,
    removed,
    rotated,
)
from fleet.site import look
from recipes.context import Guarded
from recipes.guardian import people_in
from recipes.signed import serial_of, sign
from recipes.webserver import HEALTH_PATH
from state.errors import LeaseHeld, StateError, UsageError
from state.secret import Secret
from tests.fleet.paper import Ground, PaperSecrets, build
from tests.recipes.guarded_site import GuardedSite, guarded_context, guarded_site, nginx_program
from tests.recipes.tls_sites import HOST

HASH, OTHER = f"$2y$10${'a' * 53}", f"$2y$10${'b' * 53}"


def nothing() -> None: ...


@pytest.fixture
def shop(ground: Ground) -> Deployment:
    """Built, with nobody to let in."""
    one = ground.deployment("shop", access__guardian="site")
    begin(one, ground.paths("shop"))
    assert build(one).ok
    return one


def stored(ground: Ground, one: Deployment) -> dict[str, bytes]:
    return ground.store.buckets[one.bucket_name("config")]


def test_a_password_is_strong_and_can_be_typed() -> None:
    made = {new_password().reveal() for _ in range(200)}
    assert len(made) == 200
    for each in made:
        assert re.fullmatch(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", each)
        assert not set(each) & set("il01o")


def test_its_hash_is_bcrypt_of_cost_ten_and_the_systems_crypt_knows_it() -> None:
    password = new_password()
    made = hash_of(password)
    assert re.fullmatch(r"\$2y\$10\$[./A-Za-z0-9]{53}", made)
    assert hash_of(password) != made, "salted"
    assert bcrypt.checkpw(password.reveal().encode(), made.encode())
    assert not bcrypt.checkpw(b"another", made.encode())


def test_a_build_publishes_an_empty_list_and_again_nothing(ground: Ground, shop: Deployment) -> None:
    content = stored(ground, shop)["guardian"]
    assert (serial_of(content, "guardian"), people_in(content)) == (1, {})
    assert stored(ground, shop)["guardian.sig"] == sign(content, shop.known_secret(SIGNING_KEY))
    assert not publish_guardian(shop)
    assert people_of(shop) == {}


def test_before_nothing_there_is_no_list(ground: Ground) -> None:
    one = ground.deployment("open")
    begin(one, ground.paths("open"))
    assert build(one).ok
    assert not {"guardian", "guardian.sig"} & stored(ground, one).keys()
    assert people_of(one) == {}


def test_each_change_is_a_signed_list_of_a_higher_serial(ground: Ground, shop: Deployment) -> None:
    assert change_people(shop, added("berta", HASH), nothing) == ("berta",)
    assert change_people(shop, added("anna", HASH), nothing) == ("anna", "berta")
    assert change_people(shop, rotated("anna", OTHER), nothing) == ("anna", "berta")
    assert people_of(shop) == {"anna": OTHER, "berta": HASH}
    assert change_people(shop, removed("berta"), nothing) == ("anna",)
    content = stored(ground, shop)["guardian"]
    assert content.decode() == f"buildyard-shared 1 guardian 5\nanna:{OTHER}\n"
    assert stored(ground, shop)["guardian.sig"] == sign(content, shop.known_secret(SIGNING_KEY))
    assert PENDING not in shop.secrets.names()
    assert not publish_guardian(shop)


@pytest.mark.parametrize(
    "change", [rotated("nobody", HASH), removed("nobody"), added("anna", HASH), added("anna", "clear")]
)
def test_what_cannot_be_changed_changes_nothing(ground: Ground, shop: Deployment, change: Any) -> None:
    change_people(shop, added("anna", HASH), nothing)
    before = dict(stored(ground, shop))
    with pytest.raises(UsageError):
        change_people(shop, change, nothing)
    assert stored(ground, shop) == before
    assert PENDING not in shop.secrets.names()


def test_without_the_lease_nothing_is_changed(ground: Ground, shop: Deployment) -> None:
    def lost() -> None:
        raise LeaseHeld("gone")

    before = dict(stored(ground, shop))
    with pytest.raises(LeaseHeld):
        change_people(shop, added("anna", HASH), lost)
    assert stored(ground, shop) == before
    assert PENDING not in shop.secrets.names()


def test_who_was_added_before_the_first_build_is_published_by_it(ground: Ground) -> None:
    one = ground.deployment("early", access__guardian="admin")
    assert change_people_to_be(one.secrets, added("anna", HASH)) == ("anna",)
    assert change_people_to_be(one.secrets, added("berta", HASH)) == ("anna", "berta")
    assert change_people_to_be(one.secrets, removed("anna")) == ("berta",)
    assert people_to_be(one.secrets) == {"berta": HASH}
    assert people_of(one) == {"berta": HASH}, "of a first build that was cut off before it had a bucket"
    assert change_people(one, added("carla", HASH), nothing) == ("berta", "carla")
    begin(one, ground.paths("early"))
    assert build(one).ok
    assert people_in(stored(ground, one)["guardian"]) == {"berta": HASH, "carla": HASH}
    assert PENDING not in one.secrets.names()


def test_a_change_that_was_cut_off_is_published_by_the_next_one(
    ground: Ground, shop: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_people(shop, added("anna", HASH), nothing)
    before = stored(ground, shop)["guardian.sig"]
    bucket = type(shop.bucket("config"))
    put = bucket.put

    def cut_off(self: Any, key: str, data: bytes) -> str:
        if key.endswith(".sig"):
            raise KeyboardInterrupt
        return put(self, key, data)

    with monkeypatch.context() as patched:
        patched.setattr(bucket, "put", cut_off)
        with pytest.raises(KeyboardInterrupt):
            change_people(shop, removed("anna"), nothing)
    assert stored(ground, shop)["guardian.sig"] == before, "webservers see nothing new, and keep the list before"
    assert people_of(shop) == {}
    assert publish_guardian(shop)
    assert people_of(shop) == {}
    content = stored(ground, shop)["guardian"]
    assert stored(ground, shop)["guardian.sig"] == sign(content, shop.known_secret(SIGNING_KEY))
    assert PENDING not in shop.secrets.names()


def test_what_another_build_machine_published_since_is_not_undone(ground: Ground, shop: Deployment) -> None:
    change_people(shop, added("anna", HASH), nothing)
    old = shop.bucket("config").get("guardian")
    assert old is not None
    change_people(shop, removed("anna"), nothing)
    shop.secrets.set(PENDING, Secret(old[0].decode()))
    assert people_of(shop) == {}
    assert not publish_guardian(shop)
    assert people_of(shop) == {}
    assert PENDING not in shop.secrets.names()


def test_a_list_that_was_altered_is_followed_by_nobody(ground: Ground, shop: Deployment) -> None:
    change_people(shop, added("anna", HASH), nothing)
    stored(ground, shop)["guardian"] += f"mallory:{HASH}\n".encode()
    for act in (people_of, publish_guardian, lambda one: change_people(one, removed("anna"), nothing)):
        with pytest.raises(StateError, match="not signed by this deployment") as caught:
            act(shop)
        assert "delete guardian and guardian.sig in the bucket" in caught.value.text()
    for name in ("guardian", "guardian.sig"):
        del stored(ground, shop)[name]
    assert publish_guardian(shop)
    assert people_of(shop) == {}


def test_a_list_is_no_plain_file_here(ground: Ground) -> None:
    secrets = PaperSecrets()
    change_people_to_be(secrets, added("anna", HASH))
    assert HASH not in repr(secrets)


# how Buildyard looks at a guarded site, by a real nginx


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> str:
    return nginx_program(tmp_path_factory.mktemp("nginx"))


@pytest.fixture(scope="module", params=list(Guarded))
def webserver(
    nginx: str, tmp_path_factory: pytest.TempPathFactory, request: Any
) -> Iterator[tuple[Guarded, GuardedSite]]:
    folder = tmp_path_factory.mktemp("site")
    with guarded_site(folder, nginx, guarded_context(request.param)) as found:
        yield request.param, found


@pytest.mark.machines
def test_a_look_from_outside_is_content_where_the_guardian_stands_as_it_shall(
    webserver: tuple[Guarded, GuardedSite], monkeypatch: pytest.MonkeyPatch
) -> None:
    stands_before, there = webserver
    monkeypatch.setattr(site, "trust", lambda _ca_pem: there.trust)
    for shall in Guarded:
        page = look("127.0.0.1", HOST, "", port=there.port, guarded=shall)
        # a look that expects nobody to be asked does not try the admin pages
        seems_right = shall is stands_before or (shall is Guarded.NOTHING and stands_before is Guarded.ADMIN)
        assert page.ok is seems_right, (shall, stands_before, page.reason)
        assert page.certificate_days is not None
        assert page.asked is (stands_before is Guarded.SITE)
    said = look("127.0.0.1", HOST, "", port=there.port, guarded=stands_before).reason
    assert said == ("serving, behind the Gateway Guardian" if stands_before is Guarded.SITE else "serving")


@pytest.mark.machines
def test_a_webserver_that_is_ill_behind_the_guardian_is_not_called_well(
    webserver: tuple[Guarded, GuardedSite], monkeypatch: pytest.MonkeyPatch
) -> None:
    stands_before, there = webserver
    monkeypatch.setattr(site, "trust", lambda _ca_pem: there.trust)
    there.failing = HEALTH_PATH
    try:
        page = look("127.0.0.1", HOST, "", port=there.port, guarded=stands_before)
    finally:
        there.failing = ""
    if stands_before is Guarded.SITE:
        assert (page.ok, page.reason) == (
            False,
            "the Gateway Guardian asks, but behind it the webserver is not well (HTTP 500)",
        )
    else:
        assert page.ok, "there the page itself is looked at"
