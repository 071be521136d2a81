"""A pasted token is looked at before it is kept."""

from __future__ import annotations

import pytest

from providers.catalog import credential_questions, dns_credential_questions
from providers.pasted import pasted
from state.questions import Question

CHECK = pasted(20, "Paste the whole token.")


@pytest.mark.parametrize("token", ["a" * 20, "dop_v1_" + "0f" * 32, "~!" * 10])
def test_what_can_be_a_token_is_taken(token: str) -> None:
    assert CHECK(token) == ""


@pytest.mark.parametrize("token", ["", "a" * 19, "a" * 20 + " ", "a b" * 10, "a" * 20 + "\n", "é" * 20, None])
def test_anything_else_is_told_what_to_paste(token: object) -> None:
    assert CHECK(token) == "Paste the whole token."


SECRETS = [each for each in (*credential_questions(), *dns_credential_questions()) if each.secret]


@pytest.mark.parametrize("question", SECRETS, ids=lambda one: one.key)
def test_every_vendor_looks_at_its_credentials(question: Question) -> None:
    assert question.check("two words, and by no means a token").startswith("Paste the ")
