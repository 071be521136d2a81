"""The conversation: order, refusals, leaving and coming back, going back, review."""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import Any

import pytest

from fleet.autoscaler.questions import read_scaling
from providers.contract import Account
from state import answers as answers_file
from state.errors import AnswersError, StateError, Unavailable
from state.paths import Home
from state.questions import Question
from state.secret import Secret
from tests.wizard.conftest import GOOD_TOKEN, SmallCloud, keeper_of
from wizard.checking import validate_all
from wizard.flow import Conversation
from wizard.keeper import DeploymentKeeper, unfinished
from wizard.overview import parts, review
from wizard.questions import all_questions, sections

#: What a person types, question by question; None takes the default.
TYPED: dict[str, Any] = {
    "template": "everything",
    "deployment.name": "shop",
    "site.domain": "shop.example.org",
    "provider.name": "digitalocean",
    "digitalocean.token": GOOD_TOKEN,
    "certificate.email": "owner@example.org",
    "mail.kind": "smtp",
    "mail.host": "smtp.example.org",
    "mail.user": "shop",
    "mail.password": "correct horse battery",
    "mail.from": "shop@example.org",
}


def begin(keeper: DeploymentKeeper, cloud: SmallCloud) -> Conversation:
    return Conversation(sections(lambda _answers: cloud, keeper.taken), keeper, keeper.values)


def answer_all(conversation: Conversation, until: str = "", typed: dict[str, Any] | None = None) -> list[str]:
    """Answers like a person; returns the keys in the order they were asked."""
    typed = TYPED if typed is None else typed
    keys: list[str] = []
    while (asked := conversation.next()) is not None and asked.question.key != until:
        keys.append(asked.question.key)
        given = typed.get(asked.question.key, asked.default)
        assert conversation.answer(given) == "", asked.question.key
    return keys


def test_a_whole_conversation_ends_in_a_file_a_person_can_read(home: Home, cloud: SmallCloud) -> None:
    keeper = keeper_of(home)
    keys = answer_all(begin(keeper, cloud))
    assert keys[:5] == ["template", "deployment.name", "site.domain", "provider.name", "digitalocean.token"]
    assert keys[-1] == "mail.from"
    path = home.deployment("shop").answers
    text = path.read_text()
    assert "  # Domain of the site\n  domain: shop.example.org\n" in text
    assert "operators: [auto]" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    everything = b"".join(file.read_bytes() for file in home.root.rglob("*") if file.is_file())
    assert GOOD_TOKEN.encode() not in everything
    assert b"correct horse" not in everything
    assert keeper_of(home, "shop").secret("mail.password") == Secret("correct horse battery")


def test_leaving_half_way_and_coming_back_goes_on_at_that_step(home: Home, cloud: SmallCloud) -> None:
    answer_all(begin(keeper_of(home), cloud), until="certificate.email")
    assert [paths.name for paths in unfinished(home, all_questions())] == ["shop"]
    again = begin(keeper_of(home, "shop"), cloud)
    asked = again.next()
    assert asked is not None
    assert asked.section.key == "certificate"
    keys = answer_all(again)
    assert "deployment.name" not in keys
    assert "digitalocean.token" not in keys
    assert unfinished(home, all_questions()) == ()


def test_a_terminal_killed_after_any_answer_asks_nothing_twice(home: Home, cloud: SmallCloud) -> None:
    """Each answer is given in a program of its own, which never gets to its end."""
    keys: list[str] = []
    name = ""
    while True:
        conversation = begin(keeper_of(home, name), cloud)
        asked = conversation.next()
        if asked is not None and asked.question.key == "template":
            conversation.answer("everything")  # without a name there is no place for it yet
            asked = conversation.next()
        if asked is None:
            break
        keys.append(asked.question.key)
        assert conversation.answer(TYPED.get(asked.question.key, asked.default)) == ""
        name = "shop"
        done = conversation.next() is None
        assert [paths.name for paths in unfinished(home, all_questions())] == ([] if done else ["shop"]), keys
    assert len(keys) == len(set(keys))
    assert keys[0] == "deployment.name"
    assert keys[-1] == "mail.from"


def test_a_token_that_was_refused_is_asked_again_after_a_kill(home: Home, cloud: SmallCloud) -> None:
    conversation = begin(keeper_of(home), cloud)
    answer_all(conversation, until="digitalocean.token")
    cloud.token = "another"
    assert conversation.answer(GOOD_TOKEN)
    cloud.token = GOOD_TOKEN
    again = begin(keeper_of(home, "shop"), cloud)
    assert again.next().question.key == "digitalocean.token"
    assert not again.next().kept
    assert not home.deployment("shop").encrypted_secrets.exists()


def test_the_token_is_tried_together_with_the_provider_it_is_for(home: Home, cloud: SmallCloud) -> None:
    tried: list[tuple[str, bool]] = []
    keeper = keeper_of(home)

    def connect(answers) -> SmallCloud:
        tried.append((answers["provider.name"], keeper._held != {}))
        return cloud

    conversation = Conversation(sections(connect), keeper, keeper.values)
    answer_all(conversation, until="mode")
    assert tried == [("digitalocean", True)]
    assert "account someone" in conversation.found(conversation.sections[2])


def test_a_token_that_lacks_rights_is_refused_with_their_names(keeper, cloud: SmallCloud) -> None:
    conversation = begin(keeper, cloud)
    answer_all(conversation, until="digitalocean.token")
    cloud.check_credentials = lambda: Account("someone", "active", ("droplet:create", "domain:read"))
    assert "lacks rights: droplet:create, domain:read" in conversation.answer(GOOD_TOKEN)


def test_a_secret_that_is_kept_may_stay(home: Home, cloud: SmallCloud) -> None:
    answer_all(begin(keeper_of(home), cloud))
    conversation = begin(keeper_of(home, "shop"), cloud)
    conversation.reopen("mail")
    keys = answer_all(conversation, typed={"mail.host": "mx.example.org", "mail.password": ""})
    assert "mail.password" in keys
    assert keeper_of(home, "shop").secret("mail.password") == Secret("correct horse battery")
    assert [change.question.key for change in conversation.changes()] == ["mail.host"]


def test_after_coming_back_one_can_go_back_further_but_not_to_what_is_fixed(home: Home, cloud: SmallCloud) -> None:
    answer_all(begin(keeper_of(home), cloud), until="provider.region")
    conversation = begin(keeper_of(home, "shop"), cloud)
    keys = []
    while conversation.back():
        keys.append(conversation.next().question.key)
    assert keys == ["mode", "digitalocean.token", "provider.name", "site.domain"]


def test_a_step_opened_again_can_be_left_as_it_was(home: Home, cloud: SmallCloud) -> None:
    conversation = begin(keeper_of(home), cloud)
    answer_all(conversation, until="access.operators")
    conversation.reopen("application")
    conversation.answer("wordpress")
    assert conversation.back()
    assert conversation.next().question.key == "application.name"
    assert conversation.back()
    assert conversation.next().question.key == "access.operators"


def test_a_wrong_answer_is_refused_beside_its_question_and_asked_again(keeper: DeploymentKeeper, cloud) -> None:
    conversation = begin(keeper, cloud)
    answer_all(conversation, until="deployment.name")
    assert "begin with a letter" in conversation.answer("../up")
    asked = conversation.next()
    assert asked is not None
    assert asked.question.key == "deployment.name"


def test_a_taken_name_is_refused_at_once(home: Home, cloud: SmallCloud) -> None:
    answer_all(begin(keeper_of(home), cloud))
    before = home.deployment("shop").answers.read_bytes()
    another = begin(keeper_of(home), cloud)
    another.answer("everything")
    assert "shop exists already" in another.answer("shop")
    assert home.deployment("shop").answers.read_bytes() == before


def test_a_token_that_does_not_work_is_said_at_once_and_can_be_corrected(keeper, cloud: SmallCloud) -> None:
    conversation = begin(keeper, cloud)
    answer_all(conversation, until="digitalocean.token")
    cloud.token = "another"
    assert "The token does not work. Make a new one." in conversation.answer(GOOD_TOKEN)
    cloud.token = GOOD_TOKEN
    assert conversation.answer(GOOD_TOKEN) == ""


def test_only_production_asks_about_scaling(keeper: DeploymentKeeper, cloud: SmallCloud) -> None:
    conversation = begin(keeper, cloud)
    keys = answer_all(conversation, typed={**TYPED, "mode": "production"})
    scaling = [key for key in keys if key.startswith("scaling.")]
    assert scaling == [
        f"scaling.{word}" for word in ("autoscalers", "minimum", "maximum", "webservers", "windows", "price_cap")
    ]
    assert "machines.autoscaler_size" in keys
    (part,) = (part for part in parts(conversation, None) if part.key == "scaling")
    assert part.found == "2 webservers, never fewer than 2 or more than 4"
    conversation.reopen("mode")
    answer_all(conversation, typed={"mode": "development"})
    assert "scaling" not in [part.key for part in parts(conversation, None)]


def test_scaling_answers_that_do_not_go_together_are_said_at_once(keeper: DeploymentKeeper, cloud: SmallCloud) -> None:
    conversation = begin(keeper, cloud)
    answer_all(conversation, typed={**TYPED, "mode": "production", "scaling.webservers": 9}, until="scaling.windows")
    assert "is not a window" in conversation.answer("at night")
    assert conversation.answer("08:30-18:00 Mon-Fri = 4, 10:00-12:00 Sat,Sun = 3") == ""
    assert conversation.next().question.key == "scaling.price_cap"
    assert "As a rule 9 webservers are wanted, at least 2 and at most 4." in conversation.answer("")
    assert conversation.back()
    assert conversation.back()
    assert conversation.next().question.key == "scaling.webservers"
    assert conversation.answer("3") == ""
    answer_all(conversation)
    assert conversation.next() is None
    assert read_scaling(conversation.values).windows[1].days == {5, 6}


def test_sizes_show_their_price_and_too_small_ones_their_reason(keeper: DeploymentKeeper, cloud) -> None:
    conversation = begin(keeper, cloud)
    answer_all(conversation, until="machines.webserver_size")
    asked = conversation.next()
    assert asked is not None
    assert [choice.value for choice in asked.choices if not choice.unavailable] == ["s-1gb", "s-2gb"]
    assert "$6.00" in asked.choices[1].label
    assert asked.default == "s-1gb"


def test_mail_details_are_asked_only_when_there_is_mail(keeper: DeploymentKeeper, cloud: SmallCloud) -> None:
    keys = answer_all(begin(keeper, cloud), typed={**TYPED, "mail.kind": "none"})
    assert keys[-1] == "mail.kind"
    assert "application.baseline" not in keys


def test_going_back_shows_the_answer_there_was_and_renames_what_nothing_is_kept_under(home, cloud) -> None:
    conversation = begin(keeper_of(home), cloud)
    conversation.answer("everything")
    conversation.answer("shop")
    assert conversation.back()
    asked = conversation.next()
    assert asked is not None
    assert (asked.question.key, asked.default) == ("deployment.name", "shop")
    conversation.answer("store")
    assert [paths.name for paths in home.deployments()] == ["store"]
    assert not home.deployment("shop").folder.exists()
    answer_all(conversation, until="mode")  # the token is kept under that name now
    for key in ("digitalocean.token", "provider.name", "site.domain"):
        assert conversation.back()
        assert conversation.next().question.key == key
    assert not conversation.back()


def test_another_provider_means_another_region(keeper: DeploymentKeeper, cloud: SmallCloud) -> None:
    conversation = begin(keeper, cloud)
    answer_all(conversation)
    conversation.reopen("provider")
    cloud.regions = lambda: ()  # the other one has none of these
    assert conversation.answer("rehearsal") == ""
    assert conversation.next().question.key == "provider.region"


def test_a_provider_that_is_away_is_no_dead_end(keeper: DeploymentKeeper, cloud: SmallCloud) -> None:
    conversation = begin(keeper, cloud)
    answer_all(conversation, until="mode")
    conversation.answer("development")
    cloud.is_away = True
    with pytest.raises(Unavailable):
        conversation.next()
    cloud.is_away = False
    assert conversation.next().question.key == "provider.region"


def test_the_provider_is_kept_before_its_secrets_are_opened(home: Home, cloud: SmallCloud) -> None:
    keeper = keeper_of(home)
    opened_for: list[str] = []
    inner = keeper._open_secrets
    keeper._open_secrets = lambda paths, values: (opened_for.append(values["provider.name"]), inner(paths, values))[1]
    conversation = begin(keeper, cloud)
    answer_all(conversation, until="digitalocean.token", typed={**TYPED, "provider.name": "digitalocean"})
    assert conversation.answer(GOOD_TOKEN) == ""
    assert opened_for == ["digitalocean"]


def test_review_of_a_deployment_that_exists_shows_only_what_differs(home: Home, cloud: SmallCloud) -> None:
    answer_all(begin(keeper_of(home), cloud))
    conversation = begin(keeper_of(home, "shop"), cloud)
    assert conversation.next() is None
    assert review(conversation, only_changes=True) == "Nothing differs from what there is."
    conversation.reopen("application")
    answer_all(conversation, typed={"application.title": "New shop"})
    assert review(conversation, only_changes=True).splitlines() == [
        "Application",
        "  Title of the site: shop.example.org → New shop",
    ]
    assert "•••" in review(conversation)
    assert "correct horse" not in review(conversation)


def test_a_full_disk_loses_nothing(home: Home, cloud: SmallCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = begin(keeper_of(home), cloud)
    answer_all(conversation, until="certificate.acme_url")
    path = home.deployment("shop").answers
    before = path.read_bytes()

    def full(*_words: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(StateError, match="No space left"):
            conversation.answer("")
    assert path.read_bytes() == before
    conversation.save()
    assert b"owner@example.org" in path.read_bytes()


def test_answers_of_a_file_are_checked_all_at_once() -> None:
    with pytest.raises(AnswersError) as caught:
        validate_all({"site.domain": "NO", "mode": "both", "mail.kind": "smtp"}, has_secret=lambda _name: False)
    text = caught.value.text()
    for key in ("deployment.name", "site.domain", "mode", "certificate.email", "mail.host", "mail.password"):
        assert f"\n{key}: " in text
    assert "mail.port" not in text  # it has a default


def test_one_more_question_needs_no_other_line(home: Home, cloud: SmallCloud) -> None:
    """Declared once, it is asked, kept with its label, and read again."""
    extra = Question("application.motto", "Motto under the title", default="Ahoy")
    listed = tuple(
        replace(section, questions=(*section.questions, extra)) if section.key == "application" else section
        for section in sections(lambda _answers: cloud)
    )
    questions = tuple(question for section in listed for question in section.questions)
    keeper = DeploymentKeeper(home, questions, lambda *_: keeper_of(home, "shop")._opened())
    keys = answer_all(Conversation(listed, keeper), typed={**TYPED, "mail.kind": "none"})
    assert "application.motto" in keys
    path = home.deployment("shop").answers
    assert "  # Motto under the title\n  motto: Ahoy\n" in path.read_text()
    read = answers_file.load(path, questions)
    assert read is not None
    assert read.values["application.motto"] == "Ahoy"
