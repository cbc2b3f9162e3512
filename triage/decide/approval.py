"""Decide: what speaks against approving a calibration. Input: the version and evidence. Output: codes and sentences.

What is not shown counts as not so: a missing declaration, table or set refuses.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from triage.core.governance import CalibrationVersion
from triage.decide.operating_point import CATEGORY_ORDER, Protocol
from triage.decide.pooling import pooling_refusals
from triage.decide.sample_size import HALF_WIDTH, needed

Refusals = tuple[tuple[str, str], ...]

_CATEGORIES = {"2": ("2",), "0": ("0",), "4, 5 and 6": ("4", "5", "6")}
"""Of which a case must be in either set. Not 3: screening programmes exist that do not use it; and 5 and 6 are too rare
in a consecutive sample to ask for each."""
_DEFAULT = Protocol()
LIMITS = {
    "target_sensitivity": _DEFAULT.target_sensitivity,
    "alpha": _DEFAULT.alpha,
    "delta": _DEFAULT.delta,
    "alpha_severe": _DEFAULT.alpha_severe,
}
"""The most that a protocol may allow and still be approved. Others can be drafted and evaluated, to learn."""
LEVEL = _DEFAULT.level
"""Of every interval by which approval decides: wider ones hide what is off, narrower ones make samples look enough."""


@dataclass(frozen=True)
class Evidence:
    """What is known about the sets behind a version, beside its report."""

    calibration_patients: frozenset[str]
    evaluation_patients: frozenset[str]
    training_patients: frozenset[str]
    """Of all training sets uploaded for the bundle; empty if none was. Keys made with another secret than those of the
    sets never match any of them, so that no overlap found here does not show that there is none."""
    declarations: Sequence[Mapping[str, Any]]
    """Of the calibration set, then of the evaluation set if there is one: `label_source`, `follow_up`, `consecutive`
    and `disjoint_from_training`."""
    bounds: Mapping[str, Sequence[float]] | None = None
    """By kind, between which thresholds the bundle declared before any site calibrated it; None if not known here."""


def refusals(version: CalibrationVersion, evidence: Evidence, now: datetime | None = None) -> Refusals:
    """Code and sentence of everything that speaks against approval; empty if nothing does.

    Codes: not-evaluated, expired, no-evaluation-set, protocol-beyond-limits, patients-overlap, training-overlap,
    training-undeclared, not-consecutive, label-source-undeclared, follow-up-undeclared, sample-too-small,
    categories-missing, sensitivity-off-target, missed-above-limit, too-few-local-abnormals, strata-differ,
    local-misses-above-limit, threshold-out-of-bounds.

    Args:
        version: evaluated, or it is refused.
        evidence: patients and declarations of its sets.
        now: against which it expires; by default the present.
    """
    checks: tuple[Callable[[], Iterable[tuple[str, str]]], ...] = (
        lambda: _in_time(version, now or datetime.now(UTC)),
        lambda: _protocol(version),
        lambda: _patients(evidence),
        lambda: _declared(evidence),
        lambda: _report(version, evidence),
    )
    return tuple(found for check in checks for found in check())


def _in_time(version: CalibrationVersion, now: datetime) -> Iterable[tuple[str, str]]:
    if version.expires_at <= now:
        yield "expired", f"It expired on {version.expires_at:%Y-%m-%d}; draft a new version."
    if version.evaluation_set is None:
        yield "no-evaluation-set", "Its rates were measured on nothing but the set that set the threshold; add another."


def _protocol(version: CalibrationVersion) -> Iterable[tuple[str, str]]:
    protocol = Protocol.from_json(version.protocol)
    beyond = [
        f"{name} {getattr(protocol, name):g} where at most {most:g} is allowed"
        for name, most in LIMITS.items()
        if getattr(protocol, name) > most
    ]
    if protocol.level != LEVEL:
        beyond.append(f"level {protocol.level:g} where it must be {LEVEL:g}")
    if beyond:
        yield "protocol-beyond-limits", f"The protocol has {', '.join(beyond)}; draft with the default protocol."


def _patients(evidence: Evidence) -> Iterable[tuple[str, str]]:
    both = len(evidence.calibration_patients & evidence.evaluation_patients)
    if both:
        yield (
            "patients-overlap",
            f"{_people(both)} in the calibration set and in the evaluation set; take them out of one.",
        )
    ours = evidence.calibration_patients | evidence.evaluation_patients
    trained = len(ours & evidence.training_patients)
    if trained:
        yield "training-overlap", f"{_people(trained)} in the sets and among those the models were trained on."
    if not _all_tell(evidence, "disjoint_from_training"):
        yield (
            "training-undeclared",
            "Not every set declares how its patients are known to be apart from those that the models were trained on "
            "(disjoint_from_training). An uploaded training set does not replace that: overlaps are found only among "
            "keys that were made with one secret.",
        )


def _people(number: int) -> str:
    return "1 patient is" if number == 1 else f"{number:,} patients are"


def _declared(evidence: Evidence) -> Iterable[tuple[str, str]]:
    given = evidence.declarations
    if not given or not all(one.get("consecutive") is True for one in given):
        yield "not-consecutive", "Not every set is declared a consecutive sample; a chosen one has rates of its own."
    if not _all_tell(evidence, "label_source"):
        yield "label-source-undeclared", "Not every set declares who assigned the BI-RADS categories, and how."
    if not _all_tell(evidence, "follow_up"):
        yield "follow-up-undeclared", "Not every set declares how long its patients were followed up, and how."


def _all_tell(evidence: Evidence, name: str) -> bool:
    given = [str(one.get(name) or "").strip() for one in evidence.declarations]
    return bool(given) and all(given)


def _report(version: CalibrationVersion, evidence: Evidence) -> Iterable[tuple[str, str]]:
    kind = ((version.report or {}).get("kinds") or {}).get(version.kind)
    if not kind:
        yield "not-evaluated", f"There is no report for kind {version.kind}; evaluate it first."
        return
    protocol = Protocol.from_json(version.protocol)
    sets = {name: kind[name] for name in ("calibration", "evaluation") if kind.get(name)}
    if version.evaluation_set is not None and "evaluation" not in sets:
        yield "not-evaluated", "The report has no rates on the evaluation set; evaluate it again."
    yield from _sizes(sets, protocol)
    yield from _categories(sets)
    if "evaluation" in sets:
        yield from _rates(version, sets["evaluation"], protocol)
    if version.pool_abnormals and version.report:
        yield from pooling_refusals(version.report, version.kind, protocol.alpha)
    yield from _bounds(version, evidence)


def _sizes(sets: Mapping[str, Mapping[str, Any]], protocol: Protocol) -> Iterable[tuple[str, str]]:
    least = needed(protocol)
    short = []
    for name, rates in sets.items():
        # Without a miss the design effect is unknown, so that it is patients who can prove anything.
        if rates["missed"]["clusters"] < least["abnormal"]:
            short.append(
                f"abnormal cases of {rates['missed']['clusters']:,} patients in the {name} set, and "
                f"{least['abnormal']:,} are needed to prove {protocol.alpha:.1%}"
            )
        # The evaluation set measures severe misses; only the calibration set has to prove them.
        if name == "calibration" and rates["missed_severe"]["clusters"] < least["severe"]:
            short.append(
                f"BI-RADS 4, 5 and 6 of {rates['missed_severe']['clusters']:,} patients in the {name} set, and "
                f"{least['severe']:,} are needed to prove {protocol.alpha_severe:.1%}"
            )
        normals, effect = rates["sensitivity"]["n"], rates["sensitivity"]["design_effect"]
        if normals / effect < least["normal"]:
            short.append(
                f"{normals:,} normals in the {name} set, worth {normals / effect:,.0f} independent ones, and "
                f"{least['normal']:,} are needed for +-{HALF_WIDTH:.0%} around {protocol.target_sensitivity:.1%}"
            )
    if short:
        yield "sample-too-small", f"There are {'; '.join(short)}."


def _categories(sets: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    tables = [rates.get("missed_by_birads") or {} for rates in sets.values()]
    if any(str(one) not in table for table in tables for one in CATEGORY_ORDER):
        yield "categories-missing", "The report does not tell the misses of each BI-RADS category; evaluate it again."
        return
    absent = [
        words for words, ones in _CATEGORIES.items() if not sum(table[one]["n"] for table in tables for one in ones)
    ]
    if absent:
        yield (
            "categories-missing",
            f"Neither set has a case of BI-RADS {' or of '.join(absent)}; add consecutive cases.",
        )


def _rates(version: CalibrationVersion, rates: Mapping[str, Any], protocol: Protocol) -> Iterable[tuple[str, str]]:
    target, found, missed = protocol.target_sensitivity, rates["sensitivity"], rates["missed"]
    below, above = found["high"] < target, found["low"] > target
    if above or (below and not version.limited_by_safety):
        yield (
            "sensitivity-off-target",
            f"{_share(found)} of the normals in the evaluation set are flagged, and {target:.1%} is not within; find "
            "out how the sets differ.",
        )
    if missed["low"] > protocol.alpha:
        yield (
            "missed-above-limit",
            f"{_share(missed)} of the abnormals in the evaluation set are flagged: more than {protocol.alpha:.1%}.",
        )


def _share(rate: Mapping[str, Any]) -> str:
    return f"{rate['value']:.1%} ({rate['low']:.1%} to {rate['high']:.1%})"


def _bounds(version: CalibrationVersion, evidence: Evidence) -> Iterable[tuple[str, str]]:
    if evidence.bounds is None:
        yield "threshold-out-of-bounds", "The bundle's bounds are not known to this service; run it with that bundle."
        return
    if version.threshold is None:
        return
    if version.kind not in evidence.bounds:
        yield "threshold-out-of-bounds", f"The model bundle declares no bounds for thresholds of kind {version.kind}."
        return
    low, high = evidence.bounds[version.kind]
    if not low <= version.threshold <= high:
        yield (
            "threshold-out-of-bounds",
            f"The threshold {version.threshold:.6f} is not within {low:.6f} to {high:.6f}, which the bundle declared.",
        )
