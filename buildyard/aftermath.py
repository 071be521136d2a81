"""After a deployment was destroyed: what is forgotten here, and what stays."""

from __future__ import annotations

from buildyard.program import Program
from fleet.adopting import ADOPTER
from fleet.store_keys import OWN, end_key
from providers.catalog import is_credential
from providers.names import REHEARSAL
from state.events import Emit, Event, Kind
from state.paths import DeploymentPaths


def forget(program: Program, paths: DeploymentPaths, emit: Emit) -> None:
    """Removes the key to the object store, record and generated secrets.

    Answers and the runs' journals stay, so that it can be built again.

    The rehearsal's cloud ends with the last deployment on it.
    """
    deployment = program.open_built(paths, may_ask=False)
    end_key(deployment, ADOPTER)  # of an `adopt` that was killed
    # The last thing at the provider: whatever went before, the lease too, needed it.
    end_key(deployment, OWN)
    answers = program.answers(paths)
    provider = str(answers.values.get("provider.name", ""))
    secrets = program.secret_store(paths, provider, may_ask=False)
    for name in secrets.names():
        # Credentials that a person entered are kept for the next build; what was generated is worth nothing now.
        if not is_credential(name) and name != "mail.password":
            secrets.delete(name)
    paths.fleet_record.unlink(missing_ok=True)
    paths.lease_place.unlink(missing_ok=True)
    paths.copy_seen.unlink(missing_ok=True)
    paths.recovery_key_shown.unlink(missing_ok=True)
    if provider != REHEARSAL:
        return
    in_use = [
        other
        for other in program.home.deployments()
        if other.name != paths.name
        and other.fleet_record.exists()
        and program.answers(other).values.get("provider.name") == REHEARSAL
    ]
    if not in_use:
        from buildyard.local_cloud import end

        emit(Event(Kind.NOTE, text="The cloud on this machine ends too."))
        end(program.rehearsal_folder)
