"""A site made from another one's baseline: same content, its own address, its own secrets."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
import yaml

from buildyard.answering import REHEARSAL_ANSWERS
from tests.journeys.conftest import Site, environment

pytestmark = pytest.mark.machines

NAME, DOMAIN = "based", "based.rehearsal.test"
TITLE = "Made elsewhere"
MAKER, MAKERS_PASSWORD = "maker", "Of-the-source-site-1"

#: On the source site: a second administrator, a key to the API of the first one, and an object that knows the address.
PLANTED = """
$_SERVER['HTTP_HOST'] = $argv[1];
$_SERVER['HTTPS'] = 'on';
require '/srv/app/current/wp-load.php';
wp_insert_user(['user_login' => $argv[2], 'user_pass' => $argv[3], 'role' => 'administrator']);
$first = get_user_by('login', $argv[4]);
[$key] = WP_Application_Passwords::create_new_application_password($first->ID, ['name' => 'planted']);
$page = (object) ['home' => "https://$argv[1]/", 'inner' => serialize(["https://$argv[1]/inner"])];
update_option('planted', ['page' => $page, 'last' => 'whole']);
echo $key;
"""
READ = """
$_SERVER['HTTP_HOST'] = $argv[1];
$_SERVER['HTTPS'] = 'on';
require '/srv/app/current/wp-load.php';
$planted = get_option('planted');
echo json_encode([$planted['page']->home, unserialize($planted['page']->inner), $planted['last']]);
"""
TAKEN_AWAY = """
$_SERVER['HTTP_HOST'] = $argv[1];
require '/srv/app/current/wp-load.php';
require ABSPATH . 'wp-admin/includes/user.php';
wp_delete_user(get_user_by('login', $argv[2])->ID);
WP_Application_Passwords::delete_all_application_passwords(get_user_by('login', $argv[3])->ID);
delete_option('planted');
"""
#: Of the source site, with one upload; there the folder is a link that leads out of the release.
WEBROOT = """
echo 'of the source site' | runuser -u app -- tee /srv/app/uploads/source.txt >/dev/null
tar -czf - --exclude=./wp-content/uploads --transform 's,^uploads,./wp-content/uploads,' \\
    -C /srv/app/current/ . -C /srv/app uploads/source.txt
rm -f /srv/app/uploads/source.txt
"""


def php(site: Site, code: str, *arguments: str) -> str:
    """What a PHP program prints as the application's user."""
    return site.on("ws-1", "sudo", "-n", "runuser", "-u", "app", "--", "php", "-r", code, "--", *arguments)


def administrator(site: Site) -> tuple[str, str]:
    """Name and password, as the user is told them."""
    told = site.buildyard("status", "--password").stdout.splitlines()
    name, password = (line.partition(":")[2].strip() for line in told[1:3])
    return name, password


def asked(site: Site, path: str, *words: str) -> str:
    """The HTTP code of an answer to a foreign host, and where it leads."""
    host = site.domain
    answer = site.foreign(
        *("curl", "-sS", "--max-time", "20", "--cacert", str(site.rehearsal / "site-roots.pem"), "-o", "/dev/null"),
        *("--resolve", f"{host}:443:{site.address('ws-1')}", "-w", "%{http_code} %{redirect_url}"),
        *(*words, f"https://{host}{path}"),
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def gets_in(site: Site, user: str, password: str) -> bool:
    """Whether the log-in page lets them through to the admin pages."""
    answer = asked(site, "/wp-login.php", "--data-urlencode", f"log={user}", "--data-urlencode", f"pwd={password}")
    assert answer.startswith(("200", "302")), answer
    return answer.startswith(f"302 https://{site.domain}/wp-admin/")


def key_opens(site: Site, user: str, key: str) -> bool:
    """Whether the API takes an application password."""
    return asked(site, "/wp-json/wp/v2/users/me?context=edit", "--user", f"{user}:{key}").startswith("200")


def fetched(site: Site, machine: str, script: str) -> bytes:
    """What a shell line on a machine prints, byte for byte."""
    words = [sys.executable, "-m", "buildyard", "ssh", "--deployment", "rehearsal", machine, "--"]
    done = subprocess.run(
        [*words, "sudo", "-n", "sh", "-c", script],
        env=environment(site.home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def nested(answers: dict[str, object]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for key, value in answers.items():
        group, dot, name = key.partition(".")
        if dot:
            branch = tree.setdefault(group, {})
            assert isinstance(branch, dict)
            branch[name] = value
        else:
            tree[key] = value
    return tree


@pytest.fixture(scope="module")
def key(site: Site) -> Iterator[str]:
    """An application password of the source site's administrator."""
    name, _ = administrator(site)
    try:
        yield php(site, PLANTED, site.domain, MAKER, MAKERS_PASSWORD, name).strip()
    finally:
        php(site, TAKEN_AWAY, site.domain, MAKER, name)


@pytest.fixture(scope="module")
def based(site: Site, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A second deployment on the same cloud, from the first one's content."""
    folder = tmp_path_factory.mktemp("baseline")
    title = f"UPDATE wp_options SET option_value = '{TITLE}' WHERE option_name = 'blogname'"
    site.on("db-1", "sudo", "-n", "mariadb", "app", "-e", title)
    parts = {
        "webroot.tar.gz": fetched(site, "ws-1", WEBROOT),
        "database.sql.gz": gzip.compress(fetched(site, "db-1", "mariadb-dump --single-transaction app")),
    }
    for name, content in parts.items():
        (folder / name).write_bytes(content)
    manifest = {
        "format": 1,
        "application": "wordpress",
        "site": f"https://{site.domain}",
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in parts.items()
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    answers = {
        **REHEARSAL_ANSWERS,
        "deployment.name": NAME,
        "site.domain": DOMAIN,
        "site.www": False,
        "application.source": "baseline",
        "application.baseline": str(folder),
    }
    file = tmp_path_factory.mktemp("answers") / "based.yaml"
    file.write_text(yaml.safe_dump(nested(answers)))
    try:
        built = site.buildyard("rehearse", "--plain", "--yes", "--answers", str(file))
        assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-1000:]
        yield replace(site, deployment=NAME, domain=DOMAIN)
    finally:
        site.buildyard("destroy", "--deployment", NAME, "--yes")


def test_the_content_is_there_under_the_new_address(based: Site) -> None:
    page = based.visit(f"https://{DOMAIN}/", based.resolve(DOMAIN, "A")[0])
    assert page.returncode == 0, page.stderr
    assert f"<title>{TITLE}" in page.stdout
    assert f"https://{DOMAIN}/" in page.stdout
    assert "site.rehearsal.test" not in page.stdout


def test_values_that_hold_objects_are_whole(based: Site) -> None:
    page = json.loads(php(based, READ, DOMAIN))
    assert page == [f"https://{DOMAIN}/", [f"https://{DOMAIN}/inner"], "whole"]


def test_its_uploads_are_served_and_in_the_bucket_and_stay_deleted(based: Site) -> None:
    page = based.visit(f"https://{DOMAIN}/wp-content/uploads/source.txt", based.resolve(DOMAIN, "A")[0])
    assert page.stdout.endswith("of the source site\n")
    again = "buildyard-uploads first $(basename $(readlink /srv/app/current)); echo $?"
    assert based.on("ws-1", "sudo", "-n", "sh", "-c", again).strip() == "4"
    based.on("ws-1", "sudo", "-n", "runuser", "-u", "app", "--", "rm", "/srv/app/uploads/source.txt")
    # a release that was altered is laid out anew, but its uploads are not
    based.on("ws-1", "sudo", "-n", "sh", "-c", "rm /srv/app/current/wp-config-sample.php; rm /srv/app/current")
    assert based.json("build", "--deployment", NAME)["ok"]
    assert based.on("ws-1", "ls", "/srv/app/uploads").strip() == ""


def test_its_administrator_gets_in_and_the_source_sites_people_do_not(site: Site, based: Site, key: str) -> None:
    (name, password), (source_name, source_password) = administrator(based), administrator(site)
    assert name == source_name
    assert gets_in(based, name, password)
    assert not gets_in(based, name, source_password)
    assert not gets_in(based, MAKER, MAKERS_PASSWORD)
    assert not key_opens(based, name, key)
    # all three are good where they come from
    assert gets_in(site, name, source_password)
    assert gets_in(site, MAKER, MAKERS_PASSWORD)
    assert key_opens(site, name, key)


def test_building_it_again_changes_nothing(based: Site) -> None:
    again = based.json("build", "--deployment", NAME)
    assert again["ok"] is True
    assert again["changed"] == 0


def test_the_two_sites_do_not_reach_each_other(site: Site, based: Site) -> None:
    """They share a cloud, not a fleet: neither may use the other's database or SSH."""
    for target, port in ((based.address("db-1", "private_ipv4"), 2035), (based.address("ws-1"), 1035)):
        tried = site.buildyard(
            "ssh",
            "--deployment",
            "rehearsal",
            "ws-1",
            "--",
            "timeout",
            "5",
            "bash",
            "-c",
            f"exec 3<>/dev/tcp/{target}/{port}",
        )
        assert tried.returncode != 0
