"""The form: each page is a JSON Schema; defaults are filled in, everything wrong is said at once.

`ui:*` keys are for a form on a screen and change nothing here. A value that was sent is never repeated.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError, ValidationError

from pave.adapters.scaffolder.failure import Failed, Fault, failed

ALWAYS_GIVEN = frozenset({"name", "owner"})
"""What Pave gives every template, whether its form asks for it or not."""


def fill(pages: Sequence[Mapping[str, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with defaults, checked against every page. Raises `Failed` with all that is wrong."""
    values: dict[str, Any] = copy.deepcopy(dict(given))
    # A default can choose a branch that has defaults of its own; a few rounds settle it.
    for _ in range(4):
        before = copy.deepcopy(values)
        for page in pages:
            _fill(page, values)
        if values == before:
            break
    faults = [_fault(page, one) for page in pages for one in _errors(page, values)]
    known = {name for page in pages for name in _names(page)}
    faults += [_unknown(name, known) for name in given if pages and name not in known | ALWAYS_GIVEN]
    if faults:
        raise Failed(*faults)
    return values


def _errors(page: Mapping[str, Any], values: Mapping[str, Any]) -> list[ValidationError]:
    try:
        Draft7Validator.check_schema(page)
    except SchemaError as problem:
        raise failed(f"a page of the form is not a JSON Schema: {problem.message}", file="template.yaml") from problem
    return sorted(Draft7Validator(page).iter_errors(values), key=lambda one: list(map(str, one.absolute_path)))


def _fill(schema: Mapping[str, Any], values: dict[str, Any]) -> None:
    for name, one in (schema.get("properties") or {}).items():
        if not isinstance(one, Mapping):
            continue
        if name not in values and "default" in one:
            values[name] = copy.deepcopy(one["default"])
        if one.get("properties"):
            inner = values.get(name, {})
            if isinstance(inner, dict):
                _fill(one, inner)
                if inner:
                    values[name] = inner
    for branch in _branches(schema, values):
        _fill(branch, values)


def _branches(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conditional parts of a schema that hold for `values`."""
    found: list[Mapping[str, Any]] = [one for one in schema.get("allOf", ()) if isinstance(one, Mapping)]
    if isinstance(schema.get("if"), Mapping):
        chosen = schema.get("then" if Draft7Validator(schema["if"]).is_valid(values) else "else")
        found += [chosen] if isinstance(chosen, Mapping) else []
    alternatives = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    for name, one in (schema.get("dependencies") or {}).items():
        if name in values and isinstance(one, Mapping):
            found.append(one)
    return found + [one for one in alternatives if isinstance(one, Mapping) and _chooses(one, values)]


def _chooses(branch: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether the constants and choices of a branch are those of `values`."""
    fixed = {
        name: one
        for name, one in (branch.get("properties") or {}).items()
        if isinstance(one, Mapping) and ("const" in one or "enum" in one) and name in values
    }
    return bool(fixed) and Draft7Validator({"properties": fixed}).is_valid(values)


def _names(schema: Any) -> set[str]:
    """Every property that a schema knows at its top level, in any branch."""
    if not isinstance(schema, Mapping):
        return set()
    found = set(schema.get("properties") or {})
    parts = [*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())]
    parts += [schema.get("then"), schema.get("else"), *(schema.get("dependencies") or {}).values()]
    return found.union(*(_names(one) for one in parts))


def _fault(page: Mapping[str, Any], problem: ValidationError) -> Fault:
    path = ".".join(map(str, problem.absolute_path))
    schema = problem.schema if isinstance(problem.schema, Mapping) else {}
    title = schema.get("title", "")
    about = f" ({title})" if title and path else ""
    rule: Any = problem.validator_value
    match problem.validator:
        case "required":
            instance: Any = problem.instance
            missing = [name for name in rule if name not in instance]
            names = ", ".join(missing)
            how = " ".join(f"--set {name}=…" for name in missing if name not in ALWAYS_GIVEN)
            return Fault(f"{path + ': ' if path else ''}{names} is needed", f"Give it: {how or names}.", path=path)
        case "type":
            said = f"is not of type {rule}"
        case "enum":
            said = f"is not one of {', '.join(map(str, rule))}"
        case "pattern":
            said = f"does not match the pattern {rule}"
        case kind:
            said = f"breaks the rule {kind}: {rule}"
    hint = schema.get("ui:help") or schema.get("description") or ""
    return Fault(f"{path or page.get('title', 'the form')}{about} {said}", str(hint), path=path)


def _unknown(name: str, known: set[str]) -> Fault:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"The template asks for: {', '.join(sorted(known)) or 'nothing'}."
    return Fault(f"the template has no input {name}", remedy, path=name)
