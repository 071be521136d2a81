"""Keys to S3: users of IAM, one for each name, each with one policy that lets it into its buckets alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from providers.aws.calls import Aws
from providers.contract import BucketGrant, BucketKey, Permission
from state.clock import wait_until
from state.errors import Conflict, DeadlineExceeded, NotFound, Unavailable, UsageError
from state.secret import Secret

#: Users of ours are apart from the account's own.
_PATH = "/buildyard/"
_POLICY = "buckets"
#: docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: characters of a name, keys of a user.
_LONGEST, _MOST_KEYS = 64, 2
#: Seconds until a key made a moment ago is known everywhere.
_KNOWN_S = 60.0

_ON_BUCKET = ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads")
_ON_OBJECTS: Mapping[Permission, tuple[str, ...]] = {
    Permission.READ: ("s3:GetObject",),
    Permission.READ_WRITE: (
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    ),
}
_S3 = "arn:aws:s3:::"


def policy_of(grants: Iterable[BucketGrant]) -> dict[str, Any]:
    """The policy that says these grants and nothing else."""
    statements: list[dict[str, Any]] = []
    for grant in sorted(set(grants), key=lambda one: (one.bucket, one.permission)):
        if grant.permission is Permission.FULL:
            statements.append(_allow(("s3:*",), f"{_S3}*"))
            continue
        statements.append(_allow(_ON_BUCKET, f"{_S3}{grant.bucket}"))
        statements.append(_allow(_ON_OBJECTS[grant.permission], f"{_S3}{grant.bucket}/*"))
    return {"Version": "2012-10-17", "Statement": statements}


def grants_of(policy: Mapping[str, Any]) -> frozenset[BucketGrant]:
    """What a policy of ours grants; statements of other kinds grant nothing that anybody here asks for."""
    found = set()
    for statement in policy.get("Statement") or ():
        actions, resource = tuple(statement.get("Action") or ()), str(statement.get("Resource") or "")
        if actions == ("s3:*",) and resource == f"{_S3}*":
            found.add(BucketGrant("", Permission.FULL))
        for permission, theirs in _ON_OBJECTS.items():
            if actions == theirs:
                found.add(BucketGrant(resource.removeprefix(_S3).removesuffix("/*"), permission))
    return frozenset(found)


def _allow(actions: tuple[str, ...], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of buckets."""

    aws: Aws

    def create(self, name: str, grants: tuple[BucketGrant, ...]) -> tuple[str, Secret]:
        """A new key of the user of that name; older ones go.

        Raises:
            UsageError: the name is too long for a user.
        """
        if len(name) > _LONGEST:
            raise UsageError(f"IAM takes {_LONGEST} characters in a user's name: {name}.")
        with suppress(Conflict):
            self.aws.call("iam", "create_user", repeatable=True, UserName=name, Path=_PATH)
        document = json.dumps(policy_of(grants))
        self.aws.call("iam", "put_user_policy", UserName=name, PolicyName=_POLICY, PolicyDocument=document)
        old = self._of(name)
        for spare in old[: max(0, len(old) - _MOST_KEYS + 1)]:
            self._end(name, spare)
        made = self._make(name)
        for other in self._of(name):
            if other != made[0]:
                self._end(name, other)
        self._wait_until_known(*made)
        return made

    def of(self, name: str) -> tuple[BucketKey, ...]:
        """The keys of that user; none where there is no such user."""
        try:
            keys = self._of(name)
            policy = self.aws.call("iam", "get_user_policy", UserName=name, PolicyName=_POLICY)["PolicyDocument"]
        except NotFound:
            return ()
        return tuple(BucketKey(key, grants_of(policy)) for key in keys)

    def delete(self, access_key: str) -> None:
        """Removes a key, and its user with the last one."""
        for user in self.aws.listed("iam", "list_users", "Users", PathPrefix=_PATH):
            name = str(user["UserName"])
            try:
                keys = self._of(name)
            except NotFound:
                continue
            if access_key not in keys:
                continue
            self._end(name, access_key)
            if len(keys) == 1:
                with suppress(NotFound):
                    self.aws.call("iam", "delete_user_policy", UserName=name, PolicyName=_POLICY)
                with suppress(NotFound):
                    self.aws.call("iam", "delete_user", UserName=name)

    def _make(self, name: str) -> tuple[str, Secret]:
        # A secret is told once, in the create's answer: a key whose answer was lost is worthless and replaced.
        before = set(self._of(name))
        try:
            answer = self.aws.call("iam", "create_access_key", UserName=name)
        except Unavailable:
            for lost in set(self._of(name)) - before:
                self._end(name, lost)
            answer = self.aws.call("iam", "create_access_key", UserName=name)
        pair = str(answer["AccessKey"]["AccessKeyId"]), Secret(answer["AccessKey"]["SecretAccessKey"])
        self.aws.hide(pair[1])
        return pair

    def _of(self, name: str) -> list[str]:
        """The access keys of a user, the oldest first."""
        keys = self.aws.listed("iam", "list_access_keys", "AccessKeyMetadata", UserName=name)
        return [
            str(key["AccessKeyId"]) for key in sorted(keys, key=lambda key: (key["CreateDate"], key["AccessKeyId"]))
        ]

    def _end(self, name: str, access_key: str) -> None:
        with suppress(NotFound):
            self.aws.call("iam", "delete_access_key", UserName=name, AccessKeyId=access_key)

    def _wait_until_known(self, access_key: str, secret: Secret) -> None:
        """IAM tells its new keys to the other services over some seconds; a store that refuses one is no fault."""
        client = self.aws.client_for("sts", Secret(access_key), secret)

        def known() -> bool:
            try:
                client.get_caller_identity()
            except (ClientError, BotoCoreError):
                return False
            return True

        try:
            # Whoever uses it finds out anyway.
            with suppress(DeadlineExceeded):
                wait_until("a new key", known, timeout_s=_KNOWN_S, clock=self.aws.clock)
        finally:
            client.close()
