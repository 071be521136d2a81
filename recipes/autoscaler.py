"""The autoscaler's program, its settings and credentials, and the service that runs it.

The program comes as one archive of wheels with a lock file (:mod:`fleet.wheelhouse`), is installed beside the one in
use and put in its place by a symbolic link. Settings name the program they are for; one that is another's refuses to
work with them, so the slow installation comes first and the three small changes right after each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipes.base import CONFIG, PROGRAMS
from recipes.context import AutoscalerFiles, Context
from recipes.secrets import SecretSpec
from recipes.shared_config import store_ca
from recipes.steps import Directory, File, Package, Script, Service, Step, Symlink, User
from recipes.texts import text_of
from state.errors import UsageError

NAME = "autoscaler"
SECRETS: tuple[SecretSpec, ...] = ()
UNIT = "buildyard-autoscaler"
USER = "buildyard-autoscaler"
FOLDER = f"{CONFIG}/autoscaler"
INSTALLED = "/opt/buildyard"
_NOLOGIN = "/usr/sbin/nologin"

#: The service counts as running from its READY=1 on; which program that was, its command line tells.
_RUNS = """\
runs() {
    systemctl is-active --quiet "$1" || return 1
    pid=$(systemctl show --property MainPID --value "$1")
    [ "$pid" != 0 ] || return 1
    tr '\\0' '\\n' <"/proc/$pid/cmdline" | head -n 1 | grep -q "^/opt/buildyard/$2/bin/"
}
"""
_RUNS_CHECK = f"""{_RUNS}
runs "$1" "$2"
"""
_RUNS_APPLY = f"""{_RUNS}
systemctl restart "$1" || true
end=$(($(date +%s) + 30))
until runs "$1" "$2"; do
    if [ "$(date +%s)" -ge "$end" ]; then
        echo "waited 30 s for program $2 to run; what it said last:" >&2
        journalctl --no-pager -q -o cat -n 12 -u "$1" >&2
        exit 1
    fi
    sleep 0.5
done
"""


def steps(context: Context) -> Iterator[Step]:
    """Program, files, service."""
    files = context.autoscaler
    if files is None:
        raise UsageError(f"{context.node.name} was told of no program for an autoscaler.", hint="run buildyard build")
    yield Package(label="Python's environments", names=("python3-venv",))
    yield User(label="autoscaler's user", name=USER, system=True, shell=_NOLOGIN)
    yield from _program(context, files)
    yield Directory(label="autoscaler's settings", path=FOLDER, mode=0o700)
    yield File(
        label="unit of the autoscaler",
        path=f"/etc/systemd/system/{UNIT}.service",
        content=text_of(f"{UNIT}.service"),
        notifies=(UNIT,),
    )
    yield File(
        label="what the autoscaler works by",
        path=f"{FOLDER}/settings.json",
        content=files.settings,
        mode=0o600,
        notifies=(UNIT,),
    )
    yield File(
        label="what the autoscaler may do",
        path=f"{FOLDER}/credentials.json",
        content=files.credentials,
        mode=0o600,
        notifies=(UNIT,),
    )
    yield Symlink(
        label="program in use",
        path=f"{INSTALLED}/current",
        target=f"{INSTALLED}/{files.program.version}",
        notifies=(UNIT,),
    )
    yield Service(label="autoscaler runs", unit=UNIT)
    yield Script(
        label="autoscaler is of this program",
        check=_RUNS_CHECK,
        apply=_RUNS_APPLY,
        arguments=(UNIT, files.program.version),
        timeout_s=120.0,
    )
    yield Script(
        label="earlier programs",
        check="buildyard-program tidy check\n",
        apply="buildyard-program tidy\n",
    )


def _program(context: Context, files: AutoscalerFiles) -> Iterator[Step]:
    program = files.program
    yield File(
        label="installer of programs",
        path=f"{PROGRAMS}/buildyard-program",
        content=text_of("buildyard-program"),
        mode=0o755,
    )
    yield Script(
        label="program",
        check='buildyard-program check "$1"\n',
        apply='buildyard-program install "$1" "$2" "$3"\n',
        arguments=(program.version, program.sha256, store_ca(context)),
        stdin=program.url,
        notifies=(UNIT,),
        timeout_s=900.0,
    )
