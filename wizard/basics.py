"""What the fleet as a whole needs to know: its name, its domain and DNS, its mode, and who may get in."""

from __future__ import annotations

import ipaddress
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from providers.catalog import dns_choices
from providers.names import BY_PROVIDER
from state.questions import Answered, AnswerKind, Choice, Question, check_domain, check_name, wrong_choice

#: The build machine's own addresses, found out when they are needed.
AUTO = "auto"
#: Shorter RSA keys are no longer accepted by OpenSSH's defaults of Debian 12 (RequiredRSASize is 1024, NIST says 2048).
_LEAST_RSA_BITS = 2048
#: No registry hands out wider blocks to anyone: /8 of IPv4 once, of IPv6 /16 at the widest.
_WIDEST = {4: 8, 6: 16}


def check_operators(value: Any) -> str:
    """``auto``, addresses and networks; never the whole internet, or half of it."""
    for each in value:
        if each == AUTO:
            continue
        try:
            network = ipaddress.ip_network(each, strict=False)
        except ValueError:
            return f"{each!r} is no address: write auto, or addresses such as 198.51.100.7 or 2001:db8::/64."
        if network.prefixlen < _WIDEST[network.version]:
            return f"{each} is everybody, or nearly: name the addresses that may use SSH."
        first = network.network_address
        if first.is_unspecified or first.is_loopback or first.is_multicast or first.is_link_local:
            return f"{each} is no address that machines elsewhere can see: name the one you come from."
    return ""


def check_ssh_keys(value: Any) -> str:
    """OpenSSH public keys, one a line, without options."""
    for number, each in enumerate(value, start=1):
        text = str(each)
        if "PRIVATE KEY" in text:
            return "This is a private key. Give the public one, the file that ends in .pub."
        try:
            key = load_ssh_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm):
            return f"Number {number} is no OpenSSH public key: give the line in a file such as ~/.ssh/id_ed25519.pub."
        if not text.isprintable() or isinstance(key, DSAPublicKey):
            return f"Number {number} cannot be used: make a new key with ssh-keygen -t ed25519."
        if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
            return f"Number {number} is shorter than {_LEAST_RSA_BITS} bits: make a new key with ssh-keygen -t ed25519."
    return ""


def _is_apex(answers: Answered) -> bool:
    return not str(answers.get("site.domain", "")).startswith("www.")


NAME_AND_DOMAIN = (
    Question(
        key="deployment.name",
        label="Name of the deployment",
        help="Machines, tags and files are named after it, so that you find them at the provider. It cannot be changed "
        "once something is kept under it. Example: shop.",
        check=check_name,
    ),
    Question(
        key="site.domain",
        label="Domain of the site",
        help="What visitors type. The certificate is made for it, and its DNS zone must be (or become) the provider's "
        "to serve. Example: example.org.",
        check=check_domain,
    ),
)

MODE = (
    Question(
        key="mode",
        label="Which mode?",
        help="How many machines there are, and so what it costs and what it bears. Example: development for a first "
        "site, it can be looked at by the world all the same.",
        kind=AnswerKind.CHOICE,
        choices=lambda _answers: (
            Choice("development", "Development", "1 webserver and 1 database machine."),
            Choice(
                "production",
                "Production",
                "Autoscalers, several webservers that follow rules of yours, 1 database machine.",
            ),
        ),
        default="development",
    ),
)

DNS = (
    Question(
        key="dns.kind",
        label="Who serves the domain's DNS?",
        help="Its name servers lead visitors to the site and prove to the certificate authority whose domain it is. "
        "Example: the provider; the domain's registrar then names the provider's servers.",
        kind=AnswerKind.CHOICE,
        choices=lambda _answers: dns_choices(),
        default=BY_PROVIDER,
        check=lambda value: wrong_choice(value, dns_choices()),
        added_later=True,
    ),
)

WWW = (
    Question(
        key="site.www",
        label="Serve www. as well?",
        help="Many people type www. by habit; both names then show the site, and one certificate covers both. "
        "Example: yes for example.org, no for shop.example.org.",
        kind=AnswerKind.YES_NO,
        default=_is_apex,
    ),
)

_GUARDED = (
    Choice("nothing", "Nothing", "Everybody reaches the site; its admin pages ask for their own password."),
    Choice("admin", "The admin pages", "Everybody reaches the site; before its login and admin pages it asks."),
    Choice("site", "The whole site", "It asks before everything: for a site that is not public yet."),
)
ACCESS = (
    Question(
        key="access.operators",
        label="Which addresses may use SSH?",
        help="Nobody else can reach the machines by SSH, whatever key they have. auto is this build machine, wherever "
        "it stands; add others behind a comma. Example: auto, 198.51.100.7",
        kind=AnswerKind.LIST,
        default=[AUTO],
        check=check_operators,
    ),
    Question(
        key="access.ssh_keys",
        label="Further public SSH keys that may log in",
        help="Buildyard has a key of its own. Add yours to use plain ssh as well; leave it empty if you do not. "
        "Several are separated by commas. Example: ssh-ed25519 AAAAC3… you@laptop",
        kind=AnswerKind.LIST,
        required=False,
        default=[],
        check=check_ssh_keys,
    ),
    Question(
        key="access.guardian",
        label="What shall the Gateway Guardian stand before?",
        help="It asks for a name and a password before anything of the site is reached: for a site that is not public "
        "yet, or for admin pages with no shield such as Cloudflare's before them; buildyard guardian add NAME lets "
        "somebody in. Example: nothing, for a public site.",
        kind=AnswerKind.CHOICE,
        choices=lambda _answers: _GUARDED,
        default="nothing",
        check=lambda value: wrong_choice(value, _GUARDED),
        added_later=True,
    ),
)
