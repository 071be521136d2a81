"""Never two holders of a lease, in whatever order things go wrong."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from state.lease import break_lease
from tests.examples import examples
from tests.state.lease_world import Link, Machine, Memory, World


class NeverTwoHolders(RuleBasedStateMachine):
    """Any order of starts, sleeps, cut networks, lost answers, broken leases and wrong clocks."""

    @initialize(skews=st.lists(st.sampled_from([0, 0, 30, -30, 7200, -7200]), min_size=3, max_size=3))
    def begin(self, skews: list[int]) -> None:
        self.store = Memory()
        self.world = World()
        self.world.machines = [
            Machine(self.world, f"m{number}", Link(self.store), skew) for number, skew in enumerate(skews)
        ]

    def machine(self, number: int) -> Machine:
        return self.world.machines[number]

    @rule(number=st.integers(0, 2))
    def start(self, number: int) -> None:
        machine = self.machine(number)
        if machine.frozen or (machine.lease is not None and machine.lease.holds()):
            return
        machine.lease = None
        machine.start()

    @rule(number=st.integers(0, 2))
    def finish(self, number: int) -> None:
        machine = self.machine(number)
        if machine.lease is not None and not machine.frozen:
            machine.lease.release()
            machine.lease = None

    @rule(number=st.integers(0, 2), state=st.sampled_from(["whole", "cut", "deaf"]))
    def network(self, number: int, state: str) -> None:
        self.machine(number).link.state = state

    @rule(number=st.integers(0, 2), frozen=st.booleans())
    def laptop_lid(self, number: int, frozen: bool) -> None:
        self.machine(number).frozen = frozen

    @rule()
    def someone_breaks_it(self) -> None:
        break_lease(self.store)

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @invariant()
    def one_at_most(self) -> None:
        if hasattr(self, "world"):
            # A frozen machine does nothing, so what it believes does not matter before it wakes.
            self.world.check()


TestNeverTwoHolders = NeverTwoHolders.TestCase
TestNeverTwoHolders.settings = settings(max_examples=examples(150), stateful_step_count=30, deadline=None)
