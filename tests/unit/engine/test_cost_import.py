"""What is sent as a bill is a text of a size that can be read, or refused."""

from __future__ import annotations

import base64
import gzip

import pytest

from pave.engine.registry.costs import MOST_TEXT, _text_of
from pave.model.diagnostics import Refused


def packed(data: bytes) -> str:
    return "gzip:" + base64.b64encode(gzip.compress(data, 1)).decode()


def test_a_file_comes_as_it_is_or_packed() -> None:
    assert _text_of("a,b\n") == _text_of(packed(b"a,b\n")) == "a,b\n"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("gzip:???", "no file"),
        ("gzip:aGVsbG8=", "no file"),
        (packed(b"a,b\n" * 1000)[:-40], "no file"),
        (packed(b"\xff\xfe"), "no file"),
        (packed(bytes(MOST_TEXT + 1)), "too large"),
    ],
)
def test_what_is_none_or_unpacks_without_end_is_refused(sent: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        _text_of(sent)
