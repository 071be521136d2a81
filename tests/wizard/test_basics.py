"""Who may get in: what an operator's address can be."""

from __future__ import annotations

import pytest

from wizard.basics import check_operators


@pytest.mark.parametrize(
    "operators",
    [["auto"], ["198.51.100.7"], ["auto", "2001:db8::7"], ["203.0.113.0/24", "2001:db8::/32"], ["10.0.0.0/8"]],
)
def test_addresses_and_networks_can_be_operators(operators: list[str]) -> None:
    assert check_operators(operators) == ""


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "8000::/1", "2000::/3"])
def test_everybody_is_refused_in_one_and_in_halves(everybody: str) -> None:
    assert "everybody" in check_operators(["198.51.100.7", everybody])


@pytest.mark.parametrize(
    "nobody", ["0.0.0.0", "127.0.0.1", "::1", "::", "224.0.0.1", "ff02::1", "fe80::1", "169.254.1.1"]
)
def test_an_address_nobody_comes_from_is_refused(nobody: str) -> None:
    assert "no address that machines elsewhere can see" in check_operators([nobody])


@pytest.mark.parametrize("wrong", ["somewhere", "10.0.0.256", "10.0.0.0/33", "", "-1", "198.51.100.7 ; true"])
def test_what_is_no_address_is_refused(wrong: str) -> None:
    assert "no address" in check_operators([wrong])
