"""What a user notices of the graph: parallel work, waiting, what a failure stops and what it does not."""

from __future__ import annotations

import _thread
import signal
import threading

import pytest

from fleet.graph import Action, Change, perform
from state.errors import MachineError


def action(name: str, *after: str) -> Action:
    return Action(name, Change.CHECK, name, "", waits_for=after)


def test_what_does_not_wait_runs_at_the_same_time() -> None:
    both_here = threading.Barrier(2, timeout=5)
    outcome = perform(
        [action("a"), action("b")], lambda _: both_here.wait() and None, cancel=threading.Event(), threads=2
    )
    assert set(outcome.done) == {"a", "b"}


def test_nothing_begins_before_what_it_waits_for() -> None:
    order: list[str] = []
    perform(
        [action("page", "web", "database"), action("web"), action("database")],
        lambda one: order.append(one.id),
        cancel=threading.Event(),
        threads=3,
    )
    assert order[-1] == "page"


def test_after_a_failure_the_others_go_on() -> None:
    def act(one: Action) -> None:
        if one.id == "web":
            raise MachineError("nginx does not start")

    outcome = perform(
        [action("web"), action("page", "web"), action("database"), action("dump", "database")],
        act,
        cancel=threading.Event(),
        threads=2,
    )
    assert set(outcome.done) == {"database", "dump"}
    assert outcome.failed["web"].summary == "nginx does not start"
    assert outcome.not_begun == ("page",)


def test_a_stop_lets_nothing_new_begin() -> None:
    cancel = threading.Event()
    outcome = perform([action("a"), action("b", "a")], lambda _: cancel.set(), cancel=cancel, threads=2)
    assert outcome.done == ("a",)
    assert outcome.not_begun == ("b",)


def test_a_fault_of_our_own_is_told_as_one_and_ends_the_run() -> None:
    def act(_: Action) -> None:
        raise KeyError("surprise")

    cancel = threading.Event()
    outcome = perform([action("a"), action("b"), action("c", "b")], act, cancel=cancel, threads=1)
    assert "KeyError" in outcome.failed["a"].summary
    assert outcome.not_begun == ("c",)
    assert not cancel.is_set(), "the user did not stop it"


def test_ctrl_c_ends_what_is_under_way_too() -> None:
    cancel = threading.Event()

    def act(_: Action) -> None:
        _thread.interrupt_main()
        assert cancel.wait(20), "a recipe would run on to its deadline"

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # one started in the background has none
    try:
        with pytest.raises(KeyboardInterrupt):
            perform([action("recipe")], act, cancel=cancel, threads=1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert cancel.is_set()
