"""Buckets on a real store: SeaweedFS on loopback."""

from __future__ import annotations

import os
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.bucket import Bucket
from state.errors import HostError, NotFound, Unauthorized, Unavailable
from state.secret import Secret
from tests.object_store import ACCESS_KEY, SECRET_KEY, free_ports, object_store


@pytest.fixture(scope="module")
def endpoint_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("store")) as url:
        yield url


@pytest.fixture
def bucket(endpoint_url: str, request: pytest.FixtureRequest) -> Iterator[Bucket]:
    name = "b-" + "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower())[:55].strip("-")
    bucket = Bucket(endpoint_url, "us-east-1", ACCESS_KEY, SECRET_KEY, name)
    bucket.ensure()
    yield bucket
    bucket.delete_bucket()
    bucket.close()


def test_values_are_written_read_and_deleted(bucket: Bucket) -> None:
    bucket.ensure()
    assert bucket.get("a/b") is None
    etag = bucket.put("a/b", b"one")
    assert bucket.get("a/b") == (b"one", etag)
    bucket.put("a/c", b"two")
    bucket.put("d", b"three")
    assert bucket.keys("a/") == ("a/b", "a/c")
    assert bucket.keys() == ("a/b", "a/c", "d")
    bucket.delete("a/b")
    bucket.delete("a/b")
    assert bucket.get("a/b") is None


def test_compare_and_set(bucket: Bucket) -> None:
    first = bucket.put_if_absent("lease", b"1")
    assert first
    assert bucket.put_if_absent("lease", b"2") is None
    second = bucket.put_if_match("lease", b"3", first)
    assert second
    assert second != first
    assert bucket.put_if_match("lease", b"4", first) is None
    assert bucket.get("lease") == (b"3", second)
    assert bucket.put_if_match("nothing", b"5", second) is None
    assert bucket.get("nothing") is None
    bucket.delete("lease")
    assert bucket.put_if_absent("lease", b"6")


def test_a_race_has_one_winner(bucket: Bucket) -> None:
    for number in range(5):
        start = threading.Barrier(4)
        won: list[int] = []

        def race(me: int, key: str = f"race/{number}", start: threading.Barrier = start, won: list[int] = won) -> None:
            start.wait(timeout=10)
            if bucket.put_if_absent(key, str(me).encode()) is not None:
                won.append(me)

        threads = [threading.Thread(target=race, args=(me,)) for me in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert len(won) == 1
        assert bucket.get(f"race/{number}") == (str(won[0]).encode(), bucket.get(f"race/{number}")[1])  # type: ignore[index]


def test_the_probe_sees_that_conditions_are_honoured_and_leaves_nothing(bucket: Bucket) -> None:
    assert bucket.probe_compare_and_set()
    assert bucket.keys() == ()


def test_the_probe_sees_a_store_that_ignores_conditions(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "put_if_absent", bucket.put)
    monkeypatch.setattr(bucket, "put_if_match", lambda key, data, _etag: bucket.put(key, data))
    assert not bucket.probe_compare_and_set()
    assert bucket.keys() == ()


def test_files_of_several_parts_travel_whole(bucket: Bucket, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1024 * 1024) * 40)
    bucket.upload_file("big", source)
    bucket.download_file("big", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_a_missing_object_leaves_no_file(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        bucket.download_file("nothing", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_here_is_this_machines_fault(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(HostError):
        bucket.upload_file("a", tmp_path / "nothing")


def test_anybody_may_read_by_a_presigned_address(bucket: Bucket) -> None:
    bucket.put("page", b"hello")
    address = bucket.presigned_get("page", 60)
    assert "page" not in str(address)
    with urllib.request.urlopen(address.reveal(), timeout=10) as answer:
        assert answer.read() == b"hello"


def test_a_bucket_goes_with_all_it_holds(endpoint_url: str) -> None:
    bucket = Bucket(endpoint_url, "us-east-1", ACCESS_KEY, SECRET_KEY, "short-lived")
    bucket.ensure()
    for number in range(5):
        bucket.put(f"a/{number}", b"x")
    bucket.delete_bucket()
    bucket.delete_bucket()
    with pytest.raises(NotFound):
        bucket.put("a", b"x")
    bucket.close()


def test_wrong_keys_are_refused_and_not_shown(endpoint_url: str) -> None:
    wrong = Secret("another-canary-9876543210")
    bucket = Bucket(endpoint_url, "us-east-1", ACCESS_KEY, wrong, "ready")
    with pytest.raises(Unauthorized) as caught:
        bucket.get("a")
    assert wrong.reveal() not in caught.value.text()
    bucket.close()


def test_a_store_that_is_not_there_is_unavailable() -> None:
    (port,) = free_ports(1)
    bucket = Bucket(f"http://127.0.0.1:{port}", "us-east-1", ACCESS_KEY, SECRET_KEY, "nowhere")
    with pytest.raises(Unavailable):
        bucket.put_if_absent("a", b"1")
    bucket.close()


def test_the_users_own_aws_settings_do_not_matter(endpoint_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "WRONG")
    bucket = Bucket(endpoint_url, "us-east-1", ACCESS_KEY, SECRET_KEY, "ready")
    assert bucket.get("a") == (b"a", bucket.put("a", b"a"))
    bucket.close()
