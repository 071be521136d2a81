"""What AWS does and moto does not: things that come and go slowly, and refusals of what is in use.

Sources: docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html and ec2-api-idempotency.html, the list of
EC2's error codes, the user guides of RDS and EFS for their states.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

_OK = SimpleNamespace(status_code=200)
_MOST_RULES, _MOST_GROUPS = 60, 5


def _refusal(code: str, message: str, operation: str, status: int = 400) -> ClientError:
    told = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, operation)  # type: ignore[arg-type]


class Habits:
    """Between the driver and moto.

    Args:
        look: gives an unwatched client of a service.
    """

    #: Looks that a thing takes from one state to the next.
    LOOKS = 2

    def __init__(self, look: Callable[[str], Any]) -> None:
        self._look = look
        self._hidden: Counter[str] = Counter()
        self._moving: dict[str, tuple[str, int]] = {}
        self._leaving: dict[str, tuple[set[str], int]] = {}
        self._tokens: dict[str, tuple[str, str]] = {}
        self._addresses: dict[str, str] = {}
        self._new_keys = 0
        self.never_ready: set[str] = set()

    # The request

    def adapted(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """What moto cannot take is taken out."""
        if operation == "CreateImage":
            kept = [each for each in params["TagSpecifications"] if each["ResourceType"] == "image"]
            return {**params, "TagSpecifications": kept}
        if operation in ("DeleteKeyPair", "DescribeKeyPairs"):
            return self._by_name(operation, params)
        return params

    def _by_name(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """moto knows keys by their names only."""
        names = {each["KeyPairId"]: each["KeyName"] for each in self._look("ec2").describe_key_pairs()["KeyPairs"]}
        if operation == "DeleteKeyPair":
            return {"KeyName": names.get(params["KeyPairId"], "none")}
        ids = params.pop("KeyPairIds", [])
        if any(each not in names for each in ids):
            raise _refusal("InvalidKeyPair.NotFound", f"The key pair {ids} does not exist", operation)
        return {**params, "KeyNames": [names[each] for each in ids]} if ids else params

    def before(self, operation: str, params: Mapping[str, Any]) -> Any:
        """Refuses, or answers in moto's place, or gives None: moto is asked."""
        rule = getattr(self, f"_before_{operation}", None)
        return rule(operation, params) if rule else None

    def new_key_is_known(self, operation: str) -> None:
        """IAM tells a new key to others only after a while."""
        self._new_keys += 1
        if self._new_keys % 3:
            raise _refusal(
                "InvalidClientTokenId", "The security token included in the request is invalid.", operation, 403
            )

    def _before_RunInstances(self, operation: str, params: Mapping[str, Any]) -> Any:
        asked = {key: value for key, value in params.items() if key != "ClientToken"}
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
        token = params.get("ClientToken", "")
        if token in self._tokens:
            known_digest, machine_id = self._tokens[token]
            if known_digest != digest:
                raise _refusal("IdempotentParameterMismatch", "Arguments on this idempotent request differ", operation)
            found = self._look("ec2").describe_instances(InstanceIds=[machine_id])["Reservations"][0]["Instances"]
            if found[0]["State"]["Name"] == "terminated":
                raise _refusal("IdempotentInstanceTerminated", "The instance has been terminated", operation)
            answer = {"Instances": found}
            self._dress(found[0])
            return _OK, answer
        if not self._look("ec2").describe_images(Filters=[{"Name": "image-id", "Values": [params["ImageId"]]}])[
            "Images"
        ]:
            raise _refusal("InvalidAMIID.NotFound", f"The image id '[{params['ImageId']}]' does not exist", operation)
        interface = params["NetworkInterfaces"][0]
        groups = interface.get("Groups") or []
        if len(groups) > _MOST_GROUPS:
            raise _refusal("SecurityGroupsPerInterfaceLimitExceeded", "too many groups", operation)
        network = self._look("ec2").describe_subnets(SubnetIds=[interface["SubnetId"]])["Subnets"][0]["VpcId"]
        if groups:
            found = self._look("ec2").describe_security_groups(GroupIds=groups)["SecurityGroups"]
            if {group["VpcId"] for group in found} != {network}:
                raise _refusal("InvalidParameter", "Security group and subnet belong to different networks", operation)
        return None

    def _before_StopInstances(self, operation: str, params: Mapping[str, Any]) -> None:
        if self._moving.get(params["InstanceIds"][0], ("", 0))[0] == "pending":
            self._move(params["InstanceIds"][0])
            raise _refusal(
                "IncorrectInstanceState", "The instance is not in a state from which it can be stopped", operation
            )

    def _before_StartInstances(self, operation: str, params: Mapping[str, Any]) -> None:
        if self._moving.get(params["InstanceIds"][0], ("", 0))[0] == "stopping":
            raise _refusal(
                "IncorrectInstanceState", "The instance is not in a state from which it can be started", operation
            )

    def _before_CreateImage(self, operation: str, params: Mapping[str, Any]) -> None:
        self._before_StopInstances(operation, {"InstanceIds": [params["InstanceId"]]})
        names = [each.get("Name") for each in self._look("ec2").describe_images(Owners=["self"])["Images"]]
        if params["Name"] in names:
            raise _refusal("InvalidAMIName.Duplicate", "AMI name is already in use", operation)

    def _before_AuthorizeSecurityGroupIngress(self, operation: str, params: Mapping[str, Any]) -> None:
        group = self._look("ec2").describe_security_groups(GroupIds=[params["GroupId"]])["SecurityGroups"][0]
        for items in ("IpRanges", "Ipv6Ranges"):
            counted = [*group["IpPermissions"], *params["IpPermissions"]]
            if sum(len(body.get(items) or ()) for body in counted) > _MOST_RULES:
                raise _refusal("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules", operation)

    def _before_DeleteSecurityGroup(self, operation: str, params: Mapping[str, Any]) -> None:
        group_id = params["GroupId"]
        users = self._look("ec2").describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group_id]}])
        databases = self._look("rds").describe_db_instances()["DBInstances"]
        held = {group["VpcSecurityGroupId"] for body in databases for group in body["VpcSecurityGroups"]}
        if users["NetworkInterfaces"] or group_id in held or self._still_leaving(group_id):
            raise _refusal("DependencyViolation", f"resource {group_id} has a dependent object", operation)

    def _before_DeleteSubnet(self, operation: str, params: Mapping[str, Any]) -> None:
        subnet_id = params["SubnetId"]
        users = self._look("ec2").describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet_id]}])
        if users["NetworkInterfaces"] or self._still_leaving(subnet_id):
            raise _refusal("DependencyViolation", f"The subnet '{subnet_id}' has dependencies", operation)

    def _before_DetachInternetGateway(self, operation: str, params: Mapping[str, Any]) -> None:
        users = self._look("ec2").describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [params["VpcId"]]}])
        if any(each.get("Association") for each in users["NetworkInterfaces"]):
            raise _refusal("DependencyViolation", "Network has some mapped public address(es)", operation)

    def _before_DeleteVpc(self, operation: str, params: Mapping[str, Any]) -> None:
        inside = [{"Name": "vpc-id", "Values": [params["VpcId"]]}]
        ec2 = self._look("ec2")
        groups = ec2.describe_security_groups(Filters=inside)["SecurityGroups"]
        if (
            ec2.describe_subnets(Filters=inside)["Subnets"]
            or any(group["GroupName"] != "default" for group in groups)
            or ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [params["VpcId"]]}])[
                "InternetGateways"
            ]
        ):
            raise _refusal("DependencyViolation", f"The vpc '{params['VpcId']}' has dependencies", operation)

    def _before_CreateDBSubnetGroup(self, operation: str, params: Mapping[str, Any]) -> None:
        subnets = self._look("ec2").describe_subnets(SubnetIds=params["SubnetIds"])["Subnets"]
        if len({subnet["AvailabilityZone"] for subnet in subnets}) < 2:
            raise _refusal("DBSubnetGroupDoesNotCoverEnoughAZs", "at least 2 availability zones", operation)

    def _before_ModifyDBInstance(self, operation: str, params: Mapping[str, Any]) -> None:
        if self._moving.get(params["DBInstanceIdentifier"], ("", 0))[0] == "creating":
            raise _refusal("InvalidDBInstanceState", "the instance is being made", operation)

    def _before_DeleteDBInstance(self, operation: str, params: Mapping[str, Any]) -> Any:
        name = params["DBInstanceIdentifier"]
        state = self._moving.get(name, ("", 0))[0]
        if state:
            raise _refusal("InvalidDBInstanceState", f"Instance {name} is {state}.", operation)
        found = self._look("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        self._moving[name] = ("deleting", self.LOOKS)
        return _OK, {"DBInstance": {**found, "DBInstanceStatus": "deleting"}}

    def _before_DescribeDBInstances(self, operation: str, params: Mapping[str, Any]) -> None:
        for name, (state, left) in list(self._moving.items()):
            if state == "deleting" and not left:
                self._look("rds").delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
                del self._moving[name]

    def _before_CreateHostedZone(self, operation: str, params: Mapping[str, Any]) -> None:
        zones = self._look("route53").list_hosted_zones()["HostedZones"]
        if params["CallerReference"] in {zone["CallerReference"] for zone in zones}:
            raise _refusal("HostedZoneAlreadyExists", "A hosted zone has already been created", operation, 409)

    def _before_CreateMountTarget(self, operation: str, params: Mapping[str, Any]) -> None:
        if params["FileSystemId"] in self._moving:
            raise _refusal("IncorrectFileSystemLifeCycleState", "the file system is not available", operation, 409)

    def _still_leaving(self, thing: str) -> bool:
        for machine_id, (things, left) in list(self._leaving.items()):
            if thing in things:
                if left:
                    self._leaving[machine_id] = (things, left - 1)
                else:
                    del self._leaving[machine_id]
                return bool(left)
        return False

    # The answer

    def after(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        """Makes of moto's answer the one AWS would give."""
        rule = getattr(self, f"_after_{operation}", None)
        if rule:
            rule(operation, params, parsed)

    def _after_RunInstances(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        body = parsed["Instances"][0]
        machine_id = body["InstanceId"]
        asked = {key: value for key, value in params.items() if key != "ClientToken"}
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
        self._tokens.setdefault(params.get("ClientToken", ""), (digest, machine_id))
        if params["NetworkInterfaces"][0].get("Ipv6AddressCount"):
            self._addresses[machine_id] = f"2001:db8::{len(self._addresses) + 1:x}"
        self._moving.setdefault(machine_id, ("pending", self.LOOKS))
        self._hidden.setdefault(machine_id, 1)
        self._dress(body)

    def remember_lost(self, params: Mapping[str, Any], machine_id: str) -> None:
        """A machine whose answer never came: EC2 knows its token all the same."""
        self._after_RunInstances("", params, {"Instances": [{"InstanceId": machine_id, "State": {}}]})

    def _after_DescribeInstances(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        for reservation in parsed["Reservations"]:
            shown = []
            for body in reservation["Instances"]:
                machine_id = body["InstanceId"]
                if self._hidden[machine_id]:
                    self._hidden[machine_id] -= 1
                    if params.get("InstanceIds"):
                        raise _refusal("InvalidInstanceID.NotFound", f"'{machine_id}' does not exist", operation)
                    continue
                self._dress(body)
                self._move(machine_id)
                shown.append(body)
            reservation["Instances"] = shown

    def _dress(self, body: dict[str, Any]) -> None:
        machine_id = body["InstanceId"]
        if machine_id in self._addresses:
            for interface in body.get("NetworkInterfaces") or ():
                interface["Ipv6Addresses"] = [{"Ipv6Address": self._addresses[machine_id], "IsPrimaryIpv6": False}]
        state = self._moving.get(machine_id, ("", 0))[0]
        if state and body["State"].get("Name") != "terminated":
            body["State"] = {"Code": 0, "Name": state}
            if state == "pending":
                body.pop("PublicIpAddress", None)

    def _move(self, thing: str) -> None:
        if thing in self._moving and thing not in self.never_ready:
            state, left = self._moving[thing]
            if left:
                self._moving[thing] = (state, left - 1)
            elif state != "deleting":
                del self._moving[thing]

    def _after_StopInstances(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        self._moving[params["InstanceIds"][0]] = ("stopping", self.LOOKS)

    def _after_StartInstances(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        self._moving[params["InstanceIds"][0]] = ("pending", self.LOOKS)

    def _before_TerminateInstances(self, operation: str, params: Mapping[str, Any]) -> Any:
        machine_id = params["InstanceIds"][0]
        looked = self._look("ec2").describe_instances(Filters=[{"Name": "instance-id", "Values": [machine_id]}])
        for reservation in looked["Reservations"]:
            for interface in reservation["Instances"][0].get("NetworkInterfaces") or ():
                things = {interface["SubnetId"], *(group["GroupId"] for group in interface["Groups"])}
                self._leaving[machine_id] = (things, self.LOOKS)
            if reservation["Instances"][0]["State"]["Name"] == "terminated":
                return _OK, {"TerminatingInstances": []}  # moto looks for its network interface once more
        return None

    def _after_CreateImage(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        self._moving[parsed["ImageId"]] = ("pending", self.LOOKS)

    def _after_DescribeImages(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        for body in parsed["Images"]:
            body["State"] = self._moving.get(body["ImageId"], (body["State"], 0))[0]
            self._move(body["ImageId"])

    def _after_CreateVpc(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        network_id = parsed["Vpc"]["VpcId"]
        self._hidden[network_id] = 1
        self._moving[network_id] = ("associating", 1)

    def _after_DescribeVpcs(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        shown = []
        for body in parsed["Vpcs"]:
            network_id = body["VpcId"]
            if self._hidden[network_id]:
                self._hidden[network_id] -= 1
                continue
            for block in body.get("Ipv6CidrBlockAssociationSet") or ():
                if network_id in self._moving:
                    block["Ipv6CidrBlockState"]["State"] = "associating"
            self._move(network_id)
            shown.append(body)
        parsed["Vpcs"] = shown

    def _after_CreateDBInstance(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        self._moving[params["DBInstanceIdentifier"]] = ("creating", self.LOOKS)
        parsed["DBInstance"]["DBInstanceStatus"] = "creating"
        parsed["DBInstance"].pop("Endpoint", None)

    def _after_DescribeDBInstances(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        for body in parsed["DBInstances"]:
            name = body["DBInstanceIdentifier"]
            if name in self._moving:
                body["DBInstanceStatus"] = self._moving[name][0]
                if body["DBInstanceStatus"] == "creating":
                    body.pop("Endpoint", None)
                self._move(name)

    def _after_CreateFileSystem(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        self._moving[parsed["FileSystemId"]] = ("creating", 1)

    def _after_DescribeFileSystems(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        for body in parsed["FileSystems"]:
            if body["FileSystemId"] in self._moving:
                body["LifeCycleState"] = "creating"
                self._move(body["FileSystemId"])

    def _after_CreateMountTarget(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        self._moving[parsed["MountTargetId"]] = ("creating", 1)

    def _after_DescribeMountTargets(self, operation: str, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        for body in parsed["MountTargets"]:
            if body["MountTargetId"] in self._moving:
                body["LifeCycleState"] = "creating"
                self._move(body["MountTargetId"])
