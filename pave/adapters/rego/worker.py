"""Evaluates Rego: JSON on stdin, JSON on stdout. It runs as a program of its own, in the sandbox, and imports no Pave.

An evaluation cannot be interrupted from within, and holds the interpreter while it lasts. So its bounds are those of
this process: whoever starts it ends it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import regorus

MOST_ITEMS = 1_000
_WRONG = re.compile(r"(?:deny|violation|warn)(?:_[a-zA-Z0-9]+)*")
_TEST = re.compile(r"test_\w+")
Places = dict[str, list[tuple[str, int]]]


def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    """`{files, data, inputs, tests}` → `{rules, unread, answers}` and, where there are tests, `tests`.

    `rules` has the places of each rule, `unread` what is wrong with a file, `answers` per input what each rule found
    (`found`) and why it could not be asked (`wrong`).
    """
    engine, unread = _loaded({**asked["files"], **asked["tests"]}, asked["data"])
    if asked["tests"]:
        tests = [_tested(engine, name, places[0]) for name, places in sorted(_rules(engine, _TEST).items())]
        return {"unread": unread, "tests": tests}
    rules = _rules(engine, _WRONG)
    return {"unread": unread, "rules": rules, "answers": [_asked(engine, rules, one) for one in asked["inputs"]]}


def _loaded(files: Mapping[str, str], data: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    """An engine with every file that can be read: as Rego 1, else as the Rego from before."""
    engine = regorus.Engine()
    engine.set_gather_prints(True)
    unread = {}
    for path, text in sorted(files.items()):
        engine.set_rego_v0(False)
        try:
            engine.add_policy(path, text)
        except RuntimeError as problem:
            engine.set_rego_v0(True)
            try:
                engine.add_policy(path, text)
            except RuntimeError:
                unread[path] = _said(problem)
    engine.set_rego_v0(False)
    engine.add_data_json(json.dumps(data))
    return engine, unread


def _asked(engine: Any, rules: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    engine.set_input_json(json.dumps(given))
    found: dict[str, list[Any]] = {}
    wrong: dict[str, str] = {}
    for name in rules:
        try:
            found[name] = list(_items(_value(engine, name)))[:MOST_ITEMS]
        except RuntimeError as problem:
            wrong[name] = _said(problem)
    return {"found": found, "wrong": wrong}


def _items(value: Any) -> Iterator[Any]:
    """What a rule found. True is a finding without words, and `deny[text] if …` says its texts as keys."""
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict) and "msg" not in value:
        yield from (one if isinstance(one, dict) else key for key, one in value.items() if one is not False)
    elif value is not None and value is not False:
        yield value


def _tested(engine: Any, name: str, place: tuple[str, int]) -> dict[str, str]:
    engine.set_input_json("{}")
    try:
        passed, problem = _value(engine, name) is True, "it does not hold"
    except RuntimeError as wrong:
        passed, problem = False, _said(wrong)
    return {"name": name, "file": f"{place[0]}:{place[1]}", "problem": "" if passed else problem}


def _value(engine: Any, name: str) -> Any:
    """The value of a rule; None where it is undefined."""
    result = json.loads(engine.eval_query_as_json(f"data.{name}")).get("result")
    return result[0]["expressions"][0]["value"] if result else None


def _rules(engine: Any, pattern: re.Pattern[str]) -> Places:
    """Where each rule whose name matches stands, as the engine read it."""
    found: Places = {}
    for module in json.loads(engine.get_ast_as_json()):
        package = ".".join(_name(module["ast"]["package"]["refr"]))
        for rule in module["ast"]["rules"]:
            for refr, line in _heads(rule):
                own = _name(refr)
                if own and pattern.fullmatch(own[0]):
                    found.setdefault(f"{package}.{own[0]}", []).append((module["source"]["file"], line))
    return found


def _heads(rule: Mapping[str, Any]) -> Iterator[tuple[Any, int]]:
    if "Default" in rule:
        yield rule["Default"]["refr"], rule["Default"]["span"]["line"]
    elif "Spec" in rule:
        yield from ((head["refr"], head["span"]["line"]) for head in rule["Spec"]["head"].values())


def _name(refr: Mapping[str, Any]) -> list[str]:
    """The parts of a reference: `a.b` is ["a", "b"]; what stands in brackets is left away."""
    if "Var" in refr:
        return [refr["Var"]["value"]]
    if "RefDot" in refr:
        return [*_name(refr["RefDot"]["refr"]), refr["RefDot"]["field"][1]]
    return _name(refr["RefBrack"]["refr"]) if "RefBrack" in refr else []


def _said(problem: BaseException) -> str:
    """What the engine says of a mistake, in a line: `policies/a.rego:3: expecting expression`."""
    text = str(problem)
    place = re.search(r"-->\s*(\S+?):(\d+):\d+", text)
    what = re.search(r"error: (.+)", text)
    said = (what[1] if what else (text.strip().splitlines() or ["something is wrong"])[0]).rstrip(".: ")
    return f"{place[1]}:{place[2]}: {said}" if place else said


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
