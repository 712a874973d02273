"""Expressions and skeletons: Nunjucks as Backstage's templates use it, run by Jinja2 with `${{ … }}`.

A lone expression keeps its type; text prints as JavaScript would (`true`, an empty text for nothing).
Jinja's own sandbox is a second wall: the process is confined as a whole.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

from jinja2 import ChainableUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pave.adapters.scaffolder.failure import failed

_STRINGS: Mapping[str, Callable[[str], Any]] = {
    "toLowerCase": lambda text: text.lower,
    "toUpperCase": lambda text: text.upper,
    "trim": lambda text: text.strip,
    "startsWith": lambda text: text.startswith,
    "endsWith": lambda text: text.endswith,
    "includes": lambda text: text.__contains__,
}


class _Strict(Extension):
    """Reads JavaScript's `===` and `!==` as `==` and `!=`."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Drop the third sign."""
        before = ""
        for token in stream:
            if not (token.type == "assign" and before in ("eq", "ne")):
                yield token
            before = token.type


class _Environment(ImmutableSandboxedEnvironment):
    """Looks a key up before an attribute, and knows what JavaScript's texts and lists can do."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else super().getattr(obj, attribute)
        if attribute == "length" and isinstance(obj, str | list | tuple):
            return len(obj)
        if isinstance(obj, str) and attribute in _STRINGS:
            return _STRINGS[attribute](obj)
        if isinstance(obj, list) and attribute == "includes":
            return obj.__contains__
        return super().getattr(obj, attribute)


def environment(*, trim_blocks: bool = False, lstrip_blocks: bool = False) -> _Environment:
    """An environment with Backstage's delimiters and filters."""
    made = _Environment(
        variable_start_string="${{",
        variable_end_string="}}",
        undefined=ChainableUndefined,
        finalize=as_text,
        keep_trailing_newline=True,
        autoescape=False,
        trim_blocks=trim_blocks,
        lstrip_blocks=lstrip_blocks,
        extensions=[_Strict, "jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    made.filters |= {
        "dump": _dump,
        "jsonify": _dump,
        "parseRepoUrl": parse_repo_url,
        "parseEntityRef": parse_entity_ref,
        "pick": _pick,
        "projectSlug": _project_slug,
    }
    return made


def as_text(value: Any) -> str:
    """A value as JavaScript prints it into a text."""
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(as_text(one) for one in value)
    return _dump(value) if isinstance(value, Mapping) else str(value)


def render_text(text: str, context: Mapping[str, Any], file: str = "", using: _Environment | None = None) -> str:
    """A skeleton file or a text. Raises `Failed` with the line."""
    try:
        return (using or environment()).from_string(text).render(context)
    except (
        TemplateError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as problem:
        _explain(problem, text, file)


def render_value(value: Any, context: Mapping[str, Any], file: str = "") -> Any:
    """Every text in a value; one that is a lone expression becomes what it evaluates to, with its type."""
    if isinstance(value, Mapping):
        return {render_text(str(key), context, file): render_value(one, context, file) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [render_value(one, context, file) for one in value]
    if not isinstance(value, str) or ("${{" not in value and "{%" not in value):
        return value
    used = environment()
    if not _is_lone(used, value, file):
        return render_text(value, context, file, used)
    inner = re.sub(r"^\$\{\{-?|-?\}\}$", "", value.strip())
    try:
        found = used.compile_expression(inner, undefined_to_none=True)(**context)
    except (
        TemplateError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as problem:
        _explain(problem, value, file)
    return list(found) if isinstance(found, tuple) else found


def _is_lone(used: _Environment, text: str, file: str) -> bool:
    stripped = text.strip()
    if not (stripped.startswith("${{") and stripped.endswith("}}")):
        return False
    try:
        body = used.parse(stripped).body
    except TemplateSyntaxError as problem:
        _explain(problem, text, file)
    return (
        len(body) == 1
        and isinstance(body[0], nodes.Output)
        and len(body[0].nodes) == 1
        and not isinstance(body[0].nodes[0], nodes.TemplateData)
    )


def _explain(problem: Exception, text: str, file: str) -> NoReturn:
    line = problem.lineno if isinstance(problem, TemplateSyntaxError) else 0
    if not line:
        frames = [one for one in traceback.extract_tb(problem.__traceback__) if one.filename == "<template>"]
        line = (frames[-1].lineno or 0) if frames else 0
    lines = text.splitlines()
    shown = lines[line - 1].strip() if 0 < line <= len(lines) else text.strip()
    said = str(problem).strip() or type(problem).__name__
    remedy = "Pave reads Nunjucks as far as Jinja2 does; write this expression so that both understand it."
    raise failed(
        f"{shown[:120]!r} cannot be evaluated: {said}", remedy, file=file, line=line if file else 0
    ) from problem


def _dump(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, default=as_text)


def parse_repo_url(text: str) -> dict[str, str]:
    """`github.com?owner=acme&repo=orders` in its parts."""
    parts = urlsplit(text if "://" in text else f"https://{text}")
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    return {"host": parts.netloc, **query}


def parse_entity_ref(text: str, defaults: Mapping[str, str] | None = None) -> dict[str, str]:
    """`[kind:][namespace/]name` in its parts."""
    match = re.fullmatch(r"(?:([^:/]+):)?(?:([^:/]+)/)?([^:/]+)", str(text))
    if match is None:
        raise ValueError(f"{text!r} is not an entity reference")
    given = defaults or {}
    kind = match[1] or given.get("defaultKind", "component")
    return {"kind": kind, "namespace": match[2] or given.get("defaultNamespace", "default"), "name": match[3]}


def _pick(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _project_slug(text: str) -> str:
    parts = parse_repo_url(text)
    return f"{parts.get('owner', '')}/{parts.get('repo', '')}"
