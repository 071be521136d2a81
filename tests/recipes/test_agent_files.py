"""Files, lines, folders and links: changed once, then left alone; never half."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from recipes.steps import Absent, Directory, File, Line, Step, Symlink
from state.errors import StepFailed
from state.events import StepStatus
from state.secret import Secret
from tests.recipes.conftest import ME, MY_GROUP, Bench

NASTY = "a b 'c' \"d\" $(touch /tmp/never) `id` \\ \n\t%s {} \x7f ü €\n"


def a_file(path: Path, content: str | bytes | Secret, mode: int = 0o644, **more: object) -> File:
    return File(label="f", path=str(path), content=content, mode=mode, owner=ME, group=MY_GROUP, **more)  # type: ignore[arg-type]


def names(bench: Bench) -> list[str]:
    """What lies in the scratch folder."""
    return sorted(path.name for path in bench.folder.iterdir())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "content", [NASTY, "", "no line end", b"\x00\xff\xfe binary \r\n", "x" * 300_000], ids=range(5)
)
def test_a_file_has_exactly_this_content(bench: Bench, content: str | bytes) -> None:
    path = bench.folder / "a 'file' $(x)"
    step = a_file(path, content, 0o640)
    assert bench.run(step).count(StepStatus.CHANGED) == 1
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert mode_of(path) == 0o640
    assert bench.run(step).count(StepStatus.UNCHANGED) == 1
    assert set(names(bench)) == {path.name, "state"}


def test_check_only_says_what_would_change_and_changes_nothing(bench: Bench) -> None:
    path = bench.folder / "f"
    path.write_text("one\ntwo\n")
    before = path.lstat().st_ctime_ns  # all but reading moves it
    report = bench.run(a_file(path, "one\n2\n", 0o600), check_only=True)
    assert report.results[0].status is StepStatus.WOULD_CHANGE
    assert "-two\n+2" in report.results[0].diff
    assert "mode 0644 -> 0600" in report.results[0].diff
    assert path.lstat().st_ctime_ns == before
    assert not (bench.folder / "state").exists()


def test_mode_alone_is_mended(bench: Bench) -> None:
    path = bench.folder / "f"
    bench.run(a_file(path, "x"))
    path.chmod(0o666)
    assert bench.run(a_file(path, "x")).results[0].diff == "mode 0666 -> 0644"
    assert mode_of(path) == 0o644


def test_a_secret_is_never_shown(bench: Bench) -> None:
    path = bench.folder / "f"
    path.write_text("old secret of old\n")
    report = bench.run(a_file(path, Secret("new secret of new"), 0o600))
    assert report.results[0].diff.splitlines() == ["mode 0644 -> 0600", "content differs (not shown)"]
    assert path.read_text() == "new secret of new"
    assert "secret of" not in repr(bench.events)


def test_the_validator_sees_the_new_file_and_its_refusal_keeps_the_old(bench: Bench) -> None:
    path = bench.folder / "f"
    path.write_text("good\n")
    step = a_file(path, "bad\n", validate=("sh", "-c", 'grep -q good "$1" || { echo no good; exit 1; }', "x", "{}"))
    with pytest.raises(StepFailed, match="refuses") as caught:
        bench.run(step)
    assert "no good" in caught.value.detail
    assert path.read_text() == "good\n"
    assert names(bench) == ["f", "state"]


def test_a_link_at_the_path_is_replaced_not_followed(bench: Bench) -> None:
    target, path = bench.folder / "target", bench.folder / "f"
    target.write_text("precious")
    path.symlink_to(target)
    bench.run(a_file(path, "new"))
    assert target.read_text() == "precious"
    assert not path.is_symlink()


def test_what_a_killed_run_left_is_used_up(bench: Bench) -> None:
    (bench.folder / ".f.buildyard").write_text("half")
    bench.run(a_file(bench.folder / "f", "whole"))
    assert names(bench) == ["f", "state"]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (lambda folder: a_file(folder / "no" / "f", ""), "declare a Directory step"),
        (lambda folder: a_file(folder, ""), "is a folder"),
        (
            lambda folder: File(label="f", path=str(folder / "f"), content="", owner="nobody-here"),
            "no user nobody-here",
        ),
        (lambda _: Directory(label="f", path="/dev/null"), "no folder"),
        (lambda folder: Symlink(label="f", path=str(folder), target="/x"), "is a folder"),
    ],
)
def test_what_cannot_be_done_is_said(bench: Bench, step: object, text: str) -> None:
    with pytest.raises(StepFailed, match=text):
        bench.run(step(bench.folder))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("before", "line", "replaces", "after"),
    [
        (None, "a b", "", "a b\n"),
        ("x\n", "a", "", "x\na\n"),
        ("x", "a", "", "x\na\n"),
        ("#Port 22\nPort 23\nUser x\n", "Port 1035", r"^#?Port\b", "Port 1035\nUser x\n"),
        ("Port 1035\nPort 22\n", "Port 1035", r"^Port ", "Port 1035\n"),
        ("ab\n", "a", "", "ab\na\n"),
    ],
)
def test_a_line_is_there_once(bench: Bench, before: str | None, line: str, replaces: str, after: str) -> None:
    path = bench.folder / "f"
    if before is not None:
        path.write_text(before)
        path.chmod(0o600)
    step = Line(label="l", path=str(path), line=line, replaces=replaces)
    assert bench.run(step).count(StepStatus.CHANGED) == 1
    assert path.read_text() == after
    assert mode_of(path) == (0o644 if before is None else 0o600)
    assert bench.run(step).count(StepStatus.UNCHANGED) == 1


def test_a_line_is_written_through_a_link(bench: Bench) -> None:
    real, link = bench.folder / "real", bench.folder / "link"
    real.write_text("x\n")
    link.symlink_to(real)
    bench.run(Line(label="l", path=str(link), line="y"))
    assert link.is_symlink()
    assert real.read_text() == "x\ny\n"


def test_folders_links_and_absence_settle(bench: Bench) -> None:
    steps: tuple[Step, ...] = (
        Directory(label="d", path=str(bench.folder / "a" / "b"), mode=0o750, owner=ME, group=MY_GROUP),
        Symlink(label="s", path=str(bench.folder / "current"), target="a/b"),
        Absent(label="file", path=str(bench.folder / "old")),
        Absent(label="tree", path=str(bench.folder / "tree")),
        Absent(label="dangling", path=str(bench.folder / "dangling")),
    )
    (bench.folder / "current").symlink_to("elsewhere")
    (bench.folder / "old").write_text("")
    (bench.folder / "tree" / "x").mkdir(parents=True)
    (bench.folder / "dangling").symlink_to("/nowhere")
    assert bench.run(*steps, check_only=True).count(StepStatus.WOULD_CHANGE) == 5
    assert bench.run(*steps).count(StepStatus.CHANGED) == 5
    assert mode_of(bench.folder / "a" / "b") == 0o750
    assert (bench.folder / "current").readlink() == Path("a/b")
    assert names(bench) == ["a", "current", "state"]
    assert bench.run(*steps).count(StepStatus.UNCHANGED) == 5


def test_a_mount_is_never_emptied(bench: Bench) -> None:
    with pytest.raises(StepFailed, match="is a mount"):
        bench.run(Absent(label="a", path="/proc"))
    assert Path("/proc/self").exists()


def test_a_long_diff_is_bounded(bench: Bench) -> None:
    path = bench.folder / "f"
    path.write_text("a\n" * 20_000)
    assert len(bench.run(a_file(path, "b\n" * 20_000)).results[0].diff) < 10_000
