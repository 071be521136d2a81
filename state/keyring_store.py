"""Secrets in the system's keyring, when a secret service really works."""

from __future__ import annotations

import json
import secrets as random
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from state.errors import SecretsError
from state.files import locked, make_private_folder, read_file, write_file
from state.secret import Secret

T = TypeVar("T")

#: Backends that keep secrets encrypted in a service of the session; everything else (null, fail, plain files) is not
#: taken, whatever a keyring configuration says.
_TRUSTED = ("keyring.backends.SecretService", "keyring.backends.kwallet", "keyring.backends.libsecret")
#: A working service answers in milliseconds; one that asks its user to unlock it may take this long, once.
_PROBE_S = 5.0
_CALL_S = 30.0


class Backend(Protocol):
    """The part of keyring's backends that is used."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


class KeyringStore:
    """Secrets of a deployment in a keyring, which cannot list what it holds: the names are kept in a file.

    Args:
        backend: the keyring's.
        names_file: holds the names of the secrets, and the name under which they stand together in the keyring.
            It is born with the file, so a home that is mounted elsewhere tomorrow still finds its secrets.
    """

    label = "keyring"

    def __init__(self, backend: Backend, names_file: Path) -> None:
        self._backend = backend
        self._file = names_file

    def get(self, name: str) -> Secret | None:
        service, names = self._known()
        return self._get(service, name) if name in names else None

    def set(self, name: str, secret: Secret) -> None:
        # The name first: a secret nobody knows of would never be deleted.
        service = self._change(lambda names: names | {name})
        within(
            _CALL_S, lambda: self._backend.set_password(service, name, secret.reveal()), f"write {name} to the keyring"
        )

    def delete(self, name: str) -> None:
        service, names = self._known()
        if name not in names:
            return
        if self._get(service, name) is not None:
            within(_CALL_S, lambda: self._backend.delete_password(service, name), f"delete {name} from the keyring")
        self._change(lambda names: names - {name})

    def names(self) -> tuple[str, ...]:
        service, names = self._known()
        return tuple(name for name in sorted(names) if self._get(service, name) is not None)

    def _get(self, service: str, name: str) -> Secret | None:
        value = within(_CALL_S, lambda: self._backend.get_password(service, name), f"read {name} from the keyring")
        return Secret(value) if value else None

    def _known(self) -> tuple[str, frozenset[str]]:
        data = read_file(self._file)
        if data is None:
            return f"buildyard-{random.token_hex(8)}", frozenset()
        try:
            content = json.loads(data)
            return str(content["service"]), frozenset(str(name) for name in content["names"])
        except (ValueError, TypeError, KeyError) as error:
            raise SecretsError(f"{self._file} is damaged.", hint="Delete it and enter the secrets again.") from error

    def _change(self, change: Callable[[frozenset[str]], frozenset[str]]) -> str:
        make_private_folder(self._file.parent)
        with locked(self._file):
            service, before = self._known()
            after = change(before)
            if after != before:
                write_file(self._file, json.dumps({"service": service, "names": sorted(after)}).encode())
        return service


def within(timeout_s: float, do: Callable[[], T], doing: str) -> T:
    """Runs a call into the keyring that may hang (a service that asks nobody, a dead bus) with a deadline.

    Raises:
        SecretsError: it failed or did not answer. Texts of the library are left out: they may quote what was sent.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(do())
        except BaseException as error:  # noqa: BLE001 - backends raise anything; it is reported below
            failures.append(error)

    thread = threading.Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if results:
        return results[0]
    why = type(failures[0]).__name__ if failures else f"no answer within {timeout_s:g} s"
    raise SecretsError(
        f"Cannot {doing} ({why}).",
        hint="Unlock the keyring of your session, or give a passphrase by BUILDYARD_PASSPHRASE_FILE.",
    )


def working_keyring(environment: Mapping[str, str], timeout_s: float = _PROBE_S) -> Backend | None:
    """A keyring that keeps, gives back and forgets a secret when tried; None when there is none.

    Args:
        environment: where the session's bus is named. Without one no service is looked for: that could start one.
        timeout_s: for the whole trial.
    """
    bus = environment.get("DBUS_SESSION_BUS_ADDRESS") or environment.get("XDG_RUNTIME_DIR")
    if not bus:
        return None
    if not environment.get("DBUS_SESSION_BUS_ADDRESS") and not Path(bus, "bus").exists():
        return None
    try:
        return within(timeout_s, _first_that_works, "use the keyring")
    except SecretsError:
        return None


def works(backend: Backend) -> bool:
    """Whether it keeps, gives back and forgets a secret."""
    service, name, value = "buildyard-probe", random.token_hex(8), random.token_hex(16)
    try:
        backend.set_password(service, name, value)
        kept = backend.get_password(service, name) == value
        backend.delete_password(service, name)
        return kept and backend.get_password(service, name) is None
    except Exception:  # noqa: BLE001 - whatever it raises, it does not work
        return False


def _first_that_works() -> Backend | None:
    import keyring.backend  # looks for backends when imported; not needed where there is no bus

    found = [each for each in keyring.backend.get_all_keyring() if type(each).__module__ in _TRUSTED]
    for backend in sorted(found, key=lambda each: -each.priority):
        if works(backend):
            working: Backend = backend
            return working
    return None
