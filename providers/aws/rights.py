"""Whose access key this is, and which rights it lacks."""

from __future__ import annotations

from typing import Any

from providers.aws.calls import Aws
from providers.contract import Account
from providers.refusals import Forbidden
from state.errors import ProviderError

#: Right, what it is for, and a call that shows it. What EC2 would do with ``DryRun`` it says without doing it; other
#: services have no such question: of them only reading is tried.
_TRIED: tuple[tuple[str, str, str, str, dict[str, Any]], ...] = (
    ("ec2:DescribeInstances", "to see machines", "ec2", "describe_instances", {"MaxResults": 5}),
    ("ec2:DescribeRegions", "to choose a region", "ec2", "describe_regions", {}),
    ("ec2:DescribeImages", "to find Debian and Ubuntu", "ec2", "describe_images", {"Owners": ["self"]}),
    ("ec2:DescribeVpcs", "to see networks", "ec2", "describe_vpcs", {}),
    ("ec2:DescribeSecurityGroups", "to see firewalls", "ec2", "describe_security_groups", {"MaxResults": 5}),
    ("ec2:DescribeKeyPairs", "to see SSH keys", "ec2", "describe_key_pairs", {}),
    ("ec2:CreateVpc", "to make the network", "ec2", "create_vpc", {"CidrBlock": "10.96.0.0/16", "DryRun": True}),
    ("ec2:CreateInternetGateway", "to make the network", "ec2", "create_internet_gateway", {"DryRun": True}),
    ("route53:ListHostedZones", "to see DNS zones", "route53", "list_hosted_zones", {}),
    ("iam:ListUsers", "to see keys of buckets", "iam", "list_users", {"PathPrefix": "/buildyard/"}),
    ("rds:DescribeDBInstances", "to see managed databases", "rds", "describe_db_instances", {}),
    ("elasticfilesystem:DescribeFileSystems", "to see shared files", "efs", "describe_file_systems", {}),
)


def account(aws: Aws) -> Account:
    """The account's number and the rights that are missing, each with what it is for.

    Raises:
        Unauthorized: the key does not work.
    """
    identity = aws.call("sts", "get_caller_identity")
    missing = []
    for right, purpose, service, operation, parameters in _TRIED:
        try:
            aws.call(service, operation, repeatable=True, **parameters)
        except Forbidden:
            missing.append(f"{right} ({purpose})")
        except ProviderError as error:
            # A dry run that would have worked says so as an error.
            if "DryRunOperation" not in error.detail:
                raise
    user = str(identity["Arn"]).rpartition(":")[2]
    return Account(name=f"{identity['Account']}, {user}", status="active", missing_rights=tuple(missing))
