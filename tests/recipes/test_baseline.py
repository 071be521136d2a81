"""Baselines: a good one is read, and none gets past its checksums or out of its folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.baseline import BaselineError, read_baseline

Change = Callable[[tarfile.TarFile], None]


def nothing(_tar: tarfile.TarFile) -> None:
    pass


def webroot(change: Change = nothing) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        add(tar, "./index.php", b"<?php")
        change(tar)
    return buffer.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = link
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def baseline(folder: Path, change: Change = nothing, **manifest: object) -> Path:
    folder.mkdir(exist_ok=True)
    parts = {"webroot.tar.gz": webroot(change), "database.sql.gz": gzip.compress(b"CREATE TABLE wp_options (id INT);")}
    for name, content in parts.items():
        (folder / name).write_bytes(content)
    values = {
        "format": 1,
        "application": "wordpress",
        "site": "https://site.invalid",
        "files": {name: {"sha256": hashlib.sha256(content).hexdigest()} for name, content in parts.items()},
    }
    (folder / "manifest.json").write_text(json.dumps({**values, **manifest}))
    return folder


def read(path: Path, tmp_path: Path) -> object:
    work = tmp_path / "work"
    work.mkdir()
    return read_baseline(path, work)


def test_a_folder_and_an_archive_of_it_are_the_same_baseline(tmp_path: Path) -> None:
    folder = baseline(tmp_path / "one")
    archive = tmp_path / "one.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname="one")
    work = tmp_path / "work"
    work.mkdir()
    from_folder, from_archive = read_baseline(folder, work), read_baseline(archive, work)
    assert from_folder.id == from_archive.id
    assert (from_folder.application, from_folder.site, from_folder.table_prefix) == (
        "wordpress",
        "https://site.invalid",
        "wp_",
    )


@pytest.mark.parametrize("name", ["webroot.tar.gz", "database.sql.gz"])
def test_a_wrong_checksum_names_the_file(tmp_path: Path, name: str) -> None:
    folder = baseline(tmp_path / "one")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BaselineError, match=f"{name} has a wrong checksum"):
        read(folder, tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tar: add(tar, "../up.php"), "outside"),
        (lambda tar: add(tar, "/etc/cron.d/job"), "outside"),
        (lambda tar: add(tar, "a/../../up.php"), "outside"),
        (lambda tar: add(tar, "link", kind=tarfile.SYMTYPE, link="/etc/passwd"), "link link leads outside"),
        (lambda tar: add(tar, "a/link", kind=tarfile.SYMTYPE, link="../../up"), "leads outside"),
        (lambda tar: add(tar, "link", kind=tarfile.LNKTYPE, link="../up"), "leads outside"),
        (lambda tar: add(tar, "disk", kind=tarfile.BLKTYPE), "device"),
        (lambda tar: add(tar, "pipe", kind=tarfile.FIFOTYPE), "device or a pipe"),
    ],
)
def test_what_climbs_out_of_the_webroot_is_refused(tmp_path: Path, change: Change, says: str) -> None:
    with pytest.raises(BaselineError, match=says):
        read(baseline(tmp_path / "one", change), tmp_path)


def test_links_inside_of_the_webroot_are_fine(tmp_path: Path) -> None:
    def links(tar: tarfile.TarFile) -> None:
        add(tar, "a/b/link", kind=tarfile.SYMTYPE, link="../../index.php")

    read(baseline(tmp_path / "one", links), tmp_path)


@pytest.mark.parametrize(
    "manifest",
    [
        {"format": 2},
        {"site": "https://site.invalid/'; DROP TABLE x"},
        {"table_prefix": "wp_`"},
        {"application": None},
        {"files": {}},
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(tmp_path: Path, manifest: dict[str, object]) -> None:
    with pytest.raises(BaselineError, match="manifest"):
        read(baseline(tmp_path / "one", **manifest), tmp_path)


def test_something_else_than_a_baseline_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(BaselineError, match="cannot be read as a baseline"):
        read(tmp_path / "note.txt", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BaselineError, match=r"manifest\.json is missing"):
        read_baseline(tmp_path / "empty", tmp_path)
