"""What a runner does: opens the deployment, takes its lease, works, and says how it ended."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

from buildyard.aftermath import forget
from buildyard.program import Program
from buildyard.recovery_copies import RecoveryCopies
from fleet.beginning import begin
from fleet.build import Build, Result
from fleet.deployment import Deployment
from fleet.destroy import destroy
from fleet.graph import our_fault
from fleet.lease_store import lease_store
from fleet.planned import PLAN_KEY, plan_data
from fleet.settings import Mode
from fleet.taken import refuse_taken_name
from state.errors import BuildyardError, LeaseHeld, Stopped
from state.events import Emit, Event, Kind
from state.lease import Lease, break_lease, held
from state.objects import CompareAndSet
from state.paths import DeploymentPaths

#: The autoscaler holds the lease for as long as an act takes: a webserver is made in a minute, an image in some.
PATIENCE_S = 600.0


def do(
    job: str,
    program: Program,
    paths: DeploymentPaths,
    emit: Emit,
    cancel: threading.Event,
    *,
    take_lease: bool = False,
) -> int:
    """One run from beginning to end; all it has to say goes to ``emit``.

    Args:
        job: ``build`` or ``destroy``.
        cancel: set when the user wants to stop; set here when the lease was lost.
        take_lease: take it from whoever has it; the user says that nothing runs there any more.

    Returns:
        The exit code.
    """
    began = time.monotonic()
    lost = threading.Event()

    def on_lost() -> None:
        lost.set()
        cancel.set()

    emit(Event(Kind.RUN_STARTED, text=f"{job} {paths.name}", data={"command": job}))
    jobs: dict[str, Callable[[Deployment, threading.Event, Lease], Result | int]] = {
        "build": lambda one, cancel, lease: _build(one, RecoveryCopies(program, paths, one), cancel, lease),
        "destroy": _destroy,
    }
    try:
        _go_on(cancel, job)
        deployment = program.open(paths, emit, may_ask=False)
        refuse_taken_name(deployment)
        _go_on(cancel, job)
        begin(deployment, paths)
        store = lease_store(deployment, paths)
        known = deployment.record.load()
        if take_lease:
            _break(store, emit)
        with held(
            store,
            why=f"buildyard {job}",
            clock=deployment.clock,
            lost=on_lost,
            tell=lambda sentence: emit(Event(Kind.NOTE, text=sentence)),
            least_epoch=known.epoch if known else 0,
            patience_s=PATIENCE_S if deployment.settings.mode is Mode.PRODUCTION else 0.0,
        ) as lease:
            deployment.record.update(lambda record: replace(record, epoch=lease.epoch))
            # An `allow` that held the lease a moment ago must not be undone.
            result = jobs[job](program.with_operators_of_now(deployment, paths), cancel, lease)
        if job == "destroy":
            forget(program, paths, emit)
    except BuildyardError as problem:
        # What was under way ended because of it; why is more use than that.
        return _failed(_lost_lease() if lost.is_set() else problem, emit, began)
    except Exception as fault:  # noqa: BLE001 - the journal's reader must hear of a fault of ours too
        traceback.print_exc()
        return _failed(our_fault(f"{job} {paths.name}", fault), emit, began)
    if isinstance(result, int):
        return _ended(emit, began, ok=True, changed=result, unchanged=0, failed=0, text="Destroyed.")
    if lost.is_set():
        return _failed(_lost_lease(), emit, began)
    if cancel.is_set() and not result.ok:
        return _failed(_stopped(job), emit, began)
    text = "Done." if result.ok else f"Failed: {_why(result)}"
    return _ended(
        emit, began, ok=result.ok, changed=result.changed, unchanged=result.unchanged, failed=result.failed, text=text
    )


def _lost_lease() -> LeaseHeld:
    return LeaseHeld(
        "Stopped: this run lost its lease. Another run took it, or the state bucket did not answer in time.",
        hint="buildyard attach shows another run on this machine; afterwards buildyard build goes on from here",
    )


def _stopped(job: str) -> Stopped:
    return Stopped("Stopped.", hint=f"buildyard {job} goes on from here")


def _go_on(cancel: threading.Event, job: str) -> None:
    """
    Raises:
        Stopped: the user wants nothing more to begin.
    """
    if cancel.is_set():
        raise _stopped(job)


def _break(store: CompareAndSet, emit: Emit) -> None:
    broken = break_lease(store)
    if broken is not None:
        text = f"The lease of {broken.who} on {broken.where} ({broken.why}) was broken, as asked."
        emit(Event(Kind.NOTE, text=text))


def _destroy(deployment: Deployment, cancel: threading.Event, lease: Lease) -> int:
    def before_each() -> None:
        _go_on(cancel, "destroy")
        lease.ensure()

    count = destroy(deployment, before_each)
    # While it is held: a lease given back first could be another run's by the time its bucket is deleted.
    before_each()
    deployment.bucket("state").delete_bucket()
    return count


def _build(deployment: Deployment, copies: RecoveryCopies, cancel: threading.Event, lease: Lease) -> Result:
    copies.keep()
    build = Build(deployment, cancel, before_each=lease.ensure)
    plan = build.plan()
    copies.keep()  # the plan made the secrets: from here on a stick may be lost
    count = len(plan.changes)
    text = f"{count} of {len(plan.actions)} actions change something" if count else "everything exists; looking closely"
    deployment.emit(Event(Kind.NOTE, text=text, data={PLAN_KEY: plan_data(plan.actions, build.step_counts)}))
    try:
        return build.run(plan)
    finally:
        copies.keep_at_the_end(lease)


def _why(result: Result) -> str:
    first = next(iter(result.outcome.failed.values()), None)
    return first.summary if first is not None else "not everything was done"


def _failed(problem: BuildyardError, emit: Emit, began: float) -> int:
    data = {"summary": problem.summary, "detail": problem.detail, "hint": problem.hint}
    emit(Event(Kind.PROBLEM, text=problem.text(), data=data))
    return _ended(
        emit,
        began,
        ok=False,
        changed=0,
        unchanged=0,
        failed=1,
        text="Nothing more was done.",
        exit_code=problem.exit_code,
    )


def _ended(
    emit: Emit,
    began: float,
    *,
    ok: bool,
    changed: int,
    unchanged: int,
    failed: int,
    text: str,
    exit_code: int = 1,
) -> int:
    code = 0 if ok else exit_code
    seconds = round(time.monotonic() - began, 1)
    emit(
        Event(
            Kind.RUN_FINISHED,
            text=f"{text} {changed} changed, {unchanged} as it was, {failed} failed, {seconds:.0f} s.",
            data={
                "ok": ok,
                "changed": changed,
                "unchanged": unchanged,
                "failed": failed,
                "seconds": seconds,
                "exit_code": code,
            },
        )
    )
    return code
