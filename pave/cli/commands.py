"""Commands, made from the registry of operations: one each, with its fields as arguments and options.

A command asks the server what REST would ask and shows the answer. What the input's model refuses is
refused here already, before anything is sent.
"""

from __future__ import annotations

import base64
import contextlib
import difflib
import enum
import gzip
import inspect
import json
import re
import shlex
import sys
import types
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin
from urllib.parse import quote

import typer
import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from rich.markup import escape

from pave.cli import render
from pave.cli.client import Client, Refusal, Unreachable, target
from pave.engine.operations import Operation
from pave.engine.views import RunView

OK, FAILED, USAGE, DENIED, UNREACHABLE = range(5)
PANELS = {
    "component": "Services",
    "template": "Services",
    "stack": "Services",
    "log": "Services",
    "resource": "Resources",
    "resources": "Resources",
    "environment": "Environments",
    "run": "Runs",
    "entity": "Catalog",
    "guardrail": "Guardrails",
    "access": "Rights",
    "cost": "Costs",
    "metrics": "Signals",
    "dashboard": "Signals",
    "alert": "Alerts",
    "slo": "Alerts",
    "notification": "Alerts",
}
SHORT = {"env": "-e", "environment": "-e", "type": "-t"}


@dataclass
class Session:
    """The global options of one invocation."""

    data: Path | None = None
    url: str = ""
    token: str = field(default="", repr=False)

    def client(self) -> Client:
        """A client of the server that these options mean. Raises `Unreachable`."""
        return Client(target(self.data, self.url, self.token))


def add_commands(app: typer.Typer, operations: Sequence[Operation[Any, Any]]) -> None:
    """Give `app` a command per operation; `env create` becomes a command of a group."""
    groups: dict[str, typer.Typer] = {}
    named = {words[0] for one in operations if len(words := grammar(one.cli)[0]) > 1}
    for operation in operations:
        words, _ = grammar(operation.cli)
        panel = PANELS.get(operation.name.partition(".")[0], "Platform")
        into = app
        if len(words) > 1:
            into = _group(app, groups, words[0], panel)
        elif words[0] in named:  # `pave cost` is a command, and `pave cost export` another one
            group = _group(app, groups, words[0], panel)
            group.info.no_args_is_help = False
            group.callback(invoke_without_command=True, help=_help(operation))(_command(operation))
            continue
        into.command(
            words[-1],
            help=_help(operation),
            short_help=operation.summary,
            rich_help_panel=panel if into is app else None,
        )(_command(operation))


def _group(app: typer.Typer, groups: dict[str, typer.Typer], name: str, panel: str) -> typer.Typer:
    if name not in groups:
        groups[name] = typer.Typer(no_args_is_help=True, help=f"{panel}.")
        app.add_typer(groups[name], name=name, rich_help_panel=panel)
    return groups[name]


def grammar(cli: str) -> tuple[list[str], list[tuple[str, bool]]]:
    """`env create {name} [{like}]` as words, and positional fields with whether they are needed."""
    words = re.match(r"[^{\[]*", cli)
    found = re.findall(r"(\[)?{(\w+)}\]?|\[(\w+)\]", cli)
    return (words[0] if words else "").split(), [(name or bare, not (bracket or bare)) for bracket, name, bare in found]


def _help(operation: Operation[Any, Any]) -> str:
    lines = [f"{operation.summary}."]
    if operation.input.__doc__ and operation.input.__doc__ != BaseModel.__doc__:
        lines.append(inspect.cleandoc(operation.input.__doc__))
    if operation.examples:
        # \b keeps the lines as they are.
        shown = "\n".join(f"  [cyan]{escape(line)}[/cyan]" for line in operation.examples)
        return "\n\n".join(map(escape, lines)) + f"\n\n\b\n{shown}"
    return "\n\n".join(map(escape, lines))


def _command(operation: Operation[Any, Any]) -> Callable[..., None]:
    _, positional = grammar(operation.cli)
    needed = dict(positional)
    fields = operation.input.model_fields
    parameters = [inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
    parameters += [_argument(name, fields[name], required=needed[name]) for name, _ in positional]
    parameters += [_option(name, info) for name, info in fields.items() if name not in needed]
    parameters += _switches(operation)

    def command(ctx: typer.Context, **given: Any) -> None:
        if ctx.invoked_subcommand is not None:
            return
        switches = {name: given.pop(name, None) for name in ("as_json", "dry_run", "wait", "key", "follow", "watch")}
        values = _values(operation, given)
        session: Session = ctx.find_object(Session) or Session()
        with guarded(json_wanted=bool(switches["as_json"])), contextlib.closing(session.client()) as client:
            _ask(client, operation, values, switches)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _argument(name: str, info: FieldInfo, *, required: bool) -> inspect.Parameter:
    about = info.description or ""
    annotation = _plain(info.annotation)
    argument = typer.Argument(
        help=escape(about), metavar=name.upper(), autocompletion=_completion(name), show_default=False
    )
    return _keyword(name, Annotated[annotation if required else annotation | None, argument], ... if required else None)


def _option(name: str, info: FieldInfo) -> inspect.Parameter:
    shown = info.alias or name
    flags = [_flag(name, shown)]
    flags += [SHORT[name]] if name in SHORT else []
    kind = _plain(info.annotation)
    about = info.description or ""
    metavar = None
    if _is_mapping(info.annotation):
        kind, metavar = list[str], "KEY=VALUE"
        about += " Repeat for more."
    elif _is_object(info.annotation):
        kind, metavar = str, "JSON|@FILE"
    default = "" if info.is_required() else info.get_default(call_default_factory=True)
    if default not in ("", None, [], {}, ()) and kind is not bool:
        about += f" (default: {getattr(default, 'value', default)})"
    if kind is bool:
        flags = [f"--{shown.replace('_', '-')}/--no-{shown.replace('_', '-')}"]
    option = typer.Option(
        *flags, help=escape(about.strip()), metavar=metavar, show_default=False, autocompletion=_completion(name)
    )
    required = info.is_required()
    return _keyword(name, Annotated[kind if required else kind | None, option], ... if required else None)


def _flag(name: str, shown: str) -> str:
    return f"--{'set' if name in ('inputs', 'values') else shown.replace('_', '-')}"


def as_command(operation: Operation[Any, Any], values: Mapping[str, Any]) -> str:
    """The line that asks for `operation` with `values`, as one would type it."""
    words, positional = grammar(operation.cli)
    fields = operation.input.model_fields
    by_name = {name: values[info.alias or name] for name, info in fields.items() if (info.alias or name) in values}
    line = ["pave", *words, *(str(by_name.pop(name)) for name, _ in positional if name in by_name)]
    for name, value in by_name.items():
        flag = _flag(name, fields[name].alias or name)
        if isinstance(value, bool):
            line.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, Mapping):
            line += [part for key, one in value.items() for part in (flag, f"{key}={_typed(one)}")]
        else:
            line += [flag, _typed(value)]
    return shlex.join(line)


def _typed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def fix(operation: Operation[Any, Any], values: Mapping[str, Any], verdict: Mapping[str, Any]) -> str:
    """The command that passes where every guardrail that stands in the way says what to change; else empty."""
    patches = [one.get("patch") or {} for one in verdict.get("findings", ()) if one.get("level") != "advisory"]
    if not patches or not all(patches) or not all(key in _inputs(operation) for one in patches for key in one):
        return ""
    mended = dict(values)
    for patch in patches:
        for key, value in patch.items():
            mended[key] = {**mended.get(key, {}), **value} if isinstance(value, Mapping) else value
    return as_command(operation, mended)


def _inputs(operation: Operation[Any, Any]) -> set[str]:
    return {info.alias or name for name, info in operation.input.model_fields.items()}


def _switches(operation: Operation[Any, Any]) -> list[inspect.Parameter]:
    found = []
    if operation.dry_run:
        about = "Show the plan and its verdict; change nothing."
        found.append(_keyword("dry_run", Annotated[bool, typer.Option("--dry-run", help=about)], default=False))
    if operation.starts_run:
        about = "Follow the run to its end, or return at once."
        found.append(_keyword("wait", Annotated[bool, typer.Option("--wait/--no-wait", help=about)], default=True))
        about = "Asked again with the same key, it happens once."
        found.append(_keyword("key", Annotated[str, typer.Option("--key", help=about, show_default=False)], default=""))
    if operation.stream:
        about = "Go on with what comes, until Ctrl-C."
        found.append(_keyword("follow", Annotated[bool, typer.Option("--follow", "-f", help=about)], default=False))
    if operation.live:
        about = "Show it again every few seconds, until Ctrl-C."
        found.append(_keyword("watch", Annotated[bool, typer.Option("--watch", help=about)], default=False))
    about = "Print the answer as JSON."
    found.append(_keyword("as_json", Annotated[bool, typer.Option("--json", help=about)], default=False))
    return found


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if default is ... else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _values(operation: Operation[Any, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The input as the server takes it; checked. Exits with 2 where the model refuses it."""
    fields = operation.input.model_fields
    values: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or (value == [] and not fields[name].is_required()):
            continue
        info = fields[name]
        if _is_mapping(info.annotation):
            value = dict(_pair(one) for one in value)  # noqa: PLW2901 — the value as it is sent
        elif _is_object(info.annotation):
            value = _document(name, value)  # noqa: PLW2901 — the value as it is sent
        elif isinstance(extra := info.json_schema_extra, dict) and extra.get("x-file"):
            if "name" in fields and not given.get("name"):
                values["name"] = Path(value).name
            value = _packed(name, Path(value))  # noqa: PLW2901 — the value as it is sent
        elif name == "url" and "://" not in value and Path(value).exists():
            # The server may run in another folder than the command.
            value = str(Path(value).resolve())  # noqa: PLW2901 — the value as it is sent
        values[info.alias or name] = value
    try:
        checked = operation.input.model_validate(values)
    except ValidationError as problem:
        said = [f"{'.'.join(map(str, one['loc'])) or 'input'}: {one['msg']}" for one in problem.errors()]
        raise typer.BadParameter("; ".join(said)) from None
    sent: dict[str, Any] = checked.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return sent


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE")
    try:
        return key, yaml.safe_load(value) if value else ""
    except yaml.YAMLError:
        return key, value


def _document(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(Path(text[1:]).read_text() if text.startswith("@") else text)
    except (OSError, yaml.YAMLError) as problem:
        raise typer.BadParameter(f"{name} cannot be read: {problem}") from None


def _packed(name: str, path: Path) -> str:
    """A file as text that is short enough to be sent."""
    try:
        return "gzip:" + base64.b64encode(gzip.compress(path.read_bytes(), mtime=0)).decode()
    except OSError as problem:
        raise typer.BadParameter(f"{name} cannot be read: {problem}") from None


def _ask(client: Client, operation: Operation[Any, Any], values: dict[str, Any], switches: Mapping[str, Any]) -> None:
    if "colour" in operation.input.model_fields and sys.stdout.isatty() and not switches["as_json"]:
        values.setdefault("colour", True)
    if switches["follow"]:
        _follow(client, operation, values, quiet=bool(switches["as_json"]))
        return
    method, _, path = operation.rest.partition(" ")
    fields, asked = operation.input.model_fields, dict(values)
    for name in re.findall(r"{(\w+)(?::\w+)?}", path):
        default = fields[name].get_default(call_default_factory=True)
        text = quote(str(values.pop(fields[name].alias or name, default)), safe="/:")
        path = re.sub(rf"{{{name}(?::\w+)?}}", text.replace("\\", "\\\\"), path)
    in_query = method in ("GET", "DELETE")
    query = {"dry_run": "true"} if switches["dry_run"] else {}
    query |= {key: _text(value) for key, value in values.items()} if in_query else {}
    key = "" if operation.read_only else switches["key"] or f"cli-{uuid.uuid4().hex}"
    if switches["watch"] and not switches["as_json"]:
        render.watch(lambda: client.call(method, path, query, None), operation.output.__name__)
        return
    answer = client.call(method, path, query, None if in_query else values, key)
    quiet, followed = bool(switches["as_json"]), operation.starts_run and switches["wait"] and answer.get("id")
    if followed:
        answer = _wait(client, answer, quiet=quiet)
    if operation.starts_run and (command := fix(operation, asked, answer.get("verdict") or {})):
        answer = {**answer, "remedy": command}
    if quiet:
        render.as_json(answer)
    else:
        render.show(answer, operation.output.__name__, steps=not followed or sys.stderr.isatty())
    if operation.starts_run:
        raise typer.Exit(exit_code(RunView.model_validate(answer)))
    if answer.get("ok") is False:  # a verification that does not hold is no success for a script either
        raise typer.Exit(FAILED)
    if answer.get("allowed") is False:  # a question about rights, for scripts too
        raise typer.Exit(DENIED)


def _follow(client: Client, operation: Operation[Any, Any], values: Mapping[str, Any], *, quiet: bool) -> None:
    """Show what comes, without end; as JSON a line each."""
    for _, data in client.stream(operation.stream, {key: _text(value) for key, value in values.items()}):
        if quiet:
            print(json.dumps(data, ensure_ascii=False), flush=True)
        else:
            render.show({"lines": [data]}, operation.output.__name__)


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value


def _wait(client: Client, answer: Mapping[str, Any], *, quiet: bool) -> Mapping[str, Any]:
    view = RunView.model_validate(answer)
    with render.Progress(quiet=quiet) as progress:
        progress.show(view)
        for kind, data in client.follow(view.id):
            if kind in ("run", "end"):
                answer = data
                progress.show(view := RunView.model_validate(data))
                if view.state == "waiting" and view.result.get("approval"):
                    break  # it goes on without whoever asked, once somebody approved it
    return answer


def exit_code(run: RunView) -> int:
    """0 done or going on, 1 failed or cancelled, 3 denied by a guardrail, or waiting for somebody's approval."""
    outcome = (run.verdict or {}).get("outcome", "")
    asks = outcome == "needs-approval" and (not run.id or run.state == "waiting")
    if run.state == "denied" or outcome == "denied" or asks:
        return DENIED
    return FAILED if run.state in ("failed", "cancelled") else OK


class guarded:  # noqa: N801 — a context manager, read as a verb
    """Turns what can go wrong with the server into words and an exit code."""

    def __init__(self, *, json_wanted: bool = False) -> None:
        self.json_wanted = json_wanted

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, problem: BaseException | None, __: object) -> None:
        if isinstance(problem, Refusal):
            self._refused(problem)
        if isinstance(problem, Unreachable):
            render.unreachable(problem.url, problem.reason)
            raise typer.Exit(UNREACHABLE) from None
        if isinstance(problem, KeyboardInterrupt):
            raise typer.Exit(130) from None

    def _refused(self, problem: Refusal) -> NoReturn:
        if self.json_wanted:
            render.as_json(problem.problem)
        else:
            render.problem(problem.problem)
        raise typer.Exit(FAILED) from None


def _plain(annotation: Any) -> Any:
    """The annotation as Typer reads it: without None, enums as their choices, sequences as lists."""
    if get_origin(annotation) in (Union, types.UnionType):
        kept = [one for one in get_args(annotation) if one is not type(None)]
        return _plain(kept[0]) if len(kept) == 1 else str
    if inspect.isclass(annotation) and issubclass(annotation, enum.Enum):
        return Literal[tuple(one.value for one in annotation)]
    if get_origin(annotation) in (list, tuple, set, frozenset):
        one = _plain(get_args(annotation)[0])
        if get_origin(one) is Literal:
            one = str  # Typer has no lists of choices; the input's model refuses the others
        return list[one] if not _is_object(annotation) else str  # type: ignore[valid-type]
    if get_origin(annotation) is Literal or annotation in (str, int, float, bool):
        return annotation
    return str


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) in (dict, Mapping) or annotation is dict


def _is_object(annotation: Any) -> bool:
    """Whether it is a model, or a sequence of them: given as JSON."""
    if get_origin(annotation) in (list, tuple, Union, types.UnionType):
        return any(_is_object(one) for one in get_args(annotation))
    return inspect.isclass(annotation) and issubclass(annotation, BaseModel)


def _completion(name: str) -> Callable[[str], list[str]] | None:
    """Completes addresses and names from what runs; silent where no server answers."""
    parts = {"stack": "address", "component": "component", "env": "environment", "environment": "environment"}
    if name not in parts:
        return None

    def complete(incomplete: str) -> list[str]:
        try:
            with contextlib.closing(Session().client()) as client:
                stacks = client.call("GET", "/overview")["stacks"]
        except (Unreachable, Refusal, KeyError, TypeError):
            return []
        found = sorted({str(one[parts[name]]) for one in stacks})
        return [one for one in found if one.startswith(incomplete)] or difflib.get_close_matches(incomplete, found)

    return complete
