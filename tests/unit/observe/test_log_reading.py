"""What programs write becomes lines: fields, level, time, and nothing that could hurt a reader."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.observe.log_reading import CUT, LONGEST, Reader, expanded
from pave.observe.logs import Level, Origin

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ORDERS = Origin("workload", "dev", "orders", "web.0", "abcdef012345", "0123456789ab")
ROUTER = Origin("router", "dev", "orders", "router")


def read(*texts, at=NOW):
    return list(Reader(ORDERS).read(texts, at))


def one(text, at=NOW):
    (line,) = read(text, at=at)
    return line


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("INFO:     Application startup complete.", Level.INFO),
        ("2026-11-24 12:00:00 [WARNING] low on disk", Level.WARNING),
        ("level=error msg=boom", Level.ERROR),
        ("[error] 12#12: *1 connect() failed", Level.ERROR),
        ("error: no such file", Level.ERROR),
        ("CRITICAL all is lost", Level.FATAL),
        ("panic: runtime error", Level.FATAL),
        ("Traceback (most recent call last):", Level.ERROR),
        ("no errors were found, for information", None),
        ("\x1b[31mERROR\x1b[0m in red", Level.ERROR),
        ('{"level":"warn","msg":"x"}', Level.WARNING),
        ('{"severity":"CRITICAL","message":"x"}', Level.FATAL),
        ('{"level":50,"msg":"as pino has it"}', Level.ERROR),
        ('{"log":{"level":"debug"},"message":"as ECS has it"}', Level.DEBUG),
        ('{"level":{"a":1},"msg":"x"}', None),
    ],
)
def test_the_level_is_recognised(text, level):
    assert one(text).level is level


def test_json_becomes_flat_fields_and_the_message_is_the_text():
    line = one('{"msg":"paid","status":500,"ok":true,"none":null,"request":{"method":"GET","tags":["a","b"]}}')
    assert line.text == "paid"
    assert line.fields == {
        "status": "500",
        "ok": "true",
        "none": "null",
        "request.method": "GET",
        "request.tags": '["a", "b"]',
    }


def test_json_without_a_message_is_its_own_text():
    assert one('{"status":500}').text == '{"status":500}'


@pytest.mark.parametrize("text", ["{not json", '{"a":', "[1,2]", '"text"', "{" * 20_000, '{"a":' * 15_000 + "1"])
def test_what_only_looks_like_json_is_text(text):
    line = one(text)
    assert line.fields == {}
    assert line.text.startswith(text[:20])


def test_fields_are_bounded_in_number_length_and_depth():
    deep = json.loads('{"a":' * 30 + "1" + "}" * 30)
    line = one(json.dumps({"long": "x" * 10_000, "deep": deep, **{f"f{n}": n for n in range(500)}}))
    assert len(line.fields) == 60
    assert len(line.fields["long"]) == 2000
    assert len(next(name for name in line.fields if name.startswith("deep")).split(".")) == 5


@pytest.mark.parametrize(
    "said",
    [
        '{"time":"2026-11-24T11:59:58.5Z"}',
        '{"ts":1795521598.5}',
        '{"time":1795521598500}',
        '{"@timestamp":"2026-11-24T12:59:58.500+01:00"}',
        "2026-11-24T11:59:58.500Z GET /",
        "[2026-11-24 11:59:58,500] INFO GET /",
        "2026-11-24 12:59:58.5 +0100 GET /",
    ],
)
def test_the_time_is_the_lines_own(said):
    assert one(said).at == NOW - timedelta(seconds=1.5)


@pytest.mark.parametrize(
    "said",
    [
        '{"time":"2031-01-01T00:00:00Z"}',  # a clock that is years ahead
        '{"ts":0}',  # one that was never set
        '{"ts":-62135596800}',
        '{"time":"2026-11-24T12:06:00Z"}',  # six minutes ahead
        "2026-11-24 07:00:00 local time of some zone",
        "2026-11-22T12:00:00Z two days ago",
        '{"time":"soon"}',
        '{"ts":1e400}',
        '{"ts":99999999999999999999999999999999}',
        "9999-99-99T99:99:99Z",
    ],
)
def test_clock_skew_an_insane_time_is_that_of_arrival(said):
    assert one(said).at == NOW


def test_a_traceback_stays_together_with_the_line_that_began_it():
    lines = read(
        "2026-11-24T11:59:59.000Z ERROR it failed",
        "Traceback (most recent call last):",
        '  File "app.py", line 1',
        "ValueError: x",
        "2026-11-24T11:59:59.200Z INFO going on",
    )
    ordered = sorted(lines, key=lambda line: line.at)
    assert [one.text for one in ordered] == [one.text for one in lines]
    assert [one.level for one in lines[:3]] == [Level.ERROR] * 3


def test_a_line_without_a_time_does_not_take_that_of_long_ago():
    reader = Reader(ORDERS)
    list(reader.read(["2026-11-24T11:59:59.900Z first"], NOW))
    (later,) = reader.read(["second"], NOW + timedelta(hours=1))
    assert later.at == NOW + timedelta(hours=1)


def test_a_long_line_is_cut_with_a_note():
    line = one("x" * 50_000_000)
    assert line.text == "x" * LONGEST + CUT


def test_a_long_message_within_json_is_cut_with_a_note():
    assert one(json.dumps({"msg": "y" * 50_000})).text == "y" * LONGEST + CUT


def test_binary_logs_are_shown_as_replacements():
    line = one(bytes(range(256)).decode(errors="replace").replace("\n", "").replace("\x1b", ""))
    assert "\x00" not in line.text
    assert line.text.startswith("\ufffd")
    assert "ABC" in line.text


def test_colours_are_kept_apart_and_nothing_else_reaches_a_terminal():
    line = one("\x1b[1;31mred\x1b[0m \x1b]0;title\x07\x1b[2Jcleared \x1b[10;10Hmoved \x1bcreset \x9b5mcsi")
    assert line.text == "red cleared moved reset \ufffd5mcsi"
    assert line.coloured == "\x1b[1;31mred\x1b[0m cleared moved reset \ufffd5mcsi"
    assert one("plain").coloured == ""


@given(st.text())
def test_any_text_is_safe_to_show(text):
    for line in read(*text.split("\n")):
        (line.text + "".join(line.fields.values())).encode()
        assert all(one.isprintable() or one == "\t" or ord(one) > 0x9F for one in line.text)


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists)))
def test_any_json_object_is_a_line(document):
    line = one(json.dumps(document))
    assert all(isinstance(value, str) and "\n" not in value for value in line.fields.values())


def test_a_line_of_the_routers_log_is_read_without_headers():
    text = json.dumps(
        {
            "level": "info",
            "ts": NOW.timestamp(),
            "request": {
                "remote_ip": "127.0.0.1",
                "method": "GET",
                "host": "orders.dev.localhost",
                "uri": "/pay?card=1",
                "headers": {"User-Agent": ["curl"], "Cookie": ["session=1"]},
            },
            "duration": 0.0021,
            "size": 44,
            "status": 502,
            "served_by": "20001",
        }
    )
    (line,) = Reader(ROUTER, router=True).read([text], NOW)
    assert line.text == "GET /pay?card=1 502 2.1 ms"
    assert line.level is Level.ERROR
    assert line.fields["path"] == "/pay"
    assert line.fields["status"] == "502"
    assert "session" not in str(line)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"request":1}', '{"status":"x"}', "cut {"])
def test_what_is_no_access_line_is_left_out(text):
    assert list(Reader(ROUTER, router=True).read([text], NOW)) == []


def test_what_pave_itself_asks_is_left_out():
    text = json.dumps(
        {
            "ts": NOW.timestamp(),
            "request": {"method": "GET", "uri": "/", "headers": {"User-Agent": ["pave-probe"]}},
            "duration": 0.1,
            "status": 200,
        }
    )
    assert list(Reader(ROUTER, router=True).read([text], NOW)) == []


def test_each_line_of_a_secret_is_a_secret():
    assert set(expanded(["-----BEGIN KEY-----\nabcdefghijkl\nx\n"])) >= {"-----BEGIN KEY-----", "abcdefghijkl"}
