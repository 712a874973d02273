"""`pave demo`: starts a platform on data of its own and walks the golden path before one's eyes.

The platform runs in this process, so the demo is what `pave up` is, with a visitor in a second thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from pave.cli import render
from pave.cli.client import Client, Refusal, target
from pave.cli.commands import FAILED, Session
from pave.cli.local import MACHINE, refusals
from pave.cli.receiver import ADDRESS, Receiver, receiving
from pave.doors.presence import Ready
from pave.settings import Settings


@dataclass
class Timeline:
    """What was done so far: a step is done when it has `ok`."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    current: str = ""
    began: float = field(default_factory=time.monotonic)

    @property
    def ok(self) -> bool:
        """Whether every step held."""
        return bool(self.steps) and all(one["ok"] for one in self.steps)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a step; what goes wrong in it is recorded and not raised."""
        self.current = name
        began = time.monotonic()
        done: dict[str, Any] = {"name": name, "seconds": 0.0, "ok": False, "detail": ""}
        try:
            yield done
            done["ok"] = True
        except Exception as problem:  # noqa: BLE001 — a demo says what did not hold and goes on
            done["detail"] = _reason(problem)
        done["seconds"] = round(time.monotonic() - began, 3)
        self.steps.append(done)
        self.current = ""

    def __rich__(self) -> Text:
        text = Text()
        for one in self.steps:
            text.append_text(render.status("succeeded" if one["ok"] else "failed", f"{one['name']:<46}"))
            text.append(f"{one['seconds']:7.2f} s  ", "dim")
            text.append(f"{one['detail']}\n")
        if self.current:
            text.append_text(render.status("running", self.current))
        return text

    def as_data(self) -> dict[str, Any]:
        """The form of the JSON file."""
        return {"steps": self.steps, "total_seconds": round(time.monotonic() - self.began, 3)}


def add_command(app: typer.Typer) -> None:
    """Give `app` the command `demo`."""
    app.command("demo", rich_help_panel=MACHINE, short_help="Walk the golden path on a platform of its own")(demo)


def demo(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Take everything down at the end.")] = False,  # noqa: FBT002 — an option
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the steps and their times here.")] = None,
) -> None:
    """Start a platform on data of its own and walk the golden path, from nothing to a running service and back.

    Without --once it is left running for you to look at; Ctrl-C stops it and cleans up.
    """
    session = ctx.find_object(Session) or Session()
    data = session.data.absolute() if session.data else Path(tempfile.mkdtemp(prefix="pave-demo-"))
    timeline = Timeline()
    try:
        with refusals(), receiving() as receiver:
            _serve(data, timeline, receiver, once=once)
    finally:
        _take_down(data, remove=session.data is None)
    if json_file is not None:
        json_file.write_text(json.dumps(timeline.as_data(), indent=2) + "\n")
    if not timeline.ok:
        raise typer.Exit(FAILED)


def _serve(data: Path, timeline: Timeline, receiver: Receiver, *, once: bool) -> None:
    from pave import wiring  # noqa: PLC0415 — loads the whole platform

    pager = f"{ADDRESS}={receiver.url}"
    settings = Settings.load({"data": data, "port": 0, "router_port": 0, "notify_addresses": pager})
    timeline.current = "Pave comes up"

    def ready(said: Ready) -> None:
        up = {"name": "Pave comes up", "seconds": round(said.seconds, 3), "ok": True, "detail": f"ready at {said.url}"}
        timeline.steps.append(up)
        walk = partial(_visit, said, receiver, timeline, once=once)
        threading.Thread(target=walk, args=(data,), name="pave-visitor", daemon=True).start()

    wiring.serve(settings, ready)


def _visit(said: Ready, receiver: Receiver, timeline: Timeline, data: Path, *, once: bool) -> None:
    """Walk all steps, then show the timeline; with `once` take all away and end the server."""
    from pave.cli import delivery_path, guardrail_path, observing_path  # noqa: PLC0415 — real clients: heavy, and only here
    from pave.cli.golden_path import STEPS, TEARDOWN, Tour  # noqa: PLC0415

    out = render.console()
    folder = Path(tempfile.mkdtemp(prefix="pave-visitor-"))
    tour = Tour(Client(target(data, "", "")), folder, receiver)
    live = Live(timeline, console=out, refresh_per_second=8) if out.is_terminal else contextlib.nullcontext()
    try:
        with live:
            _tell(out, timeline)
            paths = (*STEPS, *guardrail_path.STEPS, *delivery_path.STEPS, *observing_path.STEPS)
            for name, walk in (*paths, *((TEARDOWN,) if once else ())):
                with timeline.step(name) as done:
                    done["detail"] = walk(tour)
                _tell(out, timeline)
        total = timeline.as_data()["total_seconds"]
        out.print(f"\nFrom nothing to here: {total:.1f} s")
        if not once:
            out.print(
                f"The platform goes on at {said.login}\n"
                f"Try:  pave --data {data} status dev/orders\nCtrl-C stops it and cleans up."
            )
    finally:
        tour.client.close()
        shutil.rmtree(folder, ignore_errors=True)
        if once:
            os.kill(os.getpid(), signal.SIGTERM)


def _reason(problem: Exception) -> str:
    """Why a step did not hold, in one line."""
    if isinstance(problem, Refusal):
        return ". ".join(part.rstrip(".") for part in (str(problem), problem.problem.get("remedy", "")) if part)
    return str(problem).split("\n", 1)[0] or type(problem).__name__


def _tell(out: Console, timeline: Timeline) -> None:
    """Where there is no terminal to draw on, a line a step."""
    if not out.is_terminal:
        one = timeline.steps[-1]
        out.print(f"{'ok ' if one['ok'] else 'NOT'} {one['seconds']:7.2f} s  {one['name']}: {one['detail']}")


def _take_down(data: Path, *, remove: bool) -> None:
    from pave import wiring  # noqa: PLC0415 — loads the whole platform

    with contextlib.suppress(Exception):
        wiring.stop(Settings.load({"data": data}))
    if remove:
        for folder, _, _ in os.walk(data):
            Path(folder).chmod(0o700)  # an artifact is read-only, for its owner too
        shutil.rmtree(data, ignore_errors=True)
