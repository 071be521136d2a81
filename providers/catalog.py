"""The clouds there are: which can be chosen, what they ask, and how one is opened."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

import httpx

import providers
from providers.contract import Dns, Provider, Size
from providers.names import BY_PROVIDER, REHEARSAL
from providers.systems import system_of
from providers.vendor import Vendor
from state.clock import Clock
from state.errors import AnswersError, BuildyardError, Unauthorized
from state.questions import Answered, AnswerKind, Choice, Question
from state.secret import Secret

#: Opens the provider that the answers so far name, for questions whose choices only it knows.
Connect = Callable[[Answered], Provider]

#: Our estimate of what a system with WordPress or MariaDB needs without swapping; not measured.
LEAST_MEMORY_MIB = 1024
_NEVER_LIVE = "Tested against its published API description, never run on the live API."


@cache
def vendors() -> Mapping[str, Vendor]:
    """All vendors by name, the rehearsal first: every folder of ``providers`` is one. Loads no driver."""
    names = sorted(found.name for found in pkgutil.iter_modules(providers.__path__) if found.ispkg)
    known: list[Vendor] = [import_module(f"providers.{name}").VENDOR for name in names]
    return {vendor.name: vendor for vendor in sorted(known, key=lambda one: (one.name != REHEARSAL, one.label))}


def vendor_of(name: str) -> Vendor:
    """
    Raises:
        AnswersError: there is none of that name.
    """
    found = vendors().get(name)
    if found is None:
        raise AnswersError(f"There is no provider {name!r}.", hint=f"Choose one of: {', '.join(vendors())}.")
    return found


def open_provider(
    name: str,
    answers: Answered,
    secrets: Mapping[str, Secret],
    *,
    clock: Clock,
    transport: httpx.BaseTransport | None = None,
) -> Provider:
    """The driver of a cloud, ready to be asked; the caller closes it.

    Args:
        name: ``rehearsal`` or a vendor's.
        answers: flat, dotted keys; a rehearsal's are ``rehearsal.api_url`` and ``rehearsal.ca_pem_file``.
        secrets: by name, such as ``NAME.token``; others are not looked at.
        clock: where time comes from.
        transport: for tests.

    Raises:
        AnswersError: there is no such provider, or an answer is missing.
        SecretsError: a credential is missing.
    """
    return vendor_of(name).open(answers, secrets, clock, transport)


def is_credential(name: str) -> bool:
    """Whether a secret of that name is some vendor's credential: the owner's, never one that Buildyard made."""
    return name.partition(".")[0] in vendors()


def credentials_among(names: Iterable[str], secrets: Callable[[str], Secret | None]) -> dict[str, Secret]:
    """The credentials that are known.

    Args:
        names: vendors', empty ones and repetitions do no harm.
        secrets: gives a secret by its name.
    """
    wanted = (key for name in dict.fromkeys(names) if name in vendors() for key in vendors()[name].secret_names)
    return {key: found for key in wanted if (found := secrets(key)) is not None}


def open_dns(name: str, provider: Provider, answers: Answered, secrets: Mapping[str, Secret], *, clock: Clock) -> Dns:
    """Who serves the site's zone.

    Args:
        name: the answer ``dns.kind``: a vendor's name, or ``provider``.
        provider: where the machines are.

    Raises:
        AnswersError: there is no such vendor.
        SecretsError: a credential is missing.
    """
    if name in (BY_PROVIDER, provider.name):
        return provider
    return vendor_of(name).open_dns(answers, secrets, clock)


def dns_choices() -> tuple[Choice, ...]:
    """Who can serve a site's zone."""
    others = (vendor for vendor in vendors().values() if vendor.dns)
    return (
        Choice(BY_PROVIDER, "Provider", "The name servers of the machines' provider hold the domain's zone."),
        *(Choice(vendor.name, vendor.label, vendor.about) for vendor in others),
    )


def dns_credential_questions() -> tuple[Question, ...]:
    """The credentials of those who serve zones; each applies where the machines are somebody else's."""
    return tuple(
        replace(
            question,
            applies=lambda answers, name=vendor.name, secret=question.secret: (  # type: ignore[misc]
                answers.get("dns.kind") == name != answers.get("provider.name")
                # a rehearsal plays that vendor too: nobody's account is asked
                and not (secret and answers.get("provider.name") == REHEARSAL)
            ),
        )
        for vendor in vendors().values()
        if vendor.dns and not vendor.driver
        for question in vendor.questions
    )


def provider_question() -> Question:
    """Which cloud."""
    clouds = [vendor for vendor in vendors().values() if vendor.driver]
    return Question(
        key="provider.name",
        label="Where shall the machines run?",
        help="The cloud whose machines the site runs on; it decides the price and where visitors' data lies. "
        "For example, a rehearsal builds the whole deployment on this machine first: no account, no cost.",
        kind=AnswerKind.CHOICE,
        choices=lambda _answers: tuple(map(_cloud_choice, clouds)),
        default=REHEARSAL,
    )


def _cloud_choice(vendor: Vendor) -> Choice:
    if vendor.name == REHEARSAL:
        return Choice(vendor.name, vendor.label, vendor.about, aside="free")
    about = vendor.about if vendor.run_on_live_api else f"{vendor.about} {_NEVER_LIVE}"
    price = vendor.from_usd_per_month
    return Choice(vendor.name, vendor.label, about, aside="" if price is None else f"from ${price}/month")


def account_found(provider: Provider) -> str:
    """Tries the credentials and says whose they are and what they may do.

    Raises:
        Unauthorized: they do not work, or lack a right.
        BuildyardError: the provider does not answer.
    """
    account = provider.check_credentials()
    if account.missing_rights:
        raise Unauthorized(
            f"The token works, but it lacks rights: {', '.join(account.missing_rights)}.",
            hint="Make one with full access in the provider's control panel, then enter that one.",
        )
    if account.status not in ("active", "unknown"):
        raise Unauthorized(
            f"The account {account.name} is {account.status}: it cannot make machines.",
            hint="Log in to the provider's control panel; it says what is to be done.",
        )
    return f"valid, account {account.name}; no right is missing"


def credential_questions() -> tuple[Question, ...]:
    """The credentials of all vendors; each applies to its own only."""
    return tuple(
        replace(question, applies=lambda answers, name=vendor.name: answers.get("provider.name") == name)  # type: ignore[misc]
        for vendor in vendors().values()
        if vendor.driver
        for question in vendor.questions
    )


def placement_questions(connect: Connect) -> tuple[Question, ...]:
    """Region, image and sizes, chosen from what the provider has now.

    Args:
        connect: opens the provider that the answers so far name; called when the choices are shown.
    """

    def regions(answers: Answered) -> tuple[Choice, ...]:
        return tuple(
            Choice(region.slug, region.name, unavailable="" if region.available else "takes no new machines now")
            for region in connect(answers).regions()
        )

    def images(answers: Answered) -> tuple[Choice, ...]:
        return tuple(
            Choice(image.slug, f"{image.distribution} {image.name}")
            for image in connect(answers).images()
            if image.distribution in ("Debian", "Ubuntu")
        )

    def sizes(answers: Answered) -> tuple[Choice, ...]:
        region = str(answers.get("provider.region", ""))
        return tuple(_size_choice(size) for size in connect(answers).sizes(region))

    def first(choices: Callable[[Answered], tuple[Choice, ...]]) -> Callable[[Answered], Any]:
        def likely(answers: Answered) -> Any:
            try:
                return next((choice.value for choice in choices(answers) if not choice.unavailable), None)
            except BuildyardError:
                return None  # the question itself will say what is wrong

        return likely

    def newest_debian(answers: Answered) -> Any:
        try:
            known = [(system_of(choice.value), choice.value) for choice in images(answers)]
        except BuildyardError:
            return None
        debian = [(system, slug) for system, slug in known if system is not None and system.distribution == "debian"]
        return max(debian, default=(None, None))[1]

    return (
        Question(
            key="provider.region",
            label="Which region?",
            help="The data centre where the machines stand. Pages arrive sooner from one near the site's visitors, and "
            "the law of its country applies. Example: Frankfurt for visitors in Germany.",
            kind=AnswerKind.CHOICE,
            choices=regions,
            default=first(regions),
        ),
        Question(
            key="machines.image",
            label="Which operating system?",
            help="What the machines run, all of them the same; Buildyard keeps it up to date. Debian's newest is the "
            "usual one; take Ubuntu, for example, when those who look after the site know that better.",
            kind=AnswerKind.CHOICE,
            choices=images,
            default=newest_debian,
        ),
        Question(
            key="machines.webserver_size",
            label="What size is a webserver?",
            help="The machine that serves the pages; too small a one answers slowly. Prices are US dollars a month. "
            "Example: a small site does with 1 vCPU and 1 GiB.",
            kind=AnswerKind.CHOICE,
            choices=sizes,
            default=first(sizes),
        ),
        Question(
            key="machines.database_size",
            label="What size is the database machine?",
            help="The machine that holds all content; with enough memory the database is read from there and not from "
            "disk. Example: 1 GiB for a small site, 2 GiB for a shop with some thousand articles.",
            kind=AnswerKind.CHOICE,
            choices=sizes,
            default=first(sizes),
        ),
        Question(
            key="machines.autoscaler_size",
            label="What size is an autoscaler machine?",
            help="The machine that watches the webservers and makes more or fewer of them; it serves no page, so the "
            "smallest one does. Example: 1 vCPU and 1 GiB.",
            kind=AnswerKind.CHOICE,
            choices=sizes,
            default=first(sizes),
            applies=lambda answers: answers.get("mode") == "production",
        ),
    )


def _size_choice(size: Size) -> Choice:
    price = f"${size.price_per_month:.2f}"
    # In columns, so that a list of sizes can be read downwards.
    label = f"{price:>8}  {size.cpus:>2} vCPU  {size.memory_mib / 1024:>4g} GiB  {size.disk_gib:>4} GB"
    too_small = size.memory_mib < LEAST_MEMORY_MIB
    return Choice(size.slug, label, unavailable=f"less than {LEAST_MEMORY_MIB} MiB of memory" if too_small else "")
