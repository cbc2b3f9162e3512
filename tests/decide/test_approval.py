"""What speaks against approval: each reason alone, and nothing where there is none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.calibration_sites import site
from triage.core.governance import CalibrationState, CalibrationVersion
from triage.core.strata import Stratum
from triage.decide.approval import Evidence, refusals
from triage.decide.evaluation import evaluate
from triage.decide.operating_point import CalibrationSet, Protocol

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STRATUM = Stratum("Site", "ACME", "M1", "V1", "DIRECT", "b" * 64, "1")
DECLARED = {
    "label_source": "two readers, consensus",
    "follow_up": "24 months, cancer register",
    "consecutive": True,
    "disjoint_from_training": "the models were trained elsewhere",
}
FAST = Protocol(bootstraps=100)
SETS = {n: site(n, n, strata=(STRATUM.id,)) for n in (120, 1500, 2500)}
ELSEWHERE = "0" * 16
EVIDENCE = Evidence(
    calibration_patients=frozenset({"a", "b"}),
    evaluation_patients=frozenset({"c"}),
    training_patients=frozenset(),
    declarations=(DECLARED, DECLARED),
    bounds={"image": (-9.0, 9.0), "exam_min": (-9.0, 9.0)},
)


def version(
    calibration: CalibrationSet = SETS[2500],
    evaluation: CalibrationSet | None = SETS[1500],
    kind: str = "exam_min",
    protocol: Protocol = FAST,
    pool: bool = False,
) -> CalibrationVersion:
    report = evaluate(calibration, evaluation, STRATUM.id, kind, protocol, pool)
    return CalibrationVersion(
        id="c1",
        number=1,
        stratum=STRATUM,
        state=CalibrationState.EVALUATED,
        kind=kind,
        threshold=report["threshold"],
        image_threshold=report["image_threshold"],
        limited_by_safety=report["limited_by_safety"],
        demonstration=False,
        author="anna",
        created_at=NOW,
        expires_at=NOW + timedelta(days=365),
        calibration_set="set-1",
        evaluation_set="set-2" if evaluation is not None else None,
        pool_abnormals=pool,
        protocol=protocol.to_json(),
        report=report,
    )


SOUND = version()


def codes(of: CalibrationVersion = SOUND, evidence: Evidence = EVIDENCE) -> list[str]:
    return [code for code, _ in refusals(of, evidence, NOW)]


def text(of: CalibrationVersion = SOUND, evidence: Evidence = EVIDENCE) -> str:
    return " ".join(sentence for _, sentence in refusals(of, evidence, NOW))


def changed(name: str, **values: object) -> CalibrationVersion:
    """The sound version with a rate of its evaluation replaced."""
    report = SOUND.report
    assert report is not None
    kind = report["kinds"]["exam_min"]
    rates = kind["evaluation"] | {name: kind["evaluation"][name] | values}
    return replace(SOUND, report=report | {"kinds": {"exam_min": kind | {"evaluation": rates}}})


@pytest.mark.parametrize("kind", ["image", "exam_min"])
def test_nothing_speaks_against_a_sound_one(kind: str) -> None:
    assert refusals(version(kind=kind), EVIDENCE, NOW) == ()


def test_patients_in_two_sets() -> None:
    assert codes(evidence=replace(EVIDENCE, evaluation_patients=frozenset({"b", "c"}))) == ["patients-overlap"]
    for patient in ("a", "c"):
        assert codes(evidence=replace(EVIDENCE, training_patients=frozenset({patient}))) == ["training-overlap"]
    assert "1 patient is" in text(evidence=replace(EVIDENCE, training_patients=frozenset({"a"})))
    assert codes(evidence=replace(EVIDENCE, training_patients=frozenset({"x"}))) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("label_source", "label-source-undeclared"),
        ("follow_up", "follow-up-undeclared"),
        ("consecutive", "not-consecutive"),
        ("disjoint_from_training", "training-undeclared"),
    ],
)
def test_declarations_of_either_set(name: str, code: str) -> None:
    for wrong in (DECLARED | {name: ""}, {key: value for key, value in DECLARED.items() if key != name}):
        for given in ((wrong, DECLARED), (DECLARED, wrong)):
            assert codes(evidence=replace(EVIDENCE, declarations=given)) == [code]
    assert code in codes(evidence=replace(EVIDENCE, declarations=()))
    assert codes(evidence=replace(EVIDENCE, declarations=(DECLARED, DECLARED | {"consecutive": "yes"}))) == [
        "not-consecutive"
    ]


def test_uploaded_training_patients_do_not_replace_the_declaration() -> None:
    untold = DECLARED | {"disjoint_from_training": " "}
    uploaded = replace(EVIDENCE, declarations=(untold, untold), training_patients=frozenset({"x"}))
    assert codes(evidence=uploaded) == ["training-undeclared"]
    assert "keys that were made with one secret" in text(evidence=uploaded)
    overlapping = replace(uploaded, training_patients=frozenset({"a"}))
    assert codes(evidence=overlapping) == ["training-overlap", "training-undeclared"]


def test_time() -> None:
    assert codes(replace(SOUND, expires_at=NOW)) == ["expired"]
    assert [code for code, _ in refusals(replace(SOUND, expires_at=datetime(2020, 1, 1, tzinfo=UTC)), EVIDENCE)] == [
        "expired"
    ]


def test_without_report_or_evaluation_set() -> None:
    assert codes(replace(SOUND, report=None)) == ["not-evaluated"]
    assert codes(replace(SOUND, report={})) == ["not-evaluated"]
    alone = version(evaluation=None)
    assert codes(alone) == ["no-evaluation-set"]
    assert codes(replace(alone, evaluation_set="set-2")) == ["not-evaluated"]


def test_small_sets_are_told_their_numbers() -> None:
    small = version(calibration=SETS[120], evaluation=SETS[120])
    assert codes(small)[0] == "sample-too-small"
    abnormal = small.report["kinds"]["exam_min"]["calibration"]["counts"]["abnormal"]  # type: ignore[index]
    assert f"abnormal cases of {abnormal} patients in the calibration set, and 119 are needed" in text(small)
    assert "and 59 are needed to prove 5.0%" in text(small)
    assert "and 246 are needed for +-5% around 20.0%" in text(small)
    assert "in the evaluation set" in text(small)
    only_evaluation = version(evaluation=SETS[120])
    assert "calibration set" not in text(only_evaluation)
    assert "sample-too-small" in codes(only_evaluation)


def test_clustered_normals_weigh_less() -> None:
    whole = SETS[1500]
    normals = whole.where(whole.normal)
    few = whole.where(~whole.normal | (whole.exams <= sorted(set(normals.exams))[70]))
    images = version(calibration=few, kind="image")
    rate = images.report["kinds"]["image"]["calibration"]["sensitivity"]  # type: ignore[index]
    assert rate["n"] > 246 > rate["n"] / rate["design_effect"]
    assert "worth" in text(images)


def test_categories() -> None:
    for gone, words in (((2,), "BI-RADS 2"), ((0,), "BI-RADS 0"), ((4, 5, 6), "BI-RADS 4, 5 and 6")):
        parts = [one.where(~_among(one, gone)) for one in (SETS[2500], SETS[1500])]
        assert "categories-missing" in codes(version(*parts))
        assert words in text(version(*parts))
        assert "categories-missing" not in codes(version(parts[0], SETS[1500]))
    no_third = [one.where(one.birads != 3) for one in (SETS[2500], SETS[1500])]
    assert codes(version(*no_third)) == []
    report = SOUND.report
    assert report is not None
    kind = report["kinds"]["exam_min"]
    bare = kind | {"evaluation": kind["evaluation"] | {"missed_by_birads": {}}}
    assert codes(replace(SOUND, report=report | {"kinds": {"exam_min": bare}})) == ["categories-missing"]


def _among(data: CalibrationSet, categories: tuple[int, ...]):  # noqa: ANN202
    return sum((data.birads == one for one in categories), start=data.birads < 0)


def test_sensitivity_off_the_target() -> None:
    low, high = changed("sensitivity", value=0.15, low=0.12, high=0.18), changed("sensitivity", value=0.25, low=0.21)
    assert codes(low) == ["sensitivity-off-target"]
    assert codes(high) == ["sensitivity-off-target"]
    assert codes(replace(low, limited_by_safety=True)) == []
    assert codes(replace(high, limited_by_safety=True)) == ["sensitivity-off-target"]
    shifted = replace(SETS[1500], scores=SETS[1500].scores + 1)
    assert "sensitivity-off-target" in codes(version(evaluation=shifted))


def test_misses_above_the_limit() -> None:
    assert codes(changed("missed", value=0.04, low=0.026, high=0.06)) == ["missed-above-limit"]
    assert codes(changed("missed", value=0.04, low=0.024, high=0.06)) == []


def test_bounds_of_the_bundle() -> None:
    assert codes(evidence=replace(EVIDENCE, bounds={"exam_min": (5.0, 9.0)})) == ["threshold-out-of-bounds"]
    assert codes(evidence=replace(EVIDENCE, bounds={"image": (-9.0, 9.0)})) == ["threshold-out-of-bounds"]
    assert codes(replace(SOUND, threshold=None), replace(EVIDENCE, bounds={"exam_min": (5.0, 9.0)})) == []


def test_bounds_that_are_not_known() -> None:
    unknown = replace(EVIDENCE, bounds=None)
    assert codes(evidence=unknown) == codes(replace(SOUND, threshold=None), unknown) == ["threshold-out-of-bounds"]
    assert "bundle's bounds are not known to this service" in text(evidence=unknown)


@pytest.mark.parametrize(
    ("name", "allowed", "beyond"),
    [
        ("target_sensitivity", 0.2, 0.201),
        ("alpha", 0.025, 0.0251),
        ("delta", 0.05, 0.1),
        ("alpha_severe", 0.05, 0.06),
        ("level", 0.95, 0.99),
        ("level", 0.95, 0.9),
    ],
)
def test_protocols_weaker_than_the_default(name: str, allowed: float, beyond: float) -> None:
    found = text(replace(SOUND, protocol=SOUND.protocol | {name: beyond}))
    assert f"The protocol has {name} {beyond:g} where" in found
    assert f"{allowed:g}" in found
    assert "protocol-beyond-limits" in codes(replace(SOUND, protocol=SOUND.protocol | {name: beyond}))
    assert codes(replace(SOUND, protocol=SOUND.protocol | {name: allowed})) == []
    assert codes(replace(SOUND, protocol={})) == []


def test_stricter_protocols() -> None:
    stricter = SOUND.protocol | {"alpha": 0.02, "alpha_severe": 0.045, "delta": 0.04}
    assert codes(replace(SOUND, protocol=stricter)) == []


def borrowing(local: int, shift: float = 0.0) -> CalibrationVersion:
    """Normals and the first `local` abnormal exams of each set are the stratum's, by `shift` higher; others are not."""
    parts = []
    for data in (SETS[2500], SETS[1500]):
        abnormal = sorted(set(data.exams[~data.normal]))
        mine = np.isin(data.exams, abnormal[:local])
        strata = np.where(data.normal | mine, STRATUM.id, ELSEWHERE)
        parts.append(replace(data, strata=strata, scores=data.scores + shift * mine))
    return version(*parts, pool=True)


def test_pooling_takes_abnormals_of_its_own() -> None:
    assert codes(borrowing(15)) == []
    assert codes(borrowing(14)) == ["too-few-local-abnormals"]
    assert "those of this stratum are of 28 patients in both sets together; 30 are needed" in text(borrowing(14))
    assert codes(borrowing(0)) == ["too-few-local-abnormals"]
    assert "of 0 patients" in text(borrowing(0))


def test_a_device_that_misses_more_borrows_no_proof() -> None:
    worse = borrowing(60, 2.0)
    assert codes(worse) == ["strata-differ", "local-misses-above-limit"]
    assert f"in {STRATUM.id}" in text(worse)
    assert "of 60) of this stratum's own abnormals in the evaluation set are flagged: more than 2.5%" in text(worse)
    assert codes(borrowing(60)) == []
    unpooled = replace(worse, pool_abnormals=False)
    assert not {"strata-differ", "local-misses-above-limit"} & set(codes(unpooled))


def test_a_report_that_does_not_count_local_abnormals() -> None:
    pooled = borrowing(15)
    kind = pooled.report["kinds"]["exam_min"]  # type: ignore[index]
    old = {name: rate for name, rate in kind["evaluation"].items() if name != "missed_local"}
    report = pooled.report | {"kinds": {"exam_min": kind | {"evaluation": old}}}  # type: ignore[operator]
    assert codes(replace(pooled, report=report)) == ["not-evaluated"]
    assert codes(replace(pooled, report=report, pool_abnormals=False)) == []
