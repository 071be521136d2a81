"""DigitalOcean's driver, at the address of a cloud on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx

from providers.contract import Provider
from providers.digitalocean.driver import DigitalOcean
from providers.names import REHEARSAL
from state.clock import Clock
from state.errors import AnswersError, SecretsError
from state.questions import Answered
from state.secret import Secret

#: Made by the cloud; whoever brings it up knows it.
TOKEN = f"{REHEARSAL}.token"


def open_driver(
    answers: Answered, secrets: Mapping[str, Secret], clock: Clock, transport: httpx.BaseTransport | None
) -> Provider:
    """The answers are ``rehearsal.api_url`` and ``rehearsal.ca_pem_file``."""
    token = secrets.get(TOKEN)
    if token is None:
        raise SecretsError(f"The secret {TOKEN} is missing.", hint="buildyard rehearse starts a rehearsal and sets it")
    return DigitalOcean(
        token,
        clock=clock,
        api_url=_need(answers, "rehearsal.api_url"),
        ca_pem_file=Path(_need(answers, "rehearsal.ca_pem_file")),
        transport=transport,
        name=REHEARSAL,
        label="Rehearsal",
    )


def _need(answers: Answered, key: str) -> str:
    value = answers.get(key)
    if not value:
        raise AnswersError(f"The answer {key} is missing.", hint="buildyard rehearse starts a rehearsal and sets it")
    return str(value)
