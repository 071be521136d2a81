"""Firewalls over security groups, and the networks they are in."""

from __future__ import annotations

from typing import Any

import pytest

from providers.aws import firewalls, networks, rules
from providers.aws.driver import Amazon
from providers.contract import InboundRule, MachineSpec, Network, Protocols
from state.errors import DeadlineExceeded, ProviderError, UsageError
from tests.providers.aws.aws_cloud import Cloud
from tests.providers.contract import ACTION, ROLE, network, spec  # noqa: F401 - fixtures
from tests.providers.fake import FAULTS

NAME = "by-demo-fw-webserver"


def ports(first: int, last: int) -> tuple[InboundRule, ...]:
    return tuple(InboundRule(Protocols.TCP, port, ("203.0.113.7/32",)) for port in range(first, last + 1))


def groups(cloud: Cloud, network_id: str) -> list[dict[str, Any]]:
    found = cloud.look("ec2").describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [network_id]}])
    return [group for group in found["SecurityGroups"] if group["GroupName"] != "default"]


def held(cloud: Cloud, machine_id: str) -> set[str]:
    found = cloud.look("ec2").describe_instances(InstanceIds=[machine_id])["Reservations"][0]["Instances"][0]
    return {group["GroupId"] for group in found["NetworkInterfaces"][0]["Groups"]}


def test_a_firewall_waits_in_its_own_deployments_network(provider: Amazon, cloud: Cloud, region: str) -> None:
    for name in ("by-demo-two-net", "by-demo-net", "by-other-net"):
        provider.ensure_network(name, region)
    provider.put_firewall(NAME, ROLE, ports(1, 1))
    own = next(each for each in provider.networks("by-demo-net"))
    assert [group["GroupName"] for group in groups(cloud, own.id)] == [NAME]


def test_without_any_network_it_waits_in_the_default_one(provider: Amazon, cloud: Cloud) -> None:
    provider.put_firewall(NAME, ROLE, ports(1, 1))
    default = cloud.look("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
    assert [group["GroupName"] for group in groups(cloud, default["VpcId"])] == [NAME]


def test_without_even_that_it_says_what_to_do(provider: Amazon, cloud: Cloud) -> None:
    ec2 = cloud.look("ec2")
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        for subnet in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]:
            ec2.delete_subnet(SubnetId=subnet["SubnetId"])
        ec2.delete_vpc(VpcId=vpc["VpcId"])
    with pytest.raises(ProviderError, match="no network yet"):
        provider.put_firewall(NAME, ROLE, ports(1, 1))


def test_a_machine_gets_a_firewall_that_waited_elsewhere(
    provider: Amazon,
    cloud: Cloud,
    region: str,
    spec: MachineSpec,  # noqa: F811
) -> None:
    other = provider.ensure_network("by-demo-fw-net", region)  # likest by name: there it waits
    made = provider.put_firewall(NAME, ROLE, ports(1, 70))
    assert len(groups(cloud, other.id)) == 2
    machine = provider.create_machine(spec, ACTION)
    assert held(cloud, machine.id) == {group["GroupId"] for group in groups(cloud, spec.network_id)}
    assert len(held(cloud, machine.id)) == 2
    assert provider.firewalls(NAME) == (made,)
    provider.put_firewall(NAME, ROLE, ports(5, 5))
    for network_id in (other.id, spec.network_id):
        left = frozenset().union(*(rules.read_rules(group) for group in groups(cloud, network_id)))
        assert left == rules.rules_of(ports(5, 5))


def test_a_firewall_put_later_guards_the_machines_that_are(
    provider: Amazon,
    cloud: Cloud,
    spec: MachineSpec,  # noqa: F811
) -> None:
    machine = provider.create_machine(spec, ACTION)
    (default,) = held(cloud, machine.id) or {"none"}
    provider.put_firewall(NAME, ROLE, ports(1, 1))
    (group,) = groups(cloud, spec.network_id)
    assert held(cloud, machine.id) == {group["GroupId"]} != {default}


def test_rules_beyond_one_group_go_into_further_ones_that_machines_get_too(
    provider: Amazon,
    cloud: Cloud,
    spec: MachineSpec,  # noqa: F811
) -> None:
    provider.put_firewall(NAME, ROLE, ports(1, 50))
    machine = provider.create_machine(spec, ACTION)
    grown = provider.put_firewall(NAME, ROLE, ports(1, 130))
    assert set(grown.inbound) == set(ports(1, 130))
    assert len(held(cloud, machine.id)) == 3


def test_what_is_new_is_added_before_what_is_old_goes(provider: Amazon, cloud: Cloud) -> None:
    provider.put_firewall(NAME, ROLE, ports(1, 10))
    cloud.asked.clear()
    provider.put_firewall(NAME, ROLE, ports(6, 15))
    changes = [name for name in cloud.operations() if "Ingress" in name]
    assert changes == ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]
    cloud.asked.clear()
    provider.put_firewall(NAME, ROLE, ports(6, 15))
    assert [name for name in cloud.operations() if not name.startswith("Describe")] == []


def test_all_rules_may_be_new_at_once(provider: Amazon) -> None:
    most = provider.capabilities.most_firewall_rules
    provider.put_firewall(NAME, ROLE, ports(1, most))
    assert set(provider.put_firewall(NAME, ROLE, ports(1001, 1000 + most)).inbound) == set(ports(1001, 1000 + most))


def test_a_change_whose_answer_is_lost_is_looked_at(provider: Amazon, cloud: Cloud) -> None:
    provider.put_firewall(NAME, ROLE, ports(1, 3))
    cloud.lay("POST", "AuthorizeSecurityGroupIngress", FAULTS["lost answer"])
    cloud.lay("POST", "RevokeSecurityGroupIngress", FAULTS["lost answer"])
    assert set(provider.put_firewall(NAME, ROLE, ports(3, 6)).inbound) == set(ports(3, 6))
    cloud.refused.clear()  # what is there twice, what is gone twice


def test_rules_that_others_wrote_are_seen_and_go(provider: Amazon, cloud: Cloud, network: Network) -> None:  # noqa: F811
    provider.put_firewall(NAME, ROLE, ports(1, 1))
    (group,) = groups(cloud, network.id)
    strange = [
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, "UserIdGroupPairs": [{"GroupId": group["GroupId"]}]},
    ]
    cloud.look("ec2").authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=strange)
    assert provider.firewalls(NAME)[0].inbound != ports(1, 1)
    assert provider.put_firewall(NAME, ROLE, ports(1, 1)).inbound == ports(1, 1)
    assert rules.read_rules(groups(cloud, network.id)[0]) == rules.rules_of(ports(1, 1))


def test_a_tag_that_changes_takes_the_firewall_from_who_lacks_it(
    provider: Amazon,
    cloud: Cloud,
    spec: MachineSpec,  # noqa: F811
) -> None:
    provider.put_firewall(NAME, ROLE, ports(1, 1))
    machine = provider.create_machine(spec, ACTION)
    (group,) = held(cloud, machine.id)
    changed = provider.put_firewall(NAME, "by-demo-role-database", ports(1, 1))
    assert changed.tag == "by-demo-role-database"
    assert group not in held(cloud, machine.id)


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that run out in a tenth of the looks."""
    monkeypatch.setattr(firewalls, "_FREE_S", 30.0)
    monkeypatch.setattr(networks, "_EMPTY_S", 30.0)


@pytest.mark.usefixtures("_short")
def test_a_firewall_goes_when_its_last_machine_has_gone(
    provider: Amazon,
    cloud: Cloud,
    spec: MachineSpec,  # noqa: F811
) -> None:
    provider.put_firewall(NAME, ROLE, ports(1, 1))
    machine = provider.create_machine(spec, ACTION)
    with pytest.raises(DeadlineExceeded, match=NAME):
        provider.delete_firewall(NAME)
    provider.delete_machine(machine.id)
    provider.delete_firewall(NAME)
    assert groups(cloud, spec.network_id) == []


def test_nonsense_is_refused_before_anything_is_made(provider: Amazon, cloud: Cloud) -> None:
    for inbound in (
        (InboundRule(Protocols.TCP, 1, ()),),
        (InboundRule(Protocols.TCP, 1, ("nowhere",)),),
        (InboundRule(Protocols.TCP, 1, tuple(f"10.0.{n // 200}.{n % 200}/32" for n in range(181))),),
    ):
        with pytest.raises(UsageError):
            provider.put_firewall(NAME, ROLE, inbound)
    assert cloud.operations() == []


def test_a_network_has_both_families_two_zones_and_a_closed_default_group(
    provider: Amazon,
    cloud: Cloud,
    network: Network,  # noqa: F811
) -> None:
    inside = [{"Name": "vpc-id", "Values": [network.id]}]
    ec2 = cloud.look("ec2")
    subnets = ec2.describe_subnets(Filters=inside)["Subnets"]
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2
    assert all(subnet["Ipv6CidrBlockAssociationSet"] for subnet in subnets)
    (table,) = ec2.describe_route_tables(Filters=inside)["RouteTables"]
    gateway = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [network.id]}])
    routes = {
        route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock"): route.get("GatewayId")
        for route in table["Routes"]
    }
    gateway_id = gateway["InternetGateways"][0]["InternetGatewayId"]
    assert (routes["0.0.0.0/0"], routes["::/0"]) == (gateway_id, gateway_id)
    default = ec2.describe_security_groups(Filters=[*inside, {"Name": "group-name", "Values": ["default"]}])
    assert default["SecurityGroups"][0]["IpPermissions"] == []


def test_half_a_network_is_made_whole(provider: Amazon, cloud: Cloud, region: str) -> None:
    cloud.lay("POST", "CreateSubnet", FAULTS["500"], times=1000)
    with pytest.raises(ProviderError):
        provider.ensure_network("by-demo-net", region)
    cloud._laid.clear()
    network = provider.ensure_network("by-demo-net", region)  # noqa: F811
    assert provider.networks("by-demo-") == (network,)
    assert len(provider._networks.subnets(network.id)) == 2


@pytest.mark.usefixtures("_short")
def test_a_network_that_others_use_is_waited_for_and_then_said(
    provider: Amazon,
    network: Network,  # noqa: F811
    cloud: Cloud,
) -> None:
    subnet = provider._networks.subnets(network.id)[0]["SubnetId"]
    cloud.look("ec2").create_network_interface(SubnetId=subnet)
    with pytest.raises(DeadlineExceeded, match=network.id):
        provider.delete_network(network.id)


@pytest.mark.usefixtures("_short")
def test_a_firewall_that_only_this_network_holds_keeps_it(provider: Amazon, network: Network) -> None:  # noqa: F811
    made = provider.put_firewall(NAME, ROLE, ports(1, 1))
    with pytest.raises(DeadlineExceeded):
        provider.delete_network(network.id)
    assert provider.firewalls(NAME) == (made,)
    provider.delete_firewall(NAME)
    provider.delete_network(network.id)
