"""Keys to S3, databases and shared files: what stands beside each, and that all of it goes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from providers.aws import buckets
from providers.aws.databases import fetched
from providers.aws.driver import Amazon
from providers.contract import FULL_ACCESS, BucketGrant, BucketKey, Network, Permission
from providers.databases import DatabaseSpec, Engine
from state.errors import Conflict, ProviderError, Unavailable, UsageError
from tests.providers.aws.aws_cloud import Cloud, xml_refusal
from tests.providers.aws.conftest import AUTHORITY
from tests.providers.contract import network  # noqa: F401 - fixtures
from tests.providers.databases import database_spec  # noqa: F401 - fixtures
from tests.providers.fake import FAULTS
from tests.providers.scripted import FakeClock

GRANTS = (BucketGrant("by-demo-config", Permission.READ), BucketGrant("by-demo-assets", Permission.READ_WRITE))


def sent(cloud: Cloud, operation: str) -> list[dict[str, Any]]:
    return [dict(params) for name, params in cloud.asked if name == operation]


class TestBucketKeys:
    def test_they_are_made_replaced_and_deleted(self, provider: Amazon, cloud: Cloud) -> None:
        first, secret = provider.create_bucket_key("by-demo-state", GRANTS)
        assert secret.reveal()
        other, _ = provider.create_bucket_key("by-demo-state-of-another", FULL_ACCESS)
        second, _ = provider.create_bucket_key("by-demo-state", GRANTS)
        third, _ = provider.create_bucket_key("by-demo-state", GRANTS[:1])
        assert len({first, second, third, other}) == 4
        assert provider.bucket_keys("by-demo-state") == (BucketKey(third, frozenset(GRANTS[:1])),)
        assert provider.bucket_keys("by-demo-state-of-another") == (BucketKey(other, frozenset(FULL_ACCESS)),)
        for access_key in (first, third, third):
            provider.delete_bucket_key(access_key)
        assert provider.bucket_keys("by-demo-state") == ()
        provider.delete_bucket_key(other)
        assert cloud.look("iam").list_users()["Users"] == []
        cloud.refused.clear()  # a user that is there already

    def test_a_key_reaches_its_own_buckets_only(self) -> None:
        policy = buckets.policy_of(GRANTS)
        reached = {statement["Resource"] for statement in policy["Statement"]}
        names = ("by-demo-config", "by-demo-assets")
        assert reached == {f"arn:aws:s3:::{name}{end}" for name in names for end in ("", "/*")}
        on_objects = {each["Resource"]: set(each["Action"]) for each in policy["Statement"]}
        assert on_objects["arn:aws:s3:::by-demo-config/*"] == {"s3:GetObject"}
        assert "s3:PutObject" in on_objects["arn:aws:s3:::by-demo-assets/*"]
        assert buckets.grants_of(json.loads(json.dumps(policy))) == frozenset(GRANTS)
        assert buckets.grants_of(buckets.policy_of(FULL_ACCESS)) == frozenset(FULL_ACCESS)

    def test_iam_lets_in_what_the_policy_says(self, provider: Amazon, cloud: Cloud) -> None:
        provider.create_bucket_key("by-demo-state", GRANTS)
        told = cloud.look("iam").get_user_policy(UserName="by-demo-state", PolicyName="buckets")
        assert told["PolicyDocument"] == buckets.policy_of(GRANTS)

    @pytest.mark.parametrize("fault", ["lost answer", "half an answer", "500", "time-out"])
    def test_a_key_whose_answer_is_lost_leaves_nothing(self, provider: Amazon, cloud: Cloud, fault: str) -> None:
        cloud.lay("POST", "CreateAccessKey", FAULTS[fault])
        made, _ = provider.create_bucket_key("by-demo-state", GRANTS)
        keys = cloud.look("iam").list_access_keys(UserName="by-demo-state")["AccessKeyMetadata"]
        assert [key["AccessKeyId"] for key in keys] == [made]

    def test_a_new_key_is_given_when_it_is_known(self, provider: Amazon, cloud: Cloud, clock: FakeClock) -> None:
        provider.create_bucket_key("by-demo-state", GRANTS)
        assert cloud.refused.count("InvalidClientTokenId") == 2
        assert clock.slept

    def test_a_name_that_iam_does_not_take_is_refused(self, provider: Amazon, cloud: Cloud) -> None:
        with pytest.raises(UsageError):
            provider.create_bucket_key("x" * 65, GRANTS)
        assert cloud.operations() == []

    def test_where_the_store_is(self, provider: Amazon, cloud: Cloud) -> None:
        assert provider.bucket_access("eu-central-1").endpoint_url == cloud.url


class TestDatabases:
    @pytest.fixture
    def spec(self, database_spec: DatabaseSpec) -> DatabaseSpec:  # noqa: F811
        return database_spec

    def _ready(self, provider: Amazon, name: str) -> None:
        for _ in range(6):
            if provider.database(name).ready:
                return
        raise AssertionError("it was never ready")

    def test_it_is_closed_encrypted_and_in_the_private_network(
        self, provider: Amazon, cloud: Cloud, spec: DatabaseSpec
    ) -> None:
        provider.ensure_database(replace(spec, version="8"))
        (request,) = sent(cloud, "CreateDBInstance")
        assert (request["PubliclyAccessible"], request["StorageEncrypted"]) == (False, True)
        assert request["EngineVersion"] == "8.4"
        (group_id,) = request["VpcSecurityGroupIds"]
        group = cloud.look("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
        assert group["VpcId"] == spec.network_id
        order = cloud.operations()
        assert order.index("AuthorizeSecurityGroupIngress") < order.index("CreateDBInstance")

    def test_its_authority_is_told_once_it_is_ready(self, provider: Amazon, spec: DatabaseSpec) -> None:
        assert provider.ensure_database(spec).ca_pem == ""
        self._ready(provider, spec.name)
        assert provider.database(spec.name).ca_pem == AUTHORITY

    def test_its_password_stays_and_is_seen_nowhere(self, provider: Amazon, cloud: Cloud, spec: DatabaseSpec) -> None:
        password = provider.ensure_database(spec).password
        assert password is not None
        assert len(password.reveal()) == 32
        assert provider.database(spec.name).password == password
        assert password.reveal() not in repr(provider.databases("by-demo-"))
        told = f"<Message>{password.reveal()}</Message>"
        assert password.reveal() not in provider._aws._redact(told)

    @pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
    def test_it_is_made_once_whatever_becomes_of_the_first_try(
        self, provider: Amazon, cloud: Cloud, spec: DatabaseSpec, fault: object
    ) -> None:
        for operation in ("CreateSecurityGroup", "CreateDBSubnetGroup", "PutParameter", "CreateDBInstance"):
            cloud.lay("POST", operation, fault)  # type: ignore[arg-type]
        made = provider.ensure_database(spec)
        assert [one.id for one in provider.databases("by-demo-")] == [made.id]
        assert made.password is not None
        requests = sent(cloud, "CreateDBInstance")
        assert {request["MasterUserPassword"] for request in requests} == {made.password.reveal()}
        cloud.refused.clear()

    def test_all_that_stood_beside_it_goes(self, provider: Amazon, cloud: Cloud, spec: DatabaseSpec) -> None:
        provider.ensure_database(spec)
        provider.delete_database(spec.name)  # it is being made: AWS lets it go only afterwards
        groups = cloud.look("ec2").describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [spec.network_id]}])
        assert [group["GroupName"] for group in groups["SecurityGroups"]] == ["default"]
        assert cloud.look("rds").describe_db_subnet_groups()["DBSubnetGroups"] == []
        assert cloud.look("ssm").describe_parameters()["Parameters"] == []
        provider.delete_network(spec.network_id)
        cloud.refused.clear()

    def test_somebody_elses_of_that_name_is_no_ours(self, provider: Amazon, cloud: Cloud, spec: DatabaseSpec) -> None:
        cloud.look("rds").create_db_instance(
            DBInstanceIdentifier=spec.name, Engine="mysql", DBInstanceClass="db.t4g.micro", AllocatedStorage=20
        )
        with pytest.raises(Conflict, match=spec.name):
            provider.ensure_database(spec)
        assert provider.databases("by-demo-") == ()

    def test_more_sources_than_a_group_takes_are_refused(
        self, provider: Amazon, cloud: Cloud, spec: DatabaseSpec
    ) -> None:
        many = tuple(f"10.0.0.{number}/32" for number in range(61))
        with pytest.raises(UsageError, match="61"):
            provider.ensure_database(replace(spec, sources=many))
        assert sent(cloud, "CreateDBInstance") == []

    def test_sources_are_changed_in_place(self, provider: Amazon, cloud: Cloud, spec: DatabaseSpec) -> None:
        provider.ensure_database(replace(spec, engine=Engine.POSTGRES))
        self._ready(provider, spec.name)
        cloud.asked.clear()
        provider.put_database_sources(spec.name, ("203.0.113.7/32", "2001:db8::7/128"))
        changes = [name for name in cloud.operations() if "Ingress" in name]
        assert changes == ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]
        assert sent(cloud, changes[0])[0]["IpPermissions"][0]["FromPort"] == 5432

    def test_an_authority_that_cannot_be_read_is_said_so(self) -> None:
        with pytest.raises(Unavailable, match="authority"):
            fetched("https://127.0.0.1:9/bundle.pem")


class TestSharedFiles:
    NAME = "by-demo-config"

    def test_they_have_an_address_in_each_zone_and_a_group_of_their_own(
        self,
        provider: Amazon,
        cloud: Cloud,
        network: Network,  # noqa: F811
        region: str,
    ) -> None:
        made = provider.ensure_shared_files(self.NAME, region, network.id, (network.ip_range,))
        again = provider.ensure_shared_files(self.NAME, region, network.id, ("10.96.0.7/32",))
        assert again.id == made.id
        assert again.ready
        assert again.host == f"{made.id}.efs.eu-central-1.amazonaws.com"
        assert len(again.addresses) == 2
        assert again.sources == ("10.96.0.7/32",)
        assert provider.shared_files("by-demo-") == (again,)
        assert provider.shared_files("by-other-") == ()
        (request,) = sent(cloud, "CreateFileSystem")
        assert request["Encrypted"]
        assert all(each["SecurityGroups"] for each in sent(cloud, "CreateMountTarget"))

    def test_they_go_with_all_that_stood_beside_them(
        self,
        provider: Amazon,
        cloud: Cloud,
        network: Network,  # noqa: F811
        region: str,
    ) -> None:
        made = provider.ensure_shared_files(self.NAME, region, network.id, (network.ip_range,))
        provider.delete_shared_files(made.id)
        provider.delete_shared_files(made.id)
        assert provider.shared_files("by-demo-") == ()
        provider.delete_network(network.id)
        assert provider.networks("by-demo-") == ()

    @pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
    def test_they_are_made_once_whatever_becomes_of_the_first_try(
        self,
        provider: Amazon,
        cloud: Cloud,
        network: Network,  # noqa: F811
        region: str,
        fault: object,
    ) -> None:
        cloud.lay("POST", "CreateFileSystem", fault)  # type: ignore[arg-type]
        cloud.lay("POST", "CreateMountTarget", fault)  # type: ignore[arg-type]
        made = provider.ensure_shared_files(self.NAME, region, network.id, (network.ip_range,))
        assert [each.id for each in provider.shared_files("by-demo-")] == [made.id]
        assert len(made.addresses) == 2
        cloud.refused.clear()

    @pytest.mark.parametrize("sources", [(), ("0.0.0.0/0",), ("::/0",)])
    def test_they_are_never_for_everybody(
        self,
        provider: Amazon,
        network: Network,  # noqa: F811
        region: str,
        sources: tuple[str, ...],
    ) -> None:
        with pytest.raises(UsageError):
            provider.ensure_shared_files(self.NAME, region, network.id, sources)
        assert provider.shared_files("by-demo-") == ()


def test_a_refusal_of_a_store_is_ours(provider: Amazon, cloud: Cloud) -> None:
    cloud.lay("POST", "DescribeDBInstances", xml_refusal("SomethingNew", 400))
    with pytest.raises(ProviderError):
        provider.databases("by-demo-")
    cloud.refused.clear()
