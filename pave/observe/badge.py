"""A badge: two words side by side, as an SVG picture that needs nothing from anywhere."""

from __future__ import annotations

from xml.sax.saxutils import escape

_LETTER = 6.6
"""Pixels of an average letter at 11 pixels of Verdana, the widest of the usual faces."""
_PADDING = 12.0
_DARK = "#374151"


def badge(label: str, message: str, color: str) -> str:
    """The picture, 20 pixels high. `color` is that of the right part; white text has contrast of 4.5 on it."""
    left, right = (round(len(text) * _LETTER + _PADDING) for text in (label, message))
    said = escape(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{said}">'
        f"<title>{said}</title>"
        f'<rect width="{left}" height="20" rx="3" fill="{_DARK}"/>'
        f'<rect x="{left}" width="{right}" height="20" rx="3" fill="{color}"/>'
        f'<rect x="{left - 3}" width="6" height="20" fill="{_DARK}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14">{escape(label)}</text>'
        f'<text x="{left + right / 2}" y="14">{escape(message)}</text></g></svg>'
    )
