"""Names of providers that others must know too. Light: the screens know them before any cloud is loaded."""

from __future__ import annotations

#: The provider that is this machine.
REHEARSAL = "rehearsal"
#: The answer to ``dns.kind``: whoever has the machines serves the zone too.
BY_PROVIDER = "provider"
#: What a vendor that can stand before a site asks, after its own name and a dot: whether it does.
PROXIED = "proxied"
