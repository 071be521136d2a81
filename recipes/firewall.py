"""ufw: the machine's own layer of the policy; the rules come from ``fleet/policy.py``."""

from __future__ import annotations

from collections.abc import Iterator

from recipes import lockout
from recipes.context import Context
from recipes.secrets import SecretSpec
from recipes.steps import AllowRule, FirewallRules, Package, Step

NAME = "firewall"
SECRETS: tuple[SecretSpec, ...] = ()


def steps(context: Context, allow: tuple[AllowRule, ...]) -> Iterator[Step]:
    """The rules.

    Args:
        context: the machine; nothing of it is needed beside the rules.
        allow: what is let in; SSH for the operators must be among it.
    """
    del context
    yield from common()
    yield FirewallRules(label="inbound rules", allow=allow, guard=lockout.guard("the firewall's rules"))
    yield lockout.fact()


def common() -> Iterator[Step]:
    """The program; it lets everybody in until it has rules, and those are each machine's own."""
    yield Package(label="ufw", names=("ufw",))
