"""Linode (Akamai)."""

from __future__ import annotations

from providers.pasted import pasted
from providers.vendor import Vendor
from state.questions import AnswerKind, Question

VENDOR = Vendor(
    name="linode",
    label="Linode (Akamai)",
    about="Linodes, VPCs, Cloud Firewalls, DNS, Object Storage and managed databases.",
    questions=(
        Question(
            key="linode.token",
            label="Linode API token",
            help="Buildyard makes machines, firewalls and DNS records with it. Make a personal access token with "
            "read/write access to everything in the Cloud Manager, under API Tokens of an unrestricted user. It stays "
            "with the secrets, never in the answers. Example: 64 digits and letters.",
            kind=AnswerKind.SECRET,
            check=pasted(20, "Paste the whole token, as the Cloud Manager shows it once: 64 digits and letters."),
        ),
    ),
    driver="providers.linode.driver",
    # Twice a Nanode 1 GB, as GET /v4/linode/types listed it on that day.
    from_usd_per_month=10,
    price_seen="2026-09-17",
)
