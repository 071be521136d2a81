"""Vultr."""

from __future__ import annotations

from providers.pasted import pasted
from providers.vendor import Vendor
from state.questions import AnswerKind, Question

VENDOR = Vendor(
    name="vultr",
    label="Vultr",
    about="Cloud Compute, DNS, firewall groups and managed databases; its object store costs $18 a month and more.",
    questions=(
        Question(
            key="vultr.token",
            label="Vultr API key",
            help="Buildyard makes machines, firewalls and DNS records with it. It is in the control panel under "
            "Account, API; the access control on that page must let in every address that uses the key: this machine, "
            "and the site's own machines. It stays with the secrets, never in the answers. "
            "Example: 36 capital letters and digits.",
            kind=AnswerKind.SECRET,
            check=pasted(20, "Paste the whole key, as the control panel shows it: 36 capital letters and digits."),
        ),
    ),
    driver="providers.vultr.driver",
    # vc2-1c-1gb at $5, as Vultr's list of plans had it that day (recorded in github.com/ingvarch/tent, vultrfake).
    from_usd_per_month=10,
    price_seen="2026-09-25",
)
