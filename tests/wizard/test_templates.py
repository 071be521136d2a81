"""Ways to begin: how few questions are left, what they answer by themselves, and how one comes back to them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from state.errors import Unavailable
from state.paths import Home
from tests.wizard.conftest import GOOD_TOKEN, SmallCloud, keeper_of
from wizard.flow import Conversation
from wizard.keeper import DeploymentKeeper, unfinished
from wizard.questions import all_questions, sections
from wizard.templates import GROWING, REHEARSAL_ANSWERS, SMALL, TEMPLATES, TRY

TYPED = {
    "deployment.name": "shop",
    "site.domain": "shop.example.org",
    "digitalocean.token": GOOD_TOKEN,
    "certificate.email": "owner@example.org",
    "application.baseline": "/media/stick/shop",
}


def begin(keeper: DeploymentKeeper, cloud: SmallCloud) -> Conversation:
    return Conversation(sections(lambda _answers: cloud, keeper.taken), keeper, keeper.values)


def answer_all(conversation: Conversation, typed: dict[str, Any], until: str = "") -> list[str]:
    keys: list[str] = []
    while (asked := conversation.next()) is not None and asked.question.key != until:
        keys.append(asked.question.key)
        assert conversation.answer(typed.get(asked.question.key, asked.default)) == "", asked.question.key
    return keys


@pytest.mark.parametrize("template", [each for each in TEMPLATES if not each.unavailable and each.asks is not None])
def test_a_deployment_takes_twelve_answers_at_most(home: Home, cloud: SmallCloud, template) -> None:
    keys = answer_all(
        begin(keeper_of(home), cloud), {**TYPED, "template": template.key, "provider.name": "digitalocean"}
    )
    assert len(keys) <= 12, keys
    assert unfinished(home, all_questions()) == ()


def test_one_small_site_asks_as_many_questions_as_it_says(home: Home, cloud: SmallCloud) -> None:
    keys = answer_all(begin(keeper_of(home), cloud), {**TYPED, "template": SMALL.key})
    assert "Eight questions" in SMALL.help
    assert len(keys) == 1 + 8, keys
    values = keeper_of(home, "shop").values
    assert (values["provider.name"], values["mode"], values["mail.kind"]) == ("digitalocean", "development", "none")
    assert values["machines.webserver_size"] == "s-1gb"


def test_a_try_out_asks_nothing_more_and_takes_the_usual_answers_where_the_cloud_has_them(home, cloud) -> None:
    assert answer_all(begin(keeper_of(home), cloud), {"template": TRY.key}) == ["template"]
    values = dict(keeper_of(home, "rehearsal").values)
    for key, usual in REHEARSAL_ANSWERS.items():
        if key not in ("provider.region", "machines.webserver_size", "machines.database_size"):
            assert values[key] == usual, key
    assert values["provider.region"] == "ams3"  # this cloud has no lon1


def test_a_second_try_out_gets_a_name_and_a_domain_of_its_own(home: Home, cloud: SmallCloud) -> None:
    for _ in range(2):
        answer_all(begin(keeper_of(home), cloud), {"template": TRY.key})
    assert [paths.name for paths in home.deployments()] == ["rehearsal", "rehearsal-2"]
    assert keeper_of(home, "rehearsal-2").values["site.domain"] == "site.rehearsal-2.test"


def test_a_growing_site_asks_as_many_questions_as_it_says(home: Home, cloud: SmallCloud) -> None:
    keys = answer_all(begin(keeper_of(home), cloud), {**TYPED, "template": GROWING.key})
    assert "Eleven questions" in GROWING.help
    assert len(keys) == 1 + 11, keys
    values = keeper_of(home, "shop").values
    assert (values["mode"], values["scaling.minimum"], values["scaling.maximum"]) == ("production", 2, 4)


def test_a_backup_says_what_it_cannot_be_begun_with_yet(keeper: DeploymentKeeper, cloud: SmallCloud) -> None:
    asked = begin(keeper, cloud).next()
    assert asked is not None
    choices = {choice.value: choice for choice in asked.choices}
    assert "temporal backup" in choices["from-backup"].help


def test_a_silent_answer_that_needs_the_provider_waits_for_it(home: Home, cloud: SmallCloud) -> None:
    conversation = begin(keeper_of(home), cloud)
    cloud.is_away = True
    assert conversation.answer(TRY.key) == ""
    with pytest.raises(Unavailable):
        conversation.next()
    cloud.is_away = False
    assert conversation.next() is None


def test_the_template_is_still_known_when_the_conversation_is_opened_again(home: Home, cloud: SmallCloud) -> None:
    first = answer_all(begin(keeper_of(home), cloud), {**TYPED, "template": SMALL.key}, until="application.title")
    rest = answer_all(begin(keeper_of(home, "shop"), cloud), TYPED)
    assert rest == ["application.title", "application.admin_user", "application.admin_email"]
    assert not set(first) & set(rest)


def test_another_way_to_begin_takes_back_what_the_first_one_answered(home: Home, cloud: SmallCloud) -> None:
    conversation = begin(keeper_of(home), cloud)
    answer_all(conversation, {"template": TRY.key})
    assert conversation.back()
    assert conversation.next().question.key == "template"
    keys = answer_all(conversation, {**TYPED, "template": SMALL.key})
    assert "site.domain" in keys
    assert [paths.name for paths in home.deployments()] == ["shop"]
    assert conversation.values["provider.name"] == "digitalocean"


def test_a_step_opened_on_purpose_asks_also_what_the_template_answered(home: Home, cloud: SmallCloud) -> None:
    conversation = begin(keeper_of(home), cloud)
    answer_all(conversation, {"template": TRY.key})
    conversation.reopen("mail")
    assert conversation.next().question.key == "mail.kind"
    assert conversation.back()  # left as it was
    assert conversation.next() is None


def test_a_deployment_that_has_a_name_is_not_asked_how_to_begin(home: Home, cloud: SmallCloud) -> None:
    keeper = keeper_of(home)
    keeper.save({"deployment.name": "shop", "site.domain": "shop.example.org"})
    keys = answer_all(begin(keeper_of(home, "shop"), cloud), {**TYPED, "provider.name": "digitalocean"})
    assert "template" not in keys
    assert "time_zone" in keys


@pytest.mark.parametrize("question", all_questions(), ids=lambda question: question.key)
def test_every_question_says_what_why_and_an_example(question) -> None:
    assert len(question.help) > 60
    assert re.search(r"[Ee]xample", question.help), question.help
