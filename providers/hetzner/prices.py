"""What Hetzner's servers cost a month: its API's own prices, without VAT, in US dollars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from providers.hetzner import api
from providers.http import Api

#: Our estimate of 2026-11-27, not a published rate: rather too high, so that no bill is larger than the price shown.
#: Accounts that pay in dollars are told dollars, and nothing is converted.
USD_PER_EUR = Decimal("1.20")

_USD_PER: Mapping[str, Decimal] = {"USD": Decimal(1), "EUR": USD_PER_EUR}
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Tariff:
    """The currency of the project's owner and the price of a public IPv4 address, which the server's leaves out.

    Attributes:
        usd_per_unit: None for a currency nobody here can convert.
        ipv4: by location, in that currency.
    """

    usd_per_unit: Decimal | None
    ipv4: Mapping[str, Decimal]


def read_tariff(answer: Any) -> Tariff:
    pricing = answer["pricing"]
    addresses = [each for each in pricing["primary_ips"] if each["type"] == "ipv4"]
    return Tariff(
        _USD_PER.get(pricing["currency"]),
        {price["location"]: _net(price) for each in addresses for price in each["prices"]},
    )


def _net(price: Mapping[str, Any]) -> Decimal:
    return Decimal(str(price["price_monthly"]["net"]))


@dataclass(slots=True)
class Prices:
    """Prices by server type and location; the tariff is read once in a driver's life."""

    api: Api
    _tariff: Tariff | None = field(default=None, init=False)

    def tariff(self) -> Tariff:
        """Two threads that read it at once read the same."""
        if self._tariff is None:
            self._tariff = self.api.read(api.PRICING, read_tariff)
        return self._tariff

    def of(self, server_type: Mapping[str, Any], location: str) -> Decimal | None:
        """US dollars a month with a public IPv4 address, None where the vendor says none we can convert."""
        tariff = self.tariff()
        known = next((_net(price) for price in server_type["prices"] if price["location"] == location), None)
        if known is None or tariff.usd_per_unit is None:
            return None
        return ((known + tariff.ipv4.get(location, Decimal(0))) * tariff.usd_per_unit).quantize(_CENT)

    def of_standing(self, server_type: Mapping[str, Any], location: str) -> Decimal:
        """As :meth:`of` for a machine that is there: a type no longer sold in its location costs what it costs most
        elsewhere, and 0 where nobody says."""
        here = self.of(server_type, location)
        if here is not None:
            return here
        elsewhere = (self.of(server_type, price["location"]) for price in server_type["prices"])
        return max((price for price in elsewhere if price is not None), default=Decimal(0))
