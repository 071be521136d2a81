"""What Vultr sells: regions, plans with prices, and operating systems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from providers.contract import Image, Region, Size
from providers.http import Api
from providers.vultr import api
from state.errors import UsageError

#: Such as "Debian 12 x64 (bookworm)" and "Ubuntu 24.04 LTS x64".
_SYSTEM = re.compile(r"(Debian|Ubuntu) (\d{2}(?:\.\d+)?)(?: LTS)? x64\b.*")


@dataclass(frozen=True, slots=True)
class Catalog:
    """Prices and systems are read once a driver: a build asks for them with every machine."""

    api: Api
    _prices: dict[str, Decimal] = field(default_factory=dict)
    _systems: dict[str, int] = field(default_factory=dict)

    def regions(self) -> tuple[Region, ...]:
        """All of them; the API knows none that is closed."""

        def read(body: Mapping[str, Any]) -> Region:
            return Region(slug=body["id"], name=f"{body['city']}, {body['country']}", available=True)

        return tuple(self.api.listed(api.REGIONS, read))

    def continents(self) -> Mapping[str, tuple[str, str]]:
        """(Country, continent) by region."""

        def read(body: Mapping[str, Any]) -> tuple[str, tuple[str, str]]:
            return body["id"], (body.get("country") or "", body.get("continent") or "")

        return dict(self.api.listed(api.REGIONS, read))

    def sizes(self, region: str) -> tuple[Size, ...]:
        """Plans of that region on which our machines run, the cheapest first."""

        def read(body: Mapping[str, Any]) -> Size | None:
            self._prices[body["id"]] = _price(body)
            return _read_size(body) if region in body["locations"] and _suits(body) else None

        sizes = [size for size in self.api.listed(api.PLANS, read) if size is not None]
        return tuple(sorted(sizes, key=lambda size: (size.price_per_month, size.slug)))

    def prices(self, *plans: str) -> Mapping[str, Decimal]:
        """US dollars a month by plan; read again when one of ``plans`` is missing, for plans are added."""
        if not self._prices or any(plan not in self._prices for plan in plans):
            self._prices.update(self.api.listed(api.PLANS, lambda body: (body["id"], _price(body))))
            # One that is sold no more is asked for once.
            self._prices.update({plan: Decimal(0) for plan in plans if plan not in self._prices})
        return self._prices

    def images(self) -> tuple[Image, ...]:
        """Debian and Ubuntu, named as everywhere in Buildyard: ``debian-12-x64``, ``ubuntu-24-04-x64``."""

        def read(body: Mapping[str, Any]) -> Image | None:
            found = _SYSTEM.fullmatch(body["name"])
            if found is None:
                return None
            slug = f"{found[1].lower()}-{found[2].replace('.', '-')}-x64"
            self._systems[slug] = body["id"]
            return Image(slug=slug, name=body["name"].removeprefix(f"{found[1]} "), distribution=found[1])

        return tuple(image for image in self.api.listed(api.SYSTEMS, read) if image is not None)

    def system_id(self, slug: str) -> int:
        """The API's number for an image.

        Raises:
            UsageError: there is no such image.
        """
        if slug not in self._systems:
            self.images()
        if slug not in self._systems:
            raise UsageError(
                f"Vultr has no image {slug}.", hint=f"set machines.image to one of: {', '.join(sorted(self._systems))}"
            )
        return self._systems[slug]


def _price(body: Mapping[str, Any]) -> Decimal:
    return Decimal(str(body["monthly_cost"]))


def _read_size(body: Mapping[str, Any]) -> Size:
    return Size(
        slug=body["id"],
        cpus=body["vcpu_count"],
        memory_mib=body["ram"],
        disk_gib=body["disk"],
        price_per_month=_price(body),
        regions=tuple(body["locations"]),
    )


def _suits(body: Mapping[str, Any]) -> bool:
    """Whether our machines run on it.

    Not on those without IPv4 (only the end of their names tells), without a disk of their own (they boot from block
    storage), with a graphics card, or without a price.
    """
    return (
        _price(body) > 0 and body["disk"] > 0 and not body["id"].endswith("-v6") and not body["type"].startswith("vcg")
    )
