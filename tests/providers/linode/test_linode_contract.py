"""Linode's driver keeps the contracts, before a cloud on paper that the vendor's own description judges."""

from __future__ import annotations

from providers.contract import RecordSet
from providers.linode.driver import Linode
from providers.linode.records import time_to_live_s
from tests.providers.contract import ZONE, ProviderContract
from tests.providers.databases import DatabaseContract
from tests.providers.faults import FaultContract


class TestLinode(ProviderContract):
    """The suite, unchanged but for the times to live."""

    def test_a_record_set_is_made_changed_and_removed(self, provider: Linode) -> None:  # type: ignore[override]
        """Linode has 30, 120 and 300 s, not the suite's 60 and 90 s: ours are rounded down, and all else holds."""
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
            assert [(one.ttl_s, sorted(one.values)) for one in found] == [
                (time_to_live_s(wanted.ttl_s), sorted(wanted.values))
            ], wanted
        provider.delete_record_set(ZONE, "@", "A")
        provider.delete_record_set(ZONE, "@", "A")
        left = {(one.name, one.type) for one in provider.record_sets(ZONE)}
        assert ("@", "A") not in left
        assert ("@", "AAAA") in left


class TestLinodeDatabases(DatabaseContract):
    """The suite, unchanged."""


class TestLinodeFaults(FaultContract):
    """The suite, unchanged."""

    create = ("POST", "/v4/linode/instances")
    read = ("GET", "/v4/linode/instances")
