"""The command `guardian`: passwords shown once, the same list from each stick, and who else is at work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from buildyard.commands import guardian
from fleet.lease_store import lease_store
from recipes.guardian import people_in
from state.clock import SystemClock
from state.errors import LeaseHeld, UsageError
from state.lease import held
from tests.buildyard.sticks import Stick, adopt, built, key_of, run
from tests.fleet.paper import Ground


def said(stick: Stick, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(stick, "guardian", "--deployment", "shop", "--json", *words) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def published(ground: Ground, stick: Stick) -> dict[str, str]:
    one = stick.program.open(stick.shop, lambda _event: None, may_ask=False)
    return people_in(ground.store.buckets[one.bucket_name("config")]["guardian"])


def fits(password: str, kept: str) -> bool:
    return bcrypt.checkpw(password.encode(), kept.encode())


def test_a_password_is_shown_once_and_kept_nowhere(
    account: Ground, stick: Stick, capsys: pytest.CaptureFixture[str]
) -> None:
    added = said(stick, capsys, "add", "anna")
    assert added.keys() == {"ok", "guardian", "name", "people", "password"}
    assert (added["ok"], added["name"], added["people"], added["guardian"]) == (True, "anna", ["anna"], "nothing")
    password = added["password"]
    assert fits(password, published(account, stick)["anna"])
    assert said(stick, capsys, "list") == {"ok": True, "guardian": "nothing", "people": ["anna"]}
    kept = [path.read_bytes() for path in stick.home.rglob("*") if path.is_file()]
    kept += [data for bucket in account.store.buckets.values() for data in bucket.values()]
    assert not [data for data in kept if password.encode() in data]
    assert password not in str(stick.secrets())


def test_a_new_password_ends_the_old_one_and_a_removed_person_is_gone(
    account: Ground, stick: Stick, capsys: pytest.CaptureFixture[str]
) -> None:
    stick.answer(access__guardian="site")
    first = said(stick, capsys, "add", "anna")["password"]
    said(stick, capsys, "add", "berta")
    second = said(stick, capsys, "rotate", "anna")["password"]
    there = published(account, stick)
    assert sorted(there) == ["anna", "berta"]
    assert fits(second, there["anna"])
    assert not fits(first, there["anna"])
    assert said(stick, capsys, "remove", "anna") == {
        "ok": True, "guardian": "site", "name": "anna", "people": ["berta"]
    }  # fmt: skip
    assert sorted(published(account, stick)) == ["berta"]
    for words in (("remove", "anna"), ("rotate", "anna"), ("add", "berta")):
        with pytest.raises(UsageError):
            run(stick, "guardian", *words, "--deployment", "shop")


def test_a_person_reads_the_answer_alone_on_stdout(stick: Stick, capsys: pytest.CaptureFixture[str]) -> None:
    stick.answer(access__guardian="site")
    for words, begins, beside in (
        (("add", "anna"), "The password of anna, shown this once: ", guardian.SOON),
        (("list",), "anna", ""),
        (("remove", "anna"), "anna is not let in any more.", guardian.SOON),
        (("list",), "", "The Gateway Guardian knows nobody."),
    ):
        capsys.readouterr()
        assert run(stick, "guardian", *words, "--deployment", "shop") == 0
        seen = capsys.readouterr()
        assert seen.out.startswith(begins)
        assert len(seen.out.splitlines()) == bool(begins)
        assert seen.err.strip() == beside
    stick.answer(access__guardian="nothing")
    assert run(stick, "guardian", "list", "--deployment", "shop") == 0
    assert "access.guardian in the answers" in capsys.readouterr().err


def test_before_the_first_build_the_list_waits_for_it(
    account: Ground, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stick = Stick(tmp_path / "first", account)
    stick.answer(access__guardian="site")
    password = said(stick, capsys, "add", "anna")["password"]
    assert said(stick, capsys, "list")["people"] == ["anna"]
    assert run(stick, "guardian", "add", "berta", "--deployment", "shop") == 0
    assert "The first build brings it" in capsys.readouterr().err
    assert said(stick, capsys, "remove", "berta")["people"] == ["anna"]
    assert account.store.buckets == {}, "nothing is made before a build"
    assert stick.build().data["ok"], stick.said()
    assert fits(password, published(account, stick)["anna"])
    assert said(stick, capsys, "list")["people"] == ["anna"]
    assert stick.build().data["changed"] == 0


def test_two_sticks_change_the_same_list(account: Ground, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stick = built(account, tmp_path, "production")
    said(stick, capsys, "add", "anna")
    other = Stick(tmp_path / "second", account)
    assert adopt(other, key_of(stick, capsys)) == 0
    assert said(other, capsys, "remove", "anna")["people"] == []
    assert stick.build().data["changed"] == 0, "who was removed elsewhere does not come back"
    assert said(other, capsys, "add", "berta")["people"] == ["berta"]
    assert said(stick, capsys, "list")["people"] == ["berta"]


def test_while_a_build_holds_the_lease_nothing_is_changed_and_it_says_who(
    account: Ground, stick: Stick, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said(stick, capsys, "add", "anna")
    monkeypatch.setattr(guardian, "PATIENCE_S", 0.2)
    one = stick.program.open(stick.shop, lambda _event: None, may_ask=False)
    store = lease_store(one, stick.shop)
    with (
        held(store, why="buildyard build", clock=SystemClock(), lost=lambda: None),
        pytest.raises(LeaseHeld, match=r"is changing this deployment \(buildyard build\)") as refused,
    ):
        run(stick, "guardian", "remove", "anna", "--deployment", "shop")
    assert "Nothing was changed." in refused.value.detail
    assert refused.value.hint.startswith("buildyard guardian remove anna again")
    assert sorted(published(account, stick)) == ["anna"]
    assert said(stick, capsys, "remove", "anna")["people"] == []


@pytest.mark.parametrize(
    "words", [("add",), ("remove",), ("rotate",), ("list", "anna"), ("add", "Anna"), ("add", "a:b")]
)
def test_words_that_make_no_sense_are_refused_before_anything_is_asked(
    words: tuple[str, ...], account: Ground, tmp_path: Path
) -> None:
    stick = Stick(tmp_path / "first", account)
    stick.answer()
    with pytest.raises(UsageError):
        run(stick, "guardian", *words, "--deployment", "shop")
