"""Score files: whole, as they are, and refused where Score itself refuses them."""

from __future__ import annotations

import pytest

from pave.model.diagnostics import Findings, Refused
from pave.model.score import read_workload
from pave.model.workload import File, Port, Probe, Volume

WHOLE = """\
# Everything that Score can say.
apiVersion: score.dev/v1b1
containers:
  main:
    image: .
    command: ["/bin/sh"]
    args: ["-c", "echo $HOME $${X}"]
    variables:
      DSN: "postgresql://${resources.db.username}:${resources.db.password}@${resources.db.host}/x"
      NAME: ${metadata.name}
    files:
      /etc/a.txt: {content: "I am ${metadata.name}", mode: "0644", noExpand: true}
      /etc/b.bin: {binaryContent: aGVsbG8=}
      /etc/c: {source: ./c.txt}
    volumes:
      /data: {source: "${resources.data.source}", path: sub, readOnly: true}
    resources:
      limits: {cpu: "0.25", memory: 128Mi}
      requests: {cpu: 100m, memory: 64M}
    livenessProbe:
      httpGet: {path: /live, port: 8080, scheme: HTTPS, host: x.local, httpHeaders: [{name: X-A, value: b}]}
    readinessProbe:
      exec: {command: [test, -f, /ready]}
    before:
      side: {ready: started}
  side:
    image: ghcr.io/acme/side:1
metadata:
  name: orders
  annotations: {acme.corp/team-name: The Team}
  owner-note: kept as it is
service:
  ports:
    web: {port: 80, targetPort: 8080}
    dns: {port: 53, protocol: UDP}
resources:
  db:
    type: postgres
    class: large
    id: shared.orders-db
    metadata: {annotations: {acme.corp/tier: "1"}}
  data: {type: volume}
  route: {type: route, params: {host: "${resources.dns.host}", path: "/my/[^/]+/path", port: web}}
"""

MINIMAL = "apiVersion: score.dev/v1b1\nmetadata: {name: tiny}\ncontainers: {web: {image: nginx}}\n"


def refusals(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(Refused) as caught:
        read_workload(text.encode(), "score.yaml")
    return [(one.source.line, one.path, str(one)) for one in caught.value.diagnostics]


def test_everything_that_score_says_is_kept() -> None:
    findings = Findings()
    workload = read_workload(WHOLE.encode(), "score.yaml", findings)
    assert not list(findings)
    main, side = workload.containers
    assert (workload.name, main.name, side.image) == ("orders", "main", "ghcr.io/acme/side:1")
    assert main.args == ("-c", "echo $HOME $${X}")
    assert main.files == (
        File("/etc/a.txt", content="I am ${metadata.name}", mode="0644", expand=False),
        File("/etc/b.bin", binary="aGVsbG8="),
        File("/etc/c", source="./c.txt"),
    )
    assert main.volumes == (Volume("/data", "${resources.data.source}", "sub", read_only=True),)
    assert main.limits == {"cpu": "0.25", "memory": "128Mi"}
    assert main.liveness == Probe("/live", 8080, "HTTPS", "x.local", (("X-A", "b"),))
    assert main.readiness == Probe(command=("test", "-f", "/ready"))
    assert main.before == {"side": "started"}
    assert workload.ports == (Port("web", 80, "TCP", 8080), Port("dns", 53, "UDP"))
    db = workload.resources["db"]
    assert (db.type, db.klass, db.id, db.annotations) == (
        "postgres",
        "large",
        "shared.orders-db",
        {"acme.corp/tier": "1"},
    )
    assert workload.resources["route"].params["port"] == "web"
    assert workload.metadata["owner-note"] == "kept as it is"


def test_line_ends_of_other_systems_are_read() -> None:
    assert read_workload(WHOLE.replace("\n", "\r\n").encode(), "score.yaml") == read_workload(
        WHOLE.encode(), "score.yaml"
    )


def test_the_deprecated_list_forms_are_read_with_a_warning() -> None:
    text = MINIMAL.replace(
        "{image: nginx}",
        "{image: nginx, files: [{target: /a, content: x}], volumes: [{target: /b, source: '${resources.v}'}]}",
    )
    findings = Findings()
    (container,) = read_workload(text.encode(), "score.yaml", findings).containers
    assert container.files == (File("/a", content="x"),)
    assert container.volumes == (Volume("/b", "${resources.v}"),)
    assert [one.summary.split(" is ")[0] for one in findings] == ["the list form of files", "the list form of volumes"]


def test_a_placeholder_of_somebody_else_is_text_and_warned_of() -> None:
    findings = Findings()
    text = MINIMAL.replace("image: nginx", "image: nginx, variables: {POD: '${pod.metadata.name}'}")
    (container,) = read_workload(text.encode(), "score.yaml", findings).containers
    assert container.variables == {"POD": "${pod.metadata.name}"}
    (one,) = findings
    assert (one.source.line, one.path) == (3, "containers.web.variables.POD")


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "said"),
    [
        ("image: nginx", "image: ~", 3, "containers.web.image", "empty (null)"),
        ("image: nginx", "image: ''", 3, "containers.web.image", 'write "."'),
        ("image: nginx", "image: nginx, variables: null", 3, "containers.web.variables", "mapping"),
        ("image: nginx", "image: nginx, variables: {PORT: 80}", 3, "containers.web.variables.PORT", '"80"'),
        ("image: nginx", "imgae: nginx", 3, "containers.web.imgae", "Did you mean 'image'"),
        ("image: nginx", "image: a, files: {/x: {content: a, source: b}}", 3, "containers.web.files./x", "exactly one"),
        ("image: nginx", "image: a, livenessProbe: {}", 3, "containers.web.livenessProbe", "empty"),
        ("name: tiny", "name: Tiny", 2, "metadata.name", "a-z"),
        ("web:", "WEB:", 3, "containers.WEB", "a-z"),
        ("containers: {web: {image: nginx}}", "containers: {}", 3, "containers", "empty"),
        ("v1b1", "v1b2", 1, "apiVersion", "score.dev/v1b1"),
    ],
)
def test_mistakes_are_refused_with_line_path_and_remedy(old: str, new: str, line: int, path: str, said: str) -> None:
    found = refusals(MINIMAL.replace(old, new, 1))
    assert any((one[0], one[1]) == (line, path) and said in one[2] for one in found), found


def test_every_mistake_of_a_file_is_said() -> None:
    found = refusals(
        "apiVersion: score.dev/v1b1\nmetadata: {}\nservice: {prots: {}}\n"
        "containers: {a: {image: x}}\nresources: {r: {}}\n"
    )
    assert {one[1] for one in found} == {"metadata", "service.prots", "containers.a", "resources.r"}
