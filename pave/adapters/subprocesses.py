"""The only place that starts a process, so that every one of them ends.

A command is data: an argument list, a complete environment, limits on time and output. Nothing is
inherited, nothing goes through a shell. Each process leads a session of its own that is killed as a
whole, and dies with Pave even where Pave is killed itself.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from pave.apply.retry import Terminal
from pave.model.diagnostics import error

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for if a command's environment does not say."""

LONGEST_LINE = 4096
_POLL_SECONDS = 0.1
_CHUNK = 65536
_PREFIX_SECONDS = 5.0


@dataclass(frozen=True)
class Command:
    """One command. `environment` is all that it gets, `seconds` (0: no limit) is wall time.

    Of more output than `output_bytes` the end is kept. With `apart`, stderr is kept apart from stdout;
    otherwise both are one stream in the order written. `descriptors` stay open in the child.
    """

    argv: tuple[str, ...]
    directory: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: bytes = field(default=b"", repr=False)
    seconds: float = 0.0
    output_bytes: int = 4_000_000
    apart: bool = False
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Result:
    """How it ended. `code` is the exit status, or the negative number of the signal that ended it."""

    code: int
    output: bytes = b""
    errors: bytes = b""
    timed_out: bool = False
    cancelled: bool = False
    cut: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and with success."""
        return self.code == 0 and not self.timed_out and not self.cancelled

    @property
    def text(self) -> str:
        """The output as text; what is not UTF-8, or no record could keep, is replaced."""
        return legible(self.output)


def legible(output: bytes) -> str:
    """What a program said as text that can be kept: PostgreSQL takes no NUL, and nobody can read one."""
    return output.decode(errors="replace").replace("\0", "\ufffd")


class _Spawner:
    """Starts processes on one thread that lives as long as Pave.

    The kernel's "kill the child when its parent dies" means the parent *thread*; a child of a worker
    thread would be killed when that thread ends.
    """

    def __init__(self) -> None:
        self._wishes: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._process = 0

    def call(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._process != os.getpid():  # the first use, or the first after a fork
                self._process = os.getpid()
                self._wishes = SimpleQueue()
                threading.Thread(target=self._work, args=(self._wishes,), name="spawner", daemon=True).start()
        answer: SimpleQueue[Any] = SimpleQueue()
        self._wishes.put((start, answer))
        outcome = answer.get()
        if isinstance(outcome, BaseException):
            raise outcome
        started: subprocess.Popen[bytes] = outcome
        return started

    @staticmethod
    def _work(wishes: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[Any]]]) -> None:
        while True:
            start, answer = wishes.get()
            try:
                answer.put(start())
            except BaseException as problem:  # noqa: BLE001 — raised again in the thread that asked
                answer.put(problem)


_spawner = _Spawner()


class Child:
    """A long-lived process with pipes to its stdin and from its stdout."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def stdin(self) -> IO[bytes]:
        """Unbuffered; write and flush."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Unbuffered; reading gives what is there."""
        assert self._process.stdout is not None
        return self._process.stdout

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end, at most `seconds`; the exit status, or None where it still runs."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def signal(self, number: int) -> None:
        """Send a signal to the process alone; harmless once it ended."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill its whole session and close the pipes; harmless once it ended."""
        _kill(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def run(
    command: Command, report: Callable[[str], None] | None = None, cancel: Callable[[], bool] | None = None
) -> Result:
    """Run a command to its end, giving each line to `report` as it comes (at most 4,096 characters of it).

    Once `cancel()` is true or the time is over the whole session is killed. A command that fails is a
    result; one that cannot be started raises `Terminal`.
    """
    process = _start(command, stderr=subprocess.PIPE if command.apart else subprocess.STDOUT)
    try:
        return _Conversation(process, command, report).hold(cancel)
    finally:
        _kill(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def spawn(command: Command, log: Path | None = None) -> Child:
    """Start a long-lived process that ends with Pave; stderr goes to `log` (or nowhere), `stdin` is written first.

    Its limits on time and output are the caller's to keep. Raises `Terminal` where it cannot be started.
    """
    with open(log or os.devnull, "ab") as errors:  # noqa: PTH123 — the same call for a file and for nowhere
        process = _start(command, stderr=errors.fileno())
    child = Child(process)
    if command.stdin:
        child.stdin.write(command.stdin)
    return child


def daemon(command: Command, log: Path) -> int:
    """Start a program that leaves for the background by itself and outlives Pave; wait until it has left.

    What it says goes to `log`. Returns the exit status of what stayed, 0 once it is in the background. Raises
    `Terminal` where it cannot be started or does not leave within `seconds`.
    """
    with log.open("ab") as said:
        process = _start(command, stderr=subprocess.STDOUT, stdout=said.fileno(), dying_with_us=False)
    assert process.stdin is not None
    process.stdin.close()
    try:
        return process.wait(command.seconds or None)
    except subprocess.TimeoutExpired:
        _kill(process)
        raise Terminal(
            error(f"{command.argv[0]} did not start within {command.seconds:.0f} s", remedy=f"Its log says why: {log}.")
        ) from None


def find(program: str, environment: Mapping[str, str] | None = None) -> str:
    """The path of a program by the PATH of `environment`, or an empty text."""
    return shutil.which(program, path=(environment or {}).get("PATH", PATH)) or ""


def _start(
    command: Command, stderr: int, stdout: int = subprocess.PIPE, *, dying_with_us: bool = True
) -> subprocess.Popen[bytes]:
    program = find(command.argv[0], command.environment)
    if not program:
        raise Terminal(
            error(
                f"The program {command.argv[0]} cannot be started: it is not installed or not executable",
                remedy="Install it, or name another in Pave's settings; `pave doctor` shows what is used.",
            )
        )

    prefix = _dying_with_us() if dying_with_us else ()

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 — an argument list, never a shell
            [*prefix, program, *command.argv[1:]],
            cwd=command.directory,
            env=dict(command.environment),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            bufsize=0,
            start_new_session=True,
            pass_fds=command.descriptors,
        )
        _await_program(process, prefix)
        return process

    try:
        return _spawner.call(start)
    except OSError as problem:
        raise Terminal(
            error(f"{program} cannot be started in {command.directory}: {problem.strerror}", remedy="Correct that.")
        ) from problem


def _dying_with_us() -> tuple[str, ...]:
    """A prefix that asks the kernel to kill the process when Pave is gone, then becomes the program.

    Not `preexec_fn`: Python code between fork and exec may deadlock where there are threads.
    """
    setpriv = find("setpriv")
    if setpriv:
        return (setpriv, "--pdeathsig", "KILL", "--")
    code = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"
    return (sys.executable, "-I", "-S", "-c", code)


def _await_program(process: subprocess.Popen[bytes], prefix: Sequence[str]) -> None:
    """Wait, a millisecond or two, until the prefix has done its work: before that the process would outlive Pave."""
    unfinished = "\0".join(prefix).encode()
    until = time.monotonic() + _PREFIX_SECONDS
    while prefix and process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError):
            # Empty, too, is unfinished: the kernel is just putting a new program in the place of the old one.
            said = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            if said and not said.startswith(unfinished):
                return
        time.sleep(0.0002)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the session, also what is left of it after its leader ended, and reap the leader."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Lines:
    """Cuts a stream of bytes into lines of text for a report."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._say(line)
        if len(self._rest) > 4 * LONGEST_LINE:  # a line without an end must not grow without one
            self._rest = self._rest[: 4 * LONGEST_LINE]

    def end(self) -> None:
        if self._rest:
            self._say(self._rest)

    def _say(self, line: bytes) -> None:
        text = legible(line.removesuffix(b"\r"))
        self._report(text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}…")


class _Conversation:
    """Feeds a process, takes what it says, and watches the time."""

    def __init__(
        self, process: subprocess.Popen[bytes], command: Command, report: Callable[[str], None] | None
    ) -> None:
        self._process, self._command = process, command
        self._lines = _Lines(report) if report else None
        self._kept = {"output": bytearray(), "errors": bytearray()}
        self._cut = False
        self._left = memoryview(command.stdin)
        self._selector = selectors.DefaultSelector()

    def hold(self, cancel: Callable[[], bool] | None) -> Result:
        deadline = time.monotonic() + self._command.seconds if self._command.seconds else float("inf")
        timed_out = cancelled = False
        with self._selector:
            self._open()
            while self._selector.get_map() or self._process.poll() is None:
                if self._selector.get_map():
                    for key, _ in self._selector.select(_POLL_SECONDS):
                        self._exchange(key)
                else:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(_POLL_SECONDS)
                timed_out = time.monotonic() > deadline
                cancelled = bool(cancel and cancel())
                if timed_out or cancelled or self._only_heirs_left():
                    break
        finished = self._process.poll()
        if finished is None:
            _kill(self._process)
        if self._lines:
            self._lines.end()
        return Result(
            code=self._process.returncode,
            output=bytes(self._kept["output"]),
            errors=bytes(self._kept["errors"]),
            timed_out=timed_out and finished is None,
            cancelled=cancelled and finished is None,
            cut=self._cut,
        )

    def _open(self) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        if self._left:
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE, "input")
        else:
            process.stdin.close()
        for name, pipe in (("output", process.stdout), ("errors", process.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, selectors.EVENT_READ, name)

    def _only_heirs_left(self) -> bool:
        """The process ended, yet something that it started holds the pipe and says nothing: not waited for."""
        waiting_for = self._selector.get_map()
        return bool(waiting_for) and self._process.poll() is not None and not self._selector.select(_POLL_SECONDS)

    def _exchange(self, key: selectors.SelectorKey) -> None:
        pipe: Any = key.fileobj
        if key.data == "input":
            try:
                self._left = self._left[os.write(pipe.fileno(), self._left[:_CHUNK]) :]
            except BrokenPipeError:
                self._left = self._left[:0]
            if not self._left:
                self._selector.unregister(pipe)
                pipe.close()
            return
        data = os.read(pipe.fileno(), _CHUNK)
        if not data:
            self._selector.unregister(pipe)
            return
        if self._lines:
            self._lines.feed(data)
        kept = self._kept[key.data]
        kept += data
        if len(kept) > self._command.output_bytes:
            del kept[: len(kept) - self._command.output_bytes]
            self._cut = True
