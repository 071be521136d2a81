"""The answers, read once into a value: everything after this speaks of fields, not of keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fleet.autoscaler.policy import ScalingPolicy
from fleet.autoscaler.questions import read_scaling
from providers.names import BY_PROVIDER, PROXIED
from recipes.context import GUARDED, Guarded, Role
from recipes.questions import MANAGED
from state.errors import AnswersError


class Mode(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the answers say.

    Attributes:
        dns: who serves the zone: a vendor's name, or ``provider``.
        proxied: whoever serves the zone stands before the site too: visitors come to it, and it to the webservers.
        sizes: of a machine, for each role that has any, in the order in which they are made.
        autoscalers: how many machines, 0 in development mode.
        webservers: how many a first build makes; afterwards, in production, the autoscaler decides.
        scaling: by what it decides; None in development mode.
        operators: CIDRs, or ``auto`` for the build machine's own addresses.
        database_size: of the database that the provider runs; "" where the database machine holds the content.
        answers: all of them, for recipes that declare questions of their own.
    """

    deployment: str
    domain: str
    www: bool
    provider: str
    dns: str
    region: str
    mode: Mode
    image: str
    sizes: Mapping[Role, str]
    autoscalers: int
    webservers: int
    scaling: ScalingPolicy | None
    certificate_email: str
    acme_url: str
    operators: tuple[str, ...]
    ssh_keys: tuple[str, ...]
    baseline: str
    guarded: Guarded
    proxied: bool
    database_size: str
    answers: Mapping[str, Any]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names the site is served under."""
        return (self.domain, f"www.{self.domain}") if self.www else (self.domain,)

    @property
    def url(self) -> str:
        return f"https://{self.domain}/"


def read_settings(answers: Mapping[str, Any]) -> Settings:
    """Reads flat answers (dotted keys).

    Raises:
        AnswersError: one is missing; ``buildyard new`` asks for it.
    """

    def need(key: str) -> Any:
        value = answers.get(key)
        if value in (None, ""):
            raise AnswersError(
                f"The answer {key} is missing.", hint="buildyard new asks for it, or write it into the answers file"
            )
        return value

    mode = Mode(need("mode"))
    production = mode is Mode.PRODUCTION
    scaling = read_scaling(answers) if production else None
    dns = str(answers.get("dns.kind") or BY_PROVIDER)
    sizes = {Role.DATABASE: str(need("machines.database_size"))}
    if production:
        sizes[Role.AUTOSCALER] = str(need("machines.autoscaler_size"))
    sizes[Role.WEBSERVER] = str(need("machines.webserver_size"))
    return Settings(
        deployment=str(need("deployment.name")),
        domain=str(need("site.domain")),
        www=bool(answers.get("site.www", True)),
        provider=str(need("provider.name")),
        dns=dns,
        region=str(need("provider.region")),
        mode=mode,
        image=str(need("machines.image")),
        sizes=sizes,
        autoscalers=int(answers.get("scaling.autoscalers") or 1) if production else 0,
        webservers=scaling.target if scaling is not None else 1,
        scaling=scaling,
        certificate_email=str(answers.get("certificate.email") or ""),
        acme_url=str(answers.get("certificate.acme_url") or ""),
        operators=tuple(answers.get("access.operators") or ("auto",)),
        ssh_keys=tuple(answers.get("access.ssh_keys") or ()),
        baseline=str(answers.get("application.baseline") or "")
        if answers.get("application.source") == "baseline"
        else "",
        guarded=Guarded(answers.get(GUARDED) or Guarded.NOTHING),
        proxied=bool(answers.get(f"{dns}.{PROXIED}")),
        database_size=str(need("database.size")) if answers.get("database.kind") == MANAGED else "",
        answers=answers,
    )
