"""Loki as its HTTP API is documented: what is pushed, what is asked, what is made of the answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pave.adapters.logs.loki import Loki, logql
from pave.apply.retry import Transient
from pave.model.diagnostics import Refused
from pave.observe.logs import Level, LogLine, LogQuestion, Origin

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NANO = 1795521600000000000
ORDERS = Origin("workload", "dev", "orders", "web.0", "abcdef012345", "0123456789ab")


class Recorded:
    """Answers in turn, and remembers what was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, request):
        self.asked.append(request)
        answer = self.answers.pop(0) if self.answers else httpx.Response(204)
        if isinstance(answer, Exception):
            raise answer
        return answer


def streams(*values, **labels):
    """As the reference shows it; structured metadata stands among the labels of a stream."""
    known = {"source": "workload", "environment": "dev", "component": "orders", "process": "web.0"} | labels
    result = [{"stream": known, "values": [list(one) for one in values]}] if values else []
    return httpx.Response(200, json={"status": "success", "data": {"resultType": "streams", "result": result}})


@pytest.fixture
def loki(tmp_path):
    def make(*answers):
        recorded = Recorded(*answers)
        return Loki(
            "http://loki.example.com", "shop", "t0ken", tmp_path / "marks", httpx.MockTransport(recorded)
        ), recorded

    return make


def test_lines_are_pushed_as_streams_with_structured_metadata(loki):
    logs, recorded = loki()
    lines = [
        LogLine(NOW, ORDERS, "boom", Level.ERROR, {"status": "500", "request.method": "GET", "level": "x"}),
        LogLine(NOW, ORDERS, "boom", Level.ERROR),
        LogLine(NOW, Origin("router", "dev", "orders", "router"), "GET / 200"),
    ]
    logs.write(lines, {"a": "1"})
    (request,) = recorded.asked
    assert (request.method, request.url.path) == ("POST", "/loki/api/v1/push")
    assert request.headers["x-scope-orgid"] == "shop"
    assert request.headers["authorization"] == "Bearer t0ken"
    assert request.headers["content-type"] == "application/json"
    first, second = json.loads(request.content)["streams"]
    assert first["stream"] == {
        "source": "workload",
        "environment": "dev",
        "component": "orders",
        "process": "web.0",
        "version": "abcdef012345",
    }
    metadata = {"revision": "0123456789ab", "level": "error"}
    assert first["values"] == [
        [str(NANO), "boom", {"status": "500", "request_method": "GET", "level_extracted": "x", **metadata}],
        [str(NANO + 1), "boom", metadata],
    ]
    assert second["values"] == [[str(NANO), "GET / 200", {}]]
    assert all(isinstance(value, str) for value in first["values"][0][2].values())


def test_how_far_was_read_is_kept_after_loki_has_taken_the_lines(loki, tmp_path):
    logs, _ = loki(httpx.Response(204), httpx.Response(500, text="ingester is down"))
    logs.write([LogLine(NOW, ORDERS, "x")], {"a": "1", "b": "1"})
    with pytest.raises(Transient, match="Loki answers 500: ingester"):
        logs.write([LogLine(NOW, ORDERS, "y")], {"a": "2"})
    logs.write([], {"b": ""})
    assert logs.marks() == {"a": "1"}
    assert Loki("http://loki.example.com", "", "", tmp_path / "marks").marks() == {"a": "1"}


def test_what_loki_will_never_take_holds_up_nothing(loki):
    logs, recorded = loki(httpx.Response(400, text="entry too far behind"), httpx.Response(401, text="no token"))
    logs.write([LogLine(NOW, ORDERS, "x")], {"a": "1"})
    with pytest.raises(Transient, match="401"):
        logs.write([LogLine(NOW, ORDERS, "y")], {"a": "2"})
    assert logs.marks() == {"a": "1"}
    assert len(recorded.asked) == 2


def test_much_is_pushed_in_parts(loki):
    logs, recorded = loki()
    logs.write([LogLine(NOW, ORDERS, "x" * 10_000) for _ in range(300)], {})
    assert len(recorded.asked) == 3
    assert all(len(request.content) < 2_000_000 for request in recorded.asked)


@pytest.mark.parametrize(
    ("question", "query"),
    [
        (LogQuestion(), '{source=~"workload|router|run"}'),
        (
            LogQuestion("dev", "orders", ("router",)),
            '{source=~"router", environment="dev", component="orders"}',
        ),
        (
            LogQuestion(process="web.0", version="abc"),
            '{source=~"workload|router|run", process=~"web\\\\.0([.].*)?", version=~"abc.*"}',
        ),
        (
            LogQuestion(text='say "hi" (now) a.b', fields=(("request.method", 'G"T'),), level=Level.ERROR),
            (
                '{source=~"workload|router|run"} |~ "(?i)say \\"hi\\" \\\\(now\\\\) a\\\\.b"'
                ' | request_method="G\\"T" | level=~"error|fatal"'
            ),
        ),
    ],
)
def test_questions_in_logql(question, query):
    assert logql(question) == query


def test_a_search_asks_backward_and_answers_oldest_first(loki):
    logs, recorded = loki(
        streams((str(NANO + 2000), "second"), (str(NANO), "first"), level="error", status="500", version="abc"),
    )
    found = logs.search(LogQuestion("dev", "orders", since=NOW, until=NOW + timedelta(hours=1)), 2)
    asked = recorded.asked[0].url.params
    assert recorded.asked[0].url.path == "/loki/api/v1/query_range"
    assert asked["direction"] == "backward"
    assert asked["limit"] == "2"
    assert (asked["start"], asked["end"]) == (str(NANO), str(NANO + 3600 * 10**9))
    assert [one.text for one in found.lines] == ["first", "second"]
    assert found.lines[0] == LogLine(
        NOW, Origin("workload", "dev", "orders", "web.0", "abc"), "first", Level.ERROR, {"status": "500"}
    )


def test_a_cursor_leads_on_also_within_one_time(loki):
    same = [(str(NANO), text) for text in ("d", "c", "b", "a")]
    logs, recorded = loki(streams(*same[:2]), streams(*same), streams(*same))
    first = logs.search(LogQuestion(), 2)
    second = logs.search(LogQuestion(), 2, first.position)
    assert [one.text for one in second.lines] == ["d", "c"]
    assert recorded.asked[1].url.params["end"] == str(NANO + 1)
    assert recorded.asked[1].url.params["limit"] == "4"
    assert second.position


def test_metadata_beside_the_text_is_read_too(loki):
    beside = {"structuredMetadata": {"level": "warning", "status": "404"}, "parsed": {}}
    logs, _ = loki(streams((str(NANO), "x", beside)))
    (line,) = logs.search(LogQuestion(), 1).lines
    assert (line.level, line.fields) == (Level.WARNING, {"status": "404"})


def test_a_reader_goes_on_behind_what_it_has_seen(loki):
    logs, recorded = loki(
        streams((str(NANO), "a"), (str(NANO), "b")),
        streams((str(NANO), "a"), (str(NANO), "b"), (str(NANO), "c"), (str(NANO + 5), "d")),
        streams((str(NANO + 5), "d")),
    )
    first = logs.read(f"{NANO:019d}.000000", LogQuestion(), 10)
    assert [one.text for one in first.lines] == ["a", "b"]
    second = logs.read(first.position, LogQuestion(), 10)
    assert [one.text for one in second.lines] == ["c", "d"]
    assert recorded.asked[1].url.params["direction"] == "forward"
    assert recorded.asked[1].url.params["start"] == str(NANO)
    third = logs.read(second.position, LogQuestion(), 10)
    assert third.lines == []
    assert third.position == second.position == second.positions[-1]


def test_what_loki_refuses_is_said(loki):
    logs, _ = loki(httpx.Response(400, text="parse error"), httpx.ConnectError("refused"), httpx.Response(429))
    with pytest.raises(Refused, match="parse error"):
        logs.search(LogQuestion(), 1)
    with pytest.raises(Transient, match="does not answer"):
        logs.search(LogQuestion(), 1)
    with pytest.raises(Transient, match="429"):
        logs.search(LogQuestion(), 1)


@pytest.mark.parametrize("position", ["x", "12", "1.2", "999"])
def test_a_position_that_is_none_is_refused(loki, position):
    logs, _ = loki()
    with pytest.raises(Refused, match="no position"):
        logs.read(position, LogQuestion(), 1)


@pytest.mark.parametrize("url", ["loki", "ftp://loki.example.com", "http://"])
def test_an_address_that_is_none_is_refused(tmp_path, url):
    with pytest.raises(Refused, match="loki_url cannot be"):
        Loki(url, "", "", tmp_path / "marks")
