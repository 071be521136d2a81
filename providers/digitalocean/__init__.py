"""DigitalOcean."""

from __future__ import annotations

from providers.pasted import pasted
from providers.vendor import Vendor
from state.questions import AnswerKind, Question

VENDOR = Vendor(
    name="digitalocean",
    label="DigitalOcean",
    about="Droplets, Spaces, DNS and cloud firewalls.",
    questions=(
        Question(
            key="digitalocean.token",
            label="DigitalOcean API token",
            help="Buildyard makes machines, firewalls and DNS records with it. Make one with full access in the "
            "control panel under API, Tokens. It stays with the secrets, never in the answers. "
            "Example: dop_v1_ and 64 digits and letters.",
            kind=AnswerKind.SECRET,
            check=pasted(
                20, "Paste the whole token, as the control panel shows it once: dop_v1_ and 64 more characters."
            ),
        ),
    ),
    driver="providers.digitalocean.driver",
    from_usd_per_month=12,
    price_seen="2026-11-22",
)
