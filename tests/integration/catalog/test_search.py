from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from pave.adapters.postgres import schema
from pave.adapters.postgres.catalog import PostgresCatalog
from pave.model.backstage import relations
from pave.model.catalog import Entry, Origin, Projected, Query
from pave.model.diagnostics import Refused
from pave.model.entity import Entity
from pave.model.names import Ref


def entry(ref: str, spec: dict[str, Any] | None = None, **metadata: Any) -> Entry:
    parsed = Ref.parse(ref)
    kinds = {"api": "API"}
    entity = Entity(
        parsed,
        kinds.get(parsed.kind, parsed.kind.title()),
        "backstage.io/v1alpha1",
        {"name": parsed.name, **metadata},
        spec or {},
    )
    return Entry(
        entity, entity.owner, {"kind": Origin("platform", "catalog/all.yaml", "c1", 3)}, tuple(relations([entity]))
    )


ENTRIES = (
    entry("component:orders-api", {"type": "service", "owner": "payments", "lifecycle": "production", "system": "shop"},
          title="Orders", description="Takes orders from customers", tags=["python", "http"]),
    entry("component:invoices", {"type": "service", "owner": "payments", "lifecycle": "experimental",
                                 "dependsOn": ["component:orders-api"]},
          description="Writes an invoice once orders are paid", tags=["python"]),
    entry("component:com.acme.search_index", {"type": "library", "owner": "user:dana"}, description="Finds things"),
    entry("api:orders", {"type": "openapi", "owner": "payments"}, title="Orders API"),
    entry("system:shop", {"owner": "payments"}),
    entry("group:payments", {"type": "team"}, title="Payments"),
)  # fmt: skip


@pytest.fixture
def catalog(records: Engine) -> PostgresCatalog:
    schema.metadata.create_all(records)
    made = PostgresCatalog(records)
    made.project(ENTRIES)
    return made


def names(catalog: PostgresCatalog, **query: Any) -> list[str]:
    return [one.entity.ref.name for one in catalog.search(Query(**query)).entries]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("ord", "orders"),
        ("orders api", "orders"),
        ("invoi", "invoices"),
        ("INVOICE", "invoices"),
        ("acme", "com.acme.search_index"),
        ("search", "com.acme.search_index"),
        ("index", "com.acme.search_index"),
        ("pyth cust", "orders-api"),
        ("find thin", "com.acme.search_index"),
    ],
)
def test_beginnings_of_words_find_what_is_meant(catalog: PostgresCatalog, text: str, first: str) -> None:
    assert names(catalog, text=text)[0] in (first, f"{first}-api")


def test_a_title_outranks_a_description(catalog: PostgresCatalog) -> None:
    found = names(catalog, text="orders")
    assert set(found) == {"orders", "orders-api", "invoices"}
    assert found[-1] == "invoices"


@pytest.mark.parametrize(
    "text", ["'", "& | !", ":*", "\\", "'); DROP TABLE entities; --", "%", "&&&", "\0", "é", "x" * 5000]
)
def test_any_text_may_be_asked_for(catalog: PostgresCatalog, text: str) -> None:
    assert names(catalog, text=text) == []
    assert len(names(catalog)) == 6


def test_each_filter_narrows(catalog: PostgresCatalog) -> None:
    assert names(catalog, kind="Component", owner="payments") == ["invoices", "orders-api"]
    assert names(catalog, owner="user:dana") == ["com.acme.search_index"]
    assert names(catalog, system="shop") == ["orders-api"]
    assert names(catalog, lifecycle="experimental") == ["invoices"]
    assert names(catalog, tag="python") == ["invoices", "orders-api"]
    assert names(catalog, tag="python", text="cust") == ["orders-api"]
    assert names(catalog, type="openapi") == ["orders"]
    assert names(catalog, namespace="elsewhere") == []


def test_facets_count_the_answer(catalog: PostgresCatalog) -> None:
    facets = catalog.facets(Query())
    assert facets["kind"] == {"component": 3, "api": 1, "group": 1, "system": 1}
    assert facets["owner"] == {"group:default/payments": 4, "user:default/dana": 1}
    assert facets["tag"] == {"python": 2, "http": 1}
    assert facets["lifecycle"] == {"experimental": 1, "production": 1}
    assert catalog.facets(Query(text="ord", kind="component"))["type"] == {"service": 2}


@pytest.mark.parametrize("text", ["", "o"])
def test_pages_follow_each_other_without_a_gap_or_a_repeat(records: Engine, text: str) -> None:
    schema.metadata.create_all(records)
    catalog = PostgresCatalog(records)
    catalog.project([entry(f"component:{'o' * (n % 7 + 1)}-{n}", description="o " * (n % 5)) for n in range(137)])
    whole = names(catalog, text=text, limit=500)
    paged: list[str] = []
    after = ""
    while True:
        page = catalog.search(Query(text=text, limit=10, after=after))
        paged += [one.entity.ref.name for one in page.entries]
        after = page.after
        if not after:
            break
    assert paged == whole
    assert len(whole) == len(set(whole)) == 137


@pytest.mark.parametrize("after", ["x", "bm90IGpzb24", "WzEsMl0", "W10", "é"])
def test_a_cursor_that_is_none_is_refused(catalog: PostgresCatalog, after: str) -> None:
    for text in ("", "ord"):
        with pytest.raises(Refused, match="place to go on from"):
            catalog.search(Query(text=text, after=after))


def test_an_entity_comes_back_as_it_was(catalog: PostgresCatalog) -> None:
    found = catalog.get(Ref.parse("component:orders-api"))
    assert found is not None
    assert found.entry.entity.metadata == ENTRIES[0].entity.metadata
    assert found.entry.entity.spec == ENTRIES[0].entity.spec
    assert found.entry.entity.source.file == "catalog/all.yaml"
    assert {(one.type, one.ref.short, one.known) for one in found.neighbours} == {
        ("ownedBy", "group:payments", True),
        ("partOf", "system:shop", True),
        ("dependencyOf", "component:invoices", True),
    }
    dana = catalog.get(Ref.parse("component:com.acme.search_index"))
    assert [(one.ref.short, one.known) for one in dana.neighbours] == [("user:dana", False)]
    assert catalog.get(Ref.parse("component:nobody")) is None


def test_odd_values_of_a_document_are_kept_as_text(catalog: PostgresCatalog) -> None:
    odd = entry("component:odd", {"limit": float("inf"), "half": "\ud800", "nul": "a\0b"}, description="a\0b")
    assert catalog.project([*ENTRIES, odd]) == Projected(added=1)
    spec = catalog.get(Ref.parse("component:odd")).entry.entity.spec
    assert spec == {"limit": "inf", "half": "?", "nul": "a\ufffdb"}
    assert catalog.project([*ENTRIES, odd]) == Projected()


def test_the_blast_radius_goes_all_the_way_and_ends_in_circles(catalog: PostgresCatalog) -> None:
    catalog.project(
        [
            entry("resource:db", {"type": "postgres"}),
            entry("component:a", {"dependsOn": ["resource:db"], "providesApis": ["a-api"]}),
            entry("api:a-api", {}),
            entry("component:b", {"consumesApis": ["a-api"]}),
            entry("component:c", {"dependsOn": ["component:b", "component:d"]}),
            entry("component:d", {"dependsOn": ["component:c"]}),
            entry("component:apart", {"dependsOn": ["resource:other"]}),
        ]
    )
    found = catalog.dependents(Ref.parse("resource:db"))
    assert [(one.ref.short, one.distance, one.type, one.via.short) for one in found] == [
        ("component:a", 1, "dependsOn", "resource:db"),
        ("api:a-api", 2, "apiProvidedBy", "component:a"),
        ("component:b", 3, "consumesApi", "api:a-api"),
        ("component:c", 4, "dependsOn", "component:b"),
        ("component:d", 5, "dependsOn", "component:c"),
    ]
    assert catalog.dependents(Ref.parse("component:nobody")) == []


def seconds(work: Callable[[], object], times: int = 7) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def many(count: int) -> list[Entry]:
    return [
        entry(
            f"component:service-{n}",
            {
                "type": ("service", "library", "website")[n % 3],
                "owner": f"team-{n % 200}",
                "lifecycle": "production",
                "system": f"system-{n % 500}",
                "dependsOn": [f"component:service-{n // 2}"] if n else [],
            },
            title=f"Service number {n}",
            description=f"Does work {n % 977} for department {n % 31}",
            tags=[f"tag-{n % 40}"],
        )
        for n in range(count)
    ]


@pytest.mark.timeout(300)
def test_twenty_thousand_entities_answer_nearly_as_fast_as_one_thousand(
    records: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    schema.metadata.create_all(records)
    catalog = PostgresCatalog(records)
    asked: dict[str, Callable[[], object]] = {
        "list": lambda: catalog.search(Query()),
        "owner": lambda: catalog.search(Query(owner="team-7", kind="component")),
        "word": lambda: catalog.search(Query(text="service-77")),
        "prefix": lambda: catalog.search(Query(text="dep wor 97")),
        "common": lambda: catalog.search(Query(text="serv")),
        "get": lambda: catalog.get(Ref.parse("component:service-500")),
        "facets": lambda: catalog.facets(Query()),
        "dependents": lambda: catalog.dependents(Ref.parse("component:service-5")),
    }
    everything = many(20_000)
    catalog.project(everything[:1000])
    small = {name: seconds(work) for name, work in asked.items()}
    began = time.perf_counter()
    assert catalog.project(everything) == Projected(added=19_000)
    whole = time.perf_counter() - began
    changed = [*everything[:-1], entry("component:service-19999", {}, title="Changed")]
    began = time.perf_counter()
    assert catalog.project(changed) == Projected(changed=1)
    one = time.perf_counter() - began
    large = {name: seconds(work) for name, work in asked.items()}
    figures = {name: f"{small[name] * 1e3:.1f} → {large[name] * 1e3:.1f} ms" for name in asked}
    with capsys.disabled():
        sys.stdout.write(f"\nwrite 19,000: {whole:.2f} s, one of 20,000: {one:.2f} s; {figures}\n")
    for name in ("list", "owner", "word", "get"):
        assert large[name] < 10 * max(small[name], 0.001), name
    for name in ("prefix", "common", "facets"):
        assert large[name] < 40 * max(small[name], 0.001), name
    assert one < whole / 2
