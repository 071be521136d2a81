"""What machines cost, in words. In a rehearsal nobody pays the vendor's prices that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from providers.names import REHEARSAL
from recipes.context import Role

if TYPE_CHECKING:
    from fleet.settings import Settings


def is_free(provider: str) -> bool:
    """Whether machines of that provider cost nothing, whatever their price list says."""
    return provider == REHEARSAL


def per_month(price: Decimal | None, provider: str) -> str:
    """A month's price as a sentence says it.

    Args:
        price: US dollars; None where it is unknown.
        provider: its name in the answers.
    """
    listed = "price unknown" if price is None else f"${price:.2f} a month"
    if not is_free(provider):
        return listed
    return "here it costs nothing" if price is None else f"{listed} by the vendor's list; here it costs nothing"


@dataclass(frozen=True, slots=True)
class FleetPrices:
    """What all machines cost a month, in US dollars; None where a size has no known price.

    Attributes:
        webservers: how many there are at least, as a rule, and at most.
    """

    minimum: Decimal | None
    expected: Decimal | None
    maximum: Decimal | None
    webservers: tuple[int, int, int]


def fleet_prices(settings: Settings, prices: Mapping[str, Decimal], database: Decimal | None = None) -> FleetPrices:
    """Before anything is made: what it will cost at least, as a rule, and at most.

    Args:
        prices: US dollars a month by size.
        database: the managed one's price; None where there is none, or its price is unknown and said beside it.
    """
    scaling = settings.scaling
    few, usual, many = (1, 1, 1) if scaling is None else (scaling.minimum, scaling.target, scaling.maximum)

    def price(webservers: int) -> Decimal | None:
        count = {Role.DATABASE: 1, Role.AUTOSCALER: settings.autoscalers, Role.WEBSERVER: webservers}
        known = [(prices.get(size), count[role]) for role, size in settings.sizes.items()]
        if any(one is None for one, _ in known):
            return None
        return sum((one * number for one, number in known if one is not None), database or Decimal(0))

    return FleetPrices(price(few), price(usual), price(many), (few, usual, many))


def short_per_month(price: str, provider: str) -> str:
    """The same in at most 14 columns, as long as nobody pays five figures."""
    return "costs nothing" if is_free(provider) else f"${dollars(price)}/month"


def dollars(price: str) -> str:
    """A price as the provider says it, with two decimals."""
    try:
        return f"{Decimal(price):.2f}"
    except InvalidOperation:
        return price
