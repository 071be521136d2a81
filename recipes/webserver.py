"""nginx and PHP: HTTPS for the site's own names, PHP in a pool of its own user, a maintenance page until there is more.

The code lies in releases: ``/srv/app/current`` points to the one in use (:mod:`recipes.wordpress`). Distributions name
their PHP by version; ``buildyard-php`` finds it, so the recipe need not know.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipes import guardian, load
from recipes.base import CONFIG, PROGRAMS
from recipes.certificate import CURRENT, HOOK, PAIR_FITS, TLS, names_of
from recipes.context import Context
from recipes.secrets import SecretSpec
from recipes.steps import Absent, Command, Directory, File, Package, Script, Service, Step, Symlink, User
from recipes.texts import filled, text_of
from recipes.uploading.server import FETCHED

NAME = "webserver"
SECRETS: tuple[SecretSpec, ...] = ()
APPLICATION = "/srv/app"
RELEASES = f"{APPLICATION}/releases"
CURRENT_RELEASE = f"{APPLICATION}/current"
UPLOADS = f"{APPLICATION}/uploads"
#: Where the service of :mod:`recipes.uploads` is asked for an upload that is not here.
UPLOADS_SOCKET = "/run/buildyard-uploads/socket"
#: Runs PHP; owns uploads and nothing else.
USER = "app"
#: Answers 200 when PHP and the database do; tells probers why not. See ``recipes/files/health.php``.
HEALTH_PATH = "/.well-known/buildyard/health"
PHP_SERVICE = "buildyard-php"

#: Files ``*.conf`` in it are part of the site's own server in nginx; other recipes put them there.
SITE_PARTS = "/etc/nginx/buildyard-site.d"

_NOLOGIN = "/usr/sbin/nologin"
_SITE = "/etc/nginx/sites-available/buildyard"
#: What WordPress and its usual plug-ins ask for.
_PACKAGES = (
    "nginx",
    "php-fpm",
    "php-cli",
    "php-curl",
    "php-gd",
    "php-intl",
    "php-mbstring",
    "php-mysql",
    "php-xml",
    "php-zip",
)
# One that was damaged is installed anew. Where there is none yet: one that nobody trusts, so that nginx can run and be
# tested before the real one is there.
_CERTIFICATE_APPLY = f"""\
if [ -x "$2" ]; then
    buildyard-pull "${{2##*/}}" || echo "the store is silent: is there a good copy here?" >&2
    {{ {PAIR_FITS}; }} && exit
fi
none=${{1%/*}}/none
rm -rf "$none"
mkdir -m 700 "$none"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$3" \
    -keyout "$none/key.pem" -out "$none/fullchain.pem" 2>/dev/null
ln -sfn none "$1"
"""


def steps(context: Context) -> Iterator[Step]:
    """Packages, pool, site."""
    yield from common()
    yield Directory(label="certificates", path=TLS, mode=0o700)
    yield Script(
        label="certificate for nginx to begin with",
        check=PAIR_FITS,
        apply=_CERTIFICATE_APPLY,
        arguments=(CURRENT, HOOK, context.domain),
        timeout_s=180.0,
    )
    yield from load.steps(context)
    yield from guardian.steps(context, HEALTH_PATH)
    yield from _nginx(context)


def common() -> Iterator[Step]:
    """What is alike on all webservers and no secret: an image of it may be taken."""
    yield Package(label="nginx and PHP", names=_PACKAGES)
    yield User(label="application's user", name=USER, shell=_NOLOGIN, system=True)
    yield from _folders()
    yield from _php()


def _folders() -> Iterator[Step]:
    yield Directory(label="application's folder", path=APPLICATION)
    yield Directory(label="releases", path=RELEASES)
    yield Directory(label="uploads", path=UPLOADS, owner=USER, group=USER)
    yield Directory(label="pages of our own", path=f"{APPLICATION}/pages")
    yield File(label="maintenance page", path=f"{APPLICATION}/pages/503.html", content=text_of("503.html"))
    yield File(label="health page", path=f"{APPLICATION}/pages/health.php", content=text_of("health.php"))


def _php() -> Iterator[Step]:
    yield Directory(label="PHP settings", path=f"{CONFIG}/php")
    yield File(
        label="PHP limits",
        path=f"{CONFIG}/php/php.ini",
        content=text_of("php.ini"),
        notifies=(PHP_SERVICE,),
    )
    yield File(
        label="PHP pool",
        path=f"{CONFIG}/php/pool.conf",
        content=filled("php-pool.conf", user=USER, application=APPLICATION),
        notifies=(PHP_SERVICE,),
    )
    yield File(label="finder of PHP", path=f"{PROGRAMS}/buildyard-php", content=text_of("buildyard-php"), mode=0o755)
    yield Script(
        label="PHP reads our settings",
        check="buildyard-php check\n",
        apply="buildyard-php apply\n",
        notifies=(PHP_SERVICE,),
    )
    yield Service(label="PHP", unit=PHP_SERVICE, reload=True)


def _nginx(context: Context) -> Iterator[Step]:
    yield File(
        label="nginx settings",
        path="/etc/nginx/conf.d/10-buildyard.conf",
        content=filled(
            "nginx-common.conf", private=load.private_address(context), folder=load.FOLDER, looks=load.LOOKS
        ),
        notifies=("nginx",),
    )
    yield File(
        label="site",
        path=_SITE,
        content=_site(context),
        notifies=("nginx",),
    )
    yield Symlink(
        label="site switched on", path="/etc/nginx/sites-enabled/buildyard", target=_SITE, notifies=("nginx",)
    )
    yield Absent(label="no default site", path="/etc/nginx/sites-enabled/default", notifies=("nginx",))
    yield from guardian.leftovers(context)
    yield Command(label="nginx accepts its settings", check=("nginx", "-t", "-q"), apply=("nginx", "-t", "-q"))
    yield Service(label="nginx", unit="nginx", reload=True)


def _site(context: Context) -> str:
    names = names_of(context)
    others = names[1:]
    return filled(
        "nginx-site.conf",
        domain=context.domain,
        parts=SITE_PARTS,
        names=" ".join(names),
        others=filled("nginx-others.conf", names=" ".join(others), domain=context.domain) if others else "",
        tls=CURRENT,
        application=APPLICATION,
        health=HEALTH_PATH,
        socket=UPLOADS_SOCKET,
        fetched=FETCHED,
        load=load.LOAD_PATH,
        folder=load.FOLDER,
        guardian=guardian.in_site(context),
        unasked=guardian.in_open_place(context),
        credentials=guardian.before_application(context),
    )
