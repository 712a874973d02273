"""Fills a skeleton's placeholders without the renderer, so that the golden paths can be looked at by themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

TEMPLATES = Path(__file__).parents[2] / "pave" / "library" / "templates"
WITHOUT_DATABASE = {
    "python-service": ("app/database.py", "app/items.py", "tests/test_items.py"),
    "node-service": ("src/database.js", "src/items.js", "test/items.test.js"),
    "worker": (),
}


def render(template: str, **values: Any) -> Mapping[str, bytes]:
    """The files of a new repository."""
    given = {"name": "orders", "owner": "group:default/payments", "description": 'Takes "orders".', "database": True}
    given |= values
    environment = jinja2.Environment(
        variable_start_string="${{",
        variable_end_string="}}",
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["dump"] = json.dumps
    folder = TEMPLATES / template / "skeleton"
    left_out = () if given["database"] else WITHOUT_DATABASE[template]
    return {
        name: environment.from_string(path.read_text()).render(values=given).encode()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
        for name in [str(path.relative_to(folder))]
        if name not in left_out
    }
