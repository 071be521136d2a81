"""What a real nginx does with the Gateway Guardian's settings: whom it asks, where, and who has a pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from recipes import guardian, webserver
from recipes.context import Guarded
from recipes.load import LOAD_PATH, LOOKS
from tests.recipes.guarded_site import FILES, GuardedSite, guarded_context, guarded_site, nginx_program

pytestmark = pytest.mark.machines

TOKEN = "5a" * 32
PROBE, ROBOT = "buildyard-probe (as-1)", "curl/8"
HEALTH = webserver.HEALTH_PATH


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode().replace("$2b$", "$2y$", 1)


ANNA, BERTA = hashed("anna's"), hashed("berta's")


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> str:
    return nginx_program(tmp_path_factory.mktemp("nginx"))


@pytest.fixture(scope="module")
def whole(nginx: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedSite]:
    with guarded_site(tmp_path_factory.mktemp("whole"), nginx, guarded_context(Guarded.SITE)) as site:
        site.allow({"anna": ANNA})
        yield site


@pytest.fixture(scope="module")
def admin(nginx: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedSite]:
    with guarded_site(tmp_path_factory.mktemp("admin"), nginx, guarded_context(Guarded.ADMIN)) as site:
        site.allow({"anna": ANNA}, TOKEN)
        site.reload()
        yield site


def asked(site: GuardedSite, path: str, **how: Any) -> bool:
    """Whether the Guardian asks there; a right password is then let in, a wrong one is not."""
    site.visitor += 1
    status, headers, _ = site.get(path, **how)
    if status != 401:
        return False
    assert headers["WWW-Authenticate"] == f'Basic realm="{guardian.REALM}"'
    assert headers["Set-Cookie"] is None
    assert site.get(path, who="anna:wrong")[0] == 401
    assert site.get(path, who="berta:anna's")[0] == 401
    assert site.get(path, who="anna:anna's")[0] not in (401, 403)
    return True


def test_before_the_site_everybody_is_asked_everywhere(whole: GuardedSite) -> None:
    whole.reload()
    for path in ("/", *(f"/{name}" for name in FILES[:1] + FILES[2:]), "/nowhere", "/wp-content/uploads/a.png"):
        assert asked(whole, path), path
    assert whole.get("/wp-login.php")[0] == 401


def test_buildyards_own_looks_come_through_over_the_private_network_only(whole: GuardedSite) -> None:
    for agent in (PROBE, LOOKS):
        status, headers, body = whole.get("/", agent=agent, private=True)
        assert (status, headers["Set-Cookie"]) == (200, None)
        assert '"/index.php"' in body
        assert whole.get("/", agent=agent)[0] == 401
    for agent in (ROBOT, "", "buildyard-probes", f"x{PROBE}", f"{LOOKS}s"):
        assert whole.get("/", agent=agent, private=True)[0] == 401
    assert whole.get(LOAD_PATH, agent=PROBE, private=True)[0] == 200
    assert whole.get(LOAD_PATH)[0] == 404
    for private in (False, True):
        assert whole.get(HEALTH, private=private)[0] == 200
    assert whole.get("/.well-known/acme-challenge/token")[0] == 404


def test_the_application_never_hears_the_password(whole: GuardedSite, admin: GuardedSite) -> None:
    assert whole.get("/", who="anna:anna's")[0] == 200
    assert "HTTP_AUTHORIZATION" in whole.passed
    assert whole.passed["HTTP_AUTHORIZATION"] == ""
    assert "anna's" not in str(whole.passed)
    assert admin.get("/", who="anna:anna's")[0] == 200
    assert admin.passed["HTTP_AUTHORIZATION"] == ""
    assert admin.get("/", bearer="of-the-application")[0] == 200
    assert admin.passed["HTTP_AUTHORIZATION"] == "Bearer of-the-application"


def test_an_empty_list_and_none_let_nobody_in(whole: GuardedSite) -> None:
    try:
        whole.allow({})
        assert whole.get("/", who="anna:anna's")[0] == 401
        assert whole.get("/", who=":")[0] == 401
        (whole.guardian / "people").unlink()
        assert whole.get("/", who="anna:anna's")[0] == 403
        assert whole.get("/", agent=PROBE, private=True)[0] == 200
    finally:
        whole.allow({"anna": ANNA})


def test_somebody_new_is_let_in_and_somebody_removed_is_not(whole: GuardedSite) -> None:
    try:
        whole.allow({"anna": ANNA, "berta": BERTA})
        assert whole.get("/", who="berta:berta's")[0] == 200
        whole.allow({"berta": BERTA})
        assert whole.get("/", who="anna:anna's")[0] == 401
    finally:
        whole.allow({"anna": ANNA})


def test_who_was_asked_has_a_pass_until_the_list_changes(whole: GuardedSite) -> None:
    try:
        whole.reload()
        assert whole.get("/", who="anna:anna's")[1]["Set-Cookie"] is None, "there is no token yet"
        for forged in ("", "0" * 64, " "):
            assert whole.get("/", cookie=f"buildyard_guardian={forged}")[0] == 401
        whole.allow({"anna": ANNA}, TOKEN)
        assert whole.test().returncode == 0
        whole.reload()
        given = whole.get("/", who="anna:anna's")[1]["Set-Cookie"]
        assert given == f"buildyard_guardian={TOKEN}; Path=/; Secure; HttpOnly; SameSite=Lax"
        cookie = given.partition(";")[0]
        for path in ("/", "/wp-content/a.css", "/wp-admin/css/login.css"):
            status, headers, _ = whole.get(path, cookie=cookie)
            assert (status, headers["Set-Cookie"]) == (200, None)
        for cookie_forged in (f"{cookie}0", cookie[:-1], cookie.replace("guardian", "guardians"), f"x{cookie}"):
            assert whole.get("/", cookie=cookie_forged)[0] == 401
        for path, how in ((HEALTH, {}), (LOAD_PATH, {}), ("/nowhere.css", {}), (LOAD_PATH, {"private": True}),
                          ("/", {"private": True, "agent": PROBE})):  # fmt: skip
            assert whole.get(path, **how)[1]["Set-Cookie"] is None, "it is for who said a password"
        whole.allow({"anna": ANNA}, TOKEN[::-1])
        whole.reload()
        assert whole.get("/", cookie=cookie)[0] == 401
    finally:
        whole.allow({"anna": ANNA})
        whole.reload()


def test_passwords_are_tried_slowly(whole: GuardedSite) -> None:
    whole.visitor += 1
    tried = [whole.get("/", who="anna:wrong")[0] for _ in range(40)]
    assert set(tried) == {401, 429}
    assert whole.get("/", agent=PROBE, private=True)[0] == 200
    assert whole.get("/")[0] == 401, "who says none is asked as ever"


def test_the_maintenance_page_is_for_everybody(whole: GuardedSite) -> None:
    page = whole.folder / "app/current/index.php"
    page.rename(page.with_suffix(".away"))
    try:
        status, headers, body = whole.get("/")
        assert (status, body, headers["Set-Cookie"]) == (503, "back soon", None)
    finally:
        page.with_suffix(".away").rename(page)


def test_before_the_admin_pages_only_they_are_guarded(admin: GuardedSite) -> None:
    for path in ("/", "/index.php", "/wp-content/a.css", "/wp-admin/admin-ajax.php", "/wp-admin/admin-post.php?a=b",
                 "/wp-administration", "/wp-json/", "/?p=/wp-admin/", HEALTH):  # fmt: skip
        status, headers, _ = admin.get(path)
        assert status == 200, path
        assert headers["Set-Cookie"] is None, path
    for path in ("/wp-admin/", "/wp-admin/index.php", "/wp-admin/css/login.css", "/wp-admin", "//wp-admin/index.php",
                 "/wp-admin/./index.php", "/x/../wp-admin/index.php", "/%77p-admin/index.php",
                 "/wp-admin/admin-ajax.php/../index.php", "/wp-admin/nowhere.php"):  # fmt: skip
        assert admin.get(path)[0] == 401, path
    assert admin.get("/wp-login.php")[0] == 401
    assert admin.get("/wp-admin/index.php", who="anna:wrong")[0] == 401
    status, headers, _ = admin.get("/wp-admin/", who="anna:anna's")
    assert status == 200
    assert admin.passed["SCRIPT_NAME"] == "/wp-admin/index.php"
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert cookie == f"buildyard_guardian={TOKEN}"
    assert admin.get("/wp-login.php", cookie=cookie)[0] == 200


def test_before_nothing_nobody_is_asked(nginx: str, tmp_path: Path) -> None:
    with guarded_site(tmp_path, nginx, guarded_context(Guarded.NOTHING)) as site:
        for path in ("/", "/wp-admin/", "/wp-login.php", HEALTH):
            assert site.get(path)[0] == 200
        assert site.get("/", who="of-the:application")[0] == 200
        assert site.passed["HTTP_AUTHORIZATION"].startswith("Basic ")
