"""Private networks: a VPC with two subnets in two zones, an internet gateway, and IPv4 and IPv6 routes to it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_network
from itertools import islice
from typing import Any

from providers.aws import rules, tags
from providers.aws.calls import LABEL, Aws
from providers.contract import Network
from state.clock import wait_until
from state.errors import Conflict, NotFound, ProviderError, UsageError

#: Each VPC is alone, so all may have the same range; it overlaps no default VPC (172.31.0.0/16).
_RANGE = "10.96.0.0/16"
_SUBNET_PREFIX, _SUBNET_PREFIX_V6 = 20, 64
#: RDS wants subnets in two zones: docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_VPC.WorkingWithRDSInstanceinaVPC
_SUBNETS = 2
#: Seconds: until the IPv6 block is there, and until the last machine has left.
_BLOCK_S, _EMPTY_S = 120.0, 600.0


@dataclass(frozen=True, slots=True)
class Networks:
    """The VPCs that Buildyard made."""

    aws: Aws

    def ensure(self, name: str, region: str) -> Network:
        """The network of that name, made whole where an interrupted run left half of it."""
        vpc = self._named(name)
        if region != self.aws.region:
            if vpc is not None:
                raise Conflict(
                    f"The network {name} is in {self.aws.region}, not in {region}.",
                    hint="Use another name for the deployment, or destroy the one that has it.",
                )
            raise UsageError(f"This access to {LABEL} is for {self.aws.region}, not for {region}.")
        pairs = tags.pairs({"Name": name, tags.NETWORK: name})
        if vpc is None:
            vpc = self.aws.made(lambda: self._create(pairs), lambda: self._named(name), looked=True)
        vpc_id = str(vpc["VpcId"])
        # Names of EFS and RDS need it beside EnableDnsSupport, which a new VPC has.
        self.aws.call("ec2", "modify_vpc_attribute", VpcId=vpc_id, EnableDnsHostnames={"Value": True})
        self._close_default_group(vpc_id)
        self._ensure_routes(vpc_id, self._ensure_gateway(vpc_id, pairs))
        self._ensure_subnets(vpc_id, pairs)
        return _network(vpc, region)

    def all(self, name_prefix: str) -> tuple[Network, ...]:
        """Those whose names begin so."""
        networks = (_network(vpc, self.aws.region) for vpc in self._vpcs())
        return tuple(network for network in networks if network.name.startswith(name_prefix))

    def subnets(self, network_id: str) -> list[dict[str, Any]]:
        """Its subnets, always in the same order."""
        found = self._of("describe_subnets", "Subnets", network_id, "vpc-id")
        return sorted(found, key=lambda subnet: (str(subnet["AvailabilityZone"]), str(subnet["SubnetId"])))

    def subnet_for(self, network_id: str, size: str) -> str:
        """The first subnet whose zone has that size: machines of a deployment stand together, as far as they can.

        Raises:
            ProviderError: no zone has it.
        """
        subnets = self.subnets(network_id)
        zones = {str(subnet["AvailabilityZone"]) for subnet in subnets}
        offered = self.aws.listed(
            "ec2",
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": [size]}, {"Name": "location", "Values": sorted(zones)}],
        )
        having = {each["Location"] for each in offered}
        for subnet in subnets:
            if subnet["AvailabilityZone"] in having:
                return str(subnet["SubnetId"])
        raise ProviderError(
            f"{LABEL} has no {size} where the network {network_id} is.",
            detail=f"zones {', '.join(sorted(zones)) or 'none'}",
            hint="Choose another size.",
        )

    def delete(self, network_id: str) -> None:
        """Removes it with all of ours in it as soon as nothing uses it any more."""
        last: list[str] = []

        def gone() -> bool:
            try:
                self._empty(network_id)
                self.aws.call("ec2", "delete_vpc", VpcId=network_id)
            except NotFound:
                return True
            except Conflict as error:
                last[:] = [error.detail]
                return False
            return True

        wait_until(
            f"the network {network_id} to be empty",
            gone,
            timeout_s=_EMPTY_S,
            clock=self.aws.clock,
            longest_s=5.0,
            hint="look in the AWS console what else is in that VPC; then repeat the command",
        )

    def _create(self, pairs: list[dict[str, str]]) -> dict[str, Any]:
        answer = self.aws.call(
            "ec2",
            "create_vpc",
            CidrBlock=_RANGE,
            AmazonProvidedIpv6CidrBlock=True,
            TagSpecifications=tags.specification("vpc", pairs),
        )
        vpc_id = answer["Vpc"]["VpcId"]
        # A VPC just made may be missing from answers for some seconds.
        self.aws.appears(lambda: self._vpc(vpc_id))
        return dict(answer["Vpc"])

    def _named(self, name: str) -> dict[str, Any] | None:
        found = [vpc for vpc in self._vpcs() if tags.read(vpc)[tags.NETWORK] == name]
        return min(found, key=lambda vpc: str(vpc["VpcId"]), default=None)

    def _vpcs(self) -> list[dict[str, Any]]:
        ours = [{"Name": "tag-key", "Values": [tags.NETWORK]}]
        return self.aws.listed("ec2", "describe_vpcs", "Vpcs", Filters=ours)

    def _vpc(self, vpc_id: str) -> dict[str, Any] | None:
        return next((vpc for vpc in self._vpcs() if vpc["VpcId"] == vpc_id), None)

    def _of(self, operation: str, items: str, vpc_id: str, by: str) -> list[dict[str, Any]]:
        return self.aws.listed("ec2", operation, items, Filters=[{"Name": by, "Values": [vpc_id]}])

    def _close_default_group(self, vpc_id: str) -> None:
        """A machine without a firewall has this group; its members could reach each other."""
        for group in rules.described(self.aws, {"vpc-id": [vpc_id], "group-name": ["default"]}):
            rules.remove(self.aws, str(group["GroupId"]), rules.read_rules(group))

    def _ensure_gateway(self, vpc_id: str, pairs: list[dict[str, str]]) -> str:
        found = self._gateway(vpc_id)
        if found is not None:
            return found
        # One that was made and not attached carries the network's id: that is how it is found again.
        mark = {"Key": f"{tags.NETWORK}:id", "Value": vpc_id}

        def waiting() -> str | None:
            made = self._of("describe_internet_gateways", "InternetGateways", vpc_id, f"tag:{mark['Key']}")
            return next((str(gateway["InternetGatewayId"]) for gateway in made), None)

        def make() -> str:
            marked = tags.specification("internet-gateway", [*pairs, mark])
            answer = self.aws.call("ec2", "create_internet_gateway", TagSpecifications=marked)
            return str(answer["InternetGateway"]["InternetGatewayId"])

        gateway_id = self.aws.made(make, waiting)

        def attach() -> str:
            self.aws.call("ec2", "attach_internet_gateway", VpcId=vpc_id, InternetGatewayId=gateway_id)
            return gateway_id

        return self.aws.made(attach, lambda: self._gateway(vpc_id), looked=True)

    def _gateway(self, vpc_id: str) -> str | None:
        found = self._of("describe_internet_gateways", "InternetGateways", vpc_id, "attachment.vpc-id")
        return next((str(gateway["InternetGatewayId"]) for gateway in found), None)

    def _ensure_routes(self, vpc_id: str, gateway_id: str) -> None:
        tables = self._of("describe_route_tables", "RouteTables", vpc_id, "vpc-id")
        main = next(table for table in tables if any(each.get("Main") for each in table.get("Associations") or ()))
        there = {
            route.get(key)
            for route in main.get("Routes") or ()
            for key in ("DestinationCidrBlock", "DestinationIpv6CidrBlock")
        }
        for key, everywhere in (("DestinationCidrBlock", "0.0.0.0/0"), ("DestinationIpv6CidrBlock", "::/0")):
            if everywhere not in there:
                route: dict[str, Any] = {key: everywhere, "GatewayId": gateway_id}
                with suppress(Conflict):  # one that a lost answer made
                    self.aws.call("ec2", "create_route", repeatable=True, RouteTableId=main["RouteTableId"], **route)

    def _ensure_subnets(self, vpc_id: str, pairs: list[dict[str, str]]) -> None:
        # Public addresses are asked for by each machine, so the subnets' own habits do not matter.
        standing = self.subnets(vpc_id)
        if len(standing) >= _SUBNETS:
            return
        block = self._ipv6_block(vpc_id)
        taken = {str(subnet["CidrBlock"]) for subnet in standing}
        used_zones = {str(subnet["AvailabilityZone"]) for subnet in standing}
        zones = [zone for zone in self._zones() if zone not in used_zones]
        ranges = zip(
            islice(ip_network(_RANGE).subnets(new_prefix=_SUBNET_PREFIX), _SUBNETS),
            islice(block.subnets(new_prefix=_SUBNET_PREFIX_V6), _SUBNETS),
            strict=True,
        )
        free = [(str(v4), str(v6)) for v4, v6 in ranges if str(v4) not in taken]
        for (v4, v6), zone in zip(free, zones, strict=False):
            self._make_subnet(vpc_id, zone, v4, v6, pairs)

    def _make_subnet(self, vpc_id: str, zone: str, v4: str, v6: str, pairs: list[dict[str, str]]) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            return next((each for each in self.subnets(vpc_id) if each["CidrBlock"] == v4), None)

        def make() -> dict[str, Any]:
            answer = self.aws.call(
                "ec2",
                "create_subnet",
                VpcId=vpc_id,
                AvailabilityZone=zone,
                CidrBlock=v4,
                Ipv6CidrBlock=v6,
                TagSpecifications=tags.specification("subnet", pairs),
            )
            return dict(answer["Subnet"])

        return self.aws.made(make, find, looked=True)

    def _ipv6_block(self, vpc_id: str) -> IPv6Network:
        """The /56 that Amazon gave; it comes a moment after the VPC."""

        def given() -> str | None:
            blocks = (self._vpc(vpc_id) or {}).get("Ipv6CidrBlockAssociationSet") or ()
            ready = (each for each in blocks if each["Ipv6CidrBlockState"]["State"] == "associated")
            return next((str(each["Ipv6CidrBlock"]) for each in ready), None)

        what = f"the IPv6 addresses of network {vpc_id}"
        return IPv6Network(wait_until(what, given, timeout_s=_BLOCK_S, clock=self.aws.clock))

    def _zones(self) -> list[str]:
        answer = self.aws.call(
            "ec2",
            "describe_availability_zones",
            # Local zones and Wavelength zones lack most services.
            Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}],
        )
        zones = answer["AvailabilityZones"]
        return sorted(str(zone["ZoneName"]) for zone in zones if zone.get("State", "available") == "available")

    def _empty(self, vpc_id: str) -> None:
        """Removes what Buildyard put there; what still runs there makes a Conflict."""
        for group in rules.described(self.aws, {"vpc-id": [vpc_id]}):
            if group["GroupName"] == "default":
                continue
            if tags.FIREWALL in tags.read(group):
                self._only_copy(group)
            self._remove("delete_security_group", GroupId=group["GroupId"])
        for subnet in self.subnets(vpc_id):
            self._remove("delete_subnet", SubnetId=subnet["SubnetId"])
        gateway_id = self._gateway(vpc_id)
        if gateway_id is not None:
            self._remove("detach_internet_gateway", VpcId=vpc_id, InternetGatewayId=gateway_id)
            self._remove("delete_internet_gateway", InternetGatewayId=gateway_id)

    def _only_copy(self, group: Mapping[str, Any]) -> None:
        """A firewall outlives a network only where another network holds it too."""
        name = tags.read(group)[tags.FIREWALL]
        copies = rules.described(self.aws, {f"tag:{tags.FIREWALL}": [name]})
        if not any(copy["VpcId"] != group["VpcId"] for copy in copies):
            raise Conflict(f"The firewall {name} is still in the network.", detail=f"firewall {name}")

    def _remove(self, operation: str, **parameters: str) -> None:
        try:
            self.aws.call("ec2", operation, repeatable=True, **parameters)
        except NotFound:
            return


def _network(vpc: Mapping[str, Any], region: str) -> Network:
    return Network(str(vpc["VpcId"]), tags.read(vpc)[tags.NETWORK], region, str(vpc["CidrBlock"]))
