"""The supervisor keeps what is defined running, exactly so, and nothing else."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pave.adapters.supervisor import SupervisorMachine
from pave.model.diagnostics import Refused
from pave.ports.machine import Program


def waits(log, text, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if log.exists() and text in log.read_text():
            return True
        time.sleep(0.02)
    return False


def alive(pid):
    return Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() != b""


def sleeper(log, name="sleeper", say="up", **parts):
    code = f"import time; print({say!r}, flush=True); time.sleep(600)"
    return Program(name, (sys.executable, "-I", "-c", code), log, **parts)


def test_a_program_runs_as_defined_until_it_is_removed(machine, tmp_path):
    log = tmp_path / "logs" / "one.log"
    machine.ensure(sleeper(log, environment={"SECRET": "100%"}))
    assert waits(log, "up")
    state = machine.state("sleeper")
    assert state.running
    assert b"SECRET=100%" in Path(f"/proc/{state.pid}/environ").read_bytes()
    assert machine.programs() == ["sleeper"]
    machine.remove("sleeper")
    assert not alive(state.pid)
    assert machine.state("sleeper") is None
    assert machine.programs() == []
    machine.remove("sleeper")


def test_the_same_definition_changes_nothing_and_another_one_restarts_only_its_own(machine, tmp_path):
    one, two = sleeper(tmp_path / "logs" / "one", "one"), sleeper(tmp_path / "logs" / "two", "two")
    machine.ensure(one)
    machine.ensure(one)
    machine.ensure(two)
    assert waits(one.log, "up")
    assert waits(two.log, "up")
    pids = machine.state("one").pid, machine.state("two").pid
    machine.ensure(one)
    assert (machine.state("one").pid, machine.state("two").pid) == pids
    machine.ensure(replace(one, environment={"CHANGED": "1"}))
    assert waits(one.log, "up\nup")
    assert machine.state("one").pid != pids[0]
    assert machine.state("two").pid == pids[1]


def test_a_killed_program_is_started_again_and_counted(machine, tmp_path):
    program = sleeper(tmp_path / "logs" / "one")
    machine.ensure(program)
    assert waits(program.log, "up")
    os.kill(machine.state("sleeper").pid, signal.SIGKILL)
    assert waits(program.log, "up\nup")
    assert machine.state("sleeper").restarts == 1


def test_a_stopped_program_stays_stopped_until_it_is_ensured(machine, tmp_path):
    program = sleeper(tmp_path / "logs" / "one")
    machine.ensure(program)
    assert waits(program.log, "up")
    machine.stop("sleeper")
    assert not machine.state("sleeper").running
    assert machine.programs() == ["sleeper"]
    machine.ensure(program)
    assert waits(program.log, "up\nup")
    assert machine.state("sleeper").restarts == 0


def test_a_program_that_cannot_run_says_why(machine, tmp_path):
    machine.ensure(Program("broken", ("/no/such/program",), tmp_path / "logs" / "broken"))
    assert waits(tmp_path / "logs" / "broken", "No such file")
    deadline = time.monotonic() + 10
    while "backoff" not in machine.state("broken").detail and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "Exited too quickly" in machine.state("broken").detail
    assert not machine.state("broken").running


def test_definitions_and_secrets_are_for_their_owner_only(machine, tmp_path):
    machine.ensure(sleeper(tmp_path / "logs" / "one", environment={"SECRET": "hidden"}))
    for path in machine.directory.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        assert b"hidden" not in (path.read_bytes() if path.exists() else b"")


def test_a_second_machine_on_the_same_folder_uses_the_same_supervisor(machine, tmp_path):
    program = sleeper(tmp_path / "logs" / "one")
    machine.ensure(program)
    assert waits(program.log, "up")
    other = SupervisorMachine(machine.directory, machine.socket.parent, machine.logs)
    other.ensure(program)
    assert other.state("sleeper").pid == machine.state("sleeper").pid


def test_after_a_killed_supervisor_no_orphan_is_left_beside_what_is_started_anew(machine, tmp_path):
    program = sleeper(tmp_path / "logs" / "one")
    machine.ensure(program)
    assert waits(program.log, "up")
    orphan = machine.state("sleeper").pid
    os.kill(int((machine.directory / "supervisord.pid").read_text()), signal.SIGKILL)
    assert alive(orphan)
    machine.attach()
    assert not alive(orphan)
    assert waits(program.log, "up\nup")
    assert machine.state("sleeper").running


def test_a_definition_that_a_crash_left_unapplied_is_applied(machine, tmp_path):
    program = sleeper(tmp_path / "logs" / "one")
    changed = replace(program, environment={"CHANGED": "1"})
    machine.ensure(program)
    assert waits(program.log, "up")
    private, public = machine._definition(changed)
    (machine.directory / "programs" / "sleeper.json").write_bytes(private)
    (machine.directory / "programs" / "sleeper.conf").write_bytes(public)
    machine.ensure(changed)
    assert waits(program.log, "up\nup")
    assert b"CHANGED=1" in Path(f"/proc/{machine.state('sleeper').pid}/environ").read_bytes()


def test_shutdown_ends_everything_in_order_and_a_start_brings_it_back(machine, tmp_path):
    order = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        f"def end(*_): open({str(order)!r}, 'a').write(sys.argv[1] + '\\n'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(600)"
    )
    for name in ("database", "router", "workload"):
        log = tmp_path / "logs" / name
        machine.ensure(Program(name, (sys.executable, "-I", "-c", code, name), log))
        assert waits(log, "up")
    machine.shutdown(last=("router", "database"))
    assert order.read_text().split() == ["workload", "router", "database"]
    assert not machine.socket.exists()
    assert machine.programs() == ["database", "router", "workload"]
    machine.attach()
    assert waits(tmp_path / "logs" / "router", "up\nup")


@pytest.mark.parametrize("name", ["", "../up", "a b", "a:b", "-x"])
def test_names_that_could_mean_something_else_are_refused(machine, tmp_path, name):
    with pytest.raises(Refused, match="program's name"):
        machine.ensure(sleeper(tmp_path / "log", name))


def test_a_socket_path_that_is_too_long_is_refused_at_once(tmp_path):
    with pytest.raises(Refused, match="too long"):
        SupervisorMachine(tmp_path, tmp_path / ("x" * 90), tmp_path)


def test_the_supervisor_rests_when_nothing_happens(machine, sandbox, tmp_path):
    """It once spun for ever: a program that closed its stdin had got the number of a connection long gone."""
    for number in range(6):
        argv = sandbox.server(("/usr/bin/sleep", "600"))
        machine.ensure(Program(f"closed{number}", argv, tmp_path / f"{number}.log"))
        for _ in range(5):
            machine.state(f"closed{number}")
    pid = int((tmp_path / "machine" / "supervisord.pid").read_text())

    def used():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(1.5)
    assert used() - before < 0.4
