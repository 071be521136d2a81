"""Linode (Akamai)."""

from __future__ import annotations

from typing import Any

from providers.vendor import Vendor
from state.questions import AnswerKind, Question


def _check_token(value: Any) -> str:
    text = str(value)
    if not text.isascii() or not text.isprintable() or " " in text or len(text) < 20:
        return "Paste the whole token, as the Cloud Manager shows it once: 64 digits and letters."
    return ""


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
            check=_check_token,
        ),
    ),
    driver="providers.linode.driver",
    # Twice a Nanode 1 GB, as GET /v4/linode/types listed it on that day.
    from_usd_per_month=10,
    price_seen="2026-09-17",
)
