"""Prices as a person reads them: a rehearsal has the vendor's, and costs nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from buildyard.answering import REHEARSAL_ANSWERS
from fleet.cost import dollars, fleet_prices, per_month, short_per_month
from fleet.settings import read_settings
from wizard.templates import REHEARSAL_IN_PRODUCTION


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (per_month(Decimal(12), "digitalocean"), "$12.00 a month"),
        (per_month(None, "digitalocean"), "price unknown"),
        (per_month(Decimal(12), "rehearsal"), "$12.00 a month by the vendor's list; here it costs nothing"),
        (per_month(None, "rehearsal"), "here it costs nothing"),
        (short_per_month("12", "digitalocean"), "$12.00/month"),
        (short_per_month("12", "rehearsal"), "costs nothing"),
        (dollars("12"), "12.00"),
        (dollars("0.0089"), "0.01"),
        (dollars("unknown"), "unknown"),
    ],
)
def test_prices_as_a_person_says_them(said: str, expected: str) -> None:
    assert said == expected


def test_a_fleet_has_a_price_at_least_as_a_rule_and_at_most_and_none_that_is_made_up() -> None:
    shop = {**REHEARSAL_ANSWERS, "deployment.name": "shop", "site.domain": "shop.example.org"}
    small = read_settings(shop)
    sizes = {size: Decimal(6) for size in small.sizes.values()}
    assert fleet_prices(small, sizes).webservers == (1, 1, 1)
    assert fleet_prices(small, sizes).maximum == Decimal(12)
    many = read_settings({**shop, **REHEARSAL_IN_PRODUCTION, "scaling.webservers": 2})
    found = fleet_prices(many, {size: Decimal(6) for size in many.sizes.values()})
    few, usual, most = found.webservers
    assert (found.minimum, found.expected, found.maximum) == (12 + 6 * few, 12 + 6 * usual, 12 + 6 * most)
    assert few < usual < most
    assert fleet_prices(many, {}).expected is None
