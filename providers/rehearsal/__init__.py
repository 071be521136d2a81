"""The cloud on this machine, which speaks DigitalOcean's API at an address of its own."""

from __future__ import annotations

from providers.names import REHEARSAL
from providers.vendor import Vendor

VENDOR = Vendor(
    name=REHEARSAL,
    label="This machine, as a rehearsal",
    about="Real machines, here. Needs root.",
    questions=(),
    driver="providers.rehearsal.driver",
)
