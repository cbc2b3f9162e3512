"""Serve: a calibration's numbers as people read them, for pages and change records alike.

Input: the evaluation report. Output: short texts. No rate is ever written without its interval and its denominator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triage.core.governance import CalibrationVersion

BIRADS_ORDER = ("2", "3", "0", "4", "5", "6")
"""Abnormal categories from the mildest to the gravest; 0 (needs more imaging) stands between 3 and 4."""
KIND_WORDS = {
    "image": "each image by itself; an exam is flagged if all four views are",
    "exam_min": "each exam by the least score of its views",
}
KIND_SHORT = {"image": "image", "exam_min": "exam"}
KIND_TITLES = {"image": "Per image", "exam_min": "Per exam (least score of its views)"}

PARTS = ("calibration", "evaluation")

Rate = Mapping[str, Any]


def percent(share: float) -> str:
    """A share in percent with two decimals."""
    return f"{100 * share:.2f}%"


def interval(rate: Rate | None) -> str:
    """`19 of 1,192, 1.59% (0.96-2.48%)`; the bounds alone where there was nothing to count."""
    if rate is None:
        return "not determined"
    if not rate["n"]:
        return "0 of 0: nothing to count"
    share = f"{rate['k']:,} of {rate['n']:,}, {percent(rate['value'])}"
    return f"{share} ({100 * rate['low']:.2f}-{percent(rate['high'])})"


def basis(rate: Rate | None) -> str:
    """What the interval rests on: patients and design effect."""
    if rate is None or not rate["n"]:
        return ""
    patients = "1 patient" if rate["clusters"] == 1 else f"{rate['clusters']:,} patients"
    return f"{patients}, design effect {rate['design_effect']:.2f}"


def full_rate(rate: Rate | None) -> str:
    """Interval and basis in one text."""
    return ", ".join(part for part in (interval(rate), basis(rate)) if part)


def area(auc: Rate | None) -> str:
    """An area under the curve with its interval."""
    if auc is None:
        return "not determined"
    return f"{auc['value']:.4f} ({auc['low']:.4f}-{auc['high']:.4f}), {auc['by']}"


def threshold_text(threshold: float | None) -> str:
    """All six decimals that decide."""
    return "none: nothing is flagged" if threshold is None else f"{threshold:.6f}"


LIMITS = {
    "none": "the target sensitivity decides",
    "abnormal": "raised by the limit on missed abnormals",
    "severe": "raised by the limit on missed BI-RADS 4, 5 and 6",
    "no-normals": "too few normals to find one",
}
"""What `limited_by` of a report means."""


def safety_text(limited: bool) -> str:
    """Which of the two thresholds binds."""
    if limited:
        return "limited by safety: fewer exams are flagged than the target, to keep misses within the bound"
    return "not limited by safety: the target sensitivity decides"


def yes_no(value: object) -> str:
    """A truth value in words."""
    return "yes" if value else "no"


def heterogeneity_text(report: Mapping[str, Any]) -> str:
    """Whether abnormals of other strata stand behind the safety threshold, and whether the strata agree."""
    if not report["pool_abnormals"]:
        return "abnormals of this stratum only."
    found = report["heterogeneity"]
    if found is None:
        return f"abnormals of several strata were allowed, and there was one stratum to take them from.{_local(report)}"
    return (
        f"abnormals of {found['strata']} strata together, normals of this one only. Test of whether the strata differ "
        f"({found['test']}): p = {found['p']:.4f}.{_local(report)}"
    )


def _local(report: Mapping[str, Any]) -> str:
    """How many of the pooled abnormals are the stratum's own, and what is missed of those; reports may not tell."""
    kind = report["kinds"][report["kind"]]
    told = {part: kind[part]["missed_local"] for part in PARTS if kind.get(part) and "missed_local" in kind[part]}
    if not told:
        return ""
    if not any(rate["n"] for rate in told.values()):
        return " No abnormal is of this stratum: nothing measured shows how many it misses."
    missed = "; ".join(f"{full_rate(rate)} ({part} set)" for part, rate in told.items())
    return f" Of this stratum's own abnormals are missed: {missed}."


def threshold_of(version: CalibrationVersion) -> str:
    """The threshold that decides, or why there is none yet."""
    return threshold_text(version.threshold) if decided(version) else "open until evaluated"


def limit_of(version: CalibrationVersion) -> str:
    """Which limit decides, in a few words."""
    if not decided(version):
        return "open until evaluated"
    return "limited by safety" if version.limited_by_safety else "target sensitivity"


def decided(version: CalibrationVersion) -> bool:
    """False while the threshold is not known; shipped versions come with one and without a report."""
    return version.report is not None or version.demonstration


@dataclass(frozen=True)
class Line:
    """A name and what is to be said of it."""

    name: str
    text: str


GROUPS = {"abnormal": "abnormals", "severe": "BI-RADS 4, 5, 6", "normal": "normals"}


def sample_lines(found: Mapping[str, Any]) -> tuple[Line, ...]:
    """How many rows each set has and how many are still missing, as `triage.decide.sample_size` counted them."""
    lines = []
    for part in PARTS:
        for group, counted in (found.get(part) or {}).items():
            name = f"{part.capitalize()} set, {GROUPS[group]}"
            lines.append(Line(name, _normals(counted) if group == "normal" else _abnormals(counted)))
    return tuple(lines)


def _normals(counted: Mapping[str, Any]) -> str:
    aim = f"to tell the sensitivity to within {100 * counted['half_width']:.0f} points"
    there = f"{counted['n']:,} of {counted['patients']:,} patients, {counted['needed']:,} needed {aim}"
    return f"{there}: " + (f"{counted['more']:,} missing" if counted["more"] else "enough")


def _abnormals(counted: Mapping[str, Any]) -> str:
    there = f"{counted['missed']:,} of {counted['n']:,} missed, {counted['patients']:,} patients"
    if counted["proven"]:
        return f"{there}: enough to prove at most {percent(counted['alpha'])}"
    lacking = [f"at least {counted['more_without_a_miss']:,} more without a miss"]
    if counted["more_at_this_share"] is None:
        lacking.append("never at this share of misses")
    elif counted["missed"]:
        lacking.append(f"{counted['more_at_this_share']:,} more at this share of misses")
    return f"{there}: not enough to prove at most {percent(counted['alpha'])}; {', '.join(lacking)}"
