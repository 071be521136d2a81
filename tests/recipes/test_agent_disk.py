"""A full disk is named first, whoever ran into it."""

from __future__ import annotations

import os

import pytest

from recipes.agent import disk


def test_what_a_program_said_somewhere_comes_first() -> None:
    assert disk.full_disk("", "tar: x: Cannot write: No space left on device\ntar: error").startswith(
        "the disk of this"
    )


def test_another_failure_is_not_taken_for_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "is_full", lambda _path: False)
    assert disk.full_disk("its check ended with 1", "no such file") == ""


def test_a_program_that_says_nothing_does_not_hide_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "is_full", lambda path: path == "/")
    assert disk.full_disk("ended with 1", "") == "the disk of this machine is full (/): "


def test_a_file_system_that_counts_nothing_is_not_full() -> None:
    assert os.statvfs("/proc").f_blocks == 0
    assert not disk.is_full("/proc")
