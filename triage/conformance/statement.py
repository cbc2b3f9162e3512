"""Conformance: the whole statement after the outline of PS3.2. Input: nothing but the code. Output: Markdown."""

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from triage import __version__
from triage.conformance.content import content
from triage.conformance.delivery import delivery, security
from triage.conformance.markdown import section, table
from triage.conformance.networking import entities
from triage.settings import CStoreDestination, Hl7Destination, Settings, StowDestination

RENEW = "triage conformance > docs/conformance.md"
"""The command that renews the file in the repository."""

ACTORS = (
    (
        "AIR Evidence Creator",
        "Evidence Documents Stored [RAD-43]: TID 1500 as Comprehensive 3D SR, in the study of the images",
        (
            "tests/service/test_orthanc.py::test_results_come_back_under_the_study_that_orthanc_forwarded",
            "tests/report/test_template_check.py::test_what_the_service_writes_has_no_problem",
        ),
    ),
    (
        "AIR Evidence Creator",
        "Storage Commitment [RAD-10]",
        ("tests/deliver/test_commitment.py::test_orthanc_keeps_what_it_has_and_says_so_when_it_has_it_not",),
    ),
)
"""IHE actors and transactions, each with the tests that show it. What no test shows is not claimed."""


def statement() -> str:
    """The statement."""
    return "\n\n".join(
        [
            "# DICOM conformance statement",
            f"Mammography triage, version {__version__}. Generated from the code by `{RENEW}`; do not edit.",
            _overview(),
            entities(),
            content(),
            delivery(),
            security(),
            _configuration(),
            _actors(),
        ]
    )


def _overview() -> str:
    return section(
        "1 Overview",
        "The service receives mammography studies, evaluates those that its rules allow, and sends back which exams "
        "are confidently normal, which are not flagged and which were not evaluated and why. Every exam is still read "
        "by a radiologist. A study is evaluated as soon as its four standard views are there, else after a quiet "
        "period; an image that comes later opens a new revision, whose result replaces the earlier one.",
    )


def _configuration() -> str:
    rows = [*_keys(Settings, "")]
    for destination in (CStoreDestination, StowDestination, Hl7Destination):
        kind = destination.model_fields["kind"].annotation
        rows += [(f"[[destination]] {_kind(kind)}", key, default) for _, key, default in _keys(destination, "")]
    return section(
        "7 Configuration",
        "In `triage.toml`, in the environment or on the command line.",
        table(("section", "key", "default"), rows),
    )


def _kind(annotation: object) -> str:
    """`c-store` of Literal["c-store"]."""
    return str(getattr(annotation, "__args__", ("",))[0])


def _keys(model: type[BaseModel], place: str) -> Iterator[tuple[str, str, str]]:
    """Section, key and default of every setting, sections after the keys beside them."""
    nested = []
    for name, field in model.model_fields.items():
        if name in ("destination", "kind"):
            continue
        if kind := _section(field.annotation):
            nested.append((name, kind, "[" if isinstance(field.get_default(), tuple) else ""))
        else:
            default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
            yield (place, name, default)
    for name, kind, bracket in nested:
        inner = f"{place.strip('[]')}.{name}".removeprefix(".")
        closing = "]" if bracket else ""
        yield from _keys(kind, f"[{bracket}{inner}{closing}]")


def _section(annotation: object) -> type[BaseModel] | None:
    """The section that a key holds, also where it may be left out or stand several times."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section(part))), None)


def _default(value: object) -> str:
    return "none" if value is None or value in ("", (), {}) else f"`{_toml(value)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def _actors() -> str:
    rows = [(actor, transaction, ", ".join(f"`{test}`" for test in tests)) for actor, transaction, tests in ACTORS]
    return section(
        "8 IHE",
        "No profile was tested at a Connectathon, and no integration statement is made. What the tests show of actors "
        "and transactions:",
        table(("actor", "transaction", "shown by"), rows),
    )
