"""What the commands that speak to a running service share: the options of the connection, and how answers are shown."""

import inspect
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from triage.cli.options import Config, Home

Url = Annotated[str | None, typer.Option(help="Address of the service; that of the settings if not given.")]
KeyFile = Annotated[Path | None, typer.Option(help="File with your key; TRIAGE_KEY if not given.")]
_OPTIONS = {"url": Url, "key_file": KeyFile, "home": Home, "config": Config}


def connected(function: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the four options of a connection; the function gets the `Remote` as its first argument."""

    def command(
        url: str | None = None,
        key_file: Path | None = None,
        home: Path | None = None,
        config: Path | None = None,
        **values: Any,
    ) -> None:
        from triage.cli.remote import Remote

        function(Remote(url, key_file, home, config), **values)

    own = list(inspect.signature(function).parameters.values())[1:]
    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    options = [inspect.Parameter(name, keyword, default=None, annotation=kind) for name, kind in _OPTIONS.items()]
    parameters = [*own, *options]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    return command


def pairs(values: Sequence[str] | None, option: str) -> dict[str, str]:
    """NAME=VALUE pairs of an option that may be given several times."""
    found = {}
    for value in values or ():
        name, equals, text = value.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{value!r} is not NAME=VALUE", param_hint=option)
        found[name.strip().replace("-", "_")] = text.strip()
    return found


def show(content: Any, as_json: bool, *lines: str) -> None:
    """The whole answer as JSON, or the lines that people need."""
    typer.echo(json.dumps(content, indent=2) if as_json else "\n".join(lines))


def show_rows(content: Sequence[dict[str, Any]], as_json: bool, columns: Sequence[str]) -> None:
    """A list as JSON, or as a table of these columns; `a.b` is field b of field a."""
    if as_json:
        typer.echo(json.dumps(content, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text  # plain: brackets of a device's name are no markup

    table = Table(*(column.replace(".", " ").replace("_", " ") for column in columns))
    for row in content:
        table.add_row(*(Text(cell(_field(row, column))) for column in columns))
    # A pipe has no width, and a table cut to 80 columns would lose the ids.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def cell(value: Any) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(cell(one) for one in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def described(content: dict[str, Any], names: Iterable[str]) -> list[str]:
    """A line for each field."""
    width = max(map(len, names)) + 2
    return [f"{name.replace('_', ' ').replace('.', ' '):<{width}}{cell(_field(content, name))}" for name in names]


def _field(row: dict[str, Any], path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
