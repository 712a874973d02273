"""Score's placeholders in text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.model.placeholder import Placeholder, escape, foreign, parse


def db(output: str) -> Placeholder:
    return Placeholder("resources", ("db", output))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain $VARS", ("plain $VARS",)),
        ("${resources.db.host}", (db("host"),)),
        ("${resources.db.host}:${resources.db.port}/x", (db("host"), ":", db("port"), "/x")),
        ("${metadata.name}", (Placeholder("metadata", ("name",)),)),
        ("${resources.data}", (Placeholder("resources", ("data",)),)),
        (r"${metadata.annotations.a\.b}", (Placeholder("metadata", ("annotations", "a.b")),)),
        ("$${resources.db.host}", ("${resources.db.host}",)),
        ("$$$${x}", ("$${x}",)),
        ("$$${resources.db.host}", ("$", db("host"))),
        ("${pod.metadata.name}", ("${pod.metadata.name}",)),
        ("${resources}", ("${resources}",)),
        ("${resources..x}", ("${resources..x}",)),
        ("${open", ("${open",)),
        ("100$", ("100$",)),
    ],
)
def test_text_is_split_into_literals_and_references(text: str, parts: tuple[object, ...]) -> None:
    assert parse(text) == parts


def test_what_is_not_scores_is_named() -> None:
    assert foreign("${pod.name} ${metadata.name} $${x} ${HOME}") == ("${pod.name}", "${HOME}")


@given(st.text())
def test_escaped_text_is_given_back(text: str) -> None:
    assert "".join(map(str, parse(escape(text)))) == text
    assert all(isinstance(part, str) for part in parse(escape(text)))


@given(st.lists(st.sampled_from([db("host"), db("a.b"), "x", "$", "{}", "${"])))
def test_parts_that_are_written_are_read_back(parts: list[str | Placeholder]) -> None:
    text = "".join(escape(part) if isinstance(part, str) else str(part) for part in parts)
    assert [one for one in parse(text) if not isinstance(one, str)] == [
        one for one in parts if not isinstance(one, str)
    ]
