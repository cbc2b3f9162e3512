"""Serve: the Impact Assessment of a change record: what the threshold does, for better and for worse.

Input: `ChangeMaterial`. Output: a section.
"""

from collections.abc import Mapping
from typing import Any

from triage.core.governance import CalibrationVersion
from triage.decide.intervals import Proportion
from triage.serve.pages.change_material import ChangeMaterial
from triage.serve.pages.document import Paragraph, Section, Table
from triage.serve.pages.figures import BIRADS_ORDER, KIND_TITLES, area, full_rate, heterogeneity_text
from triage.serve.pages.flag_change import FlagChange

PARTS = {"evaluation": "Evaluation set", "calibration": "Calibration set"}
RATES = {
    "sensitivity": "Sensitivity: normals flagged",
    "specificity": "Specificity: abnormals not flagged",
    "missed": "Missed: abnormals flagged",
    "missed_severe": "Missed, BI-RADS 4, 5 and 6 together",
    "flag_rate": "Flagged of all",
}
OMISSIONS = {
    "gross": "Gross false omission: flagged exams with cancer, found by the readers or not",
    "net": "Net false omission: flagged exams with cancer that the readers found",
}
"""Per exam, of flagged exams with known follow-up (Bernstein et al. 2026)."""

_LIMITS = (
    "Every exam is still read by a radiologist. A flag sorts the list; it takes no exam off it and shortens no "
    "reading.",
    "The rates hold for exams as those of the sets: same site, device, software, acquisition, models and "
    "preprocessing. Anything else is not evaluated. An interval says how far chance alone may have led the "
    "rate astray, not more.",
    "A rate of 0 of n is not zero risk: its upper bound is what may be true.",
    "Once in force, every exam counts on control charts of flags, refusals and unfamiliar images; an alarm suspends "
    "the version. A flagged exam that is later assessed as BI-RADS 4, 5 or 6, or as an interval cancer, "
    "opens an incident.",
    "Known ways in which it can harm: readers trusting the flag, flagged exams waiting longer than others, and a "
    "device that changes without saying so in its headers.",
)


def impact(material: ChangeMaterial) -> Section:
    """Rates with intervals, misses by category, what changes for the same exams, limits."""
    report = material.version.report
    blocks: list[Paragraph | Table] = []
    if report is None:
        blocks.append(Paragraph("There is no evaluation, and so no measured impact.", warning=True))
    else:
        for kind, found in report["kinds"].items():
            blocks += _kind(kind, found, kind == material.version.kind)
        blocks.append(Paragraph(f"Pooling: {heterogeneity_text(report)}"))
    blocks += _flags(material)
    blocks += [Paragraph(text) for text in _LIMITS]
    return Section("3. Impact Assessment", tuple(blocks))


def _kind(kind: str, found: Mapping[str, Any], deciding: bool) -> list[Paragraph | Table]:
    parts = {name: found[name] for name in PARTS if found.get(name) is not None}
    columns = ("Rate", *(PARTS[name] for name in parts))
    rows = [(words, *(full_rate(rates[name]) for rates in parts.values())) for name, words in RATES.items()]
    rows.append(("Area under the ROC curve", *(area(rates["auc"]) for rates in parts.values())))
    if any(rates["false_omission"] for rates in parts.values()):
        rows += [
            (words, *(_false_omission(rates["false_omission"], name) for rates in parts.values()))
            for name, words in OMISSIONS.items()
        ]
    by_birads = tuple(
        (f"BI-RADS {one}", *(full_rate(rates["missed_by_birads"][one]) for rates in parts.values()))
        for one in BIRADS_ORDER
    )
    role = "this decides the flag" if deciding else "reported beside the one that decides"
    title = KIND_TITLES[kind]
    return [
        Table(f"{title}: rates ({role})", columns, tuple(rows)),
        Table(f"{title}: misses by category", ("Category", *columns[1:]), by_birads),
    ]


def _false_omission(found: Mapping[str, Any] | None, name: str) -> str:
    if found is None:
        return "not determined"
    unknown = f"; {found['unknown_follow_up']:,} flagged exams without follow-up are left out"
    return full_rate(found[name]) + (unknown if found["unknown_follow_up"] else "")


def _flags(material: ChangeMaterial) -> list[Paragraph | Table]:
    old, new = material.predecessor, material.version
    if old is None:
        return [Paragraph("Before this version no exam of the stratum was flagged: every flag is a change.")]
    if material.flags is None:
        return [
            Paragraph("The flags of the version before cannot be compared on the same exams: there is no set of them.")
        ]
    return [_comparison(material.flags, old, new)]


def _comparison(change: FlagChange, old: CalibrationVersion, new: CalibrationVersion) -> Table:
    return Table(
        "Flags of the same exams of the evaluation set, before and after",
        ("Rate", f"Before: version {old.number}", f"After: version {new.number}"),
        (
            ("Exams flagged", _rate(change.old), _rate(change.new)),
            ("Abnormal exams flagged", _rate(change.missed_old), _rate(change.missed_new)),
            ("Exams flagged by this version only", f"{change.lost:,}", f"{change.gained:,}"),
        ),
    )


def _rate(one: Proportion) -> str:
    values = {name: getattr(one, name) for name in ("k", "n", "clusters", "design_effect", "low", "high", "value")}
    return full_rate(values)
