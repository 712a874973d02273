"""Reads `policies/`: Rego laid out as for Conftest. Whether it is right Rego is for the engine to say.

What is needed without an engine is taken from the text: which rules there are, what their comments `# METADATA` say
of them, and what they read. Source of the names: conftest.dev, "Usage"; of the comments: openpolicyagent.org,
"Policy Reference", section "Annotations".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml

from pave.model.diagnostics import Refused, error
from pave.model.document import read_document
from pave.model.guardrail import CATEGORIES, STAGES
from pave.model.names import Ref
from pave.model.policy import ANYTHING, FOLDER, LEVELS, Policies, PolicyFile, PolicyRule

DATA = f"{FOLDER}/data/"
_PACKAGE = re.compile(r"^\s*package\s+([\w.]+)", re.MULTILINE)
_HEAD = re.compile(r"^\s*(?:default\s+)?((deny|violation|warn)(?:_[a-zA-Z0-9]+)*)(?![\w(])")
_INPUT = re.compile(r"(?<![\w.])input\b((?:\s*\.\s*[A-Za-z_]\w*|\[\s*\"[^\"]*\"\s*\])*)")
_STEP = re.compile(r"\.\s*([A-Za-z_]\w*)|\[\s*\"([^\"]*)\"\s*\]")
_STRING_OR_COMMENT = re.compile(r"`[^`]*`|\"(?:\\.|[^\"\\\n])*\"|#[^\n]*")
_INDEX_BEFORE = re.compile(r"\[\s*$")
_OUTSIDE = re.compile(r"(?<![\w.])(http\.send|opa\.runtime|net\.lookup_ip_addr)\b")
_OF_A_RULE = {"title", "description", "custom"}
_KNOWN = {"owner", "category", "stages", "remedy"}


def read_policies(files: Mapping[str, bytes]) -> Policies:
    """Everything below `policies/`, by path. What cannot be read stands in `problems`, or at its file, and denies."""
    found, tests, data = list[PolicyFile](), dict[str, str](), dict[str, Any]()
    problems = dict[str, str]()
    for path, content in sorted(files.items()):
        try:
            if path.endswith(".rego"):
                text = content.decode()
                if path.endswith("_test.rego"):
                    tests[path] = text
                else:
                    found.append(_read(path, text))
            elif path.startswith(DATA) and path.endswith((".json", ".yaml", ".yml")):
                _lay(data, path.removeprefix(DATA).split("/")[:-1], read_document(content, path).data)
        except UnicodeDecodeError:
            problems[path] = "it is no UTF-8"
        except Refused as refused:
            problems[path] = str(refused).split("\n", 1)[0].rstrip(".")
        except ValueError as problem:
            problems[path] = str(problem)
    return Policies(tuple(found), tests, data, problems)


def _read(path: str, text: str) -> PolicyFile:
    package = _PACKAGE.search(_plain(text))
    bare = _plain(text)
    reads = frozenset(_reads(text))
    if package is None:
        return PolicyFile(path, text, reads=reads, problem="it names no package")
    if outside := _OUTSIDE.search(bare):
        said = f"it calls {outside[1]}, and a policy sees nothing but its input and its data"
        return PolicyFile(path, text, reads=reads, problem=said)
    try:
        rules = tuple(_rules(path, text, package[1]))
    except (ValueError, yaml.YAMLError, Refused) as problem:
        return PolicyFile(path, text, reads=reads, problem=str(problem).split("\n", 1)[0].rstrip("."))
    return PolicyFile(path, text, rules, reads)


def _rules(path: str, text: str, package: str) -> Iterator[PolicyRule]:
    """Each rule once, with what the comment before any of its definitions says. Raises `Refused` and the like."""
    usual = PolicyRule("", "", path, 0)
    by_name: dict[str, PolicyRule] = {}
    said: dict[str, Any] = {}
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if re.fullmatch(r"#\s*METADATA\s*", line.strip()):
            begin = number
            while number < len(lines) and lines[number].lstrip().startswith("#"):
                number += 1
            said = _metadata([one.lstrip()[1:] for one in lines[begin:number]], f"{path}:{begin}")
        elif re.match(r"\s*package\s", line):
            usual, said = _told(usual, said), {}
        elif head := _HEAD.match(line):
            name = f"{package}.{head[1]}"
            known = by_name.get(name, replace(usual, name=name, level=LEVELS[head[2]], line=number))
            by_name[name], said = _told(known, said), {}
        elif line.strip() and not line.lstrip().startswith("#"):
            said = {}
    yield from by_name.values()


def _metadata(lines: list[str], where: str) -> dict[str, Any]:
    said = yaml.safe_load("\n".join(lines)) or {}
    if not isinstance(said, dict) or not isinstance(said.get("custom") or {}, dict):
        raise Refused(error(f"what {where} says after METADATA is no mapping"))
    return {key: value for key, value in said.items() if key in _OF_A_RULE}


def _told(rule: PolicyRule, said: Mapping[str, Any]) -> PolicyRule:
    custom = said.get("custom") or {}
    stages = custom.get("stages", rule.stages)
    category = str(custom.get("category", rule.category))
    if not isinstance(stages, (list, tuple)) or not stages or set(stages) - set(STAGES):
        raise ValueError(f"custom.stages of {rule.name or rule.file} is not a list of {', '.join(STAGES)}")
    if category not in CATEGORIES:
        raise ValueError(f"custom.category of {rule.name or rule.file} is not one of {', '.join(CATEGORIES)}")
    return replace(
        rule,
        title=str(said.get("title") or rule.title),
        description=str(said.get("description") or rule.description).strip(),
        owner=Ref.parse(str(custom["owner"]), kind="group") if "owner" in custom else rule.owner,
        category=category,
        stages=tuple(stages),
        remedy=str(custom.get("remedy", rule.remedy)),
    )


def _reads(text: str) -> Iterator[str]:
    """The fields of `input` that a policy names: `change.type`; `ANYTHING` where it is handed on as a whole."""
    for found in _INPUT.finditer(_plain(text, strings=False)):
        steps = [one[1] if one[1] is not None else one[2] for one in _STEP.finditer(found[1])]
        yield ".".join(steps) or ANYTHING


def _plain(text: str, *, strings: bool = True) -> str:
    """The text without comments, and without what stands in strings unless that is the name of a field."""

    def blank(match: re.Match[str]) -> str:
        is_name = match[0][0] == '"' and _INDEX_BEFORE.search(text[: match.start()][-20:])
        return match[0] if not strings and is_name else '""' if match[0][0] != "#" else ""

    return _STRING_OR_COMMENT.sub(blank, text)


def _lay(data: dict[str, Any], folders: list[str], value: Any) -> None:
    """Put a file's content where its folder says. Raises `Refused`, `ValueError` where it says twice what is."""
    if not isinstance(value, Mapping):
        raise Refused(error("it is no mapping, so its content has no name"))
    for folder in folders:
        data = data.setdefault(folder, {})
    for key, one in value.items():
        if key in data:
            raise ValueError(f"another file says already what {key} is")
        data[key] = one
