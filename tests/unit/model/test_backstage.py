"""Catalog files as they are found: what is an entity, what is not, and why."""

from __future__ import annotations

import pytest

from pave.model.backstage import read_entities, relations
from pave.model.diagnostics import Severity
from pave.model.entity import Entity, Relation
from pave.model.names import Ref
from pave.model.substitution import nothing, resolve

COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: orders
spec:
  type: service
  lifecycle: production
  owner: payments
"""


def read(
    text: str, files: dict[str, bytes] | None = None, file: str = "catalog-info.yaml"
) -> tuple[tuple[Entity, ...], list]:
    entities, diagnostics = read_entities(text.encode(), file, (files or {}).get)
    return entities, list(diagnostics)


def one(text: str, files: dict[str, bytes] | None = None) -> Entity:
    (entity,), diagnostics = read(text, files)
    assert not diagnostics
    return entity


def refused(text: str) -> tuple[int, str, str]:
    entities, diagnostics = read(text)
    assert not entities
    return diagnostics[0].source.line, diagnostics[0].path, " ".join(map(str, diagnostics))


def test_names_are_compared_in_lower_case_and_kept_as_written() -> None:
    entity = one(COMPONENT.replace("name: orders", "name: Orders.API_v2\n  namespace: shop"))
    assert entity.ref == Ref("component", "shop", "orders.api_v2")
    assert entity.metadata["name"] == "Orders.API_v2"
    assert entity.owner == Ref("group", "shop", "payments")


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata: {name: a}\nspec: {owner: x, lifecycle: extra}\n",
        "apiVersion: backstage.io/v1alpha1\nkind: Domain\nmetadata: {name: a}\nspec: {owner: group:x}\n",
        "apiVersion: backstage.io/v1alpha1\nkind: Resource\nmetadata: {name: a}\nspec: {owner: ns/x, type: cache}\n",
        "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: a}\nspec: {type: team, children: []}\n",
        "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: a}\nspec: {memberOf: [x]}\n",
        "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: a}\nspec: {targets: [./b.yaml, c.yaml]}\n",
        (
            "apiVersion: backstage.io/v1alpha1\nkind: AiResource\nmetadata: {name: a}\n"
            "spec: {type: skill, lifecycle: production, owner: x}\n"
        ),
        (
            "apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: a}\n"
            "spec: {type: mcp-server, lifecycle: production, owner: x, remotes: [{type: sse, url: 'https://a.example'}]}\n"
        ),
        (
            "apiVersion: backstage.io/v1beta1\nkind: API\n"
            "metadata: {name: a, annotations: {a.example/x: ''}, tags: ['c++', a-b, 'k:v']}\n"
            "spec: {type: openapi, lifecycle: '-', owner: x, definition: {$text: 'https://a.example/spec.json'}}\n"
        ),
        "apiVersion: acme.example/v1\nkind: Thing\nmetadata: {name: a}\n",
    ],
)
def test_every_kind_is_accepted_as_it_is(text: str) -> None:
    assert one(text).ref.name == "a"


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "said"),
    [
        ("name: orders", "name: ${{ values.name }}", 4, "metadata.name", "not been rendered"),
        ("name: orders", "name: load-$i", 4, "metadata.name", "letters, digits"),
        ("name: orders", "name: {{cookiecutter.name}}", 4, "", "not been rendered"),
        ("name: orders", "name: orders\n  tags: [OpenAPI]", 5, "metadata.tags[0]", "lower case"),
        ("name: orders", "name: orders\n  annotations: {a: 1}", 5, "metadata.annotations.a", '"1"'),
        ("kind: Component", "kind: Componnet", 2, "kind", "Did you mean 'Component'"),
        ("backstage.io/v1alpha1", "scaffolder.backstage.io/v1beta3", 2, "kind", "no kind Component under"),
        ("backstage.io/v1alpha1", "backstage.io/v2", 1, "apiVersion", "not supported"),
        ("kind: Component\n", "", 1, "", "no catalog entity"),
        ("  owner: payments\n", "", 5, "spec", "owner"),
        ("spec:", "dependsOn: [a]\nspec:", 5, "dependsOn", "'dependsOn' is not known"),
        ("spec:", "kind: System\nspec:", 5, "kind", "stands twice"),
        ("  type:", "{% if x %}\n  type:", 6, "", "until it is rendered"),
    ],
)
def test_what_is_wrong_is_refused_with_line_and_reason(old: str, new: str, line: int, path: str, said: str) -> None:
    found = refused(COMPONENT.replace(old, new, 1))
    assert found[:2] == (line, path), found
    assert said in found[2]


def test_one_bad_document_does_not_stop_the_others() -> None:
    text = "---\n".join(
        [
            COMPONENT,
            "what: [is\n",
            COMPONENT.replace("orders", "Bad Name"),
            "# nothing\n",
            COMPONENT.replace("orders", "third"),
        ]
    )
    entities, diagnostics = read(text)
    assert [entity.ref.name for entity in entities] == ["orders", "third"]
    assert entities[1].source.line == 23
    assert len(diagnostics) == 2


API = COMPONENT.replace("Component", "API") + "  definition: {definition}\n"


@pytest.mark.parametrize(
    ("definition", "files", "found"),
    [
        ("{$text: ./spec/api.yaml}", {"spec/api.yaml": b"openapi: 3"}, "openapi: 3"),
        ("\n    $text : spec/api.yaml", {"spec/api.yaml": b"openapi: 3"}, "openapi: 3"),
        ("{$openapi: /api.yaml}", {"api.yaml": b"openapi: 3"}, "openapi: 3"),
        ("{$text: 'https://a.example/x'}", {}, {"$text": "https://a.example/x"}),
    ],
)
def test_substitutions_are_put_in_place_where_they_are_local(definition: str, files: dict, found: object) -> None:
    assert one(API.replace("{definition}", definition), files).spec["definition"] == found


def test_a_missing_file_is_a_warning_and_the_entity_stays() -> None:
    (entity,), (diagnostic,) = read(API.replace("{definition}", "{$text: ./gone.yaml}"))
    assert entity.spec["definition"] == {"$text": "./gone.yaml"}
    assert diagnostic.severity is Severity.WARNING


def test_yaml_and_json_are_put_in_place_as_values() -> None:
    text = COMPONENT.replace("name: orders", "name: orders\n  links: {$yaml: ./l.yaml}\n  labels: {$json: ./l.json}")
    entity = one(text, {"l.yaml": b"- url: https://a.example\n", "l.json": b'{"tier": "a"}'})
    assert entity.metadata["links"] == [{"url": "https://a.example"}]
    assert entity.metadata["labels"] == {"tier": "a"}


@pytest.mark.parametrize("target", ["../../etc/passwd", "a/../../b", "/../x"])
def test_a_path_out_of_the_repository_is_refused(target: str) -> None:
    assert "leaves the repository" in refused(API.replace("{definition}", f"{{$text: {target}}}"))[2]
    assert resolve("catalog-info.yaml", target) is None


def test_relations_are_derived_in_both_directions() -> None:
    text = "---\n".join(
        [
            COMPONENT + "  system: shop\n  providesApis: [orders-api]\n  dependsOn: ['resource:db', 'not a ref']\n",
            "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: dana}\nspec: {memberOf: [payments]}\n",
        ]
    )
    entities, (bad,) = read(text)
    assert bad.severity is Severity.WARNING
    found = relations(entities)
    orders, payments = Ref("component", "default", "orders"), Ref("group", "default", "payments")
    assert Relation(orders, "ownedBy", payments) in found
    assert Relation(payments, "ownerOf", orders) in found
    assert Relation(Ref("system", "default", "shop"), "hasPart", orders) in found
    assert Relation(Ref("api", "default", "orders-api"), "apiProvidedBy", orders) in found
    assert Relation(Ref("resource", "default", "db"), "dependencyOf", orders) in found
    assert Relation(payments, "hasMember", Ref("user", "default", "dana")) in found
    assert len(found) == 10


def test_a_file_that_stands_alone_includes_nothing() -> None:
    assert nothing("a.yaml") is None
