"""Serve: the Modification Protocol of a change record: data, methods and acceptance criteria fixed beforehand.

Input: `ChangeMaterial`. Output: a section.
"""

from collections.abc import Mapping
from typing import Any

from triage.decide.pooling import LEAST_LOCAL, LEAST_P
from triage.serve.pages.change_material import ChangeMaterial, DataSet
from triage.serve.pages.document import Paragraph, Section, Table
from triage.serve.pages.figures import BIRADS_ORDER, KIND_TITLES, percent

CRITERIA = {
    "not-evaluated": "The calibration was evaluated under its protocol.",
    "no-evaluation-set": "The rates are measured on a set of their own, not on the one that set the threshold.",
    "sample-too-small": "Both sets hold enough independent patients for what is to be shown.",
    "protocol-beyond-limits": "The protocol is no weaker than the default: target, alpha, alpha for BI-RADS 4 to 6, "
    "delta and level.",
    "patients-overlap": "No patient is in both the calibration set and the evaluation set.",
    "training-overlap": "No patient key of either set is in a training set uploaded for the models. Keys made with "
    "another secret cannot be compared.",
    "training-undeclared": "It is declared how the patients of both sets are known to be apart from those that the "
    "models were trained on.",
    "not-consecutive": "Both sets are declared to be consecutive samples.",
    "label-source-undeclared": "It is declared where the labels come from.",
    "follow-up-undeclared": "It is declared how long and how patients were followed up.",
    "categories-missing": "Misses are told for every BI-RADS category, with cases of 2, of 0, and of 4, 5 or 6.",
    "sensitivity-off-target": "The interval of the sensitivity on the evaluation set holds the target, unless safety "
    "limits the threshold.",
    "missed-above-limit": "The interval of the share of abnormals flagged does not lie above alpha.",
    "too-few-local-abnormals": f"If abnormals of other strata are pooled, {LEAST_LOCAL} patients of this one have "
    "abnormals too.",
    "strata-differ": f"If they are pooled, the strata do not differ in what they miss (p of at least {LEAST_P}).",
    "local-misses-above-limit": "If they are pooled, the interval of the share of this stratum's own abnormals flagged "
    "does not lie above alpha.",
    "threshold-out-of-bounds": "The threshold lies within the bounds that the bundle declared beforehand.",
    "expired": "The calibration has not expired.",
}
"""What approval asks for, by the code of the refusal. See `triage.decide.approval`."""
_FROM_REPORT = {
    "sample-too-small",
    "categories-missing",
    "sensitivity-off-target",
    "missed-above-limit",
    "too-few-local-abnormals",
    "strata-differ",
    "local-misses-above-limit",
    "threshold-out-of-bounds",
}
_FROM_EVALUATION = {
    "patients-overlap",
    "sensitivity-off-target",
    "missed-above-limit",
    "local-misses-above-limit",
}

_DECLARED = {
    "label_source": "Where the labels come from",
    "follow_up": "Follow-up",
    "consecutive": "Consecutive sample",
    "disjoint_from_training": "Apart from training data",
}


def protocol(material: ChangeMaterial) -> Section:
    """What was to be done, and whether approval's criteria are met."""
    said = material.version.protocol
    settings = tuple((words, _shown(said[name])) for name, words in _SETTINGS.items() if name in said)
    blocks: list[Paragraph | Table] = [
        Paragraph("Everything in this part was fixed before any score of the data sets was looked at."),
        Table("Protocol", ("Setting", "Value"), settings),
        *(Paragraph(text) for text in _METHODS),
        *_data(material),
        _criteria(material),
        Paragraph(
            "An approver who is neither the author of the version nor the uploader of its data signs before it can be "
            "activated. Activation names the version that it replaces and fails if another one is in force by then. "
            "One person may suspend at any time; to reinstate takes two."
        ),
    ]
    return Section("2. Modification Protocol", tuple(blocks))


_SETTINGS = {
    "target_sensitivity": "Target sensitivity: share of normals that is flagged",
    "alpha": "Most abnormals that may be flagged (alpha)",
    "alpha_severe": "The same for BI-RADS 4, 5 and 6",
    "delta": "Chance allowed that the true share is above alpha (delta)",
    "level": "Level of every interval",
    "bootstraps": "Patient bootstraps for areas under the curve",
}

_METHODS = (
    "Threshold: the greater of two. The first is the lowest score of a normal at which no more normals than the target "
    "are flagged; ties flag fewer. The second is found by a fixed-sequence test that walks down from the highest "
    "score for as long as the upper bound of the share of abnormals flagged stays within alpha at "
    "confidence 1 - delta.",
    "Intervals: Korn-Graubard, that is Clopper-Pearson on the sample size divided by the design effect of several "
    "images of one patient; where nothing happened, the sample size is the number of patients.",
    "Normal means BI-RADS 1. Sensitivity counts normal as positive: the share of normals that is flagged. A miss is an "
    "abnormal that is flagged as normal.",
)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return percent(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _data(material: ChangeMaterial) -> list[Paragraph | Table]:
    given = {"Calibration set": material.calibration_set, "Evaluation set": material.evaluation_set}
    sets = {name: one for name, one in given.items() if one}
    if not sets:
        return [Paragraph("No data set stands behind this version in this service; see the model bundle's own card.")]
    columns = ("Item", *sets)
    described = tuple(
        (item, *values) for item, *values in zip(_SET_ITEMS, *(_described(one) for one in sets.values()), strict=True)
    )
    blocks: list[Paragraph | Table] = [Table("Data sets", columns, described)]
    report = material.version.report
    for kind, found in (report or {}).get("kinds", {}).items():
        counted = {
            name: found[name.split()[0].lower()] for name in sets if found.get(name.split()[0].lower()) is not None
        }
        if counted:
            rows = tuple(
                (item, *values)
                for item, *values in zip(_COUNT_ITEMS, *(_counts(rates) for rates in counted.values()), strict=True)
            )
            blocks.append(Table(f"Counts, {KIND_TITLES[kind].lower()}", ("Item", *counted), rows))
    return blocks


_SET_ITEMS = ("Name", "Identifier", "Rows", "SHA-256 of the rows", "Uploaded by", *_DECLARED.values())
_COUNT_ITEMS = ("Patients", "Exams", "BI-RADS 1 (normal)", *(f"BI-RADS {one}" for one in BIRADS_ORDER))


def _described(one: DataSet) -> tuple[str, ...]:
    declared = (_declaration(one.declarations.get(name)) for name in _DECLARED)
    return (one.name, one.id, f"{one.n_rows:,}", one.rows_sha256, one.uploaded_by, *declared)


def _declaration(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, "") else "not declared"


def _counts(rates: Mapping[str, Any]) -> tuple[str, ...]:
    counts, by_birads = rates["counts"], rates["missed_by_birads"]
    numbers = (counts["patients"], counts["exams"], counts["normal"], *(by_birads[one]["n"] for one in BIRADS_ORDER))
    return tuple(f"{number:,}" for number in numbers)


def _criteria(material: ChangeMaterial) -> Table:
    refused = dict(material.refusals or ())
    criteria = {**CRITERIA, **{code: "See the finding." for code in refused if code not in CRITERIA}}

    # What could not be looked at was not refused either, and must not read as passed.
    open_ones = set(criteria) if material.refusals is None else set[str]()
    open_ones |= _FROM_REPORT if "not-evaluated" in refused else set()
    open_ones |= _FROM_EVALUATION if "no-evaluation-set" in refused else set()

    def outcome(code: str) -> tuple[str, str]:
        if code in refused:
            return ("fail", refused[code])
        return ("not determined" if code in open_ones else "pass", "")

    rows = tuple((code, words, *outcome(code)) for code, words in criteria.items())
    return Table(
        "Acceptance criteria: approval is refused unless all pass", ("Code", "Criterion", "Outcome", "Finding"), rows
    )
