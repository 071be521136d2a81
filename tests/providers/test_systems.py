"""What vendors call their images, and what is in them."""

from __future__ import annotations

import pytest

from providers.systems import system_of


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        ("debian-12-x64", "debian-12"),
        ("debian-13", "debian-13"),
        ("linode/debian12", "debian-12"),
        ("linode/ubuntu24.04", "ubuntu-24.04"),
        ("ubuntu-24-04-x64", "ubuntu-24.04"),
        ("ubuntu-24.04", "ubuntu-24.04"),
        ("Linux Debian 12 (Bookworm) 64-bit", "debian-12"),
    ],
)
def test_a_system_is_known_by_every_vendors_name(slug: str, name: str) -> None:
    system = system_of(slug)
    assert system is not None
    assert system.name == name


@pytest.mark.parametrize("slug", ["", "fedora-41", "12345", "notdebian-12", "debian"])
def test_what_does_not_tell_is_not_guessed(slug: str) -> None:
    assert system_of(slug) is None
