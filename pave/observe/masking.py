"""Masking: known secrets taken out of what programs say, before anybody stores or shows it.

A secret is found as it is, quoted for a URL, escaped for JSON, and within base64 whatever stands before it there; also
where it lies across the border of two chunks.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache

MASK = "•••"
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
SHORTEST = 6
"""Characters of a secret from which on it is masked: shorter ones are words of everyday text."""


class Masker:
    """Masks a stream of text: `feed` gives back what is safe to show, `end` the rest."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._pattern, self._longest = _compiled(tuple(sorted(set(secrets))))
        self._kept = ""

    def feed(self, chunk: str) -> str:
        """The text up to where a secret could still be going on."""
        return self._mask(chunk, self._longest - 1)

    def end(self) -> str:
        """What was kept back, masked; the masker is as new."""
        return self._mask("", 0)

    def _mask(self, chunk: str, keep: int) -> str:
        text = self._kept + chunk
        cut = max(len(text) - max(keep, 0), 0)
        if self._pattern is None:
            self._kept = ""
            return text
        shown, at = [], 0
        for match in self._pattern.finditer(text):
            if match.start() >= cut:
                break
            shown += [text[at : match.start()], MASK]
            at = match.end()
        if at < cut:
            shown.append(text[at:cut])
            at = cut
        self._kept = text[at:]
        return "".join(shown)


def masked(text: str, secrets: Iterable[str]) -> str:
    """A whole text without secrets."""
    masker = Masker(secrets)
    return masker.feed(text) + masker.end()


@lru_cache(maxsize=4096)
def _compiled(secrets: tuple[str, ...]) -> tuple[re.Pattern[str] | None, int]:
    """One pattern for every form of every secret, the longest first."""
    forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
    forms = {form for form in forms if len(form) >= SHORTEST}
    if not forms:
        return None, 1
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(re.escape, ordered))), len(ordered[0])


def _quoted(text: str) -> str:
    """As it stands in a URL (RFC 3986)."""
    return "".join(one if one in _PLAIN else "".join(f"%{byte:02X}" for byte in one.encode()) for one in text)


def _unquoted(text: str) -> str:
    """What a URL's text stands for."""
    plain = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())
    return plain.decode(errors="replace")


def _forms(secret: str) -> Iterable[str]:
    yield from (secret, _quoted(secret), _unquoted(secret), json.dumps(secret)[1:-1])
    data = secret.encode()
    yield b64encode(data).decode().rstrip("=")
    for before in range(3):
        # Of what base64 makes, only the letters that no neighbour has a part in.
        encoded = b64encode(bytes(before) + data).decode()
        yield encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
