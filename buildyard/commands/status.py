"""Is it well: provider, DNS, every machine and the page are looked at now."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buildyard.program import Program
    from fleet.deployment import Deployment


#: Exit code "done but degraded".
DEGRADED = 3


def add(one: argparse.ArgumentParser) -> None:
    """Its words."""
    one.add_argument(
        "--password", action="store_true", help="show how the site's administrator logs in, and nothing else"
    )


def _tell_password(deployment: Deployment, *, as_json: bool) -> int:
    """The one secret a person needs; it is asked for by name and goes to this terminal only."""
    from recipes.wordpress import ADMIN_PASSWORD

    url, user = f"{deployment.settings.url}wp-login.php", deployment.settings.answers["application.admin_user"]
    password = deployment.known_secret(ADMIN_PASSWORD.name).reveal()
    if as_json:
        print(json.dumps({"ok": True, "url": url, "user": user, "password": password}))
    else:
        print(f"{url}\nuser:     {user}\npassword: {password}")
    return 0


def _scaling(autoscaler: Mapping[str, Any]) -> str:
    if autoscaler["target"] is None:
        return f"scaling: {autoscaler['have']} webservers; {autoscaler['reason']}"
    limits = f"{autoscaler['minimum']} to {autoscaler['maximum']} are allowed"
    leads = f"{autoscaler['leader']} leads" if autoscaler["leader"] else autoscaler["reason"]
    waits = f"; {autoscaler['waits_for']}" if autoscaler["waits_for"] else ""
    return (
        f"scaling: {autoscaler['have']} webservers, {autoscaler['target']} wanted as a rule, {limits}; {leads}{waits}"
    )


def run(arguments: argparse.Namespace, program: Program) -> int:
    """Looks and prints; 3 when it is not well."""
    from fleet.cost import short_per_month
    from fleet.status import look_at

    paths = program.paths(arguments.deployment)
    deployment = program.open_built(paths, may_ask=not arguments.yes)
    if arguments.password:
        return _tell_password(deployment, as_json=arguments.json)
    status = look_at(deployment)
    if arguments.json:
        print(json.dumps(status.as_json()))
    else:
        sign = "✔ healthy" if status.healthy else "✖ not healthy"
        price = short_per_month(status.cost_per_month, status.provider)
        days = status.certificate["days_left"]
        print(f"{status.url} {sign} · {status.mode} on {status.provider} · {price}")
        print(f"{status.reason}\n")
        for remark in status.remarks:
            print(f"{remark}\n")
        for machine in status.machines:
            health = "✔" if machine.healthy else "✖"
            print(f"  {health} {machine.name:6} {machine.role:10} {machine.public_ip:15} {machine.reason}")
            for remark in machine.remarks:
                print(f"      {remark}")
        if status.database:
            sign = "✔" if status.database["healthy"] else "✖"
            print(f"  {sign} {status.database['name']} (managed database) {status.database['host']}")
        for entry in status.dns:
            print(f"  DNS {entry['name']}: {', '.join(entry['addresses']) or 'no address'}")
        if status.mode == "production":
            print(f"  {_scaling(status.autoscaler)}")
        print(f"  certificate: {'none seen' if days is None else f'{days} days left'}")
    return 0 if status.healthy else DEGRADED
