"""AWS."""

from __future__ import annotations

import re
from typing import Any

from providers.pasted import pasted
from providers.vendor import Vendor
from state.questions import AnswerKind, Question


def _check_key(value: Any) -> str:
    # docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html: 16 to 128 word characters.
    if not re.fullmatch(r"\w{16,128}", str(value), re.ASCII):
        return "Paste the access key id as the console shows it: AKIA and 16 more digits and capital letters."
    return ""


VENDOR = Vendor(
    name="aws",
    label="AWS",
    about="EC2, VPC, RDS, EFS, S3 and Route 53.",
    questions=(
        Question(
            key="aws.key",
            label="AWS access key id",
            help="Buildyard makes machines, networks, DNS records and users for buckets with it. Make it in the "
            "console under IAM, Users, Security credentials, for a user with AdministratorAccess. "
            "Example: AKIA and 16 digits and letters.",
            kind=AnswerKind.SECRET,
            check=_check_key,
        ),
        Question(
            key="aws.secret",
            label="AWS secret access key",
            help="The other half of the access key. It stays with the secrets, never in the answers. "
            "Example: 40 letters, digits and signs, shown once when the key is made.",
            kind=AnswerKind.SECRET,
            check=pasted(40, "Paste the whole secret access key: 40 characters, shown once when the key is made."),
        ),
    ),
    driver="providers.aws.driver",
    from_usd_per_month=26,
    price_seen="2025-03-02",
)
