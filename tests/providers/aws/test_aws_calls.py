"""How AWS is asked, what its refusals become, and that no credential is ever seen."""

from __future__ import annotations

import pytest

from providers.aws import codes
from providers.aws.calls import Aws
from providers.aws.driver import Amazon
from providers.catalog import open_provider
from providers.http import Patience
from providers.refusals import Busy, Forbidden, Limited
from state.errors import (
    BuildyardError,
    Conflict,
    NotFound,
    ProviderError,
    RateLimited,
    Unauthorized,
    Unavailable,
    UsageError,
)
from state.secret import Secret
from tests.providers.aws.aws_cloud import KEY, REGION, SECRET, Cloud, xml_refusal
from tests.providers.contract import FLEET
from tests.providers.fake import FAULTS
from tests.providers.scripted import FakeClock


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("RequestLimitExceeded", 503, Limited),
        ("Throttling", 400, Limited),
        ("PriorRequestNotComplete", 400, Limited),
        ("AuthFailure", 401, Unauthorized),
        ("SignatureDoesNotMatch", 403, Unauthorized),
        ("UnauthorizedOperation", 403, Forbidden),
        ("AccessDeniedException", 400, Forbidden),
        ("InvalidInstanceID.NotFound", 400, NotFound),
        ("InvalidInstanceID.Malformed", 400, NotFound),
        ("DBInstanceNotFound", 404, NotFound),
        ("NoSuchHostedZone", 404, NotFound),
        ("NoSuchEntity", 404, NotFound),
        ("DependencyViolation", 400, Conflict),
        ("InvalidGroup.Duplicate", 400, Conflict),
        ("EntityAlreadyExists", 409, Conflict),
        ("IncorrectInstanceState", 400, Conflict),
        ("IdempotentInstanceTerminated", 400, codes.TokenSpent),
        ("InternalError", 500, Busy),
        ("ServiceUnavailable", 503, Busy),
        ("InsufficientInstanceCapacity", 500, ProviderError),
        ("VcpuLimitExceeded", 400, ProviderError),
        ("InvalidParameterValue", 400, ProviderError),
    ],
)
def test_codes_are_kinds(code: str, status: int, kind: type[ProviderError]) -> None:
    assert codes.kind_of(code, status)[0] is kind


def test_what_is_throttled_is_asked_again_even_a_create(aws: Aws, cloud: Cloud, clock: FakeClock) -> None:
    cloud.lay("POST", "CreateVpc", xml_refusal("RequestLimitExceeded", 503), times=3)
    cloud.refused.clear()
    aws.call("ec2", "create_vpc", CidrBlock="10.0.0.0/16")
    assert cloud.operations() == ["CreateVpc"] * 4
    assert len(clock.slept) == 3
    cloud.refused.clear()


def test_a_create_whose_answer_is_lost_is_not_sent_again(aws: Aws, cloud: Cloud, clock: FakeClock) -> None:
    cloud.lay("POST", "CreateVpc", FAULTS["lost answer"])
    with pytest.raises(Unavailable):
        aws.call("ec2", "create_vpc", CidrBlock="10.0.0.0/16")
    assert clock.slept == []
    assert len(cloud.look("ec2").describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.0.0.0/16"]}])["Vpcs"]) == 1


def test_a_thing_whose_answer_is_lost_is_adopted(provider: Amazon, cloud: Cloud, region: str) -> None:
    for operation in ("CreateVpc", "CreateSubnet", "CreateInternetGateway", "AttachInternetGateway"):
        cloud.lay("POST", operation, FAULTS["lost answer"])
    network = provider.ensure_network("by-demo-net", region)
    found = cloud.look("ec2").describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["by-demo-net"]}])["Vpcs"]
    assert [vpc["VpcId"] for vpc in found] == [network.id]
    inside = [{"Name": "vpc-id", "Values": [network.id]}]
    assert len(cloud.look("ec2").describe_subnets(Filters=inside)["Subnets"]) == 2
    gateways = cloud.look("ec2").describe_internet_gateways()["InternetGateways"]
    assert len([each for each in gateways if each["Attachments"]]) == len(gateways)
    cloud.refused.clear()  # attaching what is attached


def test_giving_up_has_an_end_and_a_hint(aws: Aws, cloud: Cloud, clock: FakeClock) -> None:
    aws.patience = Patience(call_s=50)
    cloud.lay("POST", "DescribeRegions", xml_refusal("Unavailable", 503), times=1000)
    began = clock.monotonic()
    with pytest.raises(Unavailable) as caught:
        aws.call("ec2", "describe_regions")
    assert clock.monotonic() - began <= 50
    assert caught.value.hint
    cloud.refused.clear()


def test_throttled_to_the_end_is_rate_limited(aws: Aws, cloud: Cloud) -> None:
    cloud.lay("POST", "DescribeRegions", xml_refusal("RequestLimitExceeded", 503), times=1000)
    with pytest.raises(RateLimited):
        aws.call("ec2", "describe_regions")
    cloud.refused.clear()


def test_a_wrong_secret_is_refused_with_a_hint_and_unseen(cloud: Cloud) -> None:
    wrong = Secret("wrong/0123456789abcdef0123456789abcdef01")
    access = Aws(KEY, wrong, REGION, FakeClock(), endpoint_url=cloud.url, watch=cloud.watch)
    with pytest.raises(Unauthorized) as caught:
        access.call("ec2", "describe_regions")
    access.close()
    assert "access key" in caught.value.summary
    assert "buildyard new" in caught.value.hint
    assert wrong.reveal() not in caught.value.text() + repr(access)
    assert SECRET.reveal() not in repr(access)
    assert cloud.refused == ["AuthFailure"]
    cloud.refused.clear()


def test_a_missing_right_is_named_with_its_purpose(provider: Amazon, cloud: Cloud) -> None:
    cloud.lay("POST", "DescribeVpcs", xml_refusal("UnauthorizedOperation", 403))
    cloud.lay("POST", "CreateVpc", xml_refusal("UnauthorizedOperation", 403))
    account = provider.check_credentials()
    assert account.missing_rights == ("ec2:DescribeVpcs (to see networks)", "ec2:CreateVpc (to make the network)")
    cloud.refused.clear()


def test_the_rights_are_tried_without_making_anything(provider: Amazon, cloud: Cloud) -> None:
    provider.check_credentials()
    made = [(name, params) for name, params in cloud.asked if name.startswith("Create")]
    assert made
    assert all(params["DryRun"] for _, params in made)


def test_what_aws_own_models_refuse_is_never_sent_and_shows_no_value(aws: Aws, cloud: Cloud) -> None:
    with pytest.raises(UsageError) as caught:
        aws.call("ec2", "run_instances", KeyName={"key": "first contact key"}, MinCount=1)
    assert "first contact key" not in caught.value.text()
    assert "KeyName" in caught.value.detail
    assert cloud.problems == ["RunInstances was never sent"]
    cloud.problems.clear()


def test_a_machine_that_is_not_reached_is_said_so(clock: FakeClock) -> None:
    access = Aws(KEY, SECRET, REGION, clock, endpoint_url="http://127.0.0.1:9", patience=Patience(call_s=5))
    with pytest.raises(Unavailable, match="cannot be reached"):
        access.call(
            "ec2", "run_instances", MinCount=1, MaxCount=1, ImageId="ami-1", UserData="x", InstanceType="t3.micro"
        )
    access.close()
    assert clock.slept  # what was certainly not done is tried again


def test_the_users_own_settings_are_not_read(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    answers = {"provider.region": REGION, "aws.endpoint_url": cloud.url}
    provider = open_provider("aws", answers, {"aws.key": KEY, "aws.secret": SECRET}, clock=FakeClock())
    assert provider.zones() == ()
    assert provider.machines(FLEET) == ()
    assert provider.dns_proof().environment == (("AWS_REGION", REGION),)
    assert {secret for _, secret in provider.dns_proof().secret_variables} == {"aws.key", "aws.secret"}
    provider.close()


def test_a_missing_half_of_the_key_is_named() -> None:
    with pytest.raises(BuildyardError, match=r"aws\.secret"):
        open_provider("aws", {}, {"aws.key": KEY}, clock=FakeClock())


def test_regions_have_names_and_those_without_prices_are_not_available(provider: Amazon) -> None:
    regions = {region.slug: region for region in provider.regions()}
    assert regions["eu-central-1"].name == "Europe (Frankfurt)"
    assert regions["eu-central-1"].available
    assert not regions["ap-southeast-4"].available
