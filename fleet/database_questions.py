"""What is asked about the database: on a machine of its own, or run by the provider and then how large."""

from __future__ import annotations

from typing import Any

from providers.catalog import Connect
from providers.contract import Provider
from providers.databases import DatabaseSize, Engine, ManagedDatabases
from recipes.questions import MANAGED, MARIADB
from state.errors import BuildyardError
from state.questions import Answered, AnswerKind, Choice, Question, wrong_choice

_POSTGRESQL = Choice("postgresql", "PostgreSQL on its own machine", unavailable="WordPress needs MariaDB or MySQL")


def database_questions(connect: Connect) -> tuple[Question, ...]:
    """Kind and size.

    Args:
        connect: opens the provider that the answers so far name; called when the choices are shown.
    """

    def kinds(answers: Answered) -> tuple[Choice, ...]:
        return _kinds(_why_not(connect(answers), str(answers.get("provider.region", ""))))

    def sizes(answers: Answered) -> tuple[Choice, ...]:
        return tuple(map(_size, _sizes(connect(answers), str(answers.get("provider.region", "")))))

    def smallest(answers: Answered) -> Any:
        try:
            return next((choice.value for choice in sizes(answers)), None)
        except BuildyardError:
            return None  # the question itself will say what is wrong

    return (
        Question(
            key="database.kind",
            label="Which database?",
            help="Where the application keeps its content. On a machine of its own it is reached by the webservers' "
            "private addresses only. One that the provider manages is kept up to date by it and costs more; the "
            "database machine stays beside it. Example: MariaDB, which WordPress is made for.",
            kind=AnswerKind.CHOICE,
            choices=kinds,
            default=MARIADB,
            # a file is read before anybody is connected; what the provider lacks is said when it is asked
            check=lambda value: wrong_choice(value, _kinds("")),
        ),
        Question(
            key="database.size",
            label="What size is the managed database?",
            help="The provider's server that holds all content. Prices are US dollars a month, beside those of the "
            "machines; where the provider's API tells none, its price list does. Example: the smallest for a small "
            "site, 2 GiB for a shop with some thousand articles.",
            kind=AnswerKind.CHOICE,
            choices=sizes,
            default=smallest,
            applies=lambda answers: answers.get("database.kind") == MANAGED,
        ),
    )


def _kinds(why_not_managed: str) -> tuple[Choice, ...]:
    return (
        Choice(MARIADB, "MariaDB on its own machine"),
        Choice(
            MANAGED,
            "MySQL, managed by the provider",
            "Encrypted on the way, open to this fleet's exact addresses only.",
            unavailable=why_not_managed,
        ),
        _POSTGRESQL,
    )


def _why_not(provider: Provider, region: str) -> str:
    if not provider.capabilities.supports_managed_database:
        return f"{provider.label} runs no databases"
    return "" if _sizes(provider, region) else f"{provider.label} offers none in this region"


def _sizes(provider: Provider, region: str) -> tuple[DatabaseSize, ...]:
    if not provider.capabilities.supports_managed_database:
        return ()
    databases: ManagedDatabases = provider  # type: ignore[assignment]
    return databases.database_sizes(region, Engine.MYSQL)


def _size(size: DatabaseSize) -> Choice:
    price = "price unknown" if size.price_per_month is None else f"${size.price_per_month:.2f}"
    disk = f"  {size.disk_gib:>4} GB" if size.disk_gib else ""
    return Choice(size.slug, f"{price:>13}  {size.cpus:>2} vCPU  {size.memory_mib / 1024:>4g} GiB{disk}")
