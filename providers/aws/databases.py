"""RDS: MySQL and PostgreSQL in the private network, each behind a security group of its own."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

from providers.aws import prices, rules, tags
from providers.aws.calls import LABEL, Aws
from providers.aws.networks import Networks
from providers.aws.rules import MOST_OF_A_FAMILY, Rule
from providers.databases import DatabaseSize, DatabaseSpec, Engine, ManagedDatabase
from providers.sources import checked_sources
from state.clock import wait_until
from state.errors import Conflict, NotFound, Unavailable, UsageError
from state.secret import Secret

#: Classes that both engines take in every region of :mod:`providers.aws.prices`:
#: docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html. No prices: no source was found.
_CLASSES = (
    ("db.t4g.micro", 2, 1024),
    ("db.t4g.small", 2, 2048),
    ("db.t4g.medium", 2, 4096),
    ("db.t4g.large", 2, 8192),
    ("db.m6g.large", 2, 8192),
    ("db.m6g.xlarge", 4, 16384),
    ("db.m6g.2xlarge", 8, 32768),
)
_DISK_GIB = 20
_PORTS = {Engine.MYSQL: 3306, Engine.POSTGRES: 5432}
_ADMIN, _DATABASE = "buildyard", "site"
#: A version as other vendors name it, where RDS has no such one.
_VERSIONS = {(Engine.MYSQL, "8"): "8.4"}
#: States in which a database takes logins: docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html
_SERVING = frozenset(
    {
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-log-exports",
        "modifying",
        "storage-config-upgrade",
        "storage-optimization",
        "storage-full",
    }
)
#: Seconds: until it may be deleted, and until it is gone.
_DELETE_S = 3600.0
_LONGEST_NAME = 63


def fetched(url: str) -> str:
    """What a public address answers, by TLS with the system's authorities.

    Raises:
        Unavailable: it does not answer.
    """
    try:
        answer = URLLib3Session(timeout=20).send(AWSRequest("GET", url).prepare())
        if answer.status_code == 200:
            return str(answer.text)
        why = str(answer.status_code)
    except BotoCoreError as error:
        why = type(error).__name__
    raise Unavailable(
        f"The authority of {LABEL}'s databases cannot be read.", detail=f"{url}: {why}", hint="Try again."
    )


class Databases:
    """The databases that Buildyard made.

    Args:
        networks: where they stand.
        fetch: reads the authority of their certificates.
    """

    def __init__(self, aws: Aws, networks: Networks, fetch: Callable[[str], str] = fetched) -> None:
        self._aws = aws
        self._networks = networks
        self._fetch = fetch
        self._authority = ""

    def sizes(self, region: str) -> tuple[DatabaseSize, ...]:
        """The smallest first, for no price is known."""
        if region != self._aws.region or not prices.known(region):
            return ()
        return tuple(DatabaseSize(name, cpus, memory, _DISK_GIB, None) for name, cpus, memory in _CLASSES)

    def ensure(self, spec: DatabaseSpec) -> ManagedDatabase:
        """Asks for it with its group, its subnets and its password, each made once."""
        sources = checked_sources(spec.sources)
        _check(sources)
        if len(spec.name) > _LONGEST_NAME:
            raise UsageError(f"RDS takes {_LONGEST_NAME} characters in a name: {spec.name}.")
        if spec.region != self._aws.region:
            raise UsageError(f"This access to {LABEL} is for {self._aws.region}, not for {spec.region}.")
        standing = self._find(spec.name)
        if standing is None:
            self._aws.made(lambda: self._create(spec, sources), lambda: self._find(spec.name), looked=True)
            standing = self._find(spec.name) or self._instance(spec.name)
        if standing["Engine"] != spec.engine.value or tags.DATABASE not in tags.read(standing, "TagList"):
            raise Conflict(
                f"There is a database {spec.name} already, and it is another: {standing['Engine']}.",
                hint="Use another name for the deployment, or delete that database in the AWS console.",
            )
        return self._read(standing)

    def all(self, name_prefix: str) -> tuple[ManagedDatabase, ...]:
        """Those whose names begin so; one that is being deleted is none any more."""
        listed = self._aws.listed("rds", "describe_db_instances", "DBInstances")
        ours = [
            body
            for body in listed
            if tags.DATABASE in tags.read(body, "TagList")
            and str(body["DBInstanceIdentifier"]).startswith(name_prefix)
            and body["DBInstanceStatus"] != "deleting"
        ]
        return tuple(self._read(body) for body in ours)

    def one(self, name: str) -> ManagedDatabase:
        """Raises NotFound, also when it is being deleted."""
        return self._read(self._instance(name))

    def put_sources(self, name: str, wanted: tuple[str, ...]) -> None:
        """Makes the allowed sources exactly these, in place."""
        sources = checked_sources(wanted)
        _check(sources)
        body = self._instance(name)
        port = _PORTS[Engine(body["Engine"])]
        for group_id in _groups(body):
            rules.set_rules(self._aws, group_id, _rules(port, sources))

    def delete(self, name: str) -> None:
        """Removes it with its backups, waits until it is gone, and removes what stood beside it."""

        def gone() -> bool:
            found = self._described(name)
            if found is None:
                return True
            if found["DBInstanceStatus"] != "deleting":
                with suppress(Conflict, NotFound):  # it is being made or changed: it can go a little later
                    self._aws.call(
                        "rds",
                        "delete_db_instance",
                        DBInstanceIdentifier=name,
                        SkipFinalSnapshot=True,
                        DeleteAutomatedBackups=True,
                    )
            return False

        def cleared() -> bool:
            try:
                for group in rules.described(self._aws, {f"tag:{tags.DATABASE}": [name]}):
                    self._aws.call("ec2", "delete_security_group", GroupId=group["GroupId"])
                with suppress(NotFound):
                    self._aws.call("rds", "delete_db_subnet_group", DBSubnetGroupName=name)
            except (Conflict, NotFound):
                return False  # its network interface lives a moment longer
            return True

        for what, probe in (("gone", gone), ("out of its security group", cleared)):
            wait_until(
                f"the database {name} to be {what}", probe, timeout_s=_DELETE_S, clock=self._aws.clock, longest_s=15.0
            )
        with suppress(NotFound):
            self._aws.call("ssm", "delete_parameter", Name=_parameter(name))

    def _create(self, spec: DatabaseSpec, sources: tuple[str, ...]) -> Mapping[str, Any]:
        pairs = tags.pairs({"Name": spec.name, tags.DATABASE: spec.name})
        group_id = rules.ensure_group(
            self._aws, f"{spec.name}.rds", spec.network_id, pairs, f"Buildyard: database {spec.name}"
        )
        rules.set_rules(self._aws, group_id, _rules(_PORTS[spec.engine], sources))
        with suppress(Conflict):
            self._aws.call(
                "rds",
                "create_db_subnet_group",
                repeatable=True,
                DBSubnetGroupName=spec.name,
                DBSubnetGroupDescription=f"Buildyard: database {spec.name}",
                SubnetIds=[str(subnet["SubnetId"]) for subnet in self._networks.subnets(spec.network_id)],
                Tags=pairs,
            )
        request: dict[str, Any] = {
            "DBInstanceIdentifier": spec.name,
            "Engine": spec.engine.value,
            "DBInstanceClass": spec.size,
            "DBName": _DATABASE,
            "AllocatedStorage": _DISK_GIB,
            "StorageType": "gp3",
            "StorageEncrypted": True,
            "MasterUsername": _ADMIN,
            "MasterUserPassword": self._ensure_password(spec.name).reveal(),
            "DBSubnetGroupName": spec.name,
            "VpcSecurityGroupIds": [group_id],
            "PubliclyAccessible": False,
            "CopyTagsToSnapshot": True,
            # A version that its makers support no more goes on for money; rather it is raised.
            "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
            "Tags": pairs,
        }
        if spec.version:
            request["EngineVersion"] = _VERSIONS.get((spec.engine, spec.version), spec.version)
        return dict(self._aws.call("rds", "create_db_instance", **request)["DBInstance"])

    def _ensure_password(self, name: str) -> Secret:
        """RDS tells no password: ours waits encrypted in the Parameter Store, written before the database is made."""
        standing = self._password(name)
        if standing is not None:
            return standing
        password = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32))
        self._aws.hide(Secret(password))
        with suppress(Conflict):
            # After a lost answer this meets its own parameter: that is the Conflict.
            self._aws.call(
                "ssm", "put_parameter", Name=_parameter(name), Value=password, Type="SecureString", Overwrite=False
            )
        return self._password(name) or Secret(password)

    def _password(self, name: str) -> Secret | None:
        try:
            answer = self._aws.call("ssm", "get_parameter", Name=_parameter(name), WithDecryption=True)
        except NotFound:
            return None
        password = Secret(answer["Parameter"]["Value"])
        self._aws.hide(password)
        return password

    def _authority_pem(self) -> str:
        """docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html: where each region's bundle is."""
        if not self._authority:
            region = self._aws.region
            self._authority = self._fetch(f"https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem")
        return self._authority

    def _described(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(self._aws.call("rds", "describe_db_instances", DBInstanceIdentifier=name)["DBInstances"][0])
        except NotFound:
            return None

    def _find(self, name: str) -> dict[str, Any] | None:
        found = self._described(name)
        return found if found is not None and found["DBInstanceStatus"] != "deleting" else None

    def _instance(self, name: str) -> dict[str, Any]:
        found = self._find(name)
        if found is None:
            raise NotFound(f"{LABEL} has no database {name}.")
        return found

    def _read(self, body: Mapping[str, Any]) -> ManagedDatabase:
        endpoint = body.get("Endpoint") or {}
        ready = body["DBInstanceStatus"] in _SERVING and bool(endpoint.get("Address"))
        held: set[Rule] = set()
        for group in rules.described(self._aws, {"group-id": _groups(body)}):
            held |= rules.read_rules(group)
        name = str(body["DBInstanceIdentifier"])
        return ManagedDatabase(
            id=name,
            name=name,
            engine=Engine(body["Engine"]),
            version=str(body.get("EngineVersion") or ""),
            ready=ready,
            host=str(endpoint.get("Address") or ""),
            port=int(endpoint.get("Port") or 0),
            user=str(body.get("MasterUsername") or ""),
            password=self._password(name),
            database=str(body.get("DBName") or ""),
            ca_pem=self._authority_pem() if ready else "",
            sources=tuple(sorted(rule.source for rule in held)),
            price_per_month=None,
        )


def _parameter(name: str) -> str:
    return f"/buildyard/databases/{name}"


def _groups(body: Mapping[str, Any]) -> list[str]:
    return [str(group["VpcSecurityGroupId"]) for group in body.get("VpcSecurityGroups") or ()]


def _rules(port: int, sources: tuple[str, ...]) -> frozenset[Rule]:
    return frozenset(Rule("tcp", port, port, source) for source in sources)


def _check(sources: tuple[str, ...]) -> None:
    for version in (4, 6):
        count = sum(1 for source in sources if ip_network(source).version == version)
        if count > MOST_OF_A_FAMILY:
            raise UsageError(
                f"{LABEL} takes {MOST_OF_A_FAMILY} sources of IPv{version} for a database; there would be {count}.",
                hint="name the private network",
            )
