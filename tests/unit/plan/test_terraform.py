from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.model.diagnostics import Refused
from pave.plan.terraform import Call, Reference, call, document, escape, expression

AWKWARD = st.text(st.sampled_from(["$", "%", "{", "}", '"', "\\", "a", "\n", "~", "é"]), max_size=12)


@given(AWKWARD)
def test_no_text_is_ever_an_expression(text: str) -> None:
    assert re.sub(r"\$\$\{|%%\{", ".", escape(text)).find("${") == -1
    assert re.sub(r"\$\$\{|%%\{", ".", escape(text)).find("%{") == -1
    assert escape(text).replace("$${", "${").replace("%%{", "%{") == text


def test_values_keep_their_shape() -> None:
    value = {"a": [1, 2.5, True, None, "x"], "b": {"${c}": Reference("db", "host")}}
    assert expression(value) == {"a": [1, 2.5, True, None, "x"], "b": {"$${c}": "${module.db.host}"}}
    assert expression((Reference("db", "port"),)) == "${module.db.port}"
    assert expression(("http://", Reference("db", "host"), ":", Reference("db", "port"), "/%{x}")) == (
        "http://${module.db.host}:${module.db.port}/%%{x}"
    )


def test_a_dollar_before_a_reference_stays_a_dollar() -> None:
    assert expression(("cost: $", Reference("db", "price"))) == 'cost: ${"$"}${module.db.price}'
    assert expression(("$", "{x}")) == "$${x}"


def test_what_terraform_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError):
        expression({"a": object()})
    with pytest.raises(Refused, match="count"):
        call("postgres", {"count": 2})
    with pytest.raises(Refused, match="identifier"):
        expression(Reference("db", 'host} ${file("/etc/passwd")'))


def test_the_document_is_the_same_whatever_the_order() -> None:
    calls = [
        Call("db", "local-postgres", "d1", {"size": "small"}),
        Call("api", "local-workload", "d2", {"url": (Reference("db", "uri"),)}, ("db", "db")),
    ]
    made = document(calls)
    assert made == document(calls[::-1])
    assert made.sources == {"local-postgres": "d1", "local-workload": "d2"}
    assert made.document["module"]["api"] == {
        "source": "./modules/local-workload",
        "url": "${module.db.uri}",
        "depends_on": ["module.db"],
    }
    assert made.document["output"]["db"] == {"value": "${module.db}", "sensitive": True}
    assert document([]).document == {"terraform": {"backend": {"http": {}}}}
