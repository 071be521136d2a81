"""The recovery copy in bad weather: lost answers, lost races, a store without conditions, another build machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.beginning import begin
from fleet.deployment import Deployment
from fleet.recovery import KEY, SEAL, RecoveryCopy, keep, parse_copy
from state.answers import Answers
from state.errors import StateError, Unavailable
from state.paths import DeploymentPaths
from state.sealed_objects import SealedObjects
from state.secret import Secret
from tests.fleet.paper import Ground, PaperBucket


@pytest.fixture
def shop(ground: Ground) -> Deployment:
    one = ground.deployment("shop")
    begin(one, ground.paths("shop"))
    one.bucket("state").ensure()
    return one


@pytest.fixture
def paths(ground: Ground) -> DeploymentPaths:
    return ground.paths("shop")


def answers_of(one: Deployment, **changed: Any) -> Answers:
    return Answers({**one.settings.answers, **changed}, one.lineage, 3)


def there(one: Deployment) -> RecoveryCopy:
    found = SealedObjects(one.bucket("state"), one.known_secret(SEAL)).get(KEY)
    assert found is not None
    return parse_copy(found[0])


def raw(one: Deployment) -> bytes:
    found = one.bucket("state").get(KEY)
    assert found is not None
    return found[0]


def elsewhere(one: Deployment, folder: Path) -> tuple[Deployment, DeploymentPaths]:
    """Another build machine that adopted it: the same secrets, and it has seen the copy."""
    paths = DeploymentPaths("shop", folder / "elsewhere" / "deployments" / "shop").create()
    secrets: Any = type(one.secrets)()
    for name in one.secrets.names():
        secrets.set(name, one.known_secret(name))
    return replace(one, secrets=secrets), paths


def test_repeated_it_writes_nothing(shop: Deployment, paths: DeploymentPaths) -> None:
    assert keep(shop, answers_of(shop), paths) is None
    before = raw(shop)
    assert keep(shop, answers_of(shop), paths) is None
    assert raw(shop) == before
    shop.secrets.set("database-password", Secret("something new"))
    assert keep(shop, answers_of(shop), paths) is None
    assert there(shop).secrets["database-password"] == Secret("something new")


def test_a_lost_answer_is_looked_up_and_is_no_other_build_machines(
    shop: Deployment, paths: DeploymentPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(shop, answers_of(shop), paths)
    write = PaperBucket.put_if_match

    def written_but_silent(self: PaperBucket, key: str, data: bytes, etag: str) -> str | None:
        write(self, key, data, etag)
        raise Unavailable("no answer")

    def silent(self: PaperBucket, key: str, data: bytes, etag: str) -> str | None:
        raise Unavailable("no answer")

    shop.secrets.set("database-password", Secret("one"))
    with monkeypatch.context() as store:
        store.setattr(PaperBucket, "put_if_match", written_but_silent)
        assert keep(shop, answers_of(shop), paths) is None
        assert there(shop).secrets["database-password"] == Secret("one")
        store.setattr(PaperBucket, "put_if_match", silent)
        shop.secrets.set("database-password", Secret("two"))
        with pytest.raises(Unavailable):
            keep(shop, answers_of(shop), paths)
    assert keep(shop, answers_of(shop), paths) is None
    assert shop.known_secret("database-password") == Secret("two"), "the older copy is this machine's own"
    assert there(shop).secrets["database-password"] == Secret("two")


def test_who_loses_a_race_takes_over_what_won(
    shop: Deployment, paths: DeploymentPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(shop, answers_of(shop), paths)
    other, its_paths = elsewhere(shop, tmp_path)
    keep(other, answers_of(shop), its_paths)
    other.secrets.set("salts", Secret("made elsewhere"))
    shop.secrets.set("database-password", Secret("made here"))
    write = PaperBucket.put_if_match
    races: list[Callable[[], object]] = [lambda: keep(other, answers_of(shop), its_paths)]

    def beaten(self: PaperBucket, key: str, data: bytes, etag: str) -> str | None:
        if races:
            races.pop()()
        return write(self, key, data, etag)

    monkeypatch.setattr(PaperBucket, "put_if_match", beaten)
    assert keep(shop, answers_of(shop), paths) is None
    assert there(shop).secrets["salts"] == shop.known_secret("salts") == Secret("made elsewhere")
    assert there(shop).secrets["database-password"] == Secret("made here")


def test_what_a_person_entered_here_and_the_key_that_works_here_stay(
    shop: Deployment, paths: DeploymentPaths, tmp_path: Path
) -> None:
    shop.secrets.set("mail.password", Secret("of before"))
    keep(shop, answers_of(shop), paths)
    other, its_paths = elsewhere(shop, tmp_path)
    other.secrets.set("salts", Secret("made elsewhere"))
    other.secrets.set("store-key-build-machine", Secret("withdrawn"))
    keep(other, answers_of(shop), its_paths)
    shop.secrets.set("mail.password", Secret("entered now"))
    mine = shop.known_secret("store-key-build-machine")
    assert keep(shop, answers_of(shop), paths) is None
    assert shop.known_secret("salts") == Secret("made elsewhere")
    assert shop.known_secret("mail.password") == Secret("entered now")
    assert shop.known_secret("store-key-build-machine") == mine
    assert there(shop).secrets["store-key-build-machine"] == mine


def test_changed_answers_without_a_build_go_into_ones_own_copy_only(
    shop: Deployment, paths: DeploymentPaths, tmp_path: Path
) -> None:
    wider = answers_of(shop, **{"access.operators": ["auto", "198.51.100.7"]})
    assert keep(shop, wider, paths, take_over=False) is None
    assert shop.bucket("state").get(KEY) is None, "a first copy is a build's to make"
    keep(shop, answers_of(shop), paths)
    keep(shop, wider, paths, take_over=False)
    assert there(shop).answers["access.operators"] == ["auto", "198.51.100.7"]
    other, its_paths = elsewhere(shop, tmp_path)
    other.secrets.set("salts", Secret("made elsewhere"))
    keep(other, wider, its_paths)
    before = raw(shop)
    keep(shop, answers_of(shop), paths, take_over=False)
    assert raw(shop) == before
    told = keep(shop, answers_of(shop), paths)
    assert told is not None, "the next build hears of it all the same"
    assert told.answers["access.operators"] == ["auto", "198.51.100.7"]


def test_a_store_without_conditions_keeps_a_copy_too(
    shop: Deployment, paths: DeploymentPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"{shop.access.store.endpoint_url}/{shop.bucket_name('state')}"
    paths.lease_place.write_text(json.dumps({"store": place, "compare_and_set": False}))
    for write in ("put_if_absent", "put_if_match"):
        monkeypatch.setattr(PaperBucket, write, lambda *_: pytest.fail("refused by this store"))
    keep(shop, answers_of(shop), paths)
    shop.secrets.set("database-password", Secret("something new"))
    keep(shop, answers_of(shop), paths)
    assert there(shop).secrets["database-password"] == Secret("something new")


def test_a_copy_of_a_newer_program_or_a_damaged_one_is_left_as_it_is(shop: Deployment, paths: DeploymentPaths) -> None:
    keep(shop, answers_of(shop), paths)
    bucket = shop.bucket("state")
    sealed = SealedObjects(bucket, shop.known_secret(SEAL))
    for content, words in ((b'{"form": 99}', "newer Buildyard"), (b'{"form": 1}', "damaged"), (b"[", "damaged")):
        bucket.delete(KEY)
        sealed.put_if_absent(KEY, content)
        with pytest.raises(StateError, match=words) as caught:
            keep(shop, answers_of(shop), paths)
        assert caught.value.hint
        assert sealed.get(KEY) is not None
    bucket.put(KEY, b"altered")
    with pytest.raises(StateError, match="cannot be read with this deployment's key") as caught:
        keep(shop, answers_of(shop), paths)
    bucket.delete(KEY)
    assert f"delete {KEY}" in caught.value.hint
    assert keep(shop, answers_of(shop), paths) is None
