"""Report: whether a report of this service agrees with itself. Input: the root of a TID 1500 tree. Output: problems.

Category, score, threshold and reasons are written by different code; a reader, and a program, takes any one of them for
the result.
"""

from triage.report import codes as triage
from triage.report.template_check import Problem
from triage.report.tree import Item

_EXAM = {code.value for code in (triage.CONFIDENTLY_NORMAL, triage.NOT_FLAGGED, triage.NOT_EVALUATED)}
_IMAGE = {code.value for code in (triage.IMAGE_FLAGGED, triage.IMAGE_NOT_FLAGGED, triage.NOT_EVALUATED)}
_REASONS = {code.value for code in triage.REASONS.values()}
_MUST_SAY = ("121106", "read by a radiologist")


def check_triage(root: Item) -> list[Problem]:
    """Every contradiction in the measurement groups."""
    groups = [group for measurements in root.of("126010") for group in measurements.of("125007")]
    exams = [group for group in groups if _text(group, "112039") == "exam"]
    images = [group for group in groups if group not in exams]
    problems = [problem for group in images for problem in _image(group)]
    if len(exams) != 1:
        return [*problems, Problem("", "exam group", f"{len(exams)} groups for the exam, not one")]
    return problems + _exam(exams[0], images)


def _image(group: Item) -> list[Problem]:
    category = _category(group)
    wrong = []
    if category not in _IMAGE:
        wrong.append(f"category {category or 'none'} is not one of an image")
    score, threshold = _number(group, triage.NORMALITY_SCORE.value), _number(group, triage.THRESHOLD.value)
    if category == triage.NOT_EVALUATED.value:
        wrong += ["a score beside a refusal"] if score is not None else []
    elif score is None:
        wrong.append("no score beside a category")
    elif threshold is None:
        wrong += ["flagged without a threshold"] if category == triage.IMAGE_FLAGGED.value else []
    elif (score >= threshold) != (category == triage.IMAGE_FLAGGED.value):
        wrong.append(f"category {category} with score {score} and threshold {threshold}")
    return [Problem(group.place, "image category", text) for text in wrong] + _common(group)


def _exam(group: Item, images: list[Item]) -> list[Problem]:
    category = _category(group)
    wrong = []
    if category not in _EXAM:
        wrong.append(f"category {category or 'none'} is not one of an exam")
    if category == triage.NOT_EVALUATED.value and not group.of(triage.REASON.value):
        wrong.append("not evaluated without a reason")
    if category == triage.CONFIDENTLY_NORMAL.value:
        wrong += _unearned(group, images)
    if category == triage.NOT_EVALUATED.value and any(_category(one) != category for one in images):
        wrong.append("an image has a result in an exam that has none")
    said = " ".join(str(one.ds.get("TextValue", "")) for one in group.of(_MUST_SAY[0]))
    if _MUST_SAY[1] not in said:
        wrong.append("it does not say that every exam is read by a radiologist")
    return [Problem(group.place, "exam category", text) for text in wrong] + _common(group)


def _unearned(group: Item, images: list[Item]) -> list[str]:
    """Why an exam that is called confidently normal is not."""
    wrong = ["confidently normal with a reason against it"] if group.of(triage.REASON.value) else []
    score, threshold = _number(group, triage.EXAM_SCORE.value), _number(group, triage.THRESHOLD.value)
    results = [_category(one) for one in images if _category(one) != triage.NOT_EVALUATED.value]
    scores = [number for one in images if (number := _number(one, triage.NORMALITY_SCORE.value)) is not None]
    if len(results) < 4:
        wrong.append(f"confidently normal with {len(results)} scored images")
    if triage.IMAGE_NOT_FLAGGED.value in results:
        wrong.append("confidently normal with an image that is not flagged")
    if score is not None and (threshold is None or score < threshold):
        wrong.append(f"confidently normal with exam score {score} and threshold {threshold}")
    if score is not None and scores and score > min(scores):
        wrong.append(f"exam score {score} is above the least score {min(scores)}")
    return wrong


def _common(group: Item) -> list[Problem]:
    wrong = []
    if len(group.of(triage.TRIAGE_CATEGORY.value)) != 1:
        wrong.append("not exactly one triage category")
    if unknown := [one.value for one in group.of(triage.REASON.value) if not one.value or one.value[0] not in _REASONS]:
        wrong.append(f"{unknown[0]} is no reason")
    wrong += [
        f"no {name}" for value, name in (("111001", "algorithm name"), ("111003", "version")) if not group.of(value)
    ]
    for value in (triage.NORMALITY_SCORE.value, triage.EXAM_SCORE.value, triage.THRESHOLD.value):
        found = group.of(value)
        wrong += [f"{value} is given {len(found)} times"] if len(found) > 1 else []
        wrong += [f"{value} has unit {one.unit}" for one in found if one.unit != ("1", "UCUM")]
    return [Problem(group.place, "measurement group", text) for text in wrong]


def _category(group: Item) -> str | None:
    found = [one.value[0] for one in group.of(triage.TRIAGE_CATEGORY.value) if one.value]
    return found[0] if found else None


def _number(group: Item, value: str) -> float | None:
    return next((one.number for one in group.of(value)), None)


def _text(group: Item, value: str) -> str:
    return next((str(one.ds.get("TextValue", "")) for one in group.of(value)), "")
