"""Reading nmap: every port is accounted for, or nothing is believed."""

from __future__ import annotations

import pytest

from tests.journeys.scan import parse

REPORT = """<?xml version="1.0"?><nmaprun><host><status state="up"/><address addr="192.0.2.7" addrtype="ipv4"/><ports>
<extraports state="filtered" count="{filtered}">
<extrareasons reason="admin-prohibited" count="{filtered}"/></extraports>
<extraports state="closed" count="30"><extrareasons reason="reset" count="30"/></extraports>
<port protocol="tcp" portid="443"><state state="open" reason="syn-ack"/></port>
<port protocol="tcp" portid="80"><state state="closed" reason="reset"/></port>
<port protocol="tcp" portid="81"><state state="filtered" reason="no-response"/></port>
</ports></host></nmaprun>"""


def test_open_closed_and_refused_ports_are_told_apart() -> None:
    seen = parse(REPORT.format(filtered=65535 - 33))["192.0.2.7"]
    assert seen.open == {443}
    assert seen.closed == 31
    assert seen.refusals == {"admin-prohibited": 65502, "no-response": 1}


def test_a_scan_that_did_not_look_at_all_ports_is_no_scan() -> None:
    with pytest.raises(AssertionError):
        parse(REPORT.format(filtered=1000))
