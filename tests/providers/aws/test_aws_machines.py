"""Machines of EC2: what is asked for, that it is asked for once, and what they are made of."""

from __future__ import annotations

import base64
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from providers.aws import machines, prices, tags
from providers.aws.calls import Aws
from providers.aws.driver import Amazon
from providers.contract import InboundRule, MachineSpec, MachineStatus, Protocols
from state.errors import DeadlineExceeded, NotFound, ProviderError, UsageError
from tests.providers.aws.aws_cloud import Cloud, xml_refusal
from tests.providers.contract import ACTION, FLEET, ROLE, network, spec  # noqa: F401 - fixtures
from tests.providers.fake import FAULTS

SSH = InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32",))


def sent(cloud: Cloud, operation: str) -> list[dict[str, Any]]:
    return [dict(params) for name, params in cloud.asked if name == operation]


def settle(provider: Amazon, machine_id: str) -> None:
    for _ in range(6):
        if provider.machine(machine_id).status is MachineStatus.RUNNING:
            return
    raise AssertionError("it never ran")


def test_a_machine_is_asked_for_with_all_it_needs(provider: Amazon, cloud: Cloud, spec: MachineSpec) -> None:  # noqa: F811
    provider.put_firewall("by-demo-fw", ROLE, (SSH,))
    machine = provider.create_machine(spec, ACTION)
    (request,) = sent(cloud, "RunInstances")
    interface = request["NetworkInterfaces"][0]
    assert base64.b64decode(request["UserData"]).decode() == spec.user_data
    assert request["KeyName"] == "by-demo-key"
    assert request["MetadataOptions"] == {
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
        "HttpEndpoint": "enabled",
    }
    assert request["BlockDeviceMappings"][0]["Ebs"] == {
        "VolumeSize": 20,
        "VolumeType": "gp3",
        "DeleteOnTermination": True,
    }
    assert request["CreditSpecification"] == {"CpuCredits": "standard"}
    assert (interface["AssociatePublicIpAddress"], interface["Ipv6AddressCount"]) == (True, 1)
    assert len(interface["Groups"]) == 1  # in the create itself: never a moment without
    pairs = request["TagSpecifications"][0]["Tags"]
    assert {pair["Key"] for pair in pairs} == {"Name", *(tags.key_of(tag) for tag in (FLEET, ROLE, ACTION))}
    assert len(request["ClientToken"]) == 64
    assert machine.name == "ws-1"


def test_the_newest_image_of_a_release_is_taken_and_only_from_its_publisher(
    provider: Amazon,
    cloud: Cloud,
    spec: MachineSpec,  # noqa: F811
) -> None:
    assert [image.slug for image in provider.images()] == ["debian-12", "debian-13", "ubuntu-22-04", "ubuntu-24-04"]
    provider.create_machine(replace(spec, image="debian-12"), ACTION)
    (request,) = sent(cloud, "RunInstances")
    taken = cloud.look("ec2").describe_images(ImageIds=[request["ImageId"]])["Images"][0]
    assert (taken["Name"], taken["OwnerId"]) == ("debian-12-amd64-20260301-9", "136693071363")
    assert request["BlockDeviceMappings"][0]["DeviceName"] == "/dev/xvda"
    with pytest.raises(NotFound, match="debian-9"):
        provider.create_machine(replace(spec, image="debian-9"), "by-demo-made-ws-2-1")


def test_an_image_that_is_gone_is_not_found_before_anything_is_made(provider: Amazon, spec: MachineSpec) -> None:  # noqa: F811
    with pytest.raises(NotFound):
        provider.create_machine(replace(spec, image="ami-0123456789abcdef0"), ACTION)
    assert provider.machines(FLEET) == ()


def test_a_deployment_built_again_gets_new_machines_by_the_old_tags(
    provider: Amazon,
    cloud: Cloud,
    spec: MachineSpec,  # noqa: F811
) -> None:
    first = provider.create_machine(spec, ACTION)
    provider.delete_machine(first.id)
    # The very same request: EC2 says its token is spent, and the next one makes another machine.
    second = provider.create_machine(spec, ACTION)
    assert second.id != first.id
    assert [machine.id for machine in provider.machines(ACTION)] == [second.id]
    assert "IdempotentInstanceTerminated" in cloud.refused
    tokens = [request["ClientToken"] for request in sent(cloud, "RunInstances")]
    assert tokens[0] == tokens[1] != tokens[2]
    cloud.refused.clear()


def test_a_lost_answer_is_asked_for_again_by_the_same_token(
    provider: Amazon,
    cloud: Cloud,
    spec: MachineSpec,  # noqa: F811
) -> None:
    cloud.lay("POST", "RunInstances", FAULTS["lost answer"])
    machine = provider.create_machine(spec, ACTION)
    tokens = [request["ClientToken"] for request in sent(cloud, "RunInstances")]
    assert len(tokens) == 2
    assert len(set(tokens)) == 1
    everything = cloud.look("ec2").describe_instances()["Reservations"]
    assert [each["InstanceId"] for one in everything for each in one["Instances"]] == [machine.id]


def test_no_room_is_no_reason_to_ask_again(provider: Amazon, cloud: Cloud, spec: MachineSpec) -> None:  # noqa: F811
    cloud.lay("POST", "RunInstances", xml_refusal("InsufficientInstanceCapacity", 500))
    with pytest.raises(ProviderError) as caught:
        provider.create_machine(spec, ACTION)
    assert "another size" in caught.value.hint
    assert len(sent(cloud, "RunInstances")) == 1
    cloud.refused.clear()


def test_a_size_that_no_zone_has_is_said_before(provider: Amazon, cloud: Cloud, spec: MachineSpec) -> None:  # noqa: F811
    with pytest.raises(ProviderError, match=r"no x9\.huge"):
        provider.create_machine(replace(spec, size="x9.huge"), ACTION)
    assert sent(cloud, "RunInstances") == []


def test_a_machine_is_found_by_its_id_as_soon_as_it_was_made(provider: Amazon, spec: MachineSpec) -> None:  # noqa: F811
    made = provider.create_machine(spec, ACTION)
    assert provider.machine(made.id).id == made.id  # although EC2's lists lag behind


def test_more_machines_than_a_page_holds_are_all_listed(
    provider: Amazon,
    aws: Aws,
    cloud: Cloud,
    spec: MachineSpec,  # noqa: F811
) -> None:
    aws.page_items = 5
    made = {provider.create_machine(spec, f"by-demo-made-ws-{number}-1").id for number in range(7)}
    cloud.asked.clear()
    assert {machine.id for machine in provider.machines(FLEET)} == made
    assert [params.get("NextToken") is not None for params in sent(cloud, "DescribeInstances")] == [False, True]


def test_waiting_for_a_machine_has_an_end(
    provider: Amazon,
    cloud: Cloud,
    spec: MachineSpec,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machines, "_POWER_S", 30.0)
    machine = provider.create_machine(spec, ACTION)
    cloud.habits.never_ready.add(machine.id)
    with pytest.raises(DeadlineExceeded, match=f"machine {machine.id} to be stopped"):
        provider.power_off(machine.id)


def test_a_bigger_images_disk_is_not_made_smaller(provider: Amazon, cloud: Cloud, spec: MachineSpec) -> None:  # noqa: F811
    machine = provider.create_machine(replace(spec, size="t3.large"), ACTION)
    settle(provider, machine.id)
    image = provider.snapshot(machine.id, "by-demo-image-1")
    assert image.size_gib > 0
    provider.create_machine(replace(spec, image=image.id), "by-demo-made-ws-2-1")
    request = sent(cloud, "RunInstances")[-1]
    assert request["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == max(20, int(image.size_gib))


def test_an_image_goes_with_its_disks_snapshots(provider: Amazon, cloud: Cloud, spec: MachineSpec) -> None:  # noqa: F811
    machine = provider.create_machine(spec, ACTION)
    settle(provider, machine.id)
    image = provider.snapshot(machine.id, "by-demo-image-1")
    (request,) = sent(cloud, "CreateImage")
    assert [each["ResourceType"] for each in request["TagSpecifications"]] == ["image", "snapshot"]
    provider.delete_snapshot(image.id)
    assert sent(cloud, "DeregisterImage")[0]["DeleteAssociatedSnapshots"] is True


@pytest.mark.parametrize("tag", ["", "a b", "a/b", "ä", "x" * (tags.LONGEST + 1), "aws=x"])
def test_tags_that_cannot_be(tag: str) -> None:
    with pytest.raises(UsageError):
        tags.check_tags((tag,))


def test_tags_are_read_as_they_were_written() -> None:
    words = ("by-demo-fleet", "by-demo-made-ws-1-1", "x" * tags.LONGEST, "a:b_c")
    tags.check_tags(words)
    pairs = [*tags.written(words), {"Key": "Name", "Value": "ws-1"}, {"Key": "by-demo-fleet", "Value": "of others"}]
    assert all(len(pair["Key"]) <= 128 for pair in pairs)
    assert tags.words({"Tags": pairs}) == tuple(sorted(words))


def test_a_price_has_the_machine_its_disk_and_its_address() -> None:
    # 730 hours of 2 x 0.0052 and of 0.005 for the address, 20 GB at 0.08.
    assert prices.per_month("us-east-1", prices.SHAPES["t3.micro"]) == Decimal("12.84")
    assert prices.per_month("ap-northeast-3", prices.SHAPES["c6i.large"]) is None
    assert prices.per_month("xx-nowhere-1", prices.SHAPES["t3.micro"]) is None


def test_sizes_without_a_known_price_are_left_out(provider: Amazon, region: str) -> None:
    sizes = provider.sizes(region)
    assert {size.slug for size in sizes} == set(prices.SHAPES)
    assert all(size.disk_gib == prices.SHAPES[size.slug].disk_gib for size in sizes)
