"""AWS's error codes as kinds of our error tree.

Sources: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html, the services' lists of "Common errors",
and botocore's own list of what is throttling.
"""

from __future__ import annotations

import re

from providers.refusals import Busy, Forbidden, Limited
from state.errors import Conflict, NotFound, ProviderError, Unauthorized


class TokenSpent(Conflict):
    """The client token belongs to a machine that is terminated: another token makes a new one."""


_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
_UNAUTHORIZED = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "OptInRequired",
        "PendingVerification",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})
#: The clock of this machine is wrong, or the request was long on its way.
_SKEWED = frozenset({"RequestExpired", "RequestTimeTooSkewed", "InvalidSignatureException"})
_CONFLICT = re.compile(
    r"\.(Duplicate|Conflict)$|AlreadyExists|AlreadyAssociated|AlreadyExistsFault$|^DependencyViolation$|InUse|^IncorrectState$"
    r"|^IncorrectInstanceState$|^InvalidDBInstanceState|^DeleteConflict$|^IdempotentParameterMismatch$"
    r"|^ConcurrentModification|^MountTargetConflict$|^IncorrectFileSystemLifeCycleState$|^InvalidDBSubnetGroupState"
)
#: An id that has not even the form of one is the id of nothing.
_NOT_FOUND = re.compile(r"NotFound|^NoSuch|^InvalidAMIID\.(Unavailable|Malformed)$|Id\.Malformed$|ID\.Malformed$")
_QUOTA = re.compile(r"LimitExceeded|QuotaExceeded|^TooMany")
_FULL = frozenset({"InsufficientInstanceCapacity", "InsufficientDBInstanceCapacity", "Unsupported"})

_CLOCK_HINT = "Check the clock of this machine: AWS refuses requests whose time is wrong."
_QUOTA_HINT = "Remove what is not needed, or ask for more under Service Quotas in the AWS console."
_FULL_HINT = "Choose another size or region, or try again later."
#: In place of :data:`providers.refusals.HINTS`, which speak of a token.
HINTS: dict[type[ProviderError], str] = {
    Unauthorized: "Make a new access key under IAM in the AWS console and give it with: buildyard new",
    Forbidden: "Give the key's user the right named above, or the policy AdministratorAccess.",
}


def kind_of(code: str, status: int) -> tuple[type[ProviderError], str]:
    """What an error code is to us, with what the user can do.

    Args:
        code: as AWS gives it, such as ``DependencyViolation``.
        status: HTTP status of the answer.
    """
    if code in _THROTTLED or status == 429:
        return Limited, ""
    if code in _SKEWED:
        return Unauthorized, _CLOCK_HINT
    if code in _UNAUTHORIZED or status == 401:
        return Unauthorized, ""
    if code in _FORBIDDEN or status == 403:
        return Forbidden, ""
    if code in _FULL:  # comes as 500, and asking again at once does not help
        return ProviderError, _FULL_HINT
    if code == "IdempotentInstanceTerminated":
        return TokenSpent, ""
    if _CONFLICT.search(code) or status == 409:
        return Conflict, ""
    if _NOT_FOUND.search(code) or status == 404:
        return NotFound, ""
    if _QUOTA.search(code):
        return ProviderError, _QUOTA_HINT
    if status >= 500 or code in ("RequestTimeout", "RequestTimeoutException"):
        return Busy, ""
    return ProviderError, ""
