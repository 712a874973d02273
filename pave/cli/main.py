"""The `pave` command: commands made from the operations, and the few that act on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pave import __version__
from pave.cli import demo, local, repository
from pave.cli.commands import Session, add_commands
from pave.engine.operations import Operation

HELP = """Pave: ask for what your service needs, and have it in seconds."""
EPILOG = """[bold]Start here[/bold]

\b
  [cyan]pave up[/cyan]                                        the platform on this machine
  [cyan]pave new orders --template python-service[/cyan]      a service, live
  [cyan]pave add orders db --type postgres --env dev[/cyan]   a database for it
  [cyan]pave status dev/orders[/cyan]                         how it is, and why

[dim]Exit codes: 0 done · 1 failed · 2 wrong usage · 3 denied by a guardrail · 4 no server answers.[/dim]"""


def build(operations: Sequence[Operation[Any, Any]]) -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="pave",
        help=HELP,
        epilog=EPILOG,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def options(
        ctx: typer.Context,
        data: Annotated[
            Path | None,
            typer.Option(
                "--data", envvar="PAVE_DATA", help="Pave's data; by default the nearest .pave.", show_default=False
            ),
        ] = None,
        url: Annotated[
            str, typer.Option("--url", envvar="PAVE_URL", help="A server elsewhere.", show_default=False)
        ] = "",
        token: Annotated[
            str, typer.Option("--token", envvar="PAVE_TOKEN", help="A token for it.", show_default=False)
        ] = "",
        _version: Annotated[  # noqa: FBT002 — an option
            bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
        ] = False,
    ) -> None:
        ctx.obj = Session(data, url, token)

    local.add_commands(app)
    demo.add_command(app)
    repository.add_commands(app)
    add_commands(app, operations)
    return app


def _print_version(wanted: bool) -> None:  # noqa: FBT001 — Typer's callback gets the value
    if wanted:
        print(f"pave {__version__}")
        raise typer.Exit


def main() -> None:
    """The entry point."""
    from pave.engine.registry import OPERATIONS  # noqa: PLC0415 — loads the engine, only once it is needed

    build(OPERATIONS)()
