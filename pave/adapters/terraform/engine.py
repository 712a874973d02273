"""Terraform as Pave's engine: plans, applies exactly what was planned, and leaves nothing behind.

It keeps no truth of its own: state is in the `http` backend, the plan in Pave's records, and a working
copy can be made again at any time. It refuses to apply a plan whose state has moved.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pave.adapters.terraform import planned
from pave.adapters.terraform.diagnosis import Masker, callers, diagnostics, failure, needs_init
from pave.adapters.terraform.runner import Access, Invocation, LineReport, Result, Runner
from pave.adapters.terraform.working import ModuleFiles, WorkingCopies, WorkingCopy, write_private
from pave.apply.retry import Cancelled, Stale, Transient
from pave.model.diagnostics import Refused, error
from pave.model.names import Address
from pave.plan.terraform import RootModule
from pave.ports import Applied, Cancel, EnginePlan, Report, States

LEASE_SECONDS = 30.0
_HEARTBEAT_SECONDS = 8.0
_INIT_SECONDS = 300.0
_LOCK_TIMEOUT = "-lock-timeout=40s"  # longer than a dead holder's lease
_FLAGS = ("-input=false", "-no-color")
_PASSED_ON = re.compile(
    r"PATH|LANG|LC_\w+|TZ|SSL_CERT_(?:FILE|DIR)|(?:https?|no|all)_proxy|TF_(?:CLI_CONFIG_FILE|PLUGIN_CACHE_DIR|TOKEN_\w+"
    r"|REGISTRY_\w+|LOG)",
    re.IGNORECASE,
)
_ID = re.compile(r"\s*\[\w+=.*\]$")


@dataclass(frozen=True)
class Surroundings:
    """What the engine is given: `access` to a stack's state, `providers` that run already, a module's files.

    `providers` gives the value of TF_REATTACH_PROVIDERS, or an empty text.
    """

    states: States
    access: Callable[[Address], Access]
    module_files: ModuleFiles
    providers: Callable[[], str]


class TerraformEngine:
    """Implements `pave.ports.Engine`. `folder` is `<data>/terraform`; `environ` the machine's own variables."""

    def __init__(
        self, runner: Runner, folder: Path, around: Surroundings, environ: Mapping[str, str] | None = None
    ) -> None:
        self._runner = runner
        self._around = around
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._copies = WorkingCopies(folder / "stacks", around.module_files)
        given = os.environ if environ is None else environ
        self._environment = self._base_environment(given)

    def plan(self, stack: Address, root: RootModule, cancel: Cancel) -> EnginePlan:
        """Refresh, compare, save. Raises `Refused`, `Transient` or `Cancelled`."""
        with self._session(stack, cancel) as session:
            session.prepare(root)
            session.recover()
            argv = ("plan", "-json", *_FLAGS, _LOCK_TIMEOUT, f"-out={session.copy.plan.name}")
            session.check("plan", session.run_ready(root, argv))
            shown = session.show()
            file = session.copy.plan.read_bytes()
            found = planned.digest(shown), planned.serial(file), planned.changes(shown)
            return EnginePlan(file, *found, planned.resources(shown))

    def apply(self, stack: Address, root: RootModule, plan: EnginePlan, report: Report, cancel: Cancel) -> Applied:
        """Carry out exactly `plan`. Raises `Stale`, `Terminal`, `Transient` or `Cancelled`."""
        now = self.serial(stack)
        if now != plan.serial:
            raise Stale(
                error(
                    f"The plan of {stack} is out of date",
                    detail=f"It was made from serial {plan.serial} of the state, which is at {now}.",
                    remedy="Plan again.",
                    address=str(stack),
                )
            )
        with self._session(stack, cancel) as session:
            session.prepare(root)
            if session.copy.errored.exists():  # the plan was made before what an earlier apply did
                raise Stale(error(f"The plan of {stack} is out of date", remedy="Plan again.", address=str(stack)))
            write_private(session.copy.plan, plan.file)
            argv = ("apply", "-json", *_FLAGS, _LOCK_TIMEOUT, session.copy.plan.name)
            session.check("apply", session.run_ready(root, argv, _progress(report)))
            return self._applied(stack)

    def serial(self, stack: Address) -> int:
        """The state's serial; 0 where there is none."""
        return self._around.states.serial(stack)

    def outputs(self, stack: Address) -> Mapping[str, Mapping[str, Any]]:
        """The outputs per module call as last applied; they may hold secrets."""
        return self._applied(stack).outputs

    def forget(self, stack: Address) -> None:
        """Remove the working copy and the empty state of a stack that is gone. Raises `Refused` if it is not empty."""
        self._around.states.delete(stack)
        self._copies.forget(stack)

    def close(self) -> None:
        """End every process."""
        self._runner.close()

    @contextlib.contextmanager
    def _session(self, stack: Address, cancel: Cancel) -> Iterator[_Session]:
        environment = dict(self._environment)
        providers = self._around.providers()
        if providers:
            environment["TF_REATTACH_PROVIDERS"] = providers
        with self._copies.open(stack, cancel) as copy:
            session = _Session(stack, copy, self._runner, self._around, environment, cancel)
            try:
                yield session
            finally:
                copy.plan.unlink(missing_ok=True)

    def _applied(self, stack: Address) -> Applied:
        state: dict[str, Any] = json.loads(self._around.states.read(stack) or b"{}")
        outputs = {name: one["value"] for name, one in (state.get("outputs") or {}).items()}
        return Applied(outputs, int(state.get("serial", 0)))

    def _base_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        home = self._folder / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        configuration = self._folder / "terraform.rc"
        if not configuration.exists():
            write_private(configuration, b"disable_checkpoint = true\n")
        given = environ.get("TF_CLI_CONFIG_FILE", "")  # a mirror that somebody configured, perhaps for another user
        usable = os.access(given, os.R_OK) and Path(given).is_file()
        return {
            "PATH": os.defpath,
            # A registry that does not answer is said so in seconds, not in minutes.
            "TF_REGISTRY_CLIENT_TIMEOUT": "5",
            "TF_REGISTRY_DISCOVERY_RETRY": "0",
            **{name: value for name, value in environ.items() if _PASSED_ON.fullmatch(name)},
            "TF_CLI_CONFIG_FILE": given if usable else str(configuration),
            "HOME": str(home),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            # What a killed apply has made is known to the state but for its last second.
            "TF_STATE_PERSIST_INTERVAL": "1",
            "TF_HTTP_RETRY_WAIT_MIN": "1",
            "TF_HTTP_RETRY_WAIT_MAX": "5",
        }


class _Session:
    """One stack's commands, on its working copy, with its access to the state."""

    def __init__(
        self,
        stack: Address,
        copy: WorkingCopy,
        runner: Runner,
        around: Surroundings,
        environment: Mapping[str, str],
        cancel: Cancel,
    ) -> None:
        self.copy = copy
        self._stack = stack
        self._runner = runner
        self._around = around
        self._environment = environment
        self._cancel = cancel
        self._access = around.access(stack)
        self._mask = Masker((self._access.password,))
        self._calls: Mapping[str, str] = {}

    def prepare(self, root: RootModule) -> None:
        """Have the files there and the copy initialised; both cost nothing where they are."""
        self.copy.write(root)
        self._calls = callers(root)
        if not self.copy.ready_for(root, self._runner.version()):
            self._init(root)

    def run_ready(self, root: RootModule, argv: tuple[str, ...], report: LineReport | None = None) -> Result:
        """Run a command; where Terraform misses its own files, initialise once more and try again."""
        result = self._run(argv, report=report)
        if result.code and not result.died and not result.cancelled and needs_init(result):
            self.copy.unset_ready()
            self._init(root)
            result = self._run(argv, report=report)
        return result

    def recover(self) -> None:
        """Bring in a state that an earlier apply could not write, unless a newer one is there."""
        if not self.copy.errored.exists():
            return
        result = self._run(("state", "push", "-no-color", _LOCK_TIMEOUT, self.copy.errored.name))
        if result.code and not any(sign in result.errors for sign in ("newer", "same serial", "lineage")):
            self.check("state push", result)
        self.copy.errored.unlink()

    def show(self) -> Mapping[str, Any]:
        """The saved plan as data."""
        result = self._run(("show", "-json", "-no-color", self.copy.plan.name))
        self.check("show", result)
        shown: Mapping[str, Any] = json.loads(result.output)
        return shown

    def check(self, command: str, result: Result) -> None:
        """Raise what a command's end means, with its secrets masked; nothing where it went well."""
        where = str(self._stack)
        if result.died:
            self._around.states.unlock(self._stack, holder=self._access.holder)
        if result.cancelled and result.code:  # it may have been done before it heard
            detail = "Terraform finished what it had begun and wrote its state."
            if result.died:
                detail = "Terraform did not stop in time and was killed."
            raise Cancelled(error(f"The {command} of {where} was stopped", detail=detail, address=where))
        if result.timed_out:
            raise Transient(
                error(f"The {command} of {where} took too long", remedy="It is tried again.", address=where)
            )
        if result.died:
            raise Transient(
                error(
                    f"The Terraform process for the {command} of {where} ended unexpectedly",
                    detail=self._mask(result.errors)[-2000:],
                    remedy="It is tried again from a new plan.",
                    address=where,
                )
            )
        if result.code:
            self._learn_secrets()
            raise failure(self._stack, command, diagnostics(self._stack, result, self._mask, self._calls))

    def _init(self, root: RootModule) -> None:
        argv = ("init", "-json", *_FLAGS)
        result = self._run(argv, seconds=_INIT_SECONDS)
        if result.code and "flag provided but not defined: -json" in result.errors:
            result = self._run(("init", *_FLAGS), seconds=_INIT_SECONDS)
        if result.code and "Backend configuration changed" in result.output:
            shutil.rmtree(self.copy.path / ".terraform", ignore_errors=True)
            result = self._run(argv, seconds=_INIT_SECONDS)
        self.check("init", result)
        self.copy.set_ready(root, self._runner.version())

    def _run(self, argv: tuple[str, ...], seconds: float = 0.0, report: LineReport | None = None) -> Result:
        invocation = Invocation(argv, self.copy.path, self._environment, self._access, seconds)
        with _Heartbeat(self._around.states, self._stack, self._access) as heartbeat:
            result = self._runner.run(invocation, lambda: heartbeat.lost or self._cancel(), report)
        if heartbeat.lost and not self._cancel():
            raise Stale(
                error(
                    f"Another run has taken over {self._stack}",
                    remedy="Look at the newer run; this one changes nothing any more.",
                    address=str(self._stack),
                )
            )
        return result

    def _learn_secrets(self) -> None:
        state = self._around.states.read(self._stack)
        if state:
            self._mask.add(planned.state_secrets(json.loads(state)))
        if self.copy.plan.exists():
            with contextlib.suppress(Refused, Transient, Stale, Cancelled, ValueError):
                result = self._run(("show", "-json", "-no-color", self.copy.plan.name))
                if result.code == 0:
                    self._mask.add(planned.secrets(json.loads(result.output)))


class _Heartbeat:
    """Renews the lock's lease while a command runs, and notices when somebody else has it."""

    def __init__(self, states: States, stack: Address, access: Access) -> None:
        self.lost = False
        self._states = states
        self._stack = stack
        self._holder = access.holder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease {stack}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(_HEARTBEAT_SECONDS):
            # A database that is away for a moment is no loss: the lease outlives three beats.
            with contextlib.suppress(Exception):
                self.lost = not self._states.renew(self._stack, self._holder, LEASE_SECONDS)


def _progress(report: Report) -> LineReport:
    def take(line: str) -> None:
        # Only what Terraform says about resources as such: output of provisioners may hold anything.
        if '"type":"apply_' not in line:
            return
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if event.get("type") in ("apply_start", "apply_progress", "apply_complete", "apply_errored"):
                report(_ID.sub("", str(event.get("@message", ""))))

    return take
