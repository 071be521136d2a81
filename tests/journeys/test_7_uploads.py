"""Uploads of the site: in the bucket within seconds, here again when lost, gone when deleted; its jobs, its logins."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from state.clock import SystemClock, wait_until
from tests.journeys.clouds import driver
from tests.journeys.conftest import Site
from tests.journeys.test_7_baseline import administrator, php

pytestmark = pytest.mark.machines

PROMISE_S = 5.0
UPLOADS = "/srv/app/uploads"
PICTURE = "2026/11/über das Meer.png"

#: An upload as the admin pages make it: PHP's user, WordPress' own functions, with the thumbnails.
UPLOADED = """
$_SERVER['HTTP_HOST'] = $argv[1];
$_SERVER['HTTPS'] = 'on';
require '/srv/app/current/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/image.php';
$picture = imagecreatetruecolor(1200, 900);
imagefilledellipse($picture, 600, 450, 800, 600, imagecolorallocate($picture, random_int(0, 255), 90, 40));
ob_start();
imagepng($picture);
$upload = wp_upload_bits('journey.png', null, ob_get_clean());
$id = wp_insert_attachment(['post_mime_type' => 'image/png', 'post_title' => 'journey'], $upload['file']);
wp_update_attachment_metadata($id, wp_generate_attachment_metadata($id, $upload['file']));
$folder = wp_upload_dir()['basedir'] . '/';
$names = array_map(fn ($file) => substr($file, strlen($folder)), glob(dirname($upload['file']) . '/journey*.png'));
echo json_encode(['id' => $id, 'names' => $names]);
"""
DELETED = """
$_SERVER['HTTP_HOST'] = $argv[1];
require '/srv/app/current/wp-load.php';
wp_delete_attachment((int) $argv[2], true);
"""
#: Statuses of the bucket's answers to names on standard input (percent-encoded).
IN_BUCKET = """
. /etc/buildyard/store.conf
bucket=$(sed -n 's/.*"bucket": "\\(.*\\)".*/\\1/p' /etc/buildyard/uploads.json)
while read -r name; do
    curl -s -o /dev/null -w '%{http_code}\\n' --head --config /etc/buildyard/s3.curl "$ENDPOINT/$bucket/$name"
done
"""
#: Writes 1 MB as PHP's user and tells how many seconds it took until the bucket had it.
TIMED = """
. /etc/buildyard/store.conf
bucket=$(sed -n 's/.*"bucket": "\\(.*\\)".*/\\1/p' /etc/buildyard/uploads.json)
file=$1 name=$2
runuser -u app -- mkdir -p "$(dirname "$file")"
head -c 1048576 /dev/urandom | runuser -u app -- tee "$file" >/dev/null
began=$(date +%s%N)
ask() { curl -s -o /dev/null -w '%{http_code}' --head --config /etc/buildyard/s3.curl "$ENDPOINT/$bucket/$name"; }
until [ "$(ask)" = 200 ]; do
    [ $(($(date +%s%N) - began)) -lt 30000000000 ] || exit 1
done
echo $(($(date +%s%N) - began)) "$(sha256sum <"$file" | cut -d ' ' -f 1)"
"""


def root(site: Site, script: str, *arguments: str) -> str:
    return site.on("ws-1", "sudo", "-n", "sh", "-c", script, "sh", *arguments)


def in_bucket(site: Site, *names: str) -> set[str]:
    """The statuses with which the bucket answers for them."""
    words = " ".join(f"'{quote(name)}'" for name in names)
    return set(root(site, f"printf '%s\\n' {words} | {{ {IN_BUCKET} }}").split())


def served(site: Site, name: str) -> tuple[str, str, str, float]:
    """Status, sha256, type and seconds of the upload as a visitor gets it."""
    page = f"https://{site.domain}/wp-content/uploads/{quote(name)}"
    got = site.home / "got"
    got.unlink(missing_ok=True)
    answer = site.foreign(
        *("curl", "-sS", "--max-time", "60", "--cacert", str(site.rehearsal / "site-roots.pem"), "-o", str(got)),
        *("--resolve", f"{site.domain}:443:{site.address('ws-1')}"),
        *("--path-as-is", "-w", "%{http_code} %{time_total} %{content_type}", page),
    )
    assert answer.returncode == 0, answer.stderr
    status, seconds, kind = answer.stdout.split(" ", 2)
    return status, hashlib.sha256(got.read_bytes()).hexdigest(), kind, float(seconds)


@pytest.fixture(scope="module")
def upload(site: Site) -> Iterator[str]:
    """The sum of an upload that lies in the bucket."""
    began, digest = root(site, TIMED, f"{UPLOADS}/{PICTURE}", quote(PICTURE)).split()
    print(f"in the bucket after {int(began) / 1e9:.2f} s")
    assert int(began) / 1e9 < PROMISE_S
    yield digest
    root(site, f"rm -f '{UPLOADS}/{PICTURE}'")


def test_an_upload_is_in_the_bucket_within_seconds_and_served_from_here(site: Site, upload: str) -> None:
    status, digest, kind, _ = served(site, PICTURE)
    assert (status, digest, kind) == ("200", upload, "image/png")


def test_one_that_is_lost_here_is_fetched_when_somebody_wants_it(site: Site, upload: str) -> None:
    """The disk of a machine that was built anew knows nothing of it."""
    # all three in one go: the service must not be there when the file goes, and must not have fetched it ahead
    lost = (
        "systemctl stop buildyard-uploads; rm -rf /srv/app/uploads/* /var/lib/buildyard/uploads/*;"
        ' sed -i \'s/"fetch_ahead_mib": [0-9]*/"fetch_ahead_mib": 0/\' /etc/buildyard/uploads.json;'
        ' systemctl start buildyard-uploads; test ! -e "$1"'
    )
    root(site, lost, f"{UPLOADS}/{PICTURE}")
    status, digest, kind, seconds = served(site, PICTURE)
    print(f"a miss of 1 MB took {seconds:.2f} s")
    assert (status, digest, kind) == ("200", upload, "image/png")
    owner = root(site, 'stat -c "%U:%G %a" "$1"', f"{UPLOADS}/{PICTURE}")
    assert owner.strip() == "app:app 644"
    # and a build brings the settings back
    assert site.json("build")["changed"] > 0
    assert site.json("build")["changed"] == 0


def test_what_no_upload_is_called_is_not_found(site: Site, upload: str) -> None:
    for name in ("../config/database.php", "2026/../../config/database.php", "evil.php", ".changes/", "2026/none.png"):
        assert served(site, name)[0] in ("404", "400"), name
    assert served(site, "../../buildyard-fetched/" + PICTURE)[0] == "404"
    root(site, f"echo '<?php echo 6 * 7;' | runuser -u app -- tee {UPLOADS}/evil.php >/dev/null")
    try:
        assert served(site, "evil.php")[0] == "404"
        assert served(site, "evil.php/x.png")[0] == "404"
    finally:
        root(site, f"rm -f {UPLOADS}/evil.php")


def test_the_key_to_the_bucket_is_not_in_the_sight_of_php(site: Site) -> None:
    seen = site.on(
        "ws-1",
        *("sudo", "-n", "runuser", "-u", "app", "--", "sh", "-c"),
        "cat /etc/buildyard/uploads.key /proc/$(systemctl show -P MainPID buildyard-uploads)/environ 2>/dev/null; true",
    )
    assert seen == ""
    # nor does the service see what it has no business with
    hidden = "for file in /etc/shadow /srv/app/config/database.php /etc/buildyard/tls/current/key.pem; do"
    hidden += ' nsenter -m -t "$(systemctl show -P MainPID buildyard-uploads)" cat "$file" 2>/dev/null; done; true'
    assert root(site, hidden) == ""


def test_a_picture_that_wordpress_takes_and_deletes_is_taken_and_deleted_everywhere(site: Site) -> None:
    made = json.loads(php(site, UPLOADED, site.domain))
    try:
        assert len(made["names"]) > 2
        began = time.monotonic()
        wait_until(
            "the bucket to have all sizes",
            lambda: in_bucket(site, *made["names"]) == {"200"},
            timeout_s=30,
            clock=SystemClock(),
        )
        print(f"{len(made['names'])} sizes in the bucket after {time.monotonic() - began:.1f} s")
    finally:
        php(site, DELETED, site.domain, str(made["id"]))
    wait_until(
        "the bucket to have none of them",
        lambda: in_bucket(site, *made["names"]) == {"404"},
        timeout_s=30,
        clock=SystemClock(),
    )
    assert served(site, made["names"][0])[0] == "404"


#: Two webservers' crons at the same minute. Each program takes so long that the other surely begins before it ends.
CRONS = """
program=/srv/app/pages/try-cron.php
echo '<?php echo "ran ", getmypid(), "\\n"; sleep(8);' >$program
for number in 1 2 3 4; do
    runuser -u app -- php /srv/app/pages/cron.php $program &
done
wait
rm -f $program
"""


def test_wordpress_jobs_run_on_one_webserver_at_a_time(site: Site) -> None:
    # the real crontab runs each minute, and may hold the lock for a moment: then nobody of these ran
    def answers() -> list[str]:
        return sorted(line.split()[0] for line in root(site, CRONS).splitlines())

    wait_until(
        "one of four to run",
        lambda: answers() == ["another", "another", "another", "ran"],
        timeout_s=120,
        clock=SystemClock(),
    )
    # the lock ended with its holder, and the real jobs are those of WordPress
    assert root(site, "runuser -u app -- php /srv/app/pages/cron.php").strip() in ("", "another webserver runs them")
    record = json.loads(root(site, "cat /var/lib/buildyard/jobs/wordpress-cron.json"))
    assert record["exit_code"] == 0, record


class Visitor:
    """Somebody who logged in."""

    def __init__(self, site: Site) -> None:
        self._site, self._jar = site, site.home / "cookies"
        self._page = f"https://{site.domain}/wp-admin/profile.php"
        name, password = administrator(site)
        secret = site.home / "password"
        secret.write_text(password)
        login = ("--data-urlencode", f"log={name}", "--data-urlencode", f"pwd@{secret}")
        assert self._curl("-c", str(self._jar), *login, f"https://{site.domain}/wp-login.php") == "302"
        assert self._curl(self._page) == "302"

    def is_in(self) -> bool:
        return self._curl("-b", str(self._jar), self._page) == "200"

    def _curl(self, *words: str) -> str:
        site = self._site
        place = ("--resolve", f"{site.domain}:443:{site.address('ws-1')}")
        trust = ("--cacert", str(site.rehearsal / "site-roots.pem"))
        what = ("-o", "/dev/null", "-w", "%{http_code}")
        return site.foreign("curl", "-sS", "--max-time", "30", *what, *place, *trust, *words).stdout


def test_a_login_outlives_all_that_a_webserver_keeps(site: Site) -> None:
    """It is a cookie, made with the deployment's salts, and a row in the database."""
    visitor = Visitor(site)
    assert visitor.is_in()
    root(site, "rm -rf /var/lib/php/sessions/* /tmp/sess_*; systemctl restart buildyard-php")
    assert visitor.is_in()


@pytest.mark.campaign
def test_uploads_and_logins_outlive_their_webserver(site: Site, upload: str) -> None:
    visitor = Visitor(site)
    with driver(site.cloud) as provider:
        (machine,) = (each for each in provider.machines("by-rehearsal-fleet") if each.name == "ws-1")
        provider.delete_machine(machine.id)
    built = site.json("build", "--yes")
    assert built["ok"] is True, built
    status, digest, _, _ = served(site, PICTURE)
    assert (status, digest) == ("200", upload)
    assert visitor.is_in()
