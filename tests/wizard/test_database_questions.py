"""Where the content lies: what a cloud can do is offered with sizes and prices, what it cannot with the reason."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fleet.settings import read_settings
from providers.contract import Capabilities
from providers.databases import DatabaseSize, Engine
from state.paths import Home
from tests.wizard.conftest import GOOD_TOKEN, SmallCloud, keeper_of
from wizard.flow import Asked, Conversation
from wizard.questions import review_notes, sections

TYPED: dict[str, Any] = {
    "template": "everything",
    "deployment.name": "shop",
    "site.domain": "shop.example.org",
    "provider.name": "digitalocean",
    "digitalocean.token": GOOD_TOKEN,
    "certificate.email": "owner@example.org",
    "database.kind": "managed",
}


class DatabaseCloud(SmallCloud):
    """It runs databases, in one of its regions; one size's price is unknown."""

    capabilities = Capabilities(True, True, True, True, True, 255, 50)

    def database_sizes(self, region: str, engine: Engine) -> tuple[DatabaseSize, ...]:
        assert engine is Engine.MYSQL
        if region != "ams3":
            return ()
        return (DatabaseSize("db-1", 1, 1024, 10, Decimal(15)), DatabaseSize("db-2", 2, 4096, 0, None))


def ask(home: Home, cloud: SmallCloud, until: str, **typed: Any) -> tuple[Conversation, Asked | None]:
    keeper = keeper_of(home)
    conversation = Conversation(sections(lambda _answers: cloud), keeper, keeper.values)
    answers = {**TYPED, **typed}
    while (asked := conversation.next()) is not None and asked.question.key != until:
        assert conversation.answer(answers.get(asked.question.key, asked.default)) == "", asked.question.key
    return conversation, asked


def test_a_cloud_that_runs_none_says_so_where_one_would_choose_it(home: Home) -> None:
    conversation, asked = ask(home, SmallCloud(), "database.kind")
    assert asked is not None
    (managed,) = (choice for choice in asked.choices if choice.value == "managed")
    assert managed.unavailable == "Small cloud runs no databases"
    assert managed.unavailable in conversation.answer("managed")
    assert asked.default == "mariadb"


def test_a_region_without_them_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DatabaseCloud, "database_sizes", lambda *_: ())
    _, asked = ask(home, DatabaseCloud(), "database.kind")
    assert asked is not None
    assert "none in this region" in next(each.unavailable for each in asked.choices if each.value == "managed")


def test_sizes_stand_with_their_prices_and_the_choice_reaches_the_settings(home: Home) -> None:
    conversation, asked = ask(home, DatabaseCloud(), "database.size")
    assert asked is not None
    assert asked.default == "db-1"
    assert ["$15.00" in asked.choices[0].label, "price unknown" in asked.choices[1].label] == [True, True]
    assert conversation.answer("db-2") == ""
    assert conversation.values["database.size"] == "db-2"


def test_who_takes_a_machine_of_its_own_is_asked_no_size(home: Home) -> None:
    conversation, asked = ask(home, DatabaseCloud(), "", **{"database.kind": "mariadb"})
    assert asked is None
    assert "database.size" not in conversation.values
    assert read_settings(conversation.values).database_size == ""


@pytest.mark.parametrize(("size", "says"), [("db-1", "$27.00 a month"), ("db-2", "$12.00 a month")])
def test_the_review_counts_its_price_or_says_that_it_comes_on_top(home: Home, size: str, says: str) -> None:
    cloud = DatabaseCloud()
    conversation, asked = ask(home, cloud, "", **{"database.size": size})
    assert asked is None
    notes = review_notes(lambda _answers: cloud, conversation.values)  # type: ignore[arg-type,return-value]
    assert says in notes[0]
    assert any("does not tell its price" in note for note in notes) == (size == "db-2")
    assert read_settings(conversation.values).database_size == size
