"""Serve: the templates and the words that pages put values in. Every value is escaped; an unknown one is an error."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.templating import Jinja2Templates

FOLDER = Path(__file__).parents[1] / "templates"


def person(name: str) -> str:
    """A DICOM person name as people write it: `Doe^Jane^^Dr` becomes `Doe, Jane, Dr` (PS3.5 6.2.1)."""
    alphabetic = name.split("=", maxsplit=1)[0] or name.strip("=")
    return ", ".join(part.strip() for part in alphabetic.split("^") if part.strip())


def day(value: str) -> str:
    """A DICOM date as ISO 8601, or as it stands if it is none."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdigit() else value


def local(value: datetime) -> str:
    """A time in the zone of the service, to the second."""
    return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(value: datetime) -> str:
    """Time since then, in the two largest units."""
    seconds = max(0, int((datetime.now(UTC) - value) / timedelta(seconds=1)))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def clause(text: str) -> str:
    """A sentence as the end of another one: no full stop, and no capital unless the first word is a name or a code."""
    first = text.split(" ", 1)[0]
    return (text[:1].lower() if first[1:].islower() or len(first) == 1 else text[:1]) + text[1:].rstrip(".")


def logit(value: float | None) -> str:
    """A score with its sign, in 3 decimals; the interface gives all six."""
    return "not run" if value is None else f"{value:+.3f}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {one.__name__: one for one in (person, day, local, ago, clause, logit)}
    environment.globals["now"] = lambda: datetime.now(UTC)
    return environment


TEMPLATES = Jinja2Templates(env=_environment())
