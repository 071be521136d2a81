"""One spelling of a value, so that what stands is known again."""

from __future__ import annotations

import pytest

from providers.record_values import caa_parts, canonical, quoted, strings


@pytest.mark.parametrize(
    ("type_", "value", "spelled"),
    [
        ("A", "203.0.113.1", "203.0.113.1"),
        ("A", "no address", "no address"),
        ("AAAA", "2001:DB8:0:0::1", "2001:db8::1"),
        ("CNAME", "Www.Example.org.", "www.example.org"),
        ("MX", "10 Mail.example.org.", "10 mail.example.org"),
        ("SRV", "10 20 5060 sip.Example.org.", "10 20 5060 sip.example.org"),
        ("CAA", '0 issue "ca.example.net"', "0 issue ca.example.net"),
        ("CAA", "0 issue ca.example.net.", "0 issue ca.example.net"),
        ("CAA", '128 iodef "mailto:a@example.org"', "128 iodef mailto:a@example.org"),
        ("CAA", '0 issue ";"', "0 issue ;"),
        ("CAA", "0 issue", "0 issue"),
        ("TXT", 'As "it" is.', 'As "it" is.'),
    ],
)
def test_a_value_has_one_spelling(type_: str, value: str, spelled: str) -> None:
    assert canonical(type_, value) == spelled
    assert canonical(type_, spelled) == spelled


def test_what_is_no_caa_has_no_parts() -> None:
    assert caa_parts("0 issue") is None
    assert caa_parts("issue") is None
    assert caa_parts('0 issue "ca.example.net"') == ("0", "issue", "ca.example.net")


@pytest.mark.parametrize("text", ["", "one", 'with "quotes"', "with \\ one", "x" * 255, "x" * 600])
def test_quoted_strings_are_short_and_hold_the_text(text: str) -> None:
    found = strings(quoted(text))
    assert all(len(each) <= 255 for each in found)
    assert "".join(found).replace('\\"', '"').replace("\\\\", "\\") == text


def test_what_is_not_quoted_has_no_strings() -> None:
    assert strings("plain text") == []
