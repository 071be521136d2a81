"""Uploads of several webservers, by way of a real object store."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from providers.bucket import Bucket
from tests.object_store import ACCESS_KEY, SECRET_KEY, object_store
from tests.recipes.upload_bench import PREFIX, Line, Webserver, soon, uploads_in

NAMES = ("2026/11/a.jpg", "two  blanks/ü — 日本.png", "a+b%20c&d='e'.jpg", "x;y#z?.txt", "2026/11/empty.bin")
Make = Callable[..., Webserver]


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("store")) as url:
        yield url


@pytest.fixture
def line(store_url: str) -> Iterator[Line]:
    with Line(store_url) as line:
        yield line


@pytest.fixture
def bucket(store_url: str, request: pytest.FixtureRequest) -> Iterator[Bucket]:
    name = "u-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:16]
    bucket = Bucket(store_url, "us-east-1", ACCESS_KEY, SECRET_KEY, name)
    bucket.ensure()
    yield bucket
    bucket.delete_bucket()
    bucket.close()


@pytest.fixture
def make(line: Line, bucket: Bucket, tmp_path: Path) -> Iterator[Make]:
    """Webservers by name; the second call with a name is the same one again."""
    made: dict[str, Webserver] = {}

    def one(name: str, **settings: object) -> Webserver:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        made.setdefault(name, Webserver(name, folder, line.url, bucket.name)).settings.update(settings)
        return made[name]

    yield one
    for each in made.values():
        each.stop(signal.SIGKILL)


def test_what_is_written_is_in_the_bucket_and_on_the_other_webserver(make: Make, bucket: Bucket) -> None:
    one, two = make("ws-1").start(), make("ws-2").start()
    contents = {name: name.encode() * 1000 for name in NAMES} | {NAMES[-1]: b"", "large.bin": os.urandom(50 << 20)}
    for name, content in contents.items():
        one.write(name, content)
    soon("the bucket", lambda: uploads_in(bucket) == set(contents))
    for name, content in contents.items():
        soon(f"{name} on ws-2", lambda name=name, content=content: two.has(name, content))
        # the same Last-Modified and ETag, whichever webserver answers
        assert (two.uploads / name).stat().st_mtime_ns == (one.uploads / name).stat().st_mtime_ns
        found = bucket.get(name)
        assert found is not None
        assert found[0] == content
    assert one.command("state").stdout.startswith('{"to_send": 0')


def test_files_in_folders_that_are_made_in_a_burst_are_all_sent(make: Make, bucket: Bucket) -> None:
    one = make("ws-1").start()
    names = {
        f"{year}/{month:02}/{number}.jpg" for year in range(2020, 2026) for month in range(1, 13) for number in (1, 2)
    }
    for name in sorted(names):
        one.write(name, name.encode())
    aside = one.folder / "aside" / "deep"
    aside.mkdir(parents=True)
    (aside / "moved.jpg").write_bytes(b"moved")
    aside.parent.rename(one.uploads / "in")
    soon("all of them", lambda: uploads_in(bucket) == names | {"in/deep/moved.jpg"})
    (one.uploads / "in").rename(one.uploads / "renamed")
    (one.uploads / "renamed" / "deep" / "later.jpg").write_bytes(b"later")
    shutil.rmtree(one.uploads / "2020")
    left = {name for name in names if not name.startswith("2020/")}
    soon("the renamed", lambda: uploads_in(bucket) == left | {"renamed/deep/moved.jpg", "renamed/deep/later.jpg"})


def test_a_deleted_upload_is_deleted_everywhere_and_a_changed_one_changes(make: Make, bucket: Bucket) -> None:
    one, two = make("ws-1").start(), make("ws-2").start()
    for name in ("gone.jpg", "changed.jpg", "stays.jpg"):
        one.write(name, b"first")
    soon("ws-2", lambda: all(two.has(name, b"first") for name in ("gone.jpg", "changed.jpg", "stays.jpg")))
    (one.uploads / "gone.jpg").unlink()
    two.write("changed.jpg", b"second")
    soon("the deletion on ws-2", lambda: not (two.uploads / "gone.jpg").exists())
    soon("the change on ws-1", lambda: one.has("changed.jpg", b"second"))
    assert uploads_in(bucket) == {"changed.jpg", "stays.jpg"}
    assert two.ask(f"{PREFIX}gone.jpg") == (404, "")


def test_a_missing_upload_is_fetched_once_for_all_who_ask_for_it(make: Make, bucket: Bucket, line: Line) -> None:
    content = os.urandom(1 << 20)
    two = make("ws-2", fetch_ahead_mib=0).start()
    bucket.put("2026/11/ü b.jpg", content)
    path = "2026/11/%C3%BC%20b.jpg"
    with ThreadPoolExecutor(40) as pool:
        answers = set(pool.map(two.ask, [f"{PREFIX}{path}?ver=2"] * 40))
    assert answers == {(200, f"/buildyard-fetched/{path}")}
    assert two.has("2026/11/ü b.jpg", content)
    assert line.asked["GET", f"/{bucket.name}/{path}"] == 1
    assert two.ask(f"{PREFIX}never.jpg") == (404, "")


@pytest.mark.parametrize(
    "path",
    [
        "../outside.jpg",
        "%2e%2e/outside.jpg",
        "a/..%2f..%2foutside.jpg",
        "%2fetc/passwd",
        "/etc/passwd",
        "a//b.jpg",
        "a/./b.jpg",
        "a%00.jpg",
        "a%0d%0aX-Evil:%201.jpg",
        "%ff.jpg",
        ".changes/1",
        "x/.htaccess",
        "evil.php",
        "evil.PhTml",
        "",
        "a/",
        "x" * 2000,
        "out/secret.jpg",
    ],
)
def test_a_path_that_is_no_upload_is_answered_with_404_and_asks_nobody(make: Make, line: Line, path: str) -> None:
    one = make("ws-1")
    (one.folder / "beyond").mkdir()
    (one.folder / "beyond" / "secret.jpg").write_bytes(b"secret")
    one.uploads.mkdir()
    (one.uploads / "out").symlink_to(one.folder / "beyond")
    one.start()
    assert one.ask(PREFIX + path) == (404, "")
    asked = [each for method, each in line.asked if method == "GET" and "list-type" not in each]
    assert asked in ([], [f"/{one.bucket}/out/secret.jpg"])


def test_links_pipes_programs_and_dot_files_stay_here(make: Make, bucket: Bucket) -> None:
    one = make("ws-1")
    beyond = one.folder / "beyond"
    beyond.mkdir()
    (beyond / "secret.jpg").write_bytes(b"secret")
    one.start()
    (one.uploads / "link.jpg").symlink_to(beyond / "secret.jpg")
    (one.uploads / "out").symlink_to(beyond)
    os.mkfifo(one.uploads / "pipe.jpg")
    for name in ("evil.php", ".htaccess", "cache/.x/y.jpg"):
        one.write(name, b"x")
    one.write("last.jpg", b"last")
    soon("the last", lambda: "last.jpg" in uploads_in(bucket))
    bucket.put("out/planted.jpg", b"planted")
    assert one.ask(f"{PREFIX}out/planted.jpg")[0] == 503
    one.ask("/look")
    soon("quiet", lambda: one.command("state").stdout.startswith('{"to_send": 0'))
    assert uploads_in(bucket) == {"last.jpg", "out/planted.jpg"}
    assert sorted(each.name for each in beyond.iterdir()) == ["secret.jpg"]


def test_what_happens_while_the_bucket_is_away_is_not_lost_even_over_a_restart(
    make: Make, bucket: Bucket, line: Line
) -> None:
    one, two = make("ws-1").start(), make("ws-2").start()
    for name in ("old.jpg", "older.jpg"):
        one.write(name, b"old")
    soon("both", lambda: two.has("old.jpg", b"old") and two.has("older.jpg", b"old"))
    line.cut()
    for number in range(20):
        one.write(f"away/{number}.jpg", b"away")
    (one.uploads / "old.jpg").unlink()
    assert one.ask(f"{PREFIX}elsewhere.jpg")[0] == 503
    # a visitor does not bring back what was deleted and the bucket does not know of yet
    assert one.ask(f"{PREFIX}old.jpg")[0] == 404
    one.stop(signal.SIGKILL)
    (one.uploads / "older.jpg").unlink()
    one.start()
    line.mend()
    wanted = {f"away/{number}.jpg" for number in range(20)}
    soon("the bucket", lambda: uploads_in(bucket) == wanted, 60)
    soon("ws-2", lambda: {str(each.relative_to(two.uploads)) for each in two.uploads.rglob("*.jpg")} == wanted, 60)


def test_an_emptied_folder_is_filled_again_and_nothing_is_deleted(make: Make, bucket: Bucket) -> None:
    one = make("ws-1").start()
    names = {f"2026/{number}.jpg" for number in range(5)}
    for name in names:
        one.write(name, b"kept")
    soon("the bucket", lambda: uploads_in(bucket) == names)
    one.stop()
    shutil.rmtree(one.uploads)
    one.start()
    soon("the files", lambda: all(one.has(name, b"kept") for name in names))
    assert uploads_in(bucket) == names


def test_a_new_webserver_fetches_all_but_the_largest_ahead(make: Make, bucket: Bucket) -> None:
    bucket.put("small.jpg", b"small")
    bucket.put("large.bin", bytes(3 << 20))
    new = make("ws-3", fetch_ahead_mib=1).start()
    soon("the small one", lambda: new.has("small.jpg", b"small"))
    soon("quiet", lambda: '"to_fetch": 0' in new.command("state").stdout)
    assert not (new.uploads / "large.bin").exists()
    assert new.ask(f"{PREFIX}large.bin")[0] == 200
    assert new.has("large.bin", bytes(3 << 20))


def test_where_what_was_known_is_lost_the_younger_content_counts(make: Make, bucket: Bucket) -> None:
    one = make("ws-1").start()
    for name in ("same.jpg", "younger-here.jpg", "younger-there.jpg"):
        one.write(name, b"one")
    soon("the bucket", lambda: len(uploads_in(bucket)) == 3)
    one.stop()
    shutil.rmtree(one.folder / "state")
    one.write("younger-here.jpg", b"here")
    os.utime(one.uploads / "younger-here.jpg", (2**31, 2**31))
    one.write("younger-there.jpg", b"stale")
    os.utime(one.uploads / "younger-there.jpg", (10**9, 10**9))
    bucket.put("younger-there.jpg", b"there")
    one.start()
    soon("here", lambda: (bucket.get("younger-here.jpg") or (b"",))[0] == b"here")
    soon("there", lambda: one.has("younger-there.jpg", b"there"))
    assert one.has("same.jpg", b"one")


def test_a_bucket_that_lost_everything_is_filled_again(make: Make, bucket: Bucket) -> None:
    one = make("ws-1", compare_s=1.0).start()
    one.write("a.jpg", b"a")
    soon("the bucket", lambda: uploads_in(bucket) == {"a.jpg"})
    for key in uploads_in(bucket):
        bucket.delete(key)
    soon("the bucket again", lambda: uploads_in(bucket) == {"a.jpg"})
    assert one.has("a.jpg", b"a")


def test_names_at_random_do_not_become_requests_without_end(make: Make, bucket: Bucket, line: Line) -> None:
    one = make("ws-1", fetch_ahead_mib=0)
    bucket.put("known.jpg", bytes(1 << 20))
    one.start()
    soon("the first comparison", lambda: any("list-type" in path for _, path in line.asked))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one.ask, [f"{PREFIX}{number}.jpg" for number in range(1000)]))
    assert set(answers) == {(404, "")}
    asked = sum(count for (method, path), count in line.asked.items() if method == "GET" and path.endswith(".jpg"))
    assert asked <= 620
    assert one.ask(f"{PREFIX}known.jpg")[0] == 200


def test_a_baseline_is_brought_into_the_bucket_once(make: Make, bucket: Bucket) -> None:
    one = make("ws-1").start()
    assert one.command("first", "baseline-1").returncode == 0
    one.write("of-the-baseline.jpg", b"x")
    assert one.command("settled", "baseline-1").returncode == 0
    assert uploads_in(bucket) == {"of-the-baseline.jpg"}
    assert make("ws-2").start().command("first", "baseline-1").returncode == 4


def test_a_service_that_waits_for_long_says_so(make: Make, line: Line) -> None:
    one = make("ws-1").start()
    assert one.command("check").returncode == 0
    one.stop()
    silent = one.command("check")
    assert silent.returncode == 1
    assert "does not answer" in silent.stderr


def test_killed_again_and_again_both_webservers_end_alike(make: Make, bucket: Bucket) -> None:
    """Also exactly between any two of its acts: what is left then must be enough to go on."""
    chance = random.Random(4)
    servers = [make("ws-1").start(), make("ws-2").start()]
    alive: dict[str, bytes] = {}
    for turn in range(12):
        for number in range(15):
            # each webserver has names of its own: who of two writers is last would be chance
            server = servers[number % 2]
            name = f"{number % 3}/{number}.jpg"
            if name in alive and chance.random() < 0.4:
                (server.uploads / name).unlink(missing_ok=True)
                del alive[name]
            else:
                alive[name] = f"{turn} {number} ".encode() * chance.randrange(1, 5000)
                server.write(name, alive[name])
        servers[turn % 2].stop(signal.SIGKILL)
        servers[turn % 2].start()
    soon("the bucket", lambda: uploads_in(bucket) == set(alive), 60)
    differing: set[str] = set()

    def alike(server: Webserver) -> bool:
        nonlocal differing
        there = {str(each.relative_to(server.uploads)) for each in server.uploads.rglob("*.jpg")}
        differing = {name for name in {*there, *alive} if name not in alive or not server.has(name, alive[name])}
        return not differing

    try:
        for server in servers:
            soon(server.name, lambda server=server: alike(server), 60)
    finally:
        assert not differing, [each.log for each in servers]


def test_a_damaged_notice_does_not_keep_the_others_from_being_read(make: Make, bucket: Bucket) -> None:
    one, two = make("ws-1").start(), make("ws-2").start()
    for text in (b"", b"{", b'{"a": 1}', b"[1, null]", b'["../x", "' + b"y" * 5000 + b'"]'):
        bucket.put(f".changes/{int(time.time() * 1000):015d}-stranger-{len(text)}", text)
    one.write("a.jpg", b"a")
    soon("ws-2", lambda: two.has("a.jpg", b"a"))
    assert two.process is not None
    assert two.process.poll() is None
