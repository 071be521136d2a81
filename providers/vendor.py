"""A vendor in a few words: what the wizard shows of it, what it asks, and where its driver is. Loads no driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

from state.clock import Clock
from state.errors import AnswersError, SecretsError
from state.questions import Answered, Question
from state.secret import Secret

if TYPE_CHECKING:
    import httpx

    from providers.contract import Dns, Provider

    #: What a driver's module offers: answers, secrets by name, where time comes from, a transport for tests.
    Open = Callable[[Answered, Mapping[str, Secret], Clock, httpx.BaseTransport | None], Provider]
    OpenDns = Callable[[Answered, Mapping[str, Secret], Clock, httpx.BaseTransport | None], Dns]


@dataclass(frozen=True, slots=True)
class Vendor:
    """What ``providers/NAME/__init__.py`` says of itself as ``VENDOR``.

    Attributes:
        name: its folder's name, and the answer to ``provider.name`` or ``dns.kind``.
        label: its name for a person.
        about: a sentence for whoever chooses.
        questions: its credentials, and what else it needs; each key begins with ``NAME.``.
        driver: module with ``open_driver``, "" for who has no machines.
        dns: module with ``open_dns`` for zones without machines, "" where the driver alone does it.
        from_usd_per_month: two machines of the smallest size that holds a site, by the public price list.
        price_seen: the day that price was read, such as ``2026-11-27``.
        run_on_live_api: its driver was run against the vendor's real API, not only against its description.
    """

    name: str
    label: str
    about: str
    questions: tuple[Question, ...]
    driver: str = ""
    dns: str = ""
    from_usd_per_month: int | None = None
    price_seen: str = ""
    run_on_live_api: bool = False

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The names of its credentials among a deployment's secrets."""
        return tuple(question.key for question in self.questions if question.secret)

    def open(
        self,
        answers: Answered,
        secrets: Mapping[str, Secret],
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
    ) -> Provider:
        """The driver, ready to be asked; the caller closes it.

        Raises:
            AnswersError: it has no machines.
            SecretsError: a credential is missing.
        """
        if not self.driver:
            raise AnswersError(f"{self.label} has no machines.", hint="choose another provider.name")
        opener = cast("Open", import_module(self.driver).open_driver)
        return opener(answers, self._known(secrets), clock, transport)

    def open_dns(
        self,
        answers: Answered,
        secrets: Mapping[str, Secret],
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
    ) -> Dns:
        """Its name servers, for a deployment whose machines are elsewhere; the caller closes it.

        Raises:
            SecretsError: a credential is missing.
        """
        if not self.dns:
            return self.open(answers, secrets, clock, transport)
        opener = cast("OpenDns", import_module(self.dns).open_dns)
        return opener(answers, self._known(secrets), clock, transport)

    def _known(self, secrets: Mapping[str, Secret]) -> Mapping[str, Secret]:
        for question in self.questions:
            if question.secret and question.required and question.key not in secrets:
                raise SecretsError(f"The secret {question.key} is missing.", hint="buildyard new asks for it")
        return {name: secret for name, secret in secrets.items() if name.startswith(f"{self.name}.")}
