"""YAML with positions: what is read, where it stands, and what is refused."""

from __future__ import annotations

import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pave.model.diagnostics import Findings, Refused
from pave.model.document import MAX_BYTES, read_document, read_documents

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["C"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc_-.:", max_size=6), inner, max_size=4),
    max_leaves=12,
)


def read(text: str | bytes) -> object:
    return read_document(text.encode() if isinstance(text, str) else text, "f.yaml").data


def refusal(text: str | bytes) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        read(text)
    (one,) = caught.value.diagnostics
    assert one.source.file == "f.yaml"
    return one.source.line, str(one)


@given(JSON)
def test_whatever_json_can_say_is_read_back(value: object) -> None:
    assert read(json.dumps({"value": value}, ensure_ascii=False)) == {"value": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2026-12-20", "2026-12-20"),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("~", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("True", True),
        ("-.inf", -math.inf),
        ("1.2.0", "1.2.0"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = read(f"a: {text}")
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


def test_keys_are_text() -> None:
    assert read("80: a\ntrue: b\n~: c\n") == {"80": "a", "true": "b", "~": "c"}


def test_line_ends_byte_order_mark_and_missing_last_newline_do_not_matter() -> None:
    assert read(b"\xef\xbb\xbfa:\r\n  b: |\r\n    x\r\n  c: 1") == {"a": {"b": "x\n", "c": 1}}


def test_a_place_is_found_by_its_path() -> None:
    document = read_document(b"a:\n  - x: 1\n    y: [1,\n      2]\n", "f.yaml")
    assert (document.source(("a", 0, "y")).line, document.source(("a", 0, "y", 1)).line) == (3, 4)
    assert document.source(("a", 0, "missing", "deeper")).line == 2


def test_places_in_later_documents_count_from_the_top_of_the_file() -> None:
    findings = Findings()
    documents = read_documents(b"# first\na: 1\n---\n# c\nb: 2\n...\n---\nc: 3\n", "f.yaml", findings)
    assert [one.data for one in documents] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert [one.source(tuple(one.data)).line for one in documents] == [2, 5, 8]
    assert not list(findings)


def test_a_broken_document_does_not_stop_the_others() -> None:
    findings = Findings()
    documents = read_documents(b"a: 1\n---\nb: [\n---\nc: 3\n---\nd: 1\nd: 2\n", "f.yaml", findings)
    assert [one.data for one in documents] == [{"a": 1}, {"c": 3}]
    assert [one.source.line for one in findings] == [4, 8]


def test_duplicate_keys_name_both_lines() -> None:
    line, said = refusal("a: 1\nb: 2\na: 3\n")
    assert line == 3
    assert "line 1" in said
    assert "line 3" in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [1, 2", "not YAML"),
        ("a: {{ name }}\n", "not been rendered"),
        ("a: 1\n{%- if x %}\nb: 2\n{%- endif %}\n", "until it is rendered"),
        ("a: !Ref b", "!Ref"),
        ("a: !!binary aGVsbG8=", "!!binary"),
        ("a: *b", "no anchor"),
        ("a: &a [*a]", "no anchor"),
        ("[" * 200, "deeper"),
        ("- " * 200 + "x", "deeper"),
        ("\t- a: 1\n  b", "not YAML"),
        (b"a: \xff", "UTF-8"),
        ("", "is empty"),
        ("# only words\n---\n", "is empty"),
        ("a: 1\n---\nb: 2\n", "2 documents"),
        (b"a" * (MAX_BYTES + 1), "too large"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str | bytes, reason: str) -> None:
    assert reason in refusal(text)[1]


def test_aliases_are_read_and_a_bomb_of_them_is_not() -> None:
    assert read("a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n  k: 2\n  l: 3\n") == {
        "a": {"k": 1},
        "b": {"k": 1},
        "c": {"k": 2, "l": 3},
    }
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert "aliases" in refusal(bomb)[1]


@given(st.text(st.characters(exclude_categories=["C", "Zs", "Zl", "Zp"]), min_size=1, max_size=12))
def test_a_word_means_the_same_to_another_reader_unless_yaml_1_1_disagrees(text: str) -> None:
    try:
        other = yaml.safe_load(f"a: {text}")
    except (yaml.YAMLError, ValueError):
        return
    if isinstance(other, dict) and isinstance(other.get("a"), str):
        try:
            found = read(f"a: {text}")
        except Refused:
            return
        assert str(found["a"]) == other["a"] or isinstance(found["a"], int | float)
