"""What recipes are told: made from settings, secrets and record; and the signed files they are told through."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from fleet.autoscaler.handed import credentials_for, settings_for
from fleet.deployment import ADMIN_KEY, ADMIN_USER, SIGNING_KEY, Deployment
from fleet.managed import server_of
from fleet.program import program_of
from fleet.release import release_of
from fleet.store_keys import StoreKey, known_key
from recipes import mail, roles, signed
from recipes.context import AutoscalerFiles, Context, ManagedServer, Node, ObjectStore, ProgramRelease, Release, Role
from recipes.secrets import SecretKind, SecretSpec, public_line
from state.errors import StateError
from state.secret import Secret

#: Stands for a machine's key to the object store that is still to be made (only plans see that).
UNMADE_KEY = StoreKey("not-made-yet", Secret("not-made-yet"))
#: The same for a managed database that is still being made.
UNMADE_SERVER = ManagedServer("not-made-yet.invalid", 3306, "nobody", Secret("not-made-yet"), "not made yet\n")


class ContextMaker:
    """Makes the contexts of one run; what is the same for all machines is made once.

    Args:
        deployment: whose machines.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._all = deployment
        self._lock = threading.Lock()
        self._secrets: Mapping[str, Secret] | None = None
        self._release: Release | None = None
        self._program: ProgramRelease | None = None
        self._memory_mib: Mapping[Role, int] | None = None
        self._server: ManagedServer | None = None

    def make(self, node: Node, fleet: tuple[Node, ...]) -> Context:
        """The context of that machine among this fleet."""
        one = self._all
        settings, store = one.settings, one.access.store
        with self._lock:
            secrets = self._secrets = self._secrets or self._all_secrets()
            memory = self._memory_mib = self._memory_mib or self._memories()
            release = self._release = self._release or release_of(one)
            # asked for again until it is there: in a first build it comes in the middle
            server = self._server = self._server or (server_of(one) if settings.database_size else None)
        sized = tuple(replace(each, memory_mib=memory.get(each.role, 0)) for each in fleet)
        key = known_key(one.record, one.secrets, node.role.value) or UNMADE_KEY
        return Context(
            deployment=settings.deployment,
            mode=settings.mode.value,
            domain=settings.domain,
            apex_and_www=settings.www,
            node=replace(node, memory_mib=memory.get(node.role, 0)),
            fleet=sized,
            operators=one.operators,
            admin_user=ADMIN_USER,
            admin_keys=self.admin_keys(public_line(secrets[ADMIN_KEY], one.names.ssh_key)),
            signer_public_key=public_line(secrets[SIGNING_KEY]),
            store=ObjectStore(
                endpoint_url=store.endpoint_url,
                region=store.region,
                ca_pem=store.ca_pem,
                access_key=key.access_key,
                config_bucket=one.bucket_name("config"),
                state_bucket=one.bucket_name("state"),
                artefact_bucket=one.bucket_name("artefacts"),
                assets_bucket=one.bucket_name("assets"),
            ),
            authority=one.access.authority,
            answers={**settings.answers, **one.access.driver.settings},
            secrets={**secrets, "s3-secret-key": key.secret_key},
            release=release,
            autoscaler=self._autoscaler(node, release) if node.role is Role.AUTOSCALER else None,
            proxied=settings.proxied,
            managed=(server or UNMADE_SERVER) if settings.database_size else None,
        )

    def admin_keys(self, buildyards_own: str) -> tuple[str, ...]:
        """Who may log in: Buildyard, and the people named in the answers."""
        return (buildyards_own, *self._all.settings.ssh_keys)

    def _autoscaler(self, node: Node, release: Release | None) -> AutoscalerFiles:
        one = self._all
        with self._lock:
            program = self._program = self._program or program_of(one)
        return AutoscalerFiles(program, settings_for(one, node.name, program, release).text, credentials_for(one))

    def _all_secrets(self) -> Mapping[str, Secret]:
        one = self._all
        specs = (
            SecretSpec(ADMIN_KEY, SecretKind.SSH_KEY),
            SecretSpec(SIGNING_KEY, SecretKind.SSH_KEY),
            *roles.SECRETS,
        )
        found = {spec.name: one.secret(spec) for spec in specs}
        found |= {name: one.access.credentials[name] for _, name in one.access.authority.dns_secrets}
        password = one.secrets.get(mail.PASSWORD)
        if password is not None:
            found[mail.PASSWORD_SECRET] = password
        return found

    def _memories(self) -> Mapping[Role, int]:
        one = self._all
        sizes = {size.slug: size.memory_mib for size in one.access.provider.sizes(one.settings.region)}
        return {role: sizes.get(size, 0) for role, size in one.settings.sizes.items()}


def publish_operators(deployment: Deployment, *, anew: bool = False) -> bool:
    """Puts the signed allow-list where machines pull it from each minute.

    Args:
        anew: also when it is the same: a machine that took it back (nobody confirmed it) tries once for each serial.

    Returns:
        Whether it differed from the one that was there.
    """
    bucket = deployment.bucket("config")
    key = deployment.secret(SecretSpec(SIGNING_KEY, SecretKind.SSH_KEY))
    name, signature_name = signed.OPERATORS_FILE, f"{signed.OPERATORS_FILE}.sig"
    there, signature = bucket.get(name), bucket.get(signature_name)
    serial = signed.serial_of(there[0], name) if there else 0
    same = signed.operators_document(max(serial, 1), deployment.operators)
    # ed25519 signs the same text the same way: a run that was cut off between the two shows here
    if not anew and there and signature and (there[0], signature[0]) == (same, signed.sign(same, key)):
        return False
    new = signed.operators_document(serial + 1, deployment.operators)
    bucket.put(name, new)
    bucket.put(signature_name, signed.sign(new, key))
    return True


def published_operators(deployment: Deployment) -> tuple[str, ...]:
    """Who may use SSH from outside as the list says that machines pull; the deployment's own while there is none.

    For an autoscaler: operators move (``buildyard allow``) without its settings being written anew.

    Raises:
        ProviderError: the store does not answer.
        StateError: the list is not signed by this deployment; nothing may follow it.
    """
    bucket = deployment.bucket("config")
    name = signed.OPERATORS_FILE
    there, signature = bucket.get(name), bucket.get(f"{name}.sig")
    if there is None or signature is None:
        return deployment.operators
    # ed25519 signs the same text the same way, so who has the key need not verify
    if signed.sign(there[0], deployment.known_secret(SIGNING_KEY)) != signature[0]:
        raise StateError(
            "The list of who may use SSH is not signed by this deployment.",
            hint="buildyard allow on the build machine writes it anew",
        )
    return tuple(there[0].decode().splitlines()[1:])
