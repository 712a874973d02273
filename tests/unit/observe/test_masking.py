"""No secret is shown, whatever it is wrapped in and wherever a chunk ends."""

from __future__ import annotations

import itertools
import json
from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.observe.masking import MASK, SHORTEST, Masker, masked

SECRET = "p@ss/w0rd+42"
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=SHORTEST, max_size=30)


@pytest.mark.parametrize(
    "wrapped", [SECRET, quote(SECRET, safe=""), json.dumps(f'"{SECRET}"'), f"postgresql://orders:{SECRET}@host/db"]
)
def test_forms(wrapped: str) -> None:
    shown = masked(f"before {wrapped} after", [SECRET])
    assert MASK in shown
    assert SECRET not in shown
    assert quote(SECRET, safe="") not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@given(st.binary(max_size=10), st.binary(max_size=10))
def test_base64_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    shown = masked(b64encode(before + SECRET.encode() + after).decode(), [SECRET])
    assert MASK in shown


@given(secrets, st.text(max_size=60), st.text(max_size=60), st.lists(st.integers(0, 150), max_size=6))
def test_a_secret_across_any_chunks_is_masked(secret: str, before: str, after: str, cuts: list[int]) -> None:
    text = f"{before}{secret}{after}"
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    masker = Masker([secret])
    shown = "".join(masker.feed(text[one:two]) for one, two in itertools.pairwise(places)) + masker.end()
    assert secret not in shown
    assert shown == masked(text, [secret])


@given(st.text(max_size=100))
def test_without_a_secret_nothing_changes(text: str) -> None:
    assert masked(text, []) == text
    assert masked(text, ["abc"]) == text, "short ones are words"


def test_the_longest_wins_and_words_around_it_stay() -> None:
    assert masked("x secret-long y secret z", ["secret", "secret-long"]) == f"x {MASK} y {MASK} z"
