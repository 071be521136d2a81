"""Hetzner Cloud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.pasted import pasted
from providers.vendor import Vendor
from state.questions import AnswerKind, Question


def _check(what: str) -> Callable[[Any], str]:
    return pasted(16, f"Paste the whole {what}, as Hetzner Console shows it once: letters and digits without blanks.")


VENDOR = Vendor(
    name="hetzner",
    label="Hetzner",
    about="Cloud servers, DNS, cloud firewalls and Object Storage in Germany, Finland, the USA and Singapore. "
    "Prices are without VAT, euros converted at a fixed rate.",
    questions=(
        Question(
            key="hetzner.token",
            label="Hetzner Cloud API token",
            help="Buildyard makes servers, firewalls and DNS records with it. Make one with Read & Write in Hetzner "
            "Console, in your project under Security, API Tokens. It stays with the secrets, never in the answers. "
            "Example: 64 letters and digits.",
            kind=AnswerKind.SECRET,
            check=_check("token"),
        ),
        Question(
            key="hetzner.s3_key",
            label="Object Storage access key",
            help="The site's files and backups lie in Hetzner's Object Storage, whose keys no API makes. Make a pair "
            "in Hetzner Console, in the same project under Security, S3 credentials. It opens every bucket of that "
            "project, so give the site a project of its own. Example: 20 letters and digits.",
            kind=AnswerKind.SECRET,
            check=_check("access key"),
        ),
        Question(
            key="hetzner.s3_secret",
            label="Object Storage secret key",
            help="The other half of that pair; Hetzner Console shows it once, when the pair is made. "
            "Example: 40 letters and digits.",
            kind=AnswerKind.SECRET,
            check=_check("secret key"),
        ),
    ),
    driver="providers.hetzner.driver",
)
