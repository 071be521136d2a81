"""The recovery key as a person keeps it: read from paper, typed by hand, and never half believed."""

from __future__ import annotations

import pytest

from fleet.recovery_key import RecoveryKey, new_seal, read_recovery_key
from state.errors import SecretsError
from state.secret import Redactor, Secret

SEAL = Secret("abcd-efgh-ijkl-mnop-qrst-uvwx-yz23-4567")
KEY = RecoveryKey("digitalocean", "fra1", "shop", "1a2b3c4d", SEAL)


def test_it_says_where_and_opens_what_is_there() -> None:
    text = KEY.text.reveal()
    assert text.startswith("digitalocean/fra1/shop/1a2b3c4d/")
    assert len(text.rpartition("/")[2].split("-")) == 9
    assert read_recovery_key(text) == KEY
    assert new_seal() != new_seal()


@pytest.mark.parametrize(
    "typed",
    [
        str.upper,
        lambda text: f"  {text}\n",
        lambda text: text.replace("-", " "),
        lambda text: text.replace("/1a2b3c4d/", " / 1a2b3c4d /\n"),
        lambda text: text.rpartition("/")[0] + "/" + text.rpartition("/")[2].replace("o", "0").replace("b", "8"),
    ],
)
def test_how_it_is_typed_does_not_matter(typed: object) -> None:
    assert callable(typed)
    assert read_recovery_key(typed(KEY.text.reveal())) == KEY


def test_every_slip_of_the_pen_is_noticed() -> None:
    text = KEY.text.reveal()
    slips = [text[:at] + ("x" if each != "x" else "y") + text[at + 1 :] for at, each in enumerate(text)]
    slips += [text[:at] + text[at + 1] + text[at] + text[at + 2 :] for at in range(len(text) - 1)]
    slips += [text[:at] + text[at + 1 :] for at in range(len(text))]
    for slip in slips:
        if slip.replace("-", "") != text.replace("-", ""):
            with pytest.raises(SecretsError) as caught:
                read_recovery_key(slip)
            assert caught.value.hint
            assert KEY.seal.reveal() not in caught.value.text()


@pytest.mark.parametrize(
    "place", ["digitalocean/fra1/../1a2b3c4d", "digitalocean/evil.example/shop/1a2b3c4d", "a/b@c/shop/1a2b3c4d"]
)
def test_a_place_that_leads_elsewhere_is_refused(place: str) -> None:
    with pytest.raises(SecretsError, match="no whole recovery key"):
        read_recovery_key(f"{place}/{KEY.text.reveal().rpartition('/')[2]}")


def test_it_is_not_seen_in_what_is_printed() -> None:
    assert KEY.seal.reveal() not in repr(KEY)
    assert KEY.seal.reveal() not in Redactor([KEY.seal])(f"found {KEY.text.reveal()} here")
