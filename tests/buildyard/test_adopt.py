"""A stick is lost: another one takes the deployment over, whole or not at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildyard.commands.adopt import KEY_VARIABLE
from fleet.autoscaler.handed import credentials_for
from fleet.recovery_key import new_seal, read_recovery_key
from providers.contract import BucketGrant, Permission
from providers.digitalocean import api
from providers.digitalocean.driver import DigitalOcean
from state.errors import AnswersError, BuildyardError, NotFound, SecretsError, UsageError
from state.keyring_store import KeyringStore
from state.sealed_objects import SealedObjects
from state.secret import Secret
from tests.buildyard.sticks import Stick, adopt, key_of, run
from tests.fleet.paper import TOKEN, Ground
from tests.recipes.test_baseline import baseline


def refused(stick: Stick, key: str, kind: type[BuildyardError], words: str) -> BuildyardError:
    """What is said; nothing of the attempt is left, here or in the account."""
    before, keys = home_of(stick), store_keys(stick.ground)
    with pytest.raises(kind, match=words) as caught:
        adopt(stick, key)
    assert home_of(stick) == before
    assert store_keys(stick.ground) == keys
    assert caught.value.hint
    return caught.value


def home_of(stick: Stick) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in stick.home.rglob("*") if path.is_file()}


def store_keys(ground: Ground) -> list[str]:
    provider: Any = ground.provider
    return sorted(provider._api.listed(api.BUCKET_KEYS, lambda body: body["name"]))


def test_another_stick_takes_over_all_and_a_build_then_changes_nothing(
    stick: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, before, keys = key_of(stick, capsys), stick.secrets(), store_keys(stick.ground)
    answers = stick.program.answers(stick.shop)
    shutil.rmtree(stick.home)
    other = Stick(tmp_path / "second", stick.ground)
    assert adopt(other, key) == 0
    said = capsys.readouterr().out
    assert "shop is this build machine's now too" in said
    assert f"{len(before)} secrets" in said
    assert other.secrets() == before
    assert other.program.answers(other.shop) == answers
    assert store_keys(stick.ground) == keys, "the key that read the copy is gone"
    assert other.planned() == []
    again = other.build()
    assert (again.data["ok"], again.data["changed"]) == (True, 0), other.said()
    assert key_of(other, capsys) == key


@pytest.mark.parametrize("mode", ["development", "production"])
def test_a_baseline_that_was_on_the_lost_stick_is_not_lost(
    account: Ground, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    first = Stick(tmp_path / "first", account)
    folder = baseline(tmp_path / "baseline")
    first.answer(mode=mode, application__source="baseline", application__baseline=str(folder))
    assert first.build().data["ok"], first.said()
    assert first.build().data["changed"] == 0
    key = key_of(first, capsys)
    shutil.rmtree(first.home)
    shutil.rmtree(folder)
    other = Stick(tmp_path / "second", account)
    assert adopt(other, key) == 0
    assert str(other.program.answers(other.shop).values["application.baseline"]).startswith("s3://by-shop-artefacts-")
    assert other.planned() == []
    assert (other.build().data["ok"], other.build().data["changed"]) == (True, 0), other.said()


def test_the_copy_is_read_with_a_key_that_may_do_nothing_else(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[BucketGrant, ...]] = []
    create = DigitalOcean.create_bucket_key

    def watched(self: DigitalOcean, name: str, grants: tuple[BucketGrant, ...]) -> Any:
        made.append(grants)
        return create(self, name, grants)

    monkeypatch.setattr(DigitalOcean, "create_bucket_key", watched)
    assert adopt(Stick(tmp_path / "second", producer.ground), key_of(producer, capsys)) == 0
    state = next(name for name in producer.ground.store.buckets if "-state-" in name)
    assert made == [(BucketGrant(state, Permission.READ),)]


def test_nothing_in_the_bucket_can_be_read_without_the_key(producer: Stick) -> None:
    state = next(bucket for name, bucket in producer.ground.store.buckets.items() if "-state-" in name)
    for secret in producer.secrets().values():
        assert secret.encode() not in state["recovery.json"]
    handed = producer.program.open(producer.shop, lambda _event: None, may_ask=False)
    assert handed.secrets.get("recovery-seal") is not None
    credentials = json.loads(credentials_for(handed).reveal())
    assert producer.secrets()["recovery-seal"] not in credentials.values()
    assert "recovery-seal" not in producer.said()
    assert producer.secrets()["recovery-seal"] not in producer.said()


def test_builds_speak_of_the_key_until_it_was_shown(producer: Stick, capsys: pytest.CaptureFixture[str]) -> None:
    word = "buildyard recovery-key --deployment shop"
    assert producer.said().count(word) == 1
    assert word in producer.ground.events[-2].text, "the last word before the end"
    producer.build()
    assert producer.said().count(word) == 2
    assert key_of(producer, capsys) == key_of(producer, capsys)
    producer.build()
    assert producer.said().count(word) == 2


def test_tokens_are_not_in_the_copy(producer: Stick) -> None:
    secrets = producer.program.secret_store(producer.shop, "digitalocean", may_ask=False)
    secrets.set("digitalocean.earlier", Secret("of-an-earlier-choice"))
    producer.build()
    one = producer.program.open(producer.shop, lambda _event: None, may_ask=False)
    found = SealedObjects(one.bucket("state"), one.known_secret("recovery-seal")).get("recovery.json")
    assert found is not None
    assert b"admin-ssh-key" in found[0]
    assert b"of-an-earlier-choice" not in found[0]
    assert TOKEN.reveal().encode() not in found[0]


@pytest.mark.parametrize("works", [True, False])
def test_with_a_keyring_nothing_stays_in_it_of_an_attempt_that_breaks(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    key, before = key_of(producer, capsys), producer.secrets()
    keyring = Keyring()
    monkeypatch.setattr(
        "tests.buildyard.sticks.PaperProgram.secret_store",
        lambda _program, paths, *_, **__: KeyringStore(keyring, paths.create().secret_names),
    )
    other = Stick(tmp_path / "second", producer.ground)
    if works:
        assert adopt(other, key) == 0
        assert other.secrets() == before
        return
    monkeypatch.setattr("buildyard.adopting.save", lambda *_: pytest.fail("broken here"))
    with pytest.raises(pytest.fail.Exception):
        adopt(other, key)
    assert keyring.kept == {}


class Keyring:
    """One that works."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def test_a_store_key_that_was_withdrawn_is_made_anew(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_of(producer, capsys)
    producer.ground.provider.delete_bucket_key(producer.secrets()["store-access-build-machine"])
    other = Stick(tmp_path / "second", producer.ground)
    assert adopt(other, key) == 0
    assert other.planned() == []
    assert other.build().data["changed"] == 0


def test_destroy_leaves_nothing_of_it_and_the_next_deployment_has_a_key_of_its_own(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(producer, capsys)
    with monkeypatch.context() as killed:
        killed.setattr(DigitalOcean, "delete_bucket_key", lambda *_: None)
        assert adopt(Stick(tmp_path / "second", producer.ground), key) == 0
    assert any("adopter" in name for name in store_keys(producer.ground))
    assert producer.destroy().data["ok"], producer.said()
    assert store_keys(producer.ground) == []
    refused(Stick(tmp_path / "third", producer.ground), key, NotFound, "There is no bucket")
    with pytest.raises(UsageError, match="no recovery key yet"):
        key_of(producer, capsys)
    assert producer.build().data["ok"], producer.said()
    assert key_of(producer, capsys) != key
    refused(Stick(tmp_path / "third", producer.ground), key, SecretsError, "does not open the recovery copy")


def test_a_slip_of_the_pen_is_told_before_anybody_is_asked(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(producer, capsys)
    other = Stick(tmp_path / "second", producer.ground)
    monkeypatch.setattr("tests.buildyard.sticks.PaperProgram.reach_store", lambda *_: pytest.fail("asked"))
    wrong = key[:-6] + ("a" if key[-6] != "a" else "b") + key[-5:]
    refused(other, wrong, SecretsError, "last group does not fit")
    refused(other, key[:-3], SecretsError, "no whole recovery key")
    refused(other, "correct horse", SecretsError, "no recovery key")


def test_a_key_of_another_copy_is_told_from_a_bucket_that_is_not_there(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = read_recovery_key(key_of(producer, capsys))
    other = Stick(tmp_path / "second", producer.ground)
    refused(other, replace(key, seal=new_seal()).text.reveal(), SecretsError, "does not open the recovery copy of shop")
    nowhere = refused(other, replace(key, suffix="0" * 8).text.reveal(), NotFound, "There is no bucket by-shop-state-0")
    assert "another account's" in nowhere.detail


def test_a_store_that_hides_what_it_lacks_is_not_asked_for_ever(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(producer, capsys)
    monkeypatch.setattr("fleet.adopting.KNOWN_DEADLINE_S", 0.2)
    monkeypatch.setattr("tests.buildyard.sticks.PaperProgram.bucket", lambda self, _, name, *__: hiding(self, name))
    refused(Stick(tmp_path / "second", producer.ground), key, NotFound, "There is no bucket .* may read")


def hiding(program: Any, name: str) -> Any:
    program.ground.store.unknown_keys.add("hidden")
    return program.ground.store.open(name, "hidden")


def test_a_bucket_without_a_copy_says_how_one_is_made(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_of(producer, capsys)
    state = next(bucket for name, bucket in producer.ground.store.buckets.items() if "-state-" in name)
    state.pop("recovery.json")
    refused(Stick(tmp_path / "second", producer.ground), key, NotFound, "shop has no recovery copy")
    assert producer.build().data["changed"] == 0
    assert "recovery.json" in state


def test_a_home_that_has_the_deployment_or_its_domain_keeps_it(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_of(producer, capsys)
    refused(producer, key, UsageError, "shop is on this build machine already")
    other = Stick(tmp_path / "second", producer.ground)
    other.shop.folder.mkdir(parents=True)
    (other.shop.folder / "thesis.txt").write_text("mine")
    refused(other, key, UsageError, "without answers")
    shutil.rmtree(other.shop.folder)
    blog = other.shop.folder.with_name("blog")
    blog.mkdir()
    there = producer.shop.answers.read_text().replace("name: shop", "name: blog")
    (blog / "answers.yaml").write_text(there)
    refused(other, key, AnswersError, "domain shop.example.org is that of the deployment blog")


@pytest.mark.parametrize("step", ["state.fleet_store.FleetStore.put", "buildyard.adopting.save", "os.rename"])
def test_an_attempt_that_breaks_leaves_nothing_and_can_be_repeated(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    key = key_of(producer, capsys)
    other = Stick(tmp_path / "second", producer.ground)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(step, full)
        with pytest.raises((OSError, BuildyardError)):
            adopt(other, key)
    assert home_of(other) == {}
    assert other.program.home.deployments() == ()
    assert adopt(other, key) == 0


def test_what_a_killed_attempt_left_is_no_deployment_and_is_cleared_away(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_of(producer, capsys)
    other = Stick(tmp_path / "second", producer.ground)
    half = other.shop.folder.with_name(".adopting-shop")
    shutil.copytree(producer.shop.folder, half)
    (half / "half").touch()
    assert other.program.home.deployments() == ()
    assert adopt(other, key) == 0
    assert not half.exists()
    assert not (other.shop.folder / "half").exists()


def test_it_is_json_for_who_reads_json_and_asks_nobody(
    producer: Stick, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_of(producer, capsys)
    assert run(producer, "recovery-key", "--deployment", "shop", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "deployment": "shop", "recovery_key": key}
    other = Stick(tmp_path / "second", producer.ground)
    with pytest.raises(UsageError, match="nobody to ask") as caught:
        run(other, "adopt")
    assert KEY_VARIABLE in caught.value.hint
    with pytest.raises(UsageError, match="recovery key of shop, not of blog"):
        adopt(other, key, "--deployment", "blog")
    capsys.readouterr()
    assert adopt(other, key, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["deployment"], answer["mode"], answer["machines"]) == (True, "shop", "production", 4)


def test_before_a_first_build_there_is_no_key(account: Ground, tmp_path: Path) -> None:
    one = Stick(tmp_path / "first", account)
    one.answer()
    with pytest.raises(UsageError, match="no recovery key yet"):
        run(one, "recovery-key", "--deployment", "shop")
