"""`pave clone`, and the credential helper that lets git speak to Pave without a token in any file of the clone."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from pave.adapters import subprocesses
from pave.adapters.subprocesses import Command
from pave.cli.client import data_directory, target
from pave.cli.commands import FAILED, Session
from pave.cli.local import refusals

GIT = "Git"


def add_commands(app: typer.Typer) -> None:
    """Give `app` the commands `clone` and `git-credential`."""
    app.command("clone", rich_help_panel=GIT, short_help="Clone a repository of Pave's, ready to be pushed")(clone)
    app.command("git-credential", hidden=True)(git_credential)


def clone(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The repository: a service's name, or platform.")],
    directory: Annotated[Path | None, typer.Argument(help="Where to; a folder of its name by default.")] = None,
) -> None:
    """Clone a repository of Pave's over HTTP, and let git ask Pave for the credential whenever it pushes."""
    session = ctx.find_object(Session) or Session()
    with refusals():
        server = target(session.data, session.url, session.token)
    url = f"{server.url}/git/{name}.git"
    folder = directory or Path(name)
    helper = "!" + shlex.join([sys.executable, "-m", "pave", *_chosen(session), "git-credential"])
    key = f"credential.{server.url}"
    environment = {**os.environ, "PAVE_TOKEN": server.token}
    program = subprocesses.find("git", environment)
    settings = ("-c", f"{key}.helper=", "-c", f"{key}.helper={helper}")
    keep = ("--config", f"{key}.helper=", "--config", f"{key}.helper={helper}", "--config", f"{key}.username=pave")
    argv = (program or "git", *settings, "clone", *keep, url, str(folder))
    result = subprocesses.run(Command(argv, Path.cwd(), environment), lambda line: print(line, file=sys.stderr))
    if not result.ok:
        raise typer.Exit(FAILED)
    print(f"Cloned into {folder}. Push to deploy:  git -C {folder} push origin main")


def git_credential(
    ctx: typer.Context,
    action: Annotated[str, typer.Argument(help="get, store or erase, as git asks it.")],
) -> None:
    """Speak git's credential protocol: a token for Pave's own address, and for no other."""
    session = ctx.find_object(Session) or Session()
    asked = dict(line.rstrip("\n").partition("=")[::2] for line in sys.stdin if "=" in line)
    if action != "get":
        return
    with refusals():
        server = target(session.data, session.url, session.token)
    place = urlsplit(server.url)
    if (asked.get("protocol"), asked.get("host")) == (place.scheme, place.netloc) and server.token:
        print(f"username={asked.get('username') or 'pave'}\npassword={server.token}")


def _chosen(session: Session) -> list[str]:
    """The options that lead to the same server again."""
    data = ["--data", str(data_directory(session.data))] if session.data or not session.url else []
    return [*data, *(["--url", session.url] if session.url else [])]
