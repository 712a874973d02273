"""Checks documents against the JSON Schemas beside this module, and says what is wrong in people's words.

A schema is the one description of a format: the docs and the errors come from it. `description` in a schema says
what a value should be, and ends up in the remedy. References to anything outside the schema itself are refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from pave.model.diagnostics import Findings
from pave.model.document import Document, Path, is_unrendered, show

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "empty",
}
PLACEHOLDERS = frozenset(("$text", "$json", "$yaml", "$openapi", "$asyncapi"))


@cache
def load(name: str) -> Mapping[str, Any]:
    """The schema `schemas/<name>.json`."""
    text = (files("pave.model") / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def check(document: Document, name: str, findings: Findings, at: Path = ()) -> bool:
    """Add every violation of the schema `name` (`file`, or `file#definition`); whether there was none.

    With `at` only the value there is checked. A placeholder that was not resolved (`$text: https://…`) may stand for
    anything.
    """
    value = document.data
    for part in at:
        value = value[part]
    found = False
    for violation in sorted(
        _validator(name).iter_errors(value), key=lambda one: [str(part) for part in one.absolute_path]
    ):
        for path, summary, remedy in _explain(violation):
            found = True
            findings.add(document.error((*at, *path), summary, remedy=remedy, detail=_unrendered(violation)))
    return not found


def is_placeholder(value: object) -> bool:
    """Whether `value` is one of Backstage's substitutions, such as `{$text: ./openapi.yaml}`."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in PLACEHOLDERS


def nearest(word: str, known: Sequence[str]) -> str:
    """A sentence that names the nearest known word, or all of them where none is near."""
    # Of `local/cache` only the last part tells it from its neighbours.
    last = {one.lower().rpartition("/")[2]: one for one in known}
    near = get_close_matches(word.lower().rpartition("/")[2], last, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {last[near[0]]!r}?"
    return f"Known here: {', '.join(sorted(known))}." if known else ""


@cache
def _validator(name: str) -> Validator:
    file, _, definition = name.partition("#")
    schema = load(file)
    if definition:
        schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    return Draft202012Validator(schema)


def _explain(violation: Any) -> Iterator[tuple[Path, str, str]]:
    """Path, summary and remedy of each thing that one violation says."""
    if is_placeholder(violation.instance):
        return
    path: Path = tuple(violation.absolute_path)
    schema = violation.schema if isinstance(violation.schema, dict) else {}
    about = str(schema.get("description", ""))
    about = about[:1].upper() + about[1:]
    keyword = str(violation.validator)
    if "propertyNames" in violation.absolute_schema_path:
        yield (*path, violation.instance), f"{violation.instance!r} cannot be used as a name here", about
    elif keyword == "additionalProperties":
        yield from _unknown_keys(violation, schema)
    elif keyword == "required":
        missing = [key for key in violation.validator_value if key not in violation.instance]
        # jsonschema reports each missing key on its own; the message alone names which.
        name = next((key for key in missing if violation.message.startswith(repr(key))), missing[0])
        inner = schema.get("properties", {}).get(name, {})
        said = str(inner.get("description", "")) if isinstance(inner, dict) else ""
        yield path, f"{name!r} is missing", f"Add {name}: {said}" if said else f"Add {name}."
    elif keyword in _MESSAGES:
        yield path, _MESSAGES[keyword](violation), about or _hint(violation)
    else:
        yield path, violation.message, about


def _unknown_keys(violation: Any, schema: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    known = list(schema.get("properties", {}))
    for key in violation.instance:
        if key not in known:
            where = show(tuple(violation.absolute_path)) or "the document"
            yield (*violation.absolute_path, key), f"{key!r} is not known in {where}", nearest(key, known)


def _type_message(violation: Any) -> str:
    wanted = violation.validator_value
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    said = " or ".join(_KINDS[name] for name in names)
    return f"{_subject(violation)} must be {said}, but is {_is(violation.instance)}"


def _is(value: object) -> str:
    if value is None:
        return "empty (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    return "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "a mapping"


def _hint(violation: Any) -> str:
    if violation.validator == "type" and violation.validator_value == "string":
        if isinstance(violation.instance, bool | int | float):
            return f'Put it into quotes: "{_plain(violation.instance)}".'
        if violation.instance is None:
            return "Give it a value, or leave the key away."
    if violation.validator == "type" and violation.instance is None:
        return "Leave the key away, or give it a value."
    return ""


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _subject(violation: Any) -> str:
    path = [part for part in violation.absolute_path if isinstance(part, str)]
    return repr(path[-1]) if path else "the document"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _empty_or_short(violation: Any) -> str:
    if not violation.instance:
        return f"{_subject(violation)} is empty"
    return f"{_subject(violation)} is too short ({_shown(violation.instance)}): at least {violation.validator_value}"


_MESSAGES: Mapping[str, Callable[[Any], str]] = {
    "type": _type_message,
    "const": lambda one: f"{_subject(one)} must be {one.validator_value!r}, but is {_shown(one.instance)}",
    "enum": lambda one: (
        f"{_subject(one)} must be one of {', '.join(map(str, one.validator_value))}, but is {_shown(one.instance)}"
    ),
    "pattern": lambda one: f"{_subject(one)} cannot be {_shown(one.instance)}",
    "minimum": lambda one: f"{_subject(one)} must be at least {one.validator_value}, but is {one.instance}",
    "maximum": lambda one: f"{_subject(one)} must be at most {one.validator_value}, but is {one.instance}",
    "minLength": _empty_or_short,
    "maxLength": lambda one: f"{_subject(one)} is longer than {one.validator_value} characters",
    "minItems": _empty_or_short,
    "minProperties": _empty_or_short,
    "maxProperties": lambda one: f"{_subject(one)} takes only {one.validator_value} of {', '.join(one.instance)}",
    "oneOf": lambda one: (
        f"{_subject(one)} needs exactly one of {', '.join(branch['required'][0] for branch in one.validator_value)}"
    ),
    "uniqueItems": lambda one: f"{_subject(one)} names something twice",
}


def _unrendered(violation: Any) -> str:
    if isinstance(violation.instance, str) and is_unrendered(violation.instance):
        return "It holds ${{ }}, so this looks like a template that has not been rendered yet."
    return ""
