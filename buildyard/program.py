"""The composition root: makes every collaborator once and hands it down. Nothing below it looks around by itself."""

from __future__ import annotations

import getpass
import hashlib
import secrets as random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from buildyard.authority_file import authority_file
from fleet.access import CloudAccess, StoreAccess
from fleet.deployment import STATE_KEY, Deployment
from fleet.moved import refuse_moved
from fleet.names import Names, bucket_suffix
from fleet.policy import as_cidr
from fleet.settings import Mode, Settings, read_settings
from fleet.store_keys import OWN, StoreKey, known_key, own_key
from providers.bucket import Bucket
from providers.catalog import credentials_among
from providers.contract import Provider
from providers.names import REHEARSAL
from state.answers import Answers, load
from state.clock import Clock, SystemClock
from state.errors import AnswersError, PassphraseMissing, SecretsError, UsageError
from state.events import Emit
from state.files import make_private_folder, read_file, write_file
from state.fleet_bucket import FleetBucket
from state.fleet_keeper import FleetKeeper
from state.fleet_store import FleetStore
from state.objects import CompareAndSet
from state.paths import HOME_VARIABLE, DeploymentPaths, Home
from state.sealed_objects import SealedObjects
from state.secret import Redactor, Secret
from state.secret_store import PASSPHRASE_VARIABLE, SecretStore, open_secret_store
from wizard.questions import all_questions

REHEARSALS_VARIABLE = "BUILDYARD_REHEARSALS"
#: An empty or mistyped passphrase may be entered again so often.
PASSPHRASE_TRIES = 3
_PASSPHRASE = "Passphrase of Buildyard's secrets: "
_NEW_PASSPHRASE = "Choose a passphrase for Buildyard's secrets: "


@dataclass
class Program:
    """One execution of Buildyard.

    Args:
        home: where deployments live.
        environment: of the process; read here and nowhere below.
        clock: ends its waits when the user stops the program.
        passphrase: of secrets' files, once it is known.
    """

    home: Home
    environment: Mapping[str, str]
    clock: Clock
    redact: Redactor = field(default_factory=Redactor)
    passphrase: Secret | None = None

    @classmethod
    def from_process(cls, environment: Mapping[str, str]) -> Program:
        """The usual one."""
        return cls(Home.from_environment(environment), environment, SystemClock())

    @property
    def rehearsal_folder(self) -> Path:
        """Where the cloud on this machine keeps its things; one for all deployments of this home.

        Beside the clouds of other homes, with which it shares images and packages: a second rehearsal makes neither.
        """
        folder = Path(self.environment.get(REHEARSALS_VARIABLE, "/var/lib/buildyard/rehearsals"))
        return folder / hashlib.sha256(str(self.home.root).encode()).hexdigest()[:8]

    @property
    def environment_elsewhere(self) -> Mapping[str, str]:
        """The environment for a process in another folder: paths in it that are Buildyard's are absolute."""
        found = {**self.environment, HOME_VARIABLE: str(self.home.root)}
        for variable in (PASSPHRASE_VARIABLE, REHEARSALS_VARIABLE):
            if found.get(variable):
                found[variable] = str(Path(found[variable]).expanduser().absolute())
        return found

    def paths(self, name: str | None) -> DeploymentPaths:
        """The named deployment, or the only one.

        Raises:
            UsageError: there is none of that name, none at all, or several and none was named.
        """
        there = self.home.deployments()
        if name:
            found = [paths for paths in there if paths.name == name]
            if found:
                return found[0]
            names = ", ".join(paths.name for paths in there) or "none"
            raise UsageError(
                f"There is no deployment {name}.", detail=f"On this build machine: {names}.", hint="buildyard new"
            )
        # one that was destroyed keeps its answers, but is not what a person means
        built = [paths for paths in there if paths.fleet_record.exists()]
        for only in (there, built):
            if len(only) == 1:
                return only[0]
        if not there:
            raise UsageError(
                "There is no deployment on this build machine yet.",
                hint="buildyard rehearse, or buildyard new; buildyard adopt when it was on a stick that is lost",
            )
        raise UsageError(
            "There are several deployments: " + ", ".join(paths.name for paths in there) + ".",
            hint="name one with --deployment NAME",
        )

    def answers(self, paths: DeploymentPaths) -> Answers:
        """The deployment's answers.

        Raises:
            AnswersError: there are none, or they cannot be used.
        """
        found = load(paths.answers, all_questions())
        if found is None:
            raise AnswersError(f"{paths.name} has no answers.", hint=f"buildyard new --deployment {paths.name}")
        return found

    def secret_store(self, paths: DeploymentPaths, provider: str, *, may_ask: bool) -> SecretStore:
        """The deployment's secrets, open.

        Raises:
            SecretsError: no passphrase, or a wrong one.
        """
        paths.create()
        return open_secret_store(
            paths,
            self.environment,
            lambda: self._passphrase(provider, may_ask=may_ask, new=not paths.encrypted_secrets.exists()),
        )

    def open(self, paths: DeploymentPaths, emit: Emit, *, may_ask: bool, only_looks: bool = False) -> Deployment:
        """Everything the work on one deployment needs; the cloud is reached (a rehearsal's is started) on the way.

        Nothing is made: neither at a vendor nor here.

        Args:
            only_looks: nobody is let in or shut out, so the operators' addresses are not found out.

        Raises:
            BuildyardError: answers, secrets or cloud cannot be used as they are.
        """
        answers = self.answers(paths)
        settings = read_settings(answers.values)
        copy = FleetStore(paths.fleet_record)
        refuse_moved(copy.load(), settings.provider, settings.region)
        secrets = self.secret_store(paths, settings.provider, may_ask=may_ask)
        for name in secrets.names():
            found = secrets.get(name)
            if found is not None:
                self.redact.add(found)
        access = self._access(settings, secrets, emit)
        self.redact.add(*access.credentials.values())

        def open_bucket(name: str) -> Bucket:
            key = own_key(copy, secrets)
            return self.bucket(access.store, name, key.access_key, key.secret_key)

        names = Names(settings.deployment)
        suffix = bucket_suffix(answers.lineage)

        opened: dict[tuple[Secret, StoreKey], CompareAndSet] = {}

        def state() -> CompareAndSet | None:
            """None before the first run made what opens it; another key opens it anew."""
            seal, key = secrets.get(STATE_KEY.name), known_key(copy, secrets, OWN)
            if seal is None or key is None:
                return None
            if (seal, key) not in opened:
                bucket = self.bucket(access.store, names.bucket("state", suffix), key.access_key, key.secret_key)
                opened[seal, key] = SealedObjects(bucket, seal)
            return opened[seal, key]

        record: FleetKeeper = copy
        if settings.mode is Mode.PRODUCTION:
            record = FleetBucket(state, copy, may_be_old=only_looks)
        return Deployment(
            settings=settings,
            lineage=answers.lineage,
            names=names,
            access=access,
            record=record,
            secrets=secrets,
            operators=() if only_looks else _operators(settings, access),
            bucket_suffix=suffix,
            open_bucket=open_bucket,
            open_bucket_with=lambda name, access_key, secret: self.bucket(access.store, name, access_key, secret),
            redact=self.redact,
            emit=emit,
            clock=self.clock,
        )

    def with_operators_of_now(self, deployment: Deployment, paths: DeploymentPaths) -> Deployment:
        """The deployment with the operators its answers name now: whoever waited for the lease may know old ones."""
        settings = read_settings(self.answers(paths).values)
        return replace(deployment, operators=_operators(settings, deployment.access))

    def open_built(self, paths: DeploymentPaths, *, may_ask: bool) -> Deployment:
        """Like :meth:`open`, for who looks at what was built: no cloud is started for what is not there.

        Raises:
            UsageError: it was never built, or is destroyed.
            BuildyardError: as of :meth:`open`.
        """
        if not paths.fleet_record.exists():
            raise UsageError(f"{paths.name} is not built.", hint=f"buildyard build --deployment {paths.name}")
        return self.open(paths, lambda _event: None, may_ask=may_ask, only_looks=True)

    def _access(self, settings: Settings, secrets: SecretStore, emit: Emit) -> CloudAccess:
        if settings.provider == REHEARSAL:
            from buildyard.local_cloud import reach

            return reach(self.rehearsal_folder, settings, self.clock, emit)
        from buildyard.vendor_cloud import reach as reach_vendor

        credentials = credentials_among((settings.provider, settings.dns), secrets.get)
        try:
            return reach_vendor(settings, credentials, self.clock)
        except SecretsError as missing:
            missing.hint = f"buildyard new --deployment {settings.deployment} asks for it"
            raise

    def reach_store(
        self, provider: str, region: str, credentials: Mapping[str, Secret]
    ) -> tuple[Provider, StoreAccess]:
        """A provider and its object store, for who has neither answers nor secrets of a deployment yet.

        Args:
            credentials: the provider's; a rehearsal's are its cloud's own.

        Raises:
            UsageError: this home has no rehearsal, or the provider has no such store.
            BuildyardError: there is no such provider.
        """
        if provider == REHEARSAL:
            from buildyard.local_cloud import reach_store

            return reach_store(self.rehearsal_folder, self.clock)
        from buildyard.vendor_cloud import reach_store as reach_vendor

        self.redact.add(*credentials.values())
        return reach_vendor(provider, region, credentials, self.clock)

    def bucket(self, store: StoreAccess, name: str, access_key: str, secret_key: Secret) -> Bucket:
        """A bucket of that store; nobody is asked yet."""
        return Bucket(
            endpoint_url=store.endpoint_url,
            region=store.region,
            access_key=access_key,
            secret_key=secret_key,
            name=name,
            ca_pem_file=authority_file(self.home.root, store.ca_pem),
        )

    def _passphrase(self, provider: str, *, may_ask: bool, new: bool) -> Secret:
        if self.passphrase is None:
            if provider == REHEARSAL:
                self.passphrase = self._rehearsal_passphrase()
            elif may_ask and sys.stdin.isatty():
                self.passphrase = _ask_passphrase(new=new)
            else:
                raise PassphraseMissing(
                    "There is no passphrase for the secrets, and nobody to ask.",
                    detail="No secret service runs here, so they are kept in an encrypted file.",
                    hint="write it into a file only you can read and name that file in BUILDYARD_PASSPHRASE_FILE",
                )
        return self.passphrase

    def _rehearsal_passphrase(self) -> Secret:
        """Why a rehearsal makes its own: docs/decisions/0002."""
        path = make_private_folder(self.home.root) / "rehearsal-passphrase"
        found = read_file(path)
        if found is None:
            found = random.token_urlsafe(24).encode()
            write_file(path, found)
        return Secret(found.decode())


def _ask_passphrase(*, new: bool) -> Secret:
    """Asks at the terminal; one that is chosen now is asked twice, because a slip of the finger would lock it.

    Raises:
        SecretsError: none was given.
    """
    for _ in range(PASSPHRASE_TRIES):
        given = getpass.getpass(_NEW_PASSPHRASE if new else _PASSPHRASE)
        if not given:
            print("An empty passphrase protects nothing.", file=sys.stderr)
        elif new and getpass.getpass("The same once more: ") != given:
            print("These two differ.", file=sys.stderr)
        else:
            return Secret(given)
    raise SecretsError("No passphrase was given.", hint="repeat the command; a long sentence is a good passphrase")


def _operators(settings: Settings, access: CloudAccess) -> tuple[str, ...]:
    """Who may use SSH from outside; ``auto`` is this machine.

    Raises:
        AnswersError: nobody would be left, or an address is none.
    """
    found: list[str] = []
    for operator in settings.operators:
        if operator == "auto":
            found += access.operator_addresses()
            continue
        try:
            found.append(as_cidr(operator))
        except ValueError as error:
            raise AnswersError(f"access.operators: {operator} is no address.", hint="such as 198.51.100.7") from error
    if not found:
        raise AnswersError(
            "Nobody would be allowed to use SSH: this machine's address is not known.",
            hint="buildyard allow ADDRESS, or set access.operators in the answers",
        )
    return tuple(dict.fromkeys(found))
