"""What is not built yet is listed where one would look for it, with the reason, and cannot be chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from state import answers as answers_file
from state.errors import AnswersError
from state.paths import Home
from tests.wizard.conftest import GOOD_TOKEN, SmallCloud, keeper_of, plan_of
from wizard.flow import Conversation
from wizard.keeper import DeploymentKeeper, is_complete, unfinished
from wizard.overview import review
from wizard.questions import all_questions, sections
from wizard.templates import SMALL, TEMPLATES, TRY

#: Question, choice, and a word of the reason.
NOT_YET = (
    ("database.kind", "postgresql", "WordPress needs MariaDB or MySQL"),
    ("application.source", "temporal-backup", "neither makes nor restores"),
)
TYPED = {
    "template": "everything",
    "deployment.name": "shop",
    "site.domain": "shop.example.org",
    "digitalocean.token": GOOD_TOKEN,
    "certificate.email": "owner@example.org",
    "application.baseline": "/media/stick/shop",
}
ADDED_LATER = {
    question.key: question.default for question in all_questions() if question.added_later and question.applies({})
}


def begin(keeper: DeploymentKeeper, cloud: SmallCloud) -> Conversation:
    return Conversation(sections(lambda _answers: cloud), keeper, keeper.values)


def answer_until(conversation: Conversation, key: str = "", template: str = "everything") -> list[str]:
    typed = {**TYPED, "template": template}
    keys: list[str] = []
    while (asked := conversation.next()) is not None and asked.question.key != key:
        keys.append(asked.question.key)
        assert conversation.answer(typed.get(asked.question.key, asked.default)) == "", asked.question.key
    return keys


def older(home: Home, cloud: SmallCloud) -> dict[str, object]:
    """A deployment as a version without these questions left it: all of it answered."""
    answer_until(begin(keeper_of(home), cloud))
    paths = home.deployment("shop")
    known = [question for question in all_questions() if question.key not in ADDED_LATER]
    now = answers_file.load(paths.answers, all_questions())
    assert now is not None
    answers_file.save(paths.answers, now.with_values(dict.fromkeys(ADDED_LATER)), known)
    values = dict(keeper_of(home, "shop").values)
    assert not ADDED_LATER.keys() & values.keys()
    return values


@pytest.mark.parametrize(("key", "value", "why"), NOT_YET)
def test_it_is_listed_with_the_reason_and_refused_with_it(keeper, cloud: SmallCloud, key, value, why) -> None:
    conversation = begin(keeper, cloud)
    answer_until(conversation, key)
    asked = conversation.next()
    assert asked is not None
    (choice,) = (choice for choice in asked.choices if choice.value == value)
    assert why in choice.unavailable
    assert choice.unavailable in conversation.answer(value)
    assert conversation.next() == asked, "it is asked again"


@pytest.mark.parametrize("template", [each for each in TEMPLATES if not each.unavailable and each.asks is not None])
def test_templates_do_not_ask_what_was_added_later(home: Home, cloud: SmallCloud, template) -> None:
    conversation = begin(keeper_of(home), cloud)
    asked = answer_until(conversation, template=template.key)
    assert not ADDED_LATER.keys() & set(asked)
    assert {key: conversation.values[key] for key in ADDED_LATER} == ADDED_LATER
    assert template is not SMALL or len(asked) == 1 + 8
    assert template is not TRY or asked == ["template"]


def test_a_file_that_names_what_is_not_built_is_refused_by_line(tmp_path: Path) -> None:
    for key, value, why in NOT_YET:
        group, _, word = key.partition(".")
        path = tmp_path / "mine.yaml"
        path.write_text(f"{group}:\n  {word}: {value}\n")
        with pytest.raises(AnswersError) as caught:
            answers_file.load(path, all_questions())
        assert why in caught.value.text()
        assert f"mine.yaml, line 2: {key} cannot be '{value}'." in caught.value.text()


def test_answers_that_are_older_than_a_question_that_was_added_later_stay_whole(home: Home, cloud: SmallCloud) -> None:
    before = older(home, cloud)
    assert is_complete(home.deployment("shop"), all_questions())
    assert unfinished(home, all_questions()) == ()
    file = home.deployment("shop").answers.read_bytes()
    conversation = begin(keeper_of(home, "shop"), cloud)
    assert conversation.next() is None, "nothing is asked anew"
    assert conversation.changes() == ()
    assert review(conversation, only_changes=True) == "Nothing differs from what there is."
    assert "Who serves the domain's DNS? Provider" in begun_again(home, cloud)
    assert plan_of(conversation.values, cloud) == plan_of(before, cloud)
    assert home.deployment("shop").answers.read_bytes() == file


def begun_again(home: Home, cloud: SmallCloud) -> str:
    conversation = begin(keeper_of(home, "shop"), cloud)
    conversation.reopen("certificate")
    while (asked := conversation.next()) is not None:
        conversation.answer(asked.default)
    return review(conversation)


def test_who_left_before_a_question_that_was_added_later_is_asked_it(home: Home, cloud: SmallCloud) -> None:
    answer_until(begin(keeper_of(home), cloud), "dns.kind")
    asked = begin(keeper_of(home, "shop"), cloud).next()
    assert asked is not None
    assert asked.question.key == "dns.kind"
    assert [paths.name for paths in unfinished(home, all_questions())] == ["shop"]
