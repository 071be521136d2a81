"""The bucket: four requests of S3, signed (AWS signature version 4), each with a deadline."""

from __future__ import annotations

import calendar
import hashlib
import hmac
import http.client
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

PATIENCE_S = 20.0
CHUNK = 1 << 20
#: Front ends close connections that were silent for some time; a newer one is never met in its last moment.
_IDLE_S = 4.0
_NOTHING = hashlib.sha256(b"").hexdigest()
#: Of the file on the machine it came from, in nanoseconds; so Last-Modified and ETag are the same on all webservers.
_MTIME = "x-amz-meta-mtime-ns"
_SHA256 = "x-amz-meta-sha256"


class StoreAway(Exception):
    """The bucket did not answer, or refused: what it holds is not known. To be tried again later."""


class Damaged(StoreAway):
    """What arrived is not what was sent: its writer died in the middle, and sends it again."""


@dataclass(frozen=True)
class Object:
    """What lies under a name; ``sha256`` is "" when whoever put it there did not say."""

    etag: str
    size: int
    mtime_ns: int
    sha256: str = ""


@dataclass(frozen=True)
class Access:
    """Where the bucket is and with which key it opens; ``ca_file`` "" stands for the system's authorities."""

    endpoint_url: str
    region: str
    bucket: str
    access_key: str
    secret_key: str
    ca_file: str = ""

    def __repr__(self) -> str:
        return f"Access({self.endpoint_url}/{self.bucket})"


class Store:
    """One bucket; may be used by many threads, each has a connection of its own.

    Args:
        access: where and as whom.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._url = urlsplit(access.endpoint_url)
        self._trust = ssl.create_default_context(cafile=access.ca_file or None) if self._url.scheme == "https" else None
        self._mine = threading.local()

    def head(self, name: str) -> Object | None:
        """What is there; None for nothing, or no bucket (the answer has no words). Raises StoreAway."""
        with self._ask("HEAD", name) as answer:
            answer.read()
            return None if answer.status == http.client.NOT_FOUND else _object(answer)

    def get(self, name: str, target: BinaryIO, known_etag: str = "") -> Object | None:
        """Writes the object into ``target``, unless its ETag is the known one.

        Returns:
            What is there, None for nothing. Raises StoreAway, also when it arrived damaged.
        """
        headers = {"if-none-match": f'"{known_etag}"'} if known_etag else {}
        with self._ask("GET", name, headers=headers) as answer:
            if answer.status == http.client.NOT_FOUND:
                answer.read()
                return None
            if answer.status == http.client.NOT_MODIFIED:
                answer.read()
                return Object(known_etag, 0, 0)
            there = _object(answer)
            digest, size = hashlib.sha256(), 0
            while chunk := answer.read(CHUNK):
                target.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            if size != there.size or there.sha256 not in ("", digest.hexdigest()):
                raise Damaged(f"{name} arrived damaged")
            return there

    def put(self, name: str, source: BinaryIO, size: int, sha256: str, mtime_ns: int) -> str:
        """Sends ``size`` bytes of ``source`` from its beginning. Returns the ETag. Raises StoreAway."""
        headers = {"content-length": str(size), _MTIME: str(mtime_ns), _SHA256: sha256}
        with self._ask("PUT", name, headers=headers, body=source, body_sha256=sha256) as answer:
            answer.read()
            return str(answer.headers.get("etag", "")).strip('"')

    def delete(self, name: str) -> None:
        """Nothing is there afterwards. Raises StoreAway."""
        with self._ask("DELETE", name) as answer:
            answer.read()

    def names(self, prefix: str = "", after: str = "") -> Iterator[tuple[str, Object]]:
        """All that begins with ``prefix`` and sorts behind ``after``; a request for each thousand. Raises StoreAway."""
        query = {"list-type": "2", "prefix": prefix}
        if after:
            query["start-after"] = after
        while True:
            with self._ask("GET", "", query=query) as answer:
                text = answer.read()
            try:
                page = ET.fromstring(text)  # noqa: S314 - from the store that has our key, over TLS
                place = page.tag[: page.tag.index("}") + 1] if "}" in page.tag else ""
                for entry in page.iter(f"{place}Contents"):
                    said = {child.tag.removeprefix(place): child.text or "" for child in entry}
                    when = calendar.timegm(time.strptime(said["LastModified"][:19], "%Y-%m-%dT%H:%M:%S"))
                    yield said["Key"], Object(said["ETag"].strip('"'), int(said["Size"]), when * 10**9)
            except (ET.ParseError, KeyError, ValueError) as error:
                raise StoreAway(f"the list of objects cannot be read: {error}") from error
            more = page.findtext(f"{place}NextContinuationToken")
            if page.findtext(f"{place}IsTruncated") != "true" or not more:
                return
            query = {"list-type": "2", "prefix": prefix, "continuation-token": more}

    @contextmanager
    def _ask(
        self,
        method: str,
        name: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: BinaryIO | None = None,
        body_sha256: str = _NOTHING,
    ) -> Iterator[http.client.HTTPResponse]:
        """An answer of 2xx, 304, or 404 about the object; whoever does not read it whole loses the connection."""
        path = f"/{self._access.bucket}/{quote(name, safe='/-_.~')}".removesuffix("/" if not name else "")
        asked = "&".join(
            f"{quote(key, safe='')}={quote(value, safe='-_.~')}" for key, value in sorted((query or {}).items())
        )
        signed = self._signed(method, path, asked, dict(headers or {}), body_sha256)
        connection = self._connection()
        whole = False
        try:
            if body is not None:
                body.seek(0)
            connection.request(method, f"{path}?{asked}" if asked else path, body=body, headers=signed)
            answer = connection.getresponse()
            gone = answer.status == http.client.NOT_FOUND
            if gone and method == "GET":
                text = answer.read()
                if not name or b"NoSuchBucket" in text:
                    raise StoreAway(f"there is no bucket {self._access.bucket}")
            if not gone and answer.status != http.client.NOT_MODIFIED and answer.status >= http.client.MULTIPLE_CHOICES:
                said = answer.read(300).decode("utf-8", "replace")
                raise StoreAway(f"{method} {name or self._access.bucket}: status {answer.status} {said}")
            yield answer
            whole = answer.isclosed()
        except (OSError, http.client.HTTPException) as error:
            raise StoreAway(f"{method} {name or self._access.bucket}: {error or type(error).__name__}") from error
        finally:
            if not whole:
                connection.close()
            self._mine.used_at = time.monotonic()

    def _connection(self) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._mine, "connection", None)
        if kept is not None and time.monotonic() - self._mine.used_at < _IDLE_S:
            return kept  # one that was closed connects anew by itself
        if kept is not None:
            kept.close()
        host = self._url.hostname or ""
        if self._trust is not None:
            kept = http.client.HTTPSConnection(host, self._url.port, timeout=PATIENCE_S, context=self._trust)
        else:
            kept = http.client.HTTPConnection(host, self._url.port, timeout=PATIENCE_S)
        kept.blocksize = CHUNK
        self._mine.connection = kept
        return kept

    def _signed(
        self, method: str, path: str, query: str, headers: dict[str, str], body_sha256: str
    ) -> Mapping[str, str]:
        """The headers with a signature (https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html)."""
        access = self._access
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{now[:8]}/{access.region}/s3/aws4_request"
        headers |= {"host": self._url.netloc, "x-amz-content-sha256": body_sha256, "x-amz-date": now}
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{body_sha256}"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{access.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={access.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return headers


def _object(answer: http.client.HTTPResponse) -> Object:
    said = answer.headers
    mtime = str(said.get(_MTIME, ""))
    if not (mtime.isascii() and mtime.isdecimal() and len(mtime) < 20):
        modified = said.get("last-modified")
        mtime = str(int(parsedate_to_datetime(modified).timestamp()) * 10**9) if modified else "0"
    size = int(said.get("content-length") or 0)
    return Object(str(said.get("etag", "")).strip('"'), size, int(mtime), str(said.get(_SHA256, "")))
