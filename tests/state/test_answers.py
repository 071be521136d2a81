"""The answers file: read as a person wrote it, refused by line, never lost."""

from __future__ import annotations

import string
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.answers import Answers, load, merge, parse, problem_with, render, save
from state.errors import AnswersError, StateError
from state.files import copies_of
from state.questions import AnswerKind, Question, check_domain
from tests.examples import examples

QUESTIONS = (
    Question("mode", "Which mode?"),
    Question("site.domain", "Domain of the site", check=check_domain),
    Question("site.www", "Serve www. as well?", kind=AnswerKind.YES_NO),
    Question("application.title", "Title", required=False),
    Question("mail.port", "Port", kind=AnswerKind.NUMBER),
    Question("mail.password", "Password", kind=AnswerKind.SECRET),
    Question("access.operators", "Who?", kind=AnswerKind.LIST, required=False),
)
GOOD: dict[str, Any] = {"mode": "development", "site.domain": "a.example", "site.www": True}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (b"mode: [", 1, "not valid YAML"),
        (b"mode: a\n\tx: 1", 2, "not valid YAML"),
        (b"mode: a\nmode: b\n", 2, "second time (first in line 1)"),
        (b"mode: a\nsite:\n  domian: a.example\n", 3, "Did you mean site.domain?"),
        (b"kind: Deployment\nmode: a\n", 1, "there is no answer kind"),
        (b"version: 1\n\nsite: {domain: NO}\n", 3, "Give a domain such as"),
        (b"site:\n  www: perhaps\n", 2, "Answer yes or no"),
        (b"mail:\n  port: many\n", 2, "Give a number"),
        (b"mode:\n  - a\n", 1, "Give a text"),
        (b"access:\n  operators: {a: b}\n", 2, "there is no answer access.operators.a"),
        (b"mail:\n  password: hunter2hunter2\n", 2, "secrets are not kept in this file"),
        (b"provider:\n  api_token: x\n", 2, "secrets are not kept in this file"),
        (b"application:\n  title: dop_v1_" + b"0" * 64, 2, "looks like a secret"),
        (b"version: 2\nnovelty: 1\n", 1, "a newer Buildyard wrote this"),
        (b"version: one\n", 1, "version should be a number"),
        (b"mode: !!python/object/apply:os.system [id]\n", 1, "tags"),
        (b"mode: &a [x]\nsite: [*a, *a]\n", 1, "anchors"),
        (b"mode: a\n---\nmode: b\n", 2, "second document"),
        (b"mode: a\nsite:\n  domain: \xff\n", 3, "not UTF-8"),
        (b"- a\n- b\n", 1, "`key: value` lines"),
        (b"mode: " + b"[" * 50_000, 1, "nested too deeply"),
        (b"site.domain: a.example\n", 1, "written as nesting"),
        (b"mode: a\x00\n", 1, "not valid YAML"),
    ],
)
def test_what_cannot_be_used_is_refused_by_file_and_line(text: bytes, line: int, says: str) -> None:
    with pytest.raises(AnswersError) as caught:
        parse(text, "answers.yaml", QUESTIONS)
    told = caught.value.text()
    assert f"answers.yaml, line {line}: " in told
    assert says in told
    assert "Next: " in told
    assert "hunter2" not in told
    assert "dop_v1" not in told


def test_all_wrong_lines_are_named_at_once() -> None:
    with pytest.raises(AnswersError) as caught:
        parse(b"site: {domain: NO}\nmood: a\nmail:\n  port: x\n", "f", QUESTIONS)
    assert [f"line {n}:" in caught.value.detail for n in (1, 2, 4)] == [True, True, True]


@pytest.mark.parametrize("text", [b"", b"# nothing\n", b"x" * 300_000])
def test_an_empty_or_huge_file_is_no_answers_file(text: bytes) -> None:
    with pytest.raises(AnswersError, match=r"empty|larger"):
        parse(text, "f", QUESTIONS)


def test_texts_are_taken_as_a_person_wrote_them() -> None:
    read = parse(b"mode: no\napplication: {title: 1.10}\naccess:\n  operators: a, 2001:db8::1\n", "f", QUESTIONS)
    assert read.values == {
        "mode": "no",
        "application.title": "1.10",
        "access.operators": ["a", "2001:db8::1"],
    }


def test_a_refusal_never_touches_the_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_bytes(b"mode: a\nmode: b\n")
    with pytest.raises(AnswersError):
        load(path, QUESTIONS)
    assert path.read_bytes() == b"mode: a\nmode: b\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["answers.yaml"]


def test_saved_answers_carry_labels_and_their_history(tmp_path: Path) -> None:
    path = tmp_path / "home" / "answers.yaml"
    first = save(path, Answers(values=GOOD), QUESTIONS)
    second = save(path, first.with_values({"site.domain": "b.example"}), QUESTIONS)
    assert "  # Domain of the site\n  domain: b.example\n" in path.read_text()
    assert load(path, QUESTIONS) == second
    assert (second.serial, second.lineage) == (2, first.lineage)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for number in range(8):
        second = save(path, second.with_values({"application.title": f"{number}"}), QUESTIONS)
    copies = copies_of(path)
    assert len(copies) == 5
    assert "title: '6'" in copies[-1].read_text()


def test_an_edit_made_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    mine = save(path, Answers(values=GOOD), QUESTIONS)
    path.write_text(path.read_text().replace("a.example", "edited.example"))
    with pytest.raises(AnswersError, match="changed by somebody else"):
        save(path, mine.with_values({"mode": "x"}), QUESTIONS)
    assert "edited.example" in path.read_text()


def test_a_full_disk_leaves_the_old_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "answers.yaml"
    mine = save(path, Answers(values=GOOD), QUESTIONS)
    before = path.read_bytes()

    def full(*_words: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StateError) as caught:
        save(path, mine.with_values({"mode": "x"}), QUESTIONS)
    assert "Free some space" in caught.value.hint
    assert path.read_bytes() == before
    assert not list(tmp_path.rglob("*.new"))


def test_answers_of_another_deployment_or_an_older_copy_are_not_merged() -> None:
    base = Answers(values=GOOD, lineage="aaa", serial=5)
    with pytest.raises(AnswersError, match="another deployment"):
        merge(base, Answers(values=GOOD, lineage="bbb", serial=9), "f")
    with pytest.raises(AnswersError, match="older"):
        merge(base, Answers(values=GOOD, lineage="aaa", serial=4), "f")
    by_hand = merge(base, Answers(values={"mode": "x"}), "f")
    assert (by_hand.values["mode"], by_hand.lineage, by_hand.serial) == ("x", "aaa", 5)
    assert merge(None, Answers(values=GOOD, lineage="bbb", serial=9), "f").lineage == ""


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=examples(200), deadline=None)
@given(
    mode=texts.filter(bool),
    title=texts,
    operators=st.lists(texts, max_size=4),
    port=st.integers(-(10**9), 10**9),
    www=st.booleans(),
)
def test_whatever_is_answered_is_read_back(mode: str, title: str, operators: list[str], port: int, www: bool) -> None:
    values = {
        "mode": mode,
        "site.www": www,
        "application.title": title,
        "mail.port": port,
        "access.operators": operators,
    }
    text = render(Answers(values=values, lineage="a"), QUESTIONS)
    assert parse(text.encode(), "f", QUESTIONS).values == values


@settings(max_examples=examples(200), deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(string.printable, max_size=200).map(str.encode)))
def test_no_content_does_more_than_be_refused(data: bytes) -> None:
    with suppress(AnswersError):
        parse(data, "f", QUESTIONS)


def test_half_a_character_from_a_terminal_is_refused_before_it_breaks_the_file() -> None:
    assert "half a character" in problem_with(QUESTIONS[3], "caf\udce9")
    assert "half a character" in problem_with(QUESTIONS[6], ["caf\udce9"])
