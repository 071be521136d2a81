"""What every driver must do. A driver's test subclasses :class:`ProviderContract` and gives it a ``provider``."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from providers.contract import Dns, InboundRule, MachineSpec, MachineStatus, Network, Protocols, Provider, RecordSet
from state.clock import SystemClock, wait_until
from state.errors import Conflict, NotFound, UsageError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJq0zUQo0Zl2mQnV1m4m5XH8W2K0v0vO6mFq1d1m2J3S"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKz7yJt1Y5b3W0Qm9n8Vx2c1d0e9f8a7b6c5d4e3f2a1"
ZONE = "contract.example.org"
#: What a cloud on paper takes at most, in seconds; a real one takes minutes (``live.py``).
WAIT_S = 10.0
FLEET, ROLE, ACTION = "by-demo-fleet", "by-demo-role-webserver", "by-demo-made-ws-1-1"


@pytest.fixture
def region(provider: Provider) -> str:
    return next(region.slug for region in provider.regions() if region.available)


@pytest.fixture
def network(provider: Provider, region: str) -> Network:
    return provider.ensure_network("by-demo-net", region)


@pytest.fixture
def spec(provider: Provider, region: str, network: Network) -> MachineSpec:
    return MachineSpec(
        name="ws-1",
        region=region,
        size=provider.sizes(region)[0].slug,
        image=next(image.slug for image in provider.images() if image.distribution == "Debian"),
        network_id=network.id,
        user_data="#cloud-config\nhostname: ws-1\n",
        tags=(FLEET, ROLE),
        ssh_key_ids=(provider.ensure_ssh_key("by-demo-key", KEY).id,),
    )


def until(what: str, probe: Callable[[], object]) -> None:
    """Waits for what a provider does on its own time."""
    wait_until(what, probe, timeout_s=WAIT_S, clock=SystemClock(), first_s=0.02, longest_s=0.1)


class DnsContract:
    """The promises of :class:`providers.contract.Dns`; a vendor without machines keeps these alone."""

    def kept_ttl_s(self, wanted_s: int) -> int:
        """Overridden where a vendor has times to live of its own."""
        return wanted_s

    def test_a_record_set_is_made_changed_and_removed(self, provider: Dns) -> None:
        provider.ensure_zone(ZONE)
        provider.ensure_zone(ZONE)
        assert ZONE in provider.zones()
        for wanted in (
            RecordSet("@", "A", ("203.0.113.1",), 60),
            RecordSet("@", "A", ("203.0.113.1", "203.0.113.2"), 60),
            RecordSet("@", "A", ("203.0.113.2", "203.0.113.3"), 120),
            RecordSet("@", "AAAA", ("2001:db8::1",), 60),
            RecordSet("www", "CNAME", (ZONE,), 60),
            RecordSet("www", "CNAME", ("other.example.org",), 90),
            RecordSet("_acme-challenge", "TXT", ("one", "two"), 60),
            RecordSet("@", "MX", ("10 mail.example.org", "20 mail2.example.org"), 300),
            RecordSet("@", "CAA", ("0 issue ca.example.net",), 300),
        ):
            provider.put_record_set(ZONE, wanted)
            provider.put_record_set(ZONE, wanted)
            found = [one for one in provider.record_sets(ZONE) if (one.name, one.type) == (wanted.name, wanted.type)]
            kept = (self.kept_ttl_s(wanted.ttl_s), sorted(wanted.values))
            assert [(one.ttl_s, sorted(one.values)) for one in found] == [kept], wanted
        provider.delete_record_set(ZONE, "@", "A")
        provider.delete_record_set(ZONE, "@", "A")
        left = {(one.name, one.type) for one in provider.record_sets(ZONE)}
        assert ("@", "A") not in left
        assert ("@", "AAAA") in left

    def test_more_things_than_a_page_holds_are_all_listed(self, provider: Dns) -> None:
        provider.ensure_zone(ZONE)
        addresses = tuple(f"203.0.113.{number}" for number in range(1, 46))
        provider.put_record_set(ZONE, RecordSet("@", "A", addresses, 60))
        found = next(one for one in provider.record_sets(ZONE) if (one.name, one.type) == ("@", "A"))
        assert set(found.values) == set(addresses)


class ProviderContract(DnsContract):
    """The promises of :class:`providers.contract.Provider`, one test each."""

    def test_the_account_has_a_name_and_all_rights(self, provider: Provider) -> None:
        account = provider.check_credentials()
        assert account.name
        assert account.missing_rights == ()

    def test_sizes_have_prices_and_are_in_the_region(self, provider: Provider, region: str) -> None:
        sizes = provider.sizes(region)
        assert sizes
        assert all(size.price_per_month > 0 and region in size.regions for size in sizes)
        assert all(isinstance(size.price_per_month, Decimal) for size in sizes)
        assert list(sizes) == sorted(sizes, key=lambda size: size.price_per_month)
        assert provider.sizes("no-such-region") == ()

    def test_a_key_is_made_once_and_its_deletion_may_be_repeated(self, provider: Provider) -> None:
        key = provider.ensure_ssh_key("by-demo-key", KEY)
        assert provider.ensure_ssh_key("by-demo-key", f"{KEY} a comment") == key
        assert provider.ssh_keys("by-demo-") == (key,)
        assert provider.ssh_keys("by-other-") == ()
        provider.delete_ssh_key(key.id)
        provider.delete_ssh_key(key.id)
        assert provider.ssh_keys("by-demo-") == ()

    def test_a_new_key_of_a_name_replaces_the_old_one(self, provider: Provider) -> None:
        old = provider.ensure_ssh_key("by-demo-key", KEY)
        new = provider.ensure_ssh_key("by-demo-key", OTHER_KEY)
        assert new.id != old.id
        assert provider.ssh_keys("by-demo-") == (new,)

    def test_a_network_is_made_once(self, provider: Provider, region: str, network: Network) -> None:
        assert network.ip_range
        assert provider.ensure_network("by-demo-net", region) == network
        assert provider.networks("by-demo-") == (network,)

    def test_a_networks_name_in_another_region_is_refused(self, provider: Provider, network: Network) -> None:
        other = next(r.slug for r in provider.regions() if r.available and r.slug != network.region)
        with pytest.raises(Conflict):
            provider.ensure_network("by-demo-net", other)

    def test_a_network_is_deleted_when_its_last_machine_has_gone(self, provider: Provider, spec: MachineSpec) -> None:
        machine = provider.create_machine(spec, ACTION)
        until("the machine", lambda: provider.machine(machine.id).status is MachineStatus.RUNNING)
        provider.delete_machine(machine.id)
        provider.delete_network(spec.network_id)
        provider.delete_network(spec.network_id)
        assert provider.networks("by-demo-") == ()

    def test_a_machine_comes_up_with_addresses_tags_and_price(self, provider: Provider, spec: MachineSpec) -> None:
        made = provider.create_machine(spec, ACTION)
        until("the machine", lambda: provider.machine(made.id).status is MachineStatus.RUNNING)
        machine = provider.machine(made.id)
        assert (machine.name, machine.region, machine.size) == (spec.name, spec.region, spec.size)
        assert set(machine.tags) == {FLEET, ROLE, ACTION}
        assert "." in machine.public_ipv4
        assert ":" in machine.public_ipv6
        assert "." in machine.private_ipv4
        assert machine.price_per_month == next(
            size.price_per_month for size in provider.sizes(spec.region) if size.slug == spec.size
        )

    def test_a_machine_is_made_once_for_an_action(self, provider: Provider, spec: MachineSpec) -> None:
        first = provider.create_machine(spec, ACTION)
        again = provider.create_machine(spec, ACTION)
        other = provider.create_machine(spec, "by-demo-made-ws-2-1")
        assert again.id == first.id != other.id
        assert {machine.id for machine in provider.machines(FLEET)} == {first.id, other.id}
        assert [machine.id for machine in provider.machines(ACTION)] == [first.id]
        assert provider.machines("by-demo") == ()

    def test_a_tag_that_cannot_be_is_refused_before_anything_is_made(
        self, provider: Provider, spec: MachineSpec
    ) -> None:
        with pytest.raises(UsageError):
            provider.create_machine(spec, "by demo")
        assert provider.machines(FLEET) == ()

    def test_a_deleted_machine_is_gone(self, provider: Provider, spec: MachineSpec) -> None:
        machine = provider.create_machine(spec, ACTION)
        provider.delete_machine(machine.id)
        until("its end", lambda: not provider.machines(FLEET))
        provider.delete_machine(machine.id)
        with pytest.raises(NotFound):
            provider.machine(machine.id)

    def test_a_machine_is_switched_off_and_on_whatever_it_was(self, provider: Provider, spec: MachineSpec) -> None:
        machine = provider.create_machine(spec, ACTION)
        for _ in range(2):
            provider.power_off(machine.id)
            assert provider.machine(machine.id).status is MachineStatus.OFF
        for _ in range(2):
            provider.power_on(machine.id)
            assert provider.machine(machine.id).status is MachineStatus.RUNNING

    def test_a_firewall_is_changed_in_place(self, provider: Provider) -> None:
        ssh = InboundRule(Protocols.TCP, 1035, ("203.0.113.7/32", "2001:db8::7/128"))
        web = InboundRule(Protocols.TCP, 443, ("0.0.0.0/0", "::/0"))
        ping = InboundRule(Protocols.ICMP, 0, ("0.0.0.0/0", "::/0"))
        made = provider.put_firewall("by-demo-fw-webserver", ROLE, (ssh, ping))
        assert (made.name, made.tag, set(made.inbound)) == ("by-demo-fw-webserver", ROLE, {ssh, ping})
        changed = provider.put_firewall("by-demo-fw-webserver", ROLE, (ssh, web, ping))
        assert changed.id == made.id
        assert set(changed.inbound) == {ssh, web, ping}
        assert provider.firewalls("by-demo-") == (changed,)
        assert provider.firewalls("by-demo-fw-database") == ()
        provider.delete_firewall(made.id)
        provider.delete_firewall(made.id)
        assert provider.firewalls("by-demo-") == ()

    def test_too_many_rules_are_refused(self, provider: Provider) -> None:
        most = provider.capabilities.most_firewall_rules
        rules = tuple(InboundRule(Protocols.TCP, port, ("203.0.113.7/32",)) for port in range(1, most + 2))
        with pytest.raises(UsageError):
            provider.put_firewall("by-demo-fw", ROLE, rules)
        assert provider.firewalls("by-demo-") == ()
        assert len(provider.put_firewall("by-demo-fw", ROLE, rules[:-1]).inbound) == most

    def test_a_snapshot_is_made_once_and_machines_are_made_of_it(self, provider: Provider, spec: MachineSpec) -> None:
        if not provider.capabilities.supports_snapshots:
            return
        machine = provider.create_machine(spec, ACTION)
        made = provider.snapshot(machine.id, "by-demo-image-1")
        assert provider.snapshot(machine.id, "by-demo-image-1") == made
        assert provider.snapshots("by-demo-") == (made,)
        copy = MachineSpec(**{**_fields(spec), "image": made.id, "name": "ws-2"})
        twin = provider.create_machine(copy, "by-demo-made-ws-2-1")
        until("the twin", lambda: provider.machine(twin.id).status is MachineStatus.RUNNING)
        provider.delete_snapshot(made.id)
        provider.delete_snapshot(made.id)
        assert provider.snapshots("by-demo-") == ()

    def test_tags_of_a_destroyed_deployment_go(self, provider: Provider, spec: MachineSpec) -> None:
        machine = provider.create_machine(spec, ACTION)
        provider.delete_machine(machine.id)
        until("its end", lambda: not provider.machines(FLEET))
        asked: list[str] = []

        def is_ours(tag: str) -> bool:
            asked.append(tag)
            return tag in (FLEET, ROLE, ACTION)

        provider.delete_tags(is_ours)
        asked.clear()
        provider.delete_tags(is_ours)
        assert not {FLEET, ROLE, ACTION} & set(asked)

    def test_a_tag_that_something_carries_stays(self, provider: Provider, spec: MachineSpec) -> None:
        machine = provider.create_machine(spec, ACTION)
        provider.delete_tags(lambda _tag: True)
        assert set(provider.machine(machine.id).tags) == {FLEET, ROLE, ACTION}


def _fields(spec: MachineSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in MachineSpec.__dataclass_fields__}
