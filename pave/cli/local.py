"""Commands that act on this machine and not through a server: start one, stop it, look at the machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from pave.cli import render
from pave.cli.client import alive, data_directory
from pave.cli.commands import FAILED, Session, guarded
from pave.doors.presence import Presence, Ready, find
from pave.model.diagnostics import Refused
from pave.settings import Settings

MACHINE = "This machine"


def add_commands(app: typer.Typer) -> None:
    """Give `app` the commands `up`, `down`, `login` and `doctor`."""
    app.command("up", rich_help_panel=MACHINE, short_help="Start Pave on this machine")(up)
    app.command("down", rich_help_panel=MACHINE, short_help="Stop Pave and all that it runs")(down)
    app.command("login", rich_help_panel=MACHINE, short_help="Print a link that signs a browser in once")(login)
    app.command("doctor", rich_help_panel=MACHINE, short_help="Which programs are used, and what is missing")(doctor)


def up(
    ctx: typer.Context,
    port: Annotated[int | None, typer.Option(help="Port of the API and the portal; 0 takes a free one.")] = None,
    router_port: Annotated[int | None, typer.Option(help="Port of the router; 0 takes a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
) -> None:
    """Start Pave on this machine, in the foreground. Ctrl-C stops it; what it runs goes on.

    Data is in ./.pave or --data DIR. Where Pave runs already, this says so.
    """
    session = ctx.find_object(Session) or Session()
    with refusals():
        settings = Settings.load({"data": _data(session), "port": port, "router_port": router_port, "host": host})
        running = find(settings.data)
        if running is not None and alive(running.url):
            render.console().print(_says(running))
            return
        from pave import wiring  # noqa: PLC0415 — loads the whole platform

        with _starting() as ready:
            wiring.serve(settings, ready)


def down(ctx: typer.Context) -> None:
    """Stop Pave and all that it runs on this machine. Data stays; `pave up` brings everything back."""
    session = ctx.find_object(Session) or Session()
    out = render.console()
    with refusals():
        settings = Settings.load({"data": _data(session)})
        from pave import wiring  # noqa: PLC0415 — loads the whole platform

        there = wiring.stop(settings)
        out.print(Text("Pave is down. Its data stays." if there else "Pave did not run here."))


def login(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,  # noqa: FBT002 — an option
) -> None:
    """Print a link that signs a browser in to the portal, once."""
    session = ctx.find_object(Session) or Session()
    with guarded(json_wanted=as_json), contextlib.closing(session.client()) as client:
        answer = client.call("POST", "/login-links")
    if as_json:
        render.as_json(answer)
    else:
        print(answer["url"])


def doctor(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,  # noqa: FBT002 — an option
) -> None:
    """Show every program that Pave uses: bundled or the machine's, where, which version, and what is missing."""
    from pave.adapters import programs  # noqa: PLC0415 — only here

    session = ctx.find_object(Session) or Session()
    with refusals():
        settings = Settings.load({"data": _data(session)})
        given = {name: str(getattr(settings, name)) for name in programs.SETTINGS}
        found = [*programs.survey(given), programs.container_engine(settings.container_engine, settings.data)]
        sandbox = programs.sandbox_level(str(settings.bwrap), settings.run_as)
    if as_json:
        render.as_json({"programs": [one.as_data() for one in found], "sandbox": sandbox})
    else:
        _show_programs(found, sandbox)
    if any(one.needed and not one.ok for one in found):
        raise typer.Exit(FAILED)


def _show_programs(found: Any, sandbox: dict[str, str]) -> None:
    out = render.console()
    rows = render.grid("", "program", "from", "version", "path", "for")
    for one in found:
        state = "healthy" if one.ok else "missing" if one.needed else "degraded"
        detail = one.path if one.ok else one.problem
        rows.add_row(render.status(state, " ").plain.strip(), one.name, one.origin, one.version, detail, one.purpose)
    out.print(rows)
    level = sandbox["level"]
    state = {"full": "healthy", "partial": "degraded"}.get(level, "missing")
    out.print(Text.assemble("\n", render.status(state, f"Sandbox: {level}"), f"  {sandbox['reason']}"))


def _data(session: Session) -> Path:
    return data_directory(session.data)


def _says(running: Presence) -> Text:
    return Text.assemble(render.status("healthy", "Pave runs already"), f"  {running.url}  (process {running.pid})")


@contextlib.contextmanager
def _starting() -> Iterator[Any]:
    out = render.console()
    spinner = out.status("Starting Pave …") if out.is_terminal else contextlib.nullcontext()

    def ready(said: Ready) -> None:
        if out.is_terminal:
            spinner.__exit__(None, None, None)
        out.print(
            Text.assemble(
                render.status("healthy", "Pave is up"),
                f" after {said.seconds:.1f} s\n\n",
                ("  Portal   ", "dim"),
                said.login,
                (" (signs you in once)\n", "dim"),
                ("  API      ", "dim"),
                f"{said.url}/api\n",
                ("  Next     ", "dim"),
                "pave new orders --template python-service\n",
                ("\n  Ctrl-C stops Pave; what it runs goes on. `pave down` stops everything.", "dim"),
            )
        )

    with spinner:
        yield ready


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Show a refusal as every door shows it, and exit with 1."""
    try:
        yield
    except Refused as refused:
        first = refused.diagnostics[0]
        problem = {
            "detail": first.summary + (f". {first.detail}" if first.detail else ""),
            "remedy": first.remedy,
            "diagnostics": [one.as_data() for one in refused.diagnostics],
        }
        render.problem(problem)
        raise typer.Exit(FAILED) from None
