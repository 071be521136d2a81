"""Cloudflare: name servers, and what stands before the site. No machines."""

from __future__ import annotations

import re
from typing import Any

from providers.pasted import is_one_word
from providers.vendor import Vendor
from state.questions import AnswerKind, Question

#: An account's global key, which is older than tokens and may do everything: 37 hexadecimal digits.
_GLOBAL_KEY = re.compile(r"[0-9a-f]{37}")


def _check_token(value: Any) -> str:
    text = str(value)
    if _GLOBAL_KEY.fullmatch(text):
        return (
            "That is the global API key, which may do everything. Make a token: My Profile, API Tokens, Create Token."
        )
    if not is_one_word(text) or len(text) < 40:
        return "Paste the whole token, as the control panel shows it once: 40 letters, digits, hyphens or more."
    return ""


VENDOR = Vendor(
    name="cloudflare",
    label="Cloudflare",
    about="Its name servers hold the zone, and it can stand before the site as a shield.",
    questions=(
        Question(
            key="cloudflare.token",
            label="Cloudflare API token",
            help="Buildyard writes DNS records with it, and looks whether the way from Cloudflare to the webservers is "
            "safe. Make one in the control panel under My Profile, API Tokens, for the site's zone only, with Zone: "
            "Read, DNS: Edit and Zone Settings: Edit (for a log-in before the admin pages, Access: Apps and Policies: "
            "Edit too). It stays with the secrets, never in the answers. Example: 40 letters and digits.",
            kind=AnswerKind.SECRET,
            check=_check_token,
        ),
        Question(
            key="cloudflare.proxied",
            label="Shall Cloudflare stand before the site?",
            help="Then visitors come to Cloudflare, and nobody but Cloudflare reaches the webservers: both firewalls "
            "let in its published networks alone. Its SSL mode must be Full (strict), or the build stops and says so. "
            "Example: yes for a public site; no, and visitors come to the webservers themselves.",
            kind=AnswerKind.YES_NO,
            default=False,
            added_later=True,
        ),
    ),
    dns="providers.cloudflare.dns",
)
