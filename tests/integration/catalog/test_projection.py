"""The catalog from real repositories in real Git, kept in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, event, select

from pave.adapters.git.platform import GitPlatformRepository
from pave.adapters.git.services import GitRepositories
from pave.adapters.postgres import schema
from pave.adapters.postgres.catalog import PostgresCatalog
from pave.adapters.postgres.stacks import PostgresStacks
from pave.engine.catalog import CatalogProjection
from pave.model.catalog import Projected, Query
from pave.model.names import Address, Ref
from pave.model.reading import read_snapshot
from pave.ports import ResourceRecord

ORGANISATION = b"""\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata:
  name: payments
  title: Payments
spec:
  type: team
  children: []
  members: [dana]
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata:
  name: dana
spec:
  memberOf: [payments]
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata:
  name: search
spec:
  type: team
  children: []
"""

SHOP = b"""\
apiVersion: backstage.io/v1alpha1
kind: System
metadata:
  name: shop
  description: Everything that sells
spec:
  owner: payments
"""

ORDERS = b"""\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: orders
  description: Takes orders
  tags: [python]
spec:
  type: service
  lifecycle: production
  owner: payments
  system: shop
"""

LOCATION = b"""\
apiVersion: backstage.io/v1alpha1
kind: Location
metadata:
  name: guestbook
spec:
  type: pave
  target: guestbook/catalog-info.yaml
  owner: group:default/search
"""


@dataclass
class Home:
    platform: GitPlatformRepository
    repositories: GitRepositories
    stacks: PostgresStacks
    catalog: PostgresCatalog
    records: Engine
    projection: CatalogProjection

    def refresh(self) -> Projected:
        head = self.platform.head()
        return self.projection.refresh(read_snapshot(self.platform.tree(head), head))

    def commit(self, edits: Mapping[str, bytes | None]) -> str:
        return self.platform.commit("", edits, "Change", "dana")

    def refs(self) -> list[str]:
        return sorted(one.entity.ref.short for one in self.catalog.search(Query(limit=500)).entries)

    def show(self, ref: str) -> dict[str, object]:
        found = self.catalog.get(Ref.parse(ref))
        assert found is not None
        return {
            "owner": found.entry.owner.short if found.entry.owner else None,
            "relations": {f"{one.type} {one.ref.short}" for one in found.neighbours},
            "origins": {name: (one.repository, one.path, one.line) for name, one in found.entry.origins.items()},
        }


@pytest.fixture
def home(records: Engine, tmp_path: Path) -> Home:
    schema.metadata.create_all(records)
    platform = GitPlatformRepository(tmp_path / "platform.git")
    platform.ensure({"catalog/organisation.yaml": ORGANISATION, "catalog/shop.yaml": SHOP})
    repositories = GitRepositories(tmp_path / "repositories")
    stacks, catalog = PostgresStacks(records), PostgresCatalog(records)
    projection = CatalogProjection(platform, repositories, stacks, catalog)
    return Home(platform, repositories, stacks, catalog, records, projection)


def run_database(home: Home) -> None:
    stack = Address("dev", "orders")
    home.stacks.put(stack, phase="ready", run="r1", inputs="1")
    home.stacks.put_resources(stack, [ResourceRecord(stack.at("db"), "postgres", "local-postgres", "1.0.0", True)])


def test_entities_of_all_sources_with_relations_in_both_directions(home: Home) -> None:
    commit = home.repositories.create("orders", {"catalog-info.yaml": ORDERS}, "Begin", "dana")
    run_database(home)
    assert home.refresh() == Projected(added=6)
    assert home.refs() == [
        "component:orders",
        "group:payments",
        "group:search",
        "resource:dev.orders.db",
        "system:shop",
        "user:dana",
    ]
    orders = home.show("component:orders")
    assert orders["owner"] == "group:payments"
    assert orders["relations"] == {"ownedBy group:payments", "partOf system:shop", "dependsOn resource:dev.orders.db"}
    assert orders["origins"]["metadata.description"] == ("orders", "catalog-info.yaml", 5)
    assert orders["origins"]["spec.owner"] == ("orders", "catalog-info.yaml", 10)
    assert home.show("resource:dev.orders.db")["relations"] == {
        "dependencyOf component:orders",
        "ownedBy group:payments",
        "partOf system:shop",
    }
    assert {"hasMember user:dana", "ownerOf component:orders", "ownerOf resource:dev.orders.db"} <= home.show(
        "group:payments"
    )["relations"]
    assert home.show("user:dana")["origins"]["spec.memberOf"] == ("platform", "catalog/organisation.yaml", 16)
    found = home.catalog.get(Ref.parse("component:orders"))
    assert {one.commit for one in found.entry.origins.values()} == {commit}
    assert all(one.observed_at is not None for one in found.entry.origins.values())
    assert {one.ref.short for one in home.catalog.dependents(Ref.parse("resource:dev.orders.db"))} == {
        "component:orders"
    }


def dump(records: Engine) -> list[object]:
    hidden = ("changed_at", "search", "fields")
    with records.connect() as connection:
        kept = [column for column in schema.entities.c if column.name not in hidden]
        rows = [tuple(row) for row in connection.execute(select(*kept).order_by("ref"))]
        fields = [
            {name: {key: one for key, one in origin.items() if key != "observed_at"} for name, origin in row[0].items()}
            for row in connection.execute(select(schema.entities.c.fields).order_by(schema.entities.c.ref))
        ]
        related = [tuple(row) for row in connection.execute(select(schema.relations).order_by(*schema.relations.c))]
    return [rows, fields, related]


def test_wiped_it_comes_back_the_same(home: Home) -> None:
    home.repositories.create("orders", {"catalog-info.yaml": ORDERS}, "Begin", "dana")
    home.repositories.create("plain", {"app.py": b""}, "Begin", "dana")
    run_database(home)
    home.refresh()
    for content in (SHOP.replace(b"sells", b"buys"), SHOP):  # there and back: the same file by a later commit
        home.commit({"catalog/shop.yaml": content})
    home.refresh()
    before = dump(home.records)
    assert len(before[0]) == 7
    with home.records.begin() as connection:
        connection.execute(delete(schema.entities))
    assert dump(home.records) == [[], [], []]
    fresh = CatalogProjection(home.platform, home.repositories, home.stacks, home.catalog)
    head = home.platform.head()
    fresh.refresh(read_snapshot(home.platform.tree(head), head))
    assert dump(home.records) == before


def test_only_what_changed_is_written_and_the_age_of_the_rest_stays(home: Home) -> None:
    home.refresh()
    before = home.catalog.get(Ref.parse("system:shop"))
    assert home.refresh() == Projected()
    home.commit({"catalog/shop.yaml": SHOP.replace(b"sells", b"is sold")})
    statements: list[str] = []
    event.listen(home.records, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert home.refresh() == Projected(changed=1)
    assert sum("INSERT INTO entities" in one for one in statements) == 1
    after = home.catalog.get(Ref.parse("system:shop"))
    origins = after.entry.origins
    assert after.entry.entity.description == "Everything that is sold"
    assert origins["metadata.description"].observed_at > before.entry.origins["metadata.description"].observed_at
    assert origins["metadata.name"].observed_at == before.entry.origins["metadata.name"].observed_at
    assert home.projection.refresh(read_snapshot(home.platform.tree(), home.platform.head()), anew=True) == Projected()


def test_what_no_source_says_any_more_is_gone_with_its_relations(home: Home) -> None:
    home.repositories.create("orders", {"catalog-info.yaml": ORDERS}, "Begin", "dana")
    run_database(home)
    home.refresh()
    home.repositories.remove("orders")
    home.stacks.remove(Address("dev", "orders"))
    assert home.refresh() == Projected(removed=2)
    assert home.show("system:shop")["relations"] == {"ownedBy group:payments"}
    assert home.show("group:payments")["relations"] == {"ownerOf system:shop", "hasMember user:dana"}


def test_two_sources_of_one_entity_are_named_and_the_first_stays(home: Home) -> None:
    home.commit({"catalog/orders.yaml": ORDERS.replace(b"Takes orders", b"The first")})
    home.repositories.create("orders", {"catalog-info.yaml": ORDERS}, "Begin", "dana")
    home.refresh()
    (finding,) = home.projection.findings
    assert "platform/catalog/orders.yaml" in str(finding)
    assert "orders/catalog-info.yaml" in str(finding)
    assert home.catalog.get(Ref.parse("component:orders")).entry.entity.description == "The first"
    home.commit({"catalog/orders.yaml": None})
    home.refresh()
    assert home.projection.findings == ()
    assert home.catalog.get(Ref.parse("component:orders")).entry.entity.description == "Takes orders"


@pytest.mark.parametrize(
    ("files", "owner", "origin"),
    [
        ({"catalog-info.yaml": ORDERS.replace(b"name: orders", b"name: guestbook")}, "group:payments", "guestbook"),
        (
            {"CODEOWNERS": b"* @acme/search\n/docs @acme/search\n* @acme/payments # all\n"},
            "group:payments",
            "guestbook",
        ),
        ({".github/CODEOWNERS": b"* @dana\n"}, "user:dana", "guestbook"),
        ({"CODEOWNERS": b"* @acme/nobody-knows-them\n"}, "group:search", "platform"),
        ({"app.py": b""}, "group:search", "platform"),
    ],
)
def test_the_owner_falls_back_from_entity_to_codeowners_to_importer(
    home: Home, files: dict[str, bytes], owner: str, origin: str
) -> None:
    home.commit({"catalog/components/guestbook.yaml": LOCATION})
    home.repositories.create("guestbook", files, "Begin", "dana")
    home.refresh()
    shown = home.show("component:guestbook")
    assert shown["owner"] == owner
    assert f"ownedBy {owner}" in shown["relations"]
    assert shown["origins"]["spec.owner"][0] == origin
    assert "ownerOf component:guestbook" in home.show(owner)["relations"]
    listed = home.catalog.search(Query(owner=owner, kind="Component")).entries
    assert [one.entity.ref.name for one in listed] == ["guestbook"]


def test_a_broken_file_is_reported_with_its_place_and_the_component_is_still_there(home: Home) -> None:
    home.repositories.create("orders", {"catalog-info.yaml": b"kind: [\n"}, "Begin", "dana")
    home.repositories.create("fine", {"catalog-info.yaml": ORDERS.replace(b"orders", b"fine")}, "Begin", "dana")
    home.refresh()
    assert {"component:orders", "component:fine"} <= set(home.refs())
    assert any(one.source.file == "orders/catalog-info.yaml" for one in home.projection.findings)


def test_a_long_address_still_has_a_name_of_its_own(home: Home) -> None:
    stack = Address("d" * 40, "orders")
    home.stacks.put(stack, phase="ready")
    home.stacks.put_resources(
        stack, [ResourceRecord(stack.at("r" * 40 + end), "cache", "local-cache", "1.0.0", False) for end in "ab"]
    )
    home.refresh()
    names = [one.entity.ref.name for one in home.catalog.search(Query(kind="resource")).entries]
    assert len(set(names)) == 2
    assert all(len(name) <= 63 for name in names)
