"""What both the vendor's own client and our driver can do, and the deployment they do it with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from exoscale.api.v2 import Client

from providers.contract import (
    FULL_ACCESS,
    BucketGrant,
    InboundRule,
    Machine,
    MachineSpec,
    Permission,
    Protocols,
    RecordSet,
)
from providers.databases import DatabaseSpec, Engine
from providers.exoscale import api, user_data
from providers.exoscale.bucket_keys import policy
from providers.exoscale.driver import Exoscale
from tests.providers.contract import KEY as SSH_KEY
from tests.providers.exoscale.exoscale_fake_services import WholeExoscaleFake
from tests.providers.exoscale.exoscale_organization import an_id
from tests.providers.oracle import Recorder

ZONE = "ch-gva-2"
FLEET, ACTION = "by-demo-fleet", "by-demo-made-ws-1-1"
SSH = InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32",))
PING = InboundRule(Protocols.ICMP, 0, ("::/0",))
GRANTS = (BucketGrant("by-demo-config", Permission.READ),)


@dataclass
class World:
    """The fake with what a deployment has in it."""

    fake: WholeExoscaleFake
    recorder: Recorder
    driver: Exoscale
    spec: MachineSpec
    machine: Machine
    group: str

    @property
    def machine_id(self) -> str:
        return api.unzoned(self.machine.id)[1]

    @property
    def network_id(self) -> str:
        return api.unzoned(self.spec.network_id)[1]

    def only(self, things: dict[str, dict[str, Any]], **wanted: object) -> dict[str, Any]:
        """The one thing of the fake that is so."""
        [found] = [each for each in things.values() if all(each.get(key) == value for key, value in wanted.items())]
        return found


@dataclass(frozen=True)
class Wish:
    """One thing both can do; ours may ask for more on its way."""

    name: str
    ours: Callable[[World], object]
    theirs: Callable[[Client, World], object]


def new_database(world: World, engine: Engine) -> str:
    spec = DatabaseSpec("by-demo-db", engine, ZONE, "hobbyist-2", world.spec.network_id, ("203.0.113.7/32",))
    made = world.driver.ensure_database(spec)
    while not world.driver.database(made.id).ready:
        pass
    return made.id


def _domain(world: World) -> str:
    return str(world.only(world.fake.domains)["id"])


def _record(world: World, type_: str = "A") -> str:
    return str(world.only(world.fake.records[_domain(world)], type=type_)["id"])


def _role(world: World) -> str:
    return str(world.only(world.fake.roles)["id"])


def _api_key(world: World) -> str:
    return str(world.only(world.fake.api_keys)["key"])


def _debian() -> str:
    return an_id("template", ZONE, "Linux Debian 12 (Bookworm) 64-bit", "2026-09-05T00:00:00Z")


WISHES = (
    Wish("regions", lambda w: w.driver.regions(), lambda their, w: their.list_zones()),
    Wish("sizes", lambda w: w.driver.sizes(ZONE), lambda their, w: their.list_instance_types()),
    Wish("images", lambda w: w.driver.images(), lambda their, w: their.list_templates(visibility="public")),
    Wish(
        "images of machines",
        lambda w: w.driver.snapshots(""),
        lambda their, w: their.list_templates(visibility="private"),
    ),
    Wish("whose key it is", lambda w: w.driver.check_credentials(), lambda their, w: their.get_organization()),
    Wish("rights to databases", lambda w: w.driver.check_credentials(), lambda their, w: their.list_dbaas_services()),
    Wish("list keys", lambda w: w.driver.ssh_keys(""), lambda their, w: their.list_ssh_keys()),
    Wish(
        "create key",
        lambda w: w.driver.ensure_ssh_key("by-demo-other", SSH_KEY),
        lambda their, w: their.register_ssh_key(name=api.key_name("by-demo-other", SSH_KEY), public_key=SSH_KEY),
    ),
    Wish(
        "delete key",
        lambda w: w.driver.delete_ssh_key(w.spec.ssh_key_ids[0]),
        lambda their, w: their.delete_ssh_key(name=w.spec.ssh_key_ids[0]),
    ),
    Wish("list networks", lambda w: w.driver.networks(""), lambda their, w: their.list_private_networks()),
    Wish(
        "create network",
        lambda w: w.driver.ensure_network("by-demo-other", ZONE),
        lambda their, w: their.create_private_network(
            name="by-demo-other", start_ip="10.101.0.10", end_ip="10.101.15.254", netmask="255.255.240.0"
        ),
    ),
    Wish(
        "private addresses",
        lambda w: w.driver.machine(w.machine.id),
        lambda their, w: their.get_private_network(id=w.network_id),
    ),
    Wish(
        "delete network",
        lambda w: (w.driver.delete_machine(w.machine.id), w.driver.delete_network(w.spec.network_id)),
        lambda their, w: their.delete_private_network(id=w.network_id),
    ),
    Wish(
        "create machine",
        lambda w: w.driver.create_machine(replace(w.spec, name="ws-2"), "by-demo-made-ws-2-1"),
        lambda their, w: their.create_instance(
            name="ws-2",
            instance_type={"id": an_id("type", "standard", "tiny")},
            template={"id": _debian()},
            disk_size=20,
            ssh_keys=[{"name": w.spec.ssh_key_ids[0]}],
            labels={"buildyard-0": FLEET, "buildyard-1": "by-demo-made-ws-2-1"},
            public_ip_assignment="dual",
            user_data=user_data.encoded(w.spec.user_data),
            security_groups=[{"id": w.group}],
        ),
    ),
    Wish(
        "machine onto its network",
        lambda w: w.driver.create_machine(replace(w.spec, name="ws-2"), "by-demo-made-ws-2-1"),
        lambda their, w: their.attach_instance_to_private_network(
            id=w.network_id, instance={"id": w.only(w.fake.instances, name="ws-2")["id"]}
        ),
    ),
    Wish("list machines", lambda w: w.driver.machines(FLEET), lambda their, w: their.list_instances()),
    Wish("get machine", lambda w: w.driver.machine(w.machine.id), lambda their, w: their.get_instance(id=w.machine_id)),
    Wish(
        "delete machine",
        lambda w: w.driver.delete_machine(w.machine.id),
        lambda their, w: their.delete_instance(id=w.machine_id),
    ),
    Wish(
        "power off", lambda w: w.driver.power_off(w.machine.id), lambda their, w: their.stop_instance(id=w.machine_id)
    ),
    Wish(
        "get operation",
        lambda w: w.driver.power_off(w.machine.id),
        lambda their, w: their.get_operation(id=list(w.fake._works)[-1]),
    ),
    Wish("list firewalls", lambda w: w.driver.firewalls(""), lambda their, w: their.list_security_groups()),
    Wish(
        "get firewall", lambda w: w.driver.firewalls("by-demo"), lambda their, w: their.get_security_group(id=w.group)
    ),
    Wish(
        "create firewall",
        lambda w: w.driver.put_firewall("by-demo-fw-2", "by-demo-role", ()),
        lambda their, w: their.create_security_group(name="by-demo-fw-2", description="by-demo-role"),
    ),
    Wish(
        "add a rule",
        lambda w: w.driver.put_firewall("by-demo-fw", FLEET, (SSH, PING, replace(SSH, port=443))),
        lambda their, w: their.add_rule_to_security_group(
            id=w.group,
            flow_direction="ingress",
            protocol="tcp",
            network="203.0.113.7/32",
            start_port=443,
            end_port=443,
        ),
    ),
    Wish(
        "add a rule for ICMPv6",
        lambda w: w.driver.put_firewall("by-demo-fw", FLEET, (replace(PING, sources=("2001:db8::/32",)),)),
        lambda their, w: their.add_rule_to_security_group(
            id=w.group,
            flow_direction="ingress",
            protocol="icmpv6",
            network="2001:db8::/32",
            icmp={"type": -1, "code": -1},
        ),
    ),
    Wish(
        "guard a machine that is there",
        lambda w: w.driver.put_firewall("by-demo-fw-2", FLEET, ()),
        lambda their, w: their.attach_instance_to_security_group(
            id=w.only(w.fake.groups, name="by-demo-fw-2")["id"], instance={"id": w.machine_id}
        ),
    ),
    Wish(
        "let a machine go",
        lambda w: w.driver.delete_firewall(w.group),
        lambda their, w: their.detach_instance_from_security_group(id=w.group, instance={"id": w.machine_id}),
    ),
    Wish(
        "delete firewall",
        lambda w: w.driver.delete_firewall(w.group),
        lambda their, w: their.delete_security_group(id=w.group),
    ),
    Wish(
        "make snapshot",
        lambda w: w.driver.snapshot(w.machine.id, "by-demo-1"),
        lambda their, w: their.create_snapshot(id=w.machine_id),
    ),
    Wish(
        "list snapshots",
        lambda w: w.driver.snapshot(w.machine.id, "by-demo-1"),
        lambda their, w: their.list_snapshots(),
    ),
    Wish("list zones of names", lambda w: w.driver.zones(), lambda their, w: their.list_dns_domains()),
    Wish(
        "create zone",
        lambda w: w.driver.ensure_zone("other.example"),
        lambda their, w: their.create_dns_domain(unicode_name="other.example"),
    ),
    Wish(
        "list records",
        lambda w: w.driver.record_sets("example.org"),
        lambda their, w: their.list_dns_domain_records(domain_id=_domain(w)),
    ),
    Wish(
        "create record",
        lambda w: w.driver.put_record_set("example.org", RecordSet("www", "AAAA", ("2001:db8::1",), 60)),
        lambda their, w: their.create_dns_domain_record(
            domain_id=_domain(w), name="www", type="AAAA", content="2001:db8::1", ttl=60
        ),
    ),
    Wish(
        "create record with priority",
        lambda w: w.driver.put_record_set("example.org", RecordSet("@", "MX", ("10 mail.example.org",), 300)),
        lambda their, w: their.create_dns_domain_record(
            domain_id=_domain(w), name="", type="MX", content="mail.example.org", priority=10, ttl=300
        ),
    ),
    Wish(
        "change record",
        lambda w: w.driver.put_record_set("example.org", RecordSet("@", "A", ("203.0.113.1",), 90)),
        lambda their, w: their.update_dns_domain_record(domain_id=_domain(w), record_id=_record(w), ttl=90),
    ),
    Wish(
        "database plans",
        lambda w: w.driver.database_sizes(ZONE, Engine.POSTGRES),
        lambda their, w: their.get_dbaas_service_type(service_type_name="pg"),
    ),
    Wish(
        "create MySQL",
        lambda w: new_database(w, Engine.MYSQL),
        lambda their, w: their.create_dbaas_service_mysql(
            name="by-demo-db", plan="hobbyist-2", ip_filter=["203.0.113.7/32"], termination_protection=False
        ),
    ),
    Wish(
        "create PostgreSQL",
        lambda w: new_database(w, Engine.POSTGRES),
        lambda their, w: their.create_dbaas_service_pg(
            name="by-demo-db", plan="hobbyist-2", ip_filter=["203.0.113.7/32"], termination_protection=False
        ),
    ),
    Wish(
        "a database's password",
        lambda w: new_database(w, Engine.POSTGRES),
        lambda their, w: their.reveal_dbaas_postgres_user_password(service_name="by-demo-db", username="avnadmin"),
    ),
    Wish(
        "a database's authority",
        lambda w: new_database(w, Engine.MYSQL),
        lambda their, w: their.get_dbaas_ca_certificate(),
    ),
    Wish(
        "a database's sources",
        lambda w: w.driver.put_database_sources(new_database(w, Engine.MYSQL), ("203.0.113.8/32",)),
        lambda their, w: their.update_dbaas_service_mysql(name="by-demo-db", ip_filter=["203.0.113.8/32"]),
    ),
    Wish(
        "delete database",
        lambda w: w.driver.delete_database(new_database(w, Engine.MYSQL)),
        lambda their, w: their.delete_dbaas_service(name="by-demo-db"),
    ),
    Wish("list roles", lambda w: w.driver.create_bucket_key("by-x", GRANTS), lambda their, w: their.list_iam_roles()),
    Wish(
        "create role",
        lambda w: w.driver.create_bucket_key("by-demo-x", FULL_ACCESS),
        lambda their, w: their.create_iam_role(
            name="by-demo-x", description="Buildyard: keys of this name", policy=policy(FULL_ACCESS)
        ),
    ),
    Wish(
        "change role",
        lambda w: w.driver.create_bucket_key("by-demo-state", FULL_ACCESS),
        lambda their, w: their.update_iam_role_policy(
            id=_role(w), default_service_strategy="deny", services={"sos": {"type": "allow"}}
        ),
    ),
    Wish(
        "create bucket key",
        lambda w: w.driver.create_bucket_key("by-demo-state", GRANTS),
        lambda their, w: their.create_api_key(name="by-demo-state", role_id=_role(w)),
    ),
    Wish("list bucket keys", lambda w: w.driver.bucket_keys("by-demo-state"), lambda their, w: their.list_api_keys()),
    Wish(
        "what a bucket key may do",
        lambda w: w.driver.bucket_keys("by-demo-state"),
        lambda their, w: their.get_iam_role(id=_role(w)),
    ),
)

#: What is gone afterwards: what it was called has to be known before.
GOING = (
    Wish(
        "delete record",
        lambda w: w.driver.delete_record_set("example.org", "@", "A"),
        lambda their, w: their.delete_dns_domain_record(domain_id=_domain(w), record_id=_record(w)),
    ),
    Wish(
        "delete bucket key",
        lambda w: w.driver.delete_bucket_key(_api_key(w)),
        lambda their, w: their.delete_api_key(id=_api_key(w)),
    ),
    Wish(
        "delete role",
        lambda w: w.driver.delete_bucket_key(_api_key(w)),
        lambda their, w: their.delete_iam_role(id=_role(w)),
    ),
    Wish(
        "remove a rule",
        lambda w: w.driver.put_firewall("by-demo-fw", FLEET, (PING,)),
        lambda their, w: their.delete_rule_from_security_group(
            id=w.group,
            rule_id=next(one["id"] for one in w.fake.groups[w.group]["rules"] if one["protocol"] == "tcp"),
        ),
    ),
)
