"""What Terraform says went wrong, as Pave's diagnostics, with every known secret masked."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from pave.adapters.terraform.runner import Result, events
from pave.apply.retry import ApplyError, Stale, Terminal, Transient
from pave.model.diagnostics import Diagnostic, Refused, Severity, Source, error
from pave.model.names import Address
from pave.plan.terraform import RootModule

MASK = "(secret)"
SHORTEST_SECRET = 6
"""Shorter values are no secrets worth the name, and masking them would make every text unreadable."""

_CALL = re.compile(r"^module\.([A-Za-z0-9_-]+)")
_CALL_CONTEXT = re.compile(r"(?:^|\W)module[. \"]+([A-Za-z0-9_-]+)")
_FOLDER = re.compile(r"^modules/([^/]+)/")
_LONGEST_DETAIL = 4000
_PREAMBLE = "Terraform encountered problems during initiali"  # says only that there are others

_STALE = ("Saved plan is stale", "Saved plan does not match the given state", "Failed to read plan from plan file")
_BUSY = ("Error acquiring the state lock",)
_BACKEND = (
    "Failed to get state",
    "Failed to get existing workspaces",
    "Error refreshing state",
    "Failed to load state",
    "Error loading state",
    "Failed to save state",
    "Failed to persist state",
    "Error saving state",
)
_NOT_READY = (
    "Module not installed",
    "Backend initialization required",
    "Inconsistent dependency lock file",
    "Required plugins are not installed",
    "Module source has changed",
    "Could not load plugin",
    "Missing required provider",
)
_REGISTRY = (
    "Failed to query available provider packages",
    "Invalid provider registry host",
    "Failed to install provider",
)


class Masker:
    """Replaces known secrets in text, also in their base64, URL and JSON forms and line by line."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Know some more."""
        for secret in secrets:
            for part in {secret, *secret.splitlines()}:
                if len(part.strip()) >= SHORTEST_SECRET:
                    self._forms |= {
                        part,
                        quote(part, safe=""),
                        json.dumps(part)[1:-1],
                        json.dumps(part, ensure_ascii=False)[1:-1],
                        base64.b64encode(part.encode()).decode(),
                    }

    def __call__(self, text: str) -> str:
        """`text` without them."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return text


def sensitive_texts(value: Any, marks: Any) -> Iterator[str]:
    """The texts in `value` that `marks` (Terraform's `…_sensitive` shape) says are sensitive."""
    if marks is True:
        yield from _texts(value)
    elif isinstance(marks, Mapping) and isinstance(value, Mapping):
        for name, inner in marks.items():
            yield from sensitive_texts(value.get(name), inner)
    elif isinstance(marks, list) and isinstance(value, list):
        for one, inner in zip(value, marks, strict=False):
            yield from sensitive_texts(one, inner)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def callers(root: RootModule) -> Mapping[str, str]:
    """Which call a module's folder stands for, where only one call uses it."""
    by_folder: dict[str, list[str]] = {}
    for name, body in root.document.get("module", {}).items():
        by_folder.setdefault(str(body["source"]).removeprefix("./modules/"), []).append(name)
    return {folder: names[0] for folder, names in by_folder.items() if len(names) == 1}


def diagnostics(
    stack: Address, result: Result, mask: Masker, calls: Mapping[str, str] | None = None
) -> tuple[Diagnostic, ...]:
    """The errors in a command's output; one that was not said in JSON becomes one with the text's end.

    `calls` is what `callers` gives: it places errors that Terraform reports for a file alone.
    """
    found = [
        _diagnostic(stack, event["diagnostic"], mask, calls or {})
        for event in events(result.output)
        if event.get("diagnostic", {}).get("severity") == "error"
    ]
    if found:
        told = [one for one in found if not one.summary.startswith(_PREAMBLE)]
        return tuple(dict.fromkeys(told or found))
    said = "\n".join(line for line in result.output.splitlines() if not line.startswith("{"))
    text = mask((result.errors or said).strip())[-_LONGEST_DETAIL:]
    return (
        error("Terraform failed", detail=text, remedy="The detail is all that Terraform said.", address=str(stack)),
    )


def needs_init(result: Result) -> bool:
    """Whether the command failed only because the working copy was not made ready for it."""
    return any(sign in result.output or sign in result.errors for sign in _NOT_READY)


def failure(stack: Address, command: str, found: tuple[Diagnostic, ...]) -> ApplyError | Refused:
    """The error to raise for a failed command: its type decides what happens next."""
    first = found[0]
    said = f"{first.summary} {first.detail}"
    if any(sign in said for sign in _STALE):
        return Stale(
            error(f"The plan of {stack} is out of date", detail=first.summary, remedy="Plan again.", address=str(stack))
        )
    if any(sign in said for sign in _BUSY):
        return Transient(
            error(
                f"The state of {stack} is locked by another run",
                detail=first.detail,
                remedy="It is tried again; a lock whose holder died ends by itself after 30 seconds.",
                address=str(stack),
            )
        )
    if any(sign in said for sign in _BACKEND):
        return Transient(
            error(
                f"The state of {stack} could not be reached",
                detail=first.detail or first.summary,
                remedy="It is tried again.",
                address=str(stack),
            )
        )
    if command == "apply":
        return Terminal(_together(stack, found))
    return Refused(*found)


def _together(stack: Address, found: tuple[Diagnostic, ...]) -> Diagnostic:
    first = found[0]
    if len(found) == 1:
        return first
    others = "\n".join(f"Also: {one}" for one in found[1:])
    return Diagnostic(
        first.severity,
        first.summary,
        f"{first.detail}\n{others}".strip(),
        first.remedy,
        first.source,
        first.path,
        first.address or str(stack),
    )


def _diagnostic(stack: Address, said: Mapping[str, Any], mask: Masker, calls: Mapping[str, str]) -> Diagnostic:
    place = said.get("range") or {}
    start = place.get("start") or {}
    file = str(place.get("filename", ""))
    context = str((said.get("snippet") or {}).get("context") or "")
    summary, detail = str(said.get("summary", "")), str(said.get("detail", ""))
    module = _FOLDER.match(file)
    named = _CALL.match(str(said.get("address", ""))) or _CALL_CONTEXT.search(context)
    call = named[1] if named else calls.get(module[1], "") if module else ""
    source = Source()
    if module:  # a line of main.tf.json would say nothing to anyone: it is made by Pave
        source = Source(file, int(start.get("line", 0)), int(start.get("column", 0)))
    return Diagnostic(
        Severity.ERROR,
        mask(summary).rstrip("."),
        mask(detail)[:_LONGEST_DETAIL],
        _remedy(summary, detail, module[1] if module else ""),
        source,
        address=str(stack.at(call)),
    )


def _remedy(summary: str, detail: str, module: str) -> str:
    if any(sign in summary for sign in _REGISTRY):
        provider = re.search(r"provider\s+([\w.:/-]+/[\w./-]+)", detail)
        which = f"the provider {provider[1]}" if provider else "the provider"
        return (
            f"Make {which} reachable: check its name in required_providers and the network, or name a mirror "
            "in a Terraform CLI configuration and set TF_CLI_CONFIG_FILE."
        )
    if module:
        return f"Correct the module {module}, or give it other inputs."
    return "Correct the inputs or the module that the address names."
