"""The conversation as a list: which questions, in which order, under which headings.

Questions are declared by whoever needs the answer; here they are only put in order. A new question in one of the
imported tuples appears in every rendering and in the answers file without another line here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from typing import Any

from fleet.autoscaler.questions import QUESTIONS as SCALING
from fleet.autoscaler.questions import scaling_found
from fleet.cost import fleet_prices, is_free, per_month
from fleet.database_questions import database_questions
from fleet.managed import database_price, databases_of
from fleet.settings import Settings, read_settings
from providers.catalog import (
    Connect,
    account_found,
    credential_questions,
    dns_credential_questions,
    placement_questions,
    provider_question,
    vendor_of,
)
from providers.contract import Provider
from providers.databases import Engine
from providers.names import REHEARSAL
from recipes import base, mail
from recipes.questions import APPLICATION, CERTIFICATE
from state.errors import ProviderError
from state.questions import Answered, Question
from wizard.basics import ACCESS, DNS, MODE, NAME_AND_DOMAIN, WWW
from wizard.section import BEGIN, Section
from wizard.templates import TEMPLATE


def sections(connect: Connect, taken: Collection[str] = ()) -> tuple[Section, ...]:
    """The whole conversation about a deployment; the review follows the last section.

    Args:
        connect: opens the provider that the answers so far name, to ask it for regions, sizes and images, and
            whether the credentials work. The wizard does not close it.
        taken: names of deployments that exist already.
    """

    def credentials_work(answers: Answered) -> str:
        return account_found(connect(answers))

    return (
        Section(BEGIN, "Begin", (TEMPLATE,)),
        Section("deployment", "Deployment", tuple(_not_taken(question, taken) for question in NAME_AND_DOMAIN)),
        Section("provider", "Provider", (provider_question(), *credential_questions()), verify=credentials_work),
        Section("mode", "Mode", MODE),
        Section("machines", "Machines", (*placement_questions(connect), *base.QUESTIONS)),
        Section("scaling", "Scaling", SCALING, verify=scaling_found),
        Section("certificate", "Domain & TLS", (*DNS, *dns_credential_questions(), *WWW, *CERTIFICATE)),
        Section("database", "Database", database_questions(connect)),
        Section("application", "Application", APPLICATION),
        Section("access", "Access", ACCESS),
        Section("mail", "Mail", mail.QUESTIONS),
    )


def all_sections() -> tuple[Section, ...]:
    """The sections with nobody connected: choices that only a provider knows raise ProviderError."""
    return sections(_no_connection)


def all_questions() -> tuple[Question, ...]:
    """Every question there is, to read and write answers files."""
    return tuple(question for section in all_sections() for question in section.questions)


def review_notes(connect: Connect, answers: Answered) -> tuple[str, ...]:
    """What the review says beside the answers: the price, and what the provider lacks.

    Raises:
        BuildyardError: the provider does not answer.
    """
    provider = connect(answers)
    sizes = provider.sizes(str(answers.get("provider.region", "")))
    name = str(answers.get("provider.name", ""))
    settings = read_settings(answers)
    database = _database_price(provider, settings)
    found = fleet_prices(settings, {size.slug: size.price_per_month for size in sizes}, database)
    by = "" if is_free(name) or found.expected is None else " for the machines, by the provider's list of today"
    notes = [f"Price: {per_month(found.expected, name)}{by}."]
    if settings.database_size and database is None and not is_free(name):
        notes.append("The managed database costs beside that: the provider's API does not tell its price.")
    few, usual, many = found.webservers
    if few != many and found.minimum is not None and found.maximum is not None:
        notes.append(
            f"That is with {_counted(usual)}; ${found.minimum:.2f} with {few} at least, "
            f"${found.maximum:.2f} with {many} at most."
        )
    if not provider.capabilities.firewall_filters_private_network:
        notes.append(
            "One layer here: this provider's firewall does not guard the private network; the machines' own does."
        )
    if name != REHEARSAL and not vendor_of(name).run_on_live_api:
        notes.append(f"{provider.label}: tested against the published API description, never run on the live API.")
    return tuple(notes)


def _database_price(provider: Provider, settings: Settings) -> Decimal | None:
    if not settings.database_size:
        return None
    sizes = databases_of(provider).database_sizes(settings.region, Engine.MYSQL)
    return database_price(sizes, settings.database_size)


def _counted(webservers: int) -> str:
    """``1 webserver``, ``2 webservers``."""
    return f"{webservers} webserver{'' if webservers == 1 else 's'}"


def _not_taken(question: Question, taken: Collection[str]) -> Question:
    if question.key != "deployment.name":
        return question

    def check(value: Any) -> str:
        if value in taken:
            return f"{value} exists already: choose another name, or go on with it by --deployment {value}."
        return question.check(value)

    return replace(question, check=check)


def _no_connection(_answers: Answered) -> Provider:
    raise ProviderError("No provider is connected here.", hint="buildyard new")
