"""Whether Cloudflare stands before the site: asked where it serves the zone, and of nobody else."""

from __future__ import annotations

import pytest

from buildyard.answering import REHEARSAL_ANSWERS
from fleet.settings import read_settings
from wizard.questions import all_questions
from wizard.templates import REHEARSAL_IN_PRODUCTION

PROXIED, TOKEN = "cloudflare.proxied", "cloudflare.token"


def asked(**answers: str) -> set[str]:
    """Which of Cloudflare's questions apply."""
    values = {key.replace("__", "."): value for key, value in answers.items()}
    return {each.key for each in all_questions() if each.key.startswith("cloudflare.") and each.applies(values)}


def test_it_is_asked_with_the_token_where_cloudflare_serves_the_zone() -> None:
    assert asked(dns__kind="cloudflare", provider__name="hetzner") == {PROXIED, TOKEN}
    assert asked(dns__kind="provider", provider__name="hetzner") == set()


def test_a_rehearsal_plays_cloudflare_and_asks_for_nobodys_token() -> None:
    assert asked(dns__kind="cloudflare", provider__name="rehearsal") == {PROXIED}


@pytest.mark.parametrize(
    ("answers", "proxied"),
    [
        ({}, False),
        ({"dns.kind": "cloudflare"}, False),  # answers from before it was asked
        ({"dns.kind": "cloudflare", PROXIED: True}, True),
        ({"dns.kind": "provider", PROXIED: True}, False),  # Cloudflare was left
    ],
)
def test_only_a_yes_of_who_serves_the_zone_counts(answers: dict[str, object], proxied: bool) -> None:
    given = {"deployment.name": "shop", "site.domain": "shop.example.org", **REHEARSAL_IN_PRODUCTION, **answers}
    assert read_settings({**REHEARSAL_ANSWERS, **given}).proxied is proxied
