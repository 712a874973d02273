"""Processes are started from data, and every one of them ends."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from pave.adapters.subprocesses import Command, run, spawn
from pave.apply.retry import Terminal

PYTHON = sys.executable


def python(code, **parts):
    return Command((PYTHON, "-I", "-c", code), **parts)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def gone_within(pid, seconds=5.0):
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def test_lines_arrive_as_they_are_written_and_stdin_is_fed():
    lines = []
    result = run(python("import sys; print(sys.stdin.read()); print('two')", stdin=b"one"), lines.append)
    assert result.ok
    assert lines == ["one", "two"]
    assert result.text == "one\ntwo\n"


def test_nothing_is_inherited(monkeypatch):
    monkeypatch.setenv("PAVE_SECRET", "hidden")
    result = run(python("import os; print(sorted(os.environ))", environment={"GIVEN": "1", "LC_ALL": "C.UTF-8"}))
    assert result.text.strip() == "['GIVEN', 'LC_ALL']"


def test_a_large_stdin_and_a_large_output_do_not_block_each_other():
    result = run(python("import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d)", stdin=b"x" * 3_000_000))
    assert len(result.output) == 3_000_000


def test_what_is_not_utf8_is_replaced_and_long_lines_are_cut():
    lines = []
    code = "import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\x00 ok\\n' + b'y' * 100000 + b'\\nend\\n')"
    assert run(python(code), lines.append).text.startswith("��� ok\n"), "no record takes a NUL"
    assert lines[0] == "��� ok"
    assert len(lines[1]) == 4097
    assert lines[2] == "end"


def test_of_too_much_output_the_end_is_kept():
    result = run(python("print('a' * 10000); print('the end')", output_bytes=100))
    assert result.cut
    assert len(result.output) == 100
    assert result.text.endswith("the end\n")


def test_stderr_can_be_kept_apart():
    result = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", apart=True))
    assert (result.code, result.output, result.errors) == (3, b"out\n", b"err\n")


def test_a_command_that_takes_too_long_is_killed_with_its_children():
    code = (
        "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"
    )
    started = time.monotonic()
    result = run(python(code, seconds=1.0))
    assert result.timed_out
    assert time.monotonic() - started < 5
    assert gone_within(int(result.text))


def test_a_cancelled_command_is_killed_with_its_children():
    code = "import subprocess, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"
    seen = []
    result = run(python(code), seen.append, lambda: bool(seen))
    assert result.cancelled
    assert gone_within(int(seen[0]))


def test_a_child_that_outlives_its_parent_is_neither_waited_for_nor_left():
    code = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    started = time.monotonic()
    result = run(python(code))
    assert result.ok
    assert time.monotonic() - started < 5
    assert gone_within(int(result.text))


def test_a_program_that_is_not_there_says_so():
    with pytest.raises(Terminal, match="no-such-program"):
        run(Command(("no-such-program",)))


def test_a_spawned_process_talks_over_pipes_and_ends_when_told():
    child = spawn(python("import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"))
    child.stdin.write(b"hello\n")
    assert child.stdout.readline() == b"HELLO\n"
    child.kill()
    assert child.wait(1) == -signal.SIGKILL
    assert not alive(child.pid)


def test_a_process_outlives_the_thread_that_started_it():
    children = []
    thread = threading.Thread(target=lambda: children.append(spawn(python("import time; time.sleep(60)"))))
    thread.start()
    thread.join()
    time.sleep(0.3)
    try:
        assert children[0].poll() is None
    finally:
        children[0].kill()


def test_processes_die_with_the_one_that_started_them():
    parent = (
        "import sys, time, threading\n"
        "from pathlib import Path\n"
        "from pave.adapters.subprocesses import Command, spawn\n"
        "c = spawn(Command((sys.executable, '-I', '-c', 'import time; time.sleep(60)')))\n"
        "print(c.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    child = spawn(Command((PYTHON, "-c", parent)))
    pid = int(child.stdout.readline())
    assert alive(pid)
    child.signal(signal.SIGKILL)
    child.wait()
    assert gone_within(pid)
    child.kill()
