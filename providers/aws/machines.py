"""EC2's instances: made once, deleted, switched; and the SSH keys that open them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from providers.aws import prices, tags
from providers.aws.calls import LABEL, Aws
from providers.aws.codes import TokenSpent
from providers.aws.firewalls import ALIVE, Firewalls
from providers.aws.images import Images
from providers.aws.networks import Networks
from providers.contract import Machine, MachineSpec, MachineStatus, Size, SshKey
from state.clock import wait_until
from state.errors import Conflict, NotFound, UsageError

#: Seconds: a machine that starts or stops; a disk that must be written out first can take minutes.
_POWER_S = 600.0
#: Machines of one action that may have ended before another is made for it.
_TOKENS = 8
_STATUS = {
    "pending": MachineStatus.BUILDING,
    "running": MachineStatus.RUNNING,
    "stopping": MachineStatus.OFF,
    "stopped": MachineStatus.OFF,
}


@dataclass(frozen=True, slots=True)
class Machines:
    """The instances of an account in its region."""

    aws: Aws
    images: Images
    networks: Networks
    firewalls: Firewalls

    def sizes(self, region: str) -> tuple[Size, ...]:
        """Those whose price is known there and that EC2 has there."""
        if region != self.aws.region or not prices.known(region):
            return ()
        offered = self.aws.listed(
            "ec2",
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="region",
            Filters=[{"Name": "instance-type", "Values": sorted(prices.SHAPES)}],
        )
        found = []
        for name in {str(each["InstanceType"]) for each in offered} & set(prices.SHAPES):
            shape = prices.SHAPES[name]
            price = prices.per_month(region, shape)
            if price is not None:
                found.append(Size(name, shape.cpus, shape.memory_mib, shape.disk_gib, price, (region,)))
        return tuple(sorted(found, key=lambda size: (size.price_per_month, size.slug)))

    def create(self, spec: MachineSpec, action_tag: str) -> Machine:
        """Asks for a machine with all its firewalls, or adopts the one that carries ``action_tag``."""
        carried = tuple(dict.fromkeys((*spec.tags, action_tag)))
        tags.check_tags(carried)
        if spec.region != self.aws.region:
            raise UsageError(f"This access to {LABEL} is for {self.aws.region}, not for {spec.region}.")

        def find() -> Machine | None:
            return min(self.tagged(action_tag), key=lambda machine: (machine.created_at, machine.id), default=None)

        found = find()
        if found is not None:
            return found
        request = self._request(spec, carried)

        def make() -> Machine:
            for number in range(_TOKENS):
                try:
                    # One token, one machine: an answer that is lost and asked for again cannot make two.
                    answer = self.aws.call(
                        "ec2",
                        "run_instances",
                        repeatable=True,
                        ClientToken=_token(action_tag, request, number),
                        **request,
                    )
                except TokenSpent:
                    continue  # made, ended, and wanted once more
                return self._read(answer["Instances"][0])
            raise Conflict(f"{spec.name} was made and ended {_TOKENS} times by the same action.", hint="Build again.")

        made = self.aws.made(make, find, looked=True)
        # EC2's lists learn of it a little later.
        self.aws.appears(lambda: next((one for one in self.tagged(action_tag) if one.id == made.id), None))
        return made

    def tagged(self, tag: str) -> tuple[Machine, ...]:
        """All machines with that tag; those on their end are none any more."""
        reservations = self.aws.listed(
            "ec2",
            "describe_instances",
            "Reservations",
            Filters=[
                {"Name": "tag-key", "Values": [tags.key_of(tag)]},
                {"Name": "instance-state-name", "Values": list(ALIVE)},
            ],
        )
        return tuple(self._read(body) for reservation in reservations for body in reservation["Instances"])

    def one(self, machine_id: str) -> Machine:
        """Raises NotFound, also when it is on its end."""
        return self._read(self._instance(machine_id))

    def delete(self, machine_id: str) -> None:
        """Ends it with its disk."""
        try:
            self.aws.call("ec2", "terminate_instances", InstanceIds=[machine_id])
        except NotFound:
            return

    def power(self, machine_id: str, operation: str, state: str) -> None:
        """Does a power action, repeated until the machine has that state."""

        def reached() -> bool:
            found = self._instance(machine_id)["State"]["Name"]
            if found == state:
                return True
            if found in ("running", "stopped"):
                try:
                    self.aws.call("ec2", operation, InstanceIds=[machine_id])
                except Conflict:
                    return False  # it changed meanwhile: look again
            return False

        wait_until(
            f"machine {machine_id} to be {state}", reached, timeout_s=_POWER_S, clock=self.aws.clock, longest_s=5.0
        )

    # SSH keys

    def ensure_key(self, name: str, public_key: str) -> SshKey:
        """The key of that name, replaced where it is another's."""
        wanted = public_key.split()[:2]

        def find() -> SshKey | None:
            return next((key for key in self.keys(name) if key.name == name), None)

        def make() -> SshKey:
            answer = self.aws.call(
                "ec2", "import_key_pair", KeyName=name, PublicKeyMaterial=" ".join(wanted).encode("ascii", "replace")
            )
            return SshKey(str(answer["KeyPairId"]), name, " ".join(wanted))

        standing = find()
        if standing is not None and standing.public_key.split()[:2] != wanted:
            self.delete_key(standing.id)
            standing = None
        return standing or self.aws.made(make, find, looked=True)

    def keys(self, name_prefix: str) -> tuple[SshKey, ...]:
        """Those whose names begin so."""
        listed = self.aws.listed("ec2", "describe_key_pairs", "KeyPairs", IncludePublicKey=True)
        # What stands behind the key is a comment that EC2 writes.
        keys = (
            SshKey(str(each["KeyPairId"]), each["KeyName"], " ".join((each.get("PublicKey") or "").split()[:2]))
            for each in listed
        )
        return tuple(key for key in keys if key.name.startswith(name_prefix))

    def delete_key(self, key_id: str) -> None:
        """Removes it; one that is gone is no error."""
        try:
            self.aws.call("ec2", "delete_key_pair", KeyPairId=key_id)
        except NotFound:
            return

    def _key_name(self, key_ids: tuple[str, ...]) -> dict[str, str]:
        if not key_ids:
            return {}
        # EC2 takes one; the user data holds the same keys.
        answer = self.aws.call("ec2", "describe_key_pairs", KeyPairIds=[key_ids[0]])
        return {"KeyName": str(answer["KeyPairs"][0]["KeyName"])}

    def _request(self, spec: MachineSpec, carried: tuple[str, ...]) -> dict[str, Any]:
        image = self.images.source(spec.image)
        shape = prices.SHAPES.get(spec.size)
        interface: dict[str, Any] = {
            "DeviceIndex": 0,
            "SubnetId": self.networks.subnet_for(spec.network_id, spec.size),
            "AssociatePublicIpAddress": True,
            "Ipv6AddressCount": 1,
            "DeleteOnTermination": True,
        }
        # In the create itself: a machine is never without its firewalls. Without any it has the network's default
        # group, which lets nothing in.
        groups = self.firewalls.groups_for(carried, spec.network_id)
        if groups:
            interface["Groups"] = groups
        disk = {
            "VolumeSize": max(shape.disk_gib if shape else 0, image.least_gib) or 20,
            "VolumeType": "gp3",
            "DeleteOnTermination": True,
        }
        pairs = [*tags.written(carried), *tags.pairs({"Name": spec.name})]
        request: dict[str, Any] = {
            "ImageId": image.id,
            "InstanceType": spec.size,
            "MinCount": 1,
            "MaxCount": 1,
            "UserData": spec.user_data,
            "NetworkInterfaces": [interface],
            "BlockDeviceMappings": [{"DeviceName": image.root, "Ebs": disk}],
            # IMDSv2 only, and no further than the machine itself.
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
            "TagSpecifications": [
                *tags.specification("instance", pairs),
                *tags.specification("volume", pairs),
                *tags.specification("network-interface", pairs),
            ],
            **self._key_name(spec.ssh_key_ids),
        }
        if spec.size.startswith("t"):
            # "unlimited", the default of newer types, would bill for more than the price shown.
            request["CreditSpecification"] = {"CpuCredits": "standard"}
        return request

    def _instance(self, machine_id: str) -> Mapping[str, Any]:
        answer = self.aws.call("ec2", "describe_instances", InstanceIds=[machine_id])
        found = [each for reservation in answer["Reservations"] for each in reservation["Instances"]]
        if not found or found[0]["State"]["Name"] not in ALIVE:
            raise NotFound(f"{LABEL} has no such machine.", detail=machine_id)
        return dict(found[0])

    def _read(self, body: Mapping[str, Any]) -> Machine:
        interface: Mapping[str, Any] = next(iter(body.get("NetworkInterfaces") or ()), {})
        six = [each["Ipv6Address"] for each in interface.get("Ipv6Addresses") or ()]
        shape = prices.SHAPES.get(body["InstanceType"])
        price = prices.per_month(self.aws.region, shape) if shape else None
        # The launch time is that of the last start; the network interface is there from the first.
        created = (interface.get("Attachment") or {}).get("AttachTime") or body.get("LaunchTime")
        return Machine(
            id=str(body["InstanceId"]),
            name=tags.read(body).get("Name", ""),
            status=_STATUS.get(body["State"]["Name"], MachineStatus.OFF),
            region=self.aws.region,
            size=str(body["InstanceType"]),
            tags=tags.words(body),
            public_ipv4=body.get("PublicIpAddress") or "",
            public_ipv6=body.get("Ipv6Address") or next(iter(six), ""),
            private_ipv4=body.get("PrivateIpAddress") or "",
            price_per_month=price or Decimal(0),
            created_at=created.strftime("%Y-%m-%dT%H:%M:%SZ") if created else "",
        )


def _token(action_tag: str, request: Mapping[str, Any], number: int) -> str:
    """The client token (64 characters at most) of a machine.

    EC2 takes a token once, with one request: a deployment that is built again after it was destroyed asks for
    another machine (its network is another) by the same tag.
    """
    text = json.dumps([action_tag, request, number], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
