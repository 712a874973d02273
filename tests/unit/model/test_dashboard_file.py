"""`dashboards/*.yaml`: read whole, or refused with file, line and remedy."""

from __future__ import annotations

import pytest

from pave.model.dashboard import Chart
from pave.model.dashboard_file import read_dashboard
from pave.model.diagnostics import Refused
from pave.model.reading import read_snapshot

DASHBOARD = """\
apiVersion: pave/v1
kind: Dashboard
metadata: {name: checkout, title: How checkout goes, owner: group:platform}
spec:
  component: orders
  charts:
    - {title: Orders placed, metric: orders_total, aggregation: rate, by: channel, unit: orders/s}
    - title: Latency
      metric: http_request_duration_seconds_bucket
      aggregation: [p50, p95]
      where: {route: /, code: [4xx, 5xx]}
"""


def test_it_is_read_whole() -> None:
    found = read_dashboard(DASHBOARD.encode(), "dashboards/checkout.yaml")
    assert (found.name, found.component, found.environment, str(found.owner)) == (
        "checkout",
        "orders",
        "",
        "group:default/platform",
    )
    assert found.charts == (
        Chart("Orders placed", "orders_total", ("rate",), {}, ("channel",), "orders/s"),
        Chart(
            "Latency",
            "http_request_duration_seconds_bucket",
            ("p50", "p95"),
            {"route": "/", "code": ("4xx", "5xx")},
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("aggregation: rate", "aggregation: ratio", 7, "avg, min, max, sum, last, rate"),
        ("aggregation: [p50, p95]", "aggregation: [p50, p94]", 10, "avg, min, max"),
        ("metric: orders_total", "metric: 'orders{}'", 7, "letters, digits"),
        ("duration_seconds_bucket", "duration_seconds", 9, "no buckets"),
        ("unit: orders/s", "units: orders/s", 7, "Did you mean 'unit'"),
        ("by: channel", "by: 'a b'", 7, "name of a label"),
        ("title: How checkout goes, ", "", 3, "what the page is about"),
        ("aggregation: rate, ", "", 7, "aggregation"),
    ],
)
def test_a_wrong_one_is_refused_with_its_line_and_what_to_do(old: str, new: str, line: int, said: str) -> None:
    with pytest.raises(Refused) as refused:
        read_dashboard(DASHBOARD.replace(old, new, 1).encode(), "dashboards/checkout.yaml")
    assert said in str([one.as_data() for one in refused.value.diagnostics])
    sources = {(one.source.file, one.source.line) for one in refused.value.diagnostics if one.source}
    assert sources == {("dashboards/checkout.yaml", line)}


def test_one_bad_dashboard_hides_no_other(tree_of) -> None:
    second = DASHBOARD.replace("name: checkout", "name: other")
    files = {"dashboards/a.yaml": DASHBOARD.replace("rate", "ratio"), "dashboards/b.yaml": second}
    snapshot = read_snapshot(tree_of(files), "x")
    assert list(snapshot.dashboards) == ["other"]
    assert any(one.source and one.source.file == "dashboards/a.yaml" for one in snapshot.findings)
