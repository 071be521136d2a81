"""What Exoscale's machines cost: a dated table, for its API tells no prices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

#: US dollars an hour, without tax; the same in every zone. From the vendor's public price list
#: (portal.exoscale.com/api/pricing/opencompute, which the page exoscale.com/pricing shows) as of 2026-10-07.
_PER_HOUR: Mapping[str, str] = {
    "standard.micro": "0.00729",
    "standard.tiny": "0.01458",
    "standard.small": "0.02333",
    "standard.medium": "0.04666",
    "standard.large": "0.09333",
    "standard.extra-large": "0.18667",
    "standard.huge": "0.37334",
    "standard.mega": "0.74667",
    "standard.titan": "1.49333",
    "standard.jumbo": "2.24000",
    "standard.colossus": "2.98666",
    "cpu.extra-large": "0.23333",
    "cpu.huge": "0.46666",
    "cpu.mega": "0.93333",
    "cpu.titan": "1.86667",
    "memory.extra-large": "0.14000",
    "memory.huge": "0.28000",
    "memory.mega": "0.56000",
    "memory.titan": "1.12000",
}

#: The disk has a price of its own: US dollars a GiB and hour, same list.
_DISK_PER_GIB_HOUR = Decimal("0.00014")

#: Here a machine's disk is chosen freely; these are ours, by the size's own name. The vendor's limits are far above:
#: community.exoscale.com/product/compute/instances/overview.
_DISK_GIB: Mapping[str, int] = {
    "micro": 10,
    "tiny": 20,
    "small": 40,
    "medium": 50,
    "large": 100,
    "extra-large": 200,
    "huge": 400,
    "mega": 400,
    "titan": 800,
    "jumbo": 800,
    "colossus": 800,
}

_HOURS_PER_MONTH = 730


def disk_gib(slug: str) -> int:
    """The disk a machine of that size gets."""
    return _DISK_GIB.get(slug.rpartition(".")[2], 50)


def price_per_month(slug: str) -> Decimal | None:
    """US dollars for a machine of that size with its disk, None for a size the list does not have."""
    if slug not in _PER_HOUR:
        return None
    per_hour = Decimal(_PER_HOUR[slug]) + _DISK_PER_GIB_HOUR * disk_gib(slug)
    return (per_hour * _HOURS_PER_MONTH).quantize(Decimal("0.01"))
