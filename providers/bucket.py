"""A bucket of any S3 store: files, and values changed by compare-and-set."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import botocore.session
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, SSLError

from state.errors import Conflict, HostError, NotFound, ProviderError, RateLimited, Unauthorized, Unavailable
from state.secret import Redactor, Secret

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Seconds to connect, and between two bytes of a file or of a small value; botocore knows no whole-request limit.
_CONNECT_S, _READ_S, _READ_VALUE_S = 10, 60, 20

_MIB = 1024 * 1024
#: Few threads: the machines this runs on are small. Parts of 16 MiB allow objects of 160 GiB (10,000 parts).
_TRANSFER = TransferConfig(multipart_threshold=16 * _MIB, multipart_chunksize=16 * _MIB, max_concurrency=3)


class Bucket:
    """One bucket; safe to use from several threads.

    Args:
        endpoint_url: ``https://…`` of the store, without the bucket.
        region: as the store names it; ``us-east-1`` where it has none.
        access_key, secret_key: its credentials.
        name: the bucket's.
        ca_pem_file: the only authority trusted, None for the system's.
    """

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        access_key: str,
        secret_key: Secret,
        name: str,
        ca_pem_file: Path | None = None,
    ) -> None:
        self.name = name
        self._endpoint_url = endpoint_url
        self._region = region
        self._redact = Redactor([secret_key])
        self._s3 = self._client(access_key, secret_key, ca_pem_file, attempts=4, read_s=_READ_S)
        # A conditional write repeated after a lost answer would meet its own success and call it a defeat.
        self._once = self._client(access_key, secret_key, ca_pem_file, attempts=1, read_s=_READ_VALUE_S)

    def _client(
        self, access_key: str, secret_key: Secret, ca_pem_file: Path | None, *, attempts: int, read_s: int
    ) -> S3Client:
        if ca_pem_file is not None and not ca_pem_file.is_file():
            raise HostError("The authority's certificate for the object store is missing.", detail=str(ca_pem_file))
        # The user's own ~/.aws and AWS_PROFILE are for other things.
        core = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        config = Config(
            connect_timeout=_CONNECT_S,
            read_timeout=read_s,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            # Newer checksums by default break stores other than Amazon's.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            proxies={} if ca_pem_file else None,
        )
        return boto3.session.Session(botocore_session=core).client(
            "s3",
            endpoint_url=self._endpoint_url,
            region_name=self._region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key.reveal(),
            verify=str(ca_pem_file) if ca_pem_file else None,
            config=config,
        )

    def ensure(self) -> bool:
        """Makes the bucket unless it is there.

        Returns:
            Whether it was made now.

        Raises:
            Conflict: somebody else has a bucket of that name.
        """
        with self._wrapped("look for the bucket"):
            try:
                self._s3.head_bucket(Bucket=self.name)
                return False
            except ClientError as error:
                if _status(error) != 404:
                    raise
        with self._wrapped("make the bucket"):
            try:
                if self._region == "us-east-1":
                    self._s3.create_bucket(Bucket=self.name)
                else:
                    where = {"LocationConstraint": self._region}
                    self._s3.create_bucket(Bucket=self.name, CreateBucketConfiguration=where)  # type: ignore[arg-type]
            except ClientError as error:
                if _code(error) != "BucketAlreadyOwnedByYou":
                    raise
                return False
        return True

    def get(self, key: str, *, once: bool = False) -> tuple[bytes, str] | None:
        """The object and its ETag, None when there is none.

        Args:
            once: asks once and waits briefly, for whom a late answer is worth nothing.
        """
        with self._wrapped(f"read {key}"):
            try:
                answer = (self._once if once else self._s3).get_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if _code(error) in ("NoSuchKey", "404"):
                    return None
                raise
            return answer["Body"].read(), answer["ETag"]

    def put(self, key: str, data: bytes) -> str:
        """Writes the object, whatever is there, and gives its ETag."""
        with self._wrapped(f"write {key}"):
            return self._s3.put_object(Bucket=self.name, Key=key, Body=data)["ETag"]

    def put_if_absent(self, key: str, data: bytes) -> str | None:
        """Writes the object if none is there; its ETag, or None when there is one.

        Raises:
            Unavailable: no answer; it was written or not: read it to know.
        """
        with self._wrapped(f"write {key}"):
            try:
                return self._once.put_object(Bucket=self.name, Key=key, Body=data, IfNoneMatch="*")["ETag"]
            except ClientError as error:
                return self._lost_race(error)

    def put_if_match(self, key: str, data: bytes, etag: str) -> str | None:
        """Writes the object if it still is the one with ``etag``; its new ETag, or None when it is not.

        Raises:
            Unavailable: no answer; it was written or not: read it to know.
        """
        with self._wrapped(f"write {key}"):
            try:
                return self._once.put_object(Bucket=self.name, Key=key, Body=data, IfMatch=etag)["ETag"]
            except ClientError as error:
                return self._lost_race(error)

    def delete(self, key: str) -> None:
        """Removes the object; one that is gone is no error."""
        with self._wrapped(f"delete {key}"):
            self._s3.delete_object(Bucket=self.name, Key=key)

    def keys(self, prefix: str = "") -> tuple[str, ...]:
        """All keys that begin so, sorted."""
        with self._wrapped("list the bucket"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            return tuple(sorted(item["Key"] for page in pages for item in page.get("Contents", ())))

    def upload_file(self, key: str, path: Path) -> None:
        """Writes a file of any size, in parts."""
        with self._wrapped(f"upload {key}"):
            self._s3.upload_file(str(path), self.name, key, Config=_TRANSFER)

    def download_file(self, key: str, path: Path) -> None:
        """Reads an object of any size into a file, which appears only when it is whole.

        Raises:
            NotFound: there is no such object.
        """
        with self._wrapped(f"download {key}"):
            self._s3.download_file(self.name, key, str(path), Config=_TRANSFER)

    def presigned_get(self, key: str, expires_s: int) -> Secret:
        """An address by which anybody can read the object for a while; therefore a secret."""
        with self._wrapped(f"sign {key}"):
            return Secret(
                self._s3.generate_presigned_url(
                    "get_object", Params={"Bucket": self.name, "Key": key}, ExpiresIn=expires_s
                )
            )

    def delete_bucket(self) -> None:
        """Removes the bucket with all it holds; one that is gone is no error."""
        with self._wrapped("delete the bucket"), suppress(self._s3.exceptions.NoSuchBucket):
            for uploads in self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.name):
                for upload in uploads.get("Uploads", ()):
                    self._s3.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name):
                for item in page.get("Contents", ()):
                    self._s3.delete_object(Bucket=self.name, Key=item["Key"])
            self._s3.delete_bucket(Bucket=self.name)

    def probe_compare_and_set(self) -> bool:
        """Whether the store honours If-None-Match and If-Match, tried on an object of its own.

        A store that takes such a write although the condition is false would let two runs hold one lease.
        """
        key = f"probe/{uuid.uuid4()}"
        try:
            first = self.put_if_absent(key, b"1")
            if first is None or self.put_if_absent(key, b"2") is not None:
                return False
            second = self.put_if_match(key, b"3", first)
            return second is not None and self.put_if_match(key, b"4", first) is None
        except (Unauthorized, NotFound, Unavailable, RateLimited):
            raise
        except ProviderError:
            return False  # the store refuses conditions altogether
        finally:
            with suppress(ProviderError):
                self.delete(key)

    def close(self) -> None:
        """Ends its connections."""
        self._s3.close()
        self._once.close()

    @staticmethod
    def _lost_race(error: ClientError) -> None:
        # 412: the condition is false; 409: another write at this moment; 404: If-Match on what is gone.
        if _code(error) == "NoSuchBucket" or _status(error) not in (404, 409, 412):
            raise error

    @contextmanager
    def _wrapped(self, what: str) -> Iterator[None]:
        """Turns the libraries' errors into ours."""
        try:
            yield
        except ClientError as error:
            raise self._refused(error, what) from error
        except SSLError as error:
            raise Unavailable(
                "The certificate of the object store is not trusted; nothing was sent.",
                detail=self._detail(what, error),
                hint="Check the clock of this machine, and that nothing stands between it and the store.",
            ) from error
        except (BotoCoreError, Boto3Error) as error:
            cause = error.__context__
            if isinstance(cause, ClientError):
                raise self._refused(cause, what) from error
            raise Unavailable(
                "The object store cannot be reached or did not answer.", detail=self._detail(what, error)
            ) from error
        except OSError as error:
            raise HostError(f"A file on this machine: {error.strerror}.", detail=self._detail(what, error)) from error

    def _refused(self, error: ClientError, what: str) -> ProviderError:
        status, code, detail = _status(error), _code(error), self._detail(what, error)
        if code == "RequestTimeTooSkewed":
            hint = "The clock of this machine is wrong: set it, then try again."
            return Unauthorized("The object store refuses the request's time.", detail=detail, hint=hint)
        if status in (401, 403):
            hint = "Check access key and secret key, and that they may use this bucket."
            return Unauthorized("The object store does not let these keys do that.", detail=detail, hint=hint)
        if status == 404:
            return NotFound("The object store has no such bucket or object.", detail=detail)
        if status == 429 or code == "SlowDown":
            return RateLimited("The object store limits how often it may be asked.", detail=detail)
        if status >= 500 and status != 501:
            return Unavailable(f"The object store has a fault of its own ({status}).", detail=detail)
        if status == 409:
            hint = "Bucket names are shared by all customers of a store: choose another."
            return Conflict("The object store says it is taken or in use.", detail=detail, hint=hint)
        return ProviderError("The object store refused what it was asked.", detail=detail)

    def _detail(self, what: str, error: Exception) -> str:
        return self._redact(f"{what} (bucket {self.name} at {self._endpoint_url}): {error}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
