"""Meters: logs that are turned, processes that restart, pages that are too large, wrong, or whose clock is."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pave.observe.series import Kind, Sample
from pave.ports import Probe
from pave.ports.machine import ProgramState
from pave.provider.inventory import Inventory
from pave.provider.meters.probes import ProbeMeter
from pave.provider.meters.processes import Process, WorkloadMeter, below, look
from pave.provider.meters.resources import taken
from pave.provider.meters.router import RouterMeter
from pave.provider.meters.scraping import Page, samples_of
from pave.provider.meters.tail import Tail
from pave.provider.servers.caddy import Route

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
OWN = {"environment": "dev", "component": "orders", "instance": "0"}


def request(uri: str = "/", status: int = 200, seconds: float = 0.02, agent: str = "curl") -> str:
    inner = {"uri": uri, "headers": {"User-Agent": [agent]}}
    return json.dumps({"ts": 1.0, "request": inner, "status": status, "duration": seconds}) + "\n"


def told(meter: RouterMeter | WorkloadMeter) -> dict[str, float]:
    """Values by name and the labels that tell series of a stack apart."""
    found = {}
    for _, one in meter.measure(NOW):
        extra = ",".join(value for name, value in sorted(one.labels.items()) if name not in OWN)
        found[f"{one.name}{{{extra}}}"] = one.value
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "orders.dev.localhost.log"


def router(log: Path, *paths: str) -> RouterMeter:
    routes = [Route("orders.dev.localhost", path, (20001,), "dev/orders") for path in ("", *paths)]
    return RouterMeter(log.parent, lambda: routes)


def test_requests_are_counted_by_route_and_class(log: Path) -> None:
    meter = router(log, "/api")
    assert told(meter)["http_requests_total{2xx,/}"] == 0, "a route that nobody asked for counts nothing, and is there"
    log.write_text(request() + request("/api/x?y=1", 404) + request("/api", 503, 0.3) + request("/apis", 200) + "{cut")
    found = told(meter)
    assert found["http_requests_total{2xx,/}"] == 2
    assert (found["http_requests_total{4xx,/api}"], found["http_requests_total{5xx,/api}"]) == (1, 1)
    assert found["http_request_duration_seconds_bucket{0.25,/api}"] == 1
    assert found["http_request_duration_seconds_bucket{+Inf,/api}"] == 2
    assert found["http_request_duration_seconds_count{/api}"] == 2


def test_what_pave_asks_itself_is_not_counted(log: Path) -> None:
    meter = router(log)
    told(meter)
    log.write_text(request(agent="pave-probe") + request())
    assert told(meter)["http_requests_total{2xx,/}"] == 1


def test_what_was_there_before_pave_looked_is_not_counted_again(log: Path) -> None:
    log.write_text(request() * 5)
    meter = router(log)
    assert told(meter)["http_requests_total{2xx,/}"] == 0
    with log.open("a") as file:
        file.write(request())
    assert told(meter)["http_requests_total{2xx,/}"] == 1


def test_a_line_that_is_only_half_written_is_read_when_it_is_whole(log: Path) -> None:
    meter, line = router(log), request()
    told(meter)
    log.write_text(line[:20])
    told(meter)
    with log.open("a") as file:
        file.write(line[20:])
    assert told(meter)["http_requests_total{2xx,/}"] == 1


def test_a_log_that_is_turned_loses_nothing(log: Path) -> None:
    meter = router(log)
    told(meter)
    log.write_text(request())
    told(meter)
    with log.open("a") as file:
        file.write(request())
    log.rename(log.with_name("orders.dev.localhost-2026-03-02T12-00-00.000.log"))
    log.write_text(request() * 2)
    assert told(meter)["http_requests_total{2xx,/}"] == 4


def test_what_is_written_faster_than_it_can_be_read_is_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    tail = Tail(path, whole=True)
    path.write_bytes(b"0123456789\n" * 100)
    lines, skipped = tail.read(22)
    assert (lines, skipped) == ([b"0123456789"] * 2, 1078)


class Machine:
    def __init__(self) -> None:
        self.programs: dict[str, ProgramState] = {}

    def states(self) -> dict[str, ProgramState]:
        return self.programs


@pytest.fixture
def workload(tmp_path: Path) -> tuple[WorkloadMeter, Machine, Inventory]:
    machine, inventory = Machine(), Inventory(tmp_path / "inventory")
    revisions = {"r1": {"programs": ["web.0", "web.1"], "ports": [{"web": 20001}, {"web": 20002}]}}
    inventory.put("workload", "dev/orders/workload", {"revision": "r1", "candidate": "", "revisions": revisions})
    return WorkloadMeter(machine, inventory), machine, inventory  # type: ignore[arg-type]


def test_a_workload_uses_what_its_processes_use(workload: tuple[WorkloadMeter, Machine, Inventory]) -> None:
    meter, machine, _ = workload
    machine.programs["web.0"] = ProgramState(running=True, pid=os.getpid())
    found = told(meter)
    assert found["workload_memory_bytes{}"] > 1e6
    assert found["workload_cpu_seconds_total{}"] > 0
    assert (found["workload_replicas{}"], found["workload_up{}"]) == (2, 0.5)


def test_restarts_count_up_and_a_deployment_is_none(workload: tuple[WorkloadMeter, Machine, Inventory]) -> None:
    meter, machine, inventory = workload
    machine.programs["web.0"] = ProgramState(running=True, pid=os.getpid(), restarts=4)
    assert told(meter)["workload_restarts_total{}"] == 0
    machine.programs["web.0"] = ProgramState(running=True, pid=os.getpid(), restarts=6)
    assert told(meter)["workload_restarts_total{}"] == 2
    revisions = {"r2": {"programs": ["web.9"], "ports": [{"web": 20003}]}}
    inventory.put("workload", "dev/orders/workload", {"revision": "r2", "candidate": "", "revisions": revisions})
    machine.programs["web.9"] = ProgramState(running=True, pid=os.getpid(), restarts=0)
    assert told(meter)["workload_restarts_total{}"] == 2


def test_processor_time_counts_on_over_a_restart(
    workload: tuple[WorkloadMeter, Machine, Inventory], monkeypatch: pytest.MonkeyPatch
) -> None:
    meter, machine, _ = workload
    shown = {"seconds": 7.0, "pid": 10}
    process = lambda: {shown["pid"]: Process(int(shown["pid"]), 1, shown["seconds"], 4096)}  # noqa: E731
    monkeypatch.setattr("pave.provider.meters.processes.look", process)
    for pid, seconds, wanted in ((10, 7.0, 7.0), (10, 9.0, 9.0), (11, 0.5, 9.5), (11, 0.25, 9.5), (11, 1.25, 10.5)):
        shown |= {"seconds": seconds, "pid": pid}
        machine.programs["web.0"] = ProgramState(running=True, pid=pid)
        assert told(meter)["workload_cpu_seconds_total{}"] == wanted


def test_the_processes_that_a_process_started() -> None:
    tree = {one: Process(one, parent, 1.0, 1) for one, parent in ((1, 0), (2, 1), (3, 2), (4, 1), (5, 9))}
    assert {one.pid for one in below(tree, 2, {1: [2, 4], 2: [3]})} == {2, 3}
    assert os.getpid() in look()


def page(text: str, **parts: bool) -> list[Sample]:
    return samples_of(Page(text, **parts), OWN) or []


def test_an_applications_page_is_read_with_kinds() -> None:
    text = (
        '# TYPE jobs counter\njobs_total{queue="a"} 3\n# TYPE depth gauge\ndepth 2\n'
        '# TYPE took histogram\ntook_bucket{le="1"} 1\ntook_bucket{le="+Inf"} 2\ntook_count 2\ntook_sum 3\n'
        "old_total 5\n"
    )
    kinds = {one.name: one.kind for one in page(text)}
    assert kinds == {
        "jobs_total": Kind.COUNTER,
        "depth": Kind.GAUGE,
        "took_bucket": Kind.COUNTER,
        "took_count": Kind.COUNTER,
        "took_sum": Kind.COUNTER,
        "old_total": Kind.COUNTER,
    }


def test_openmetrics_is_read_too() -> None:
    found = page("# TYPE jobs counter\njobs_total 3\n# EOF\n", openmetrics=True)
    assert [(one.name, one.value) for one in found] == [("jobs_total", 3.0)]


def test_an_application_cannot_speak_for_another() -> None:
    (one,) = page('seen{component="payments",environment="prod"} 1\n')
    assert one.labels == {**OWN, "exported_component": "payments", "exported_environment": "prod"}


def test_clock_skew_of_an_application_is_not_believed() -> None:
    """The issue's "clock skew": whatever time it writes beside its numbers, they are of now."""
    (one,) = page("seen 1 4102444800000\n")
    assert one.value == 1.0


@pytest.mark.parametrize("text", ["<html>hello</html>", "just a text that goes on", "", "a{b 1\n", "Not Found"])
def test_what_is_no_metrics_page_is_none(text: str) -> None:
    assert samples_of(Page(text), OWN) is None


def test_labels_without_measure_are_left_out() -> None:
    wide = ",".join(f'l{number}="x"' for number in range(40))
    found = page(f'seen{{{wide}}} 1\nseen{{a="{"y" * 500}"}} 1\nseen{{a="z"}} 1\n')
    assert [one.labels["a"] for one in found] == ["z"]


def test_what_sleeps_is_not_asked_and_nobody_waits_for_a_probe() -> None:
    asked = []

    class Routes:
        router = type("Router", (), {"port": 1})()
        all = staticmethod(lambda: [Route("a", "", (1,), "dev/a"), Route("b", "", (), "dev/b", asleep=True)])

    def ask(host: str, _port: int, path: str) -> Probe:
        asked.append((host, path))
        return Probe(f"http://{host}{path}", 200, 0.01)

    meter = ProbeMeter(Routes(), ask)  # type: ignore[arg-type]
    first = list(meter.measure(NOW))
    for future in [one for _, one in meter._asked.values()]:
        future.result(2)
    second = {one.name: one.value for _, one in meter.measure(NOW)}
    assert (first, second, asked) == ([], {"probe_success": 1.0, "probe_duration_seconds": 0.01}, [("a", "/")])


def test_a_folder_is_measured_or_given_up_in_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 10_000)
    assert taken(tmp_path, 5.0) >= 10_000  # type: ignore[operator]
    ticks = iter(range(100))
    assert taken(tmp_path, 0.5, lambda: float(next(ticks))) is None
