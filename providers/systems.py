"""Which operating system an image is, whatever a vendor calls it: ``debian-12-x64``, ``linode/debian12``, …"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"(?:^|[^a-z])(debian|ubuntu)[-/ ]?(\d+)(?:[.-](\d\d)(?!\d))?")


@dataclass(frozen=True, slots=True, order=True)
class System:
    """A release of a distribution: ``debian`` 12, ``ubuntu`` 24.04."""

    distribution: str
    release: tuple[int, ...]

    @property
    def name(self) -> str:
        """``debian-12``, ``ubuntu-24.04``."""
        return f"{self.distribution}-{'.'.join(f'{part:02}' for part in self.release)}"


def system_of(slug: str) -> System | None:
    """What the image of that slug holds; None where its name does not tell."""
    found = _NAME.search(slug.lower())
    if found is None:
        return None
    distribution, major, minor = found.groups()
    return System(distribution, tuple(int(part) for part in (major, minor) if part))
