"""Exoscale."""

from __future__ import annotations

import re
from typing import Any

from providers.vendor import Vendor
from state.questions import AnswerKind, Question


def _check_key(value: Any) -> str:
    if not re.fullmatch(r"EXO[0-9A-Za-z]{16,40}", str(value)):
        return "Paste the whole key, as the portal shows it: EXO and some two dozen letters and digits."
    return ""


def _check_secret(value: Any) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_-]{40,64}", str(value)):
        return "Paste the whole secret, as the portal shows it once: 43 letters, digits, hyphens and underscores."
    return ""


VENDOR = Vendor(
    name="exoscale",
    label="Exoscale",
    about="Instances, SOS, DNS, security groups and managed databases, in Switzerland, Austria, Germany, Croatia "
    "and Bulgaria.",
    questions=(
        Question(
            key="exoscale.key",
            label="Exoscale API key",
            help="Buildyard makes machines, firewalls, DNS records and keys for buckets with it. Make one whose role "
            "allows everything in the portal under IAM, API Keys. It stays with the secrets, never in the answers. "
            "Example: EXO and 24 letters and digits.",
            kind=AnswerKind.SECRET,
            check=_check_key,
        ),
        Question(
            key="exoscale.secret",
            label="Exoscale API secret",
            help="The other half of the key: it signs each request and is never sent. The portal shows it once, when "
            "the key is made. It stays with the secrets, never in the answers. "
            "Example: 43 letters, digits, hyphens and underscores.",
            kind=AnswerKind.SECRET,
            check=_check_secret,
        ),
    ),
    driver="providers.exoscale.driver",
    # two standard.tiny with 20 GiB each: providers.exoscale.prices says whence
    from_usd_per_month=25,
    price_seen="2026-10-07",
)
