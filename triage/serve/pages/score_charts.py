"""Serve: the two charts of a calibration. Input: the rows of its set. Output: geometry, and the same in a sentence."""

from typing import Any

import numpy as np

from triage.core.governance import CalibrationVersion
from triage.decide.exam_level import units
from triage.decide.operating_point import CalibrationSet
from triage.serve.api.governing import Governing
from triage.serve.pages.charts import histogram_chart, roc_chart
from triage.serve.pages.figures import percent, threshold_text

NO_SETS = "No chart: this version was shipped with the model bundle, and the scores behind it are not in this service."


def score_charts(governing: Governing, version: CalibrationVersion) -> dict[str, Any]:
    """What `calibration.html` needs for its charts; without sets, the sentence that says why there is none."""
    set_id = version.evaluation_set or version.calibration_set
    empty = {
        "roc": None,
        "histogram": None,
        "roc_text": "",
        "histogram_text": "",
        "chart_words": "",
        "no_chart": NO_SETS,
    }
    if set_id is None or version.report is None:
        return empty
    data = units(governing.scores(set_id), version.stratum.id, version.kind, version.pool_abnormals).data
    normal, threshold = data.normal, version.threshold
    roc = roc_chart(data.scores, normal, threshold)
    histogram = histogram_chart(data.scores, normal, threshold)
    what = "exams" if version.kind == "exam_min" else "images"
    counted = f"{int(normal.sum()):,} normal and {int((~normal).sum()):,} abnormal {what}"
    return {
        "roc": roc,
        "roc_text": f"{counted}. {_point(roc.missed, roc.sensitivity) if roc else ''}",
        "histogram": histogram,
        "histogram_text": f"{counted}; each side in shares of its own. {_spread(data, normal)}",
        "chart_words": f"of the {'evaluation' if version.evaluation_set else 'calibration'} set, per {what[:-1]}",
        "no_chart": "No chart: the set has no normal or no abnormal of this stratum.",
    }


def _point(missed: float | None, sensitivity: float | None) -> str:
    if missed is None or sensitivity is None:
        return "There is no threshold: nothing is flagged."
    return (
        f"The dot is the operating point: {percent(sensitivity)} of normals and {percent(missed)} of abnormals flagged."
    )


def _spread(data: CalibrationSet, normal: "np.ndarray[Any, np.dtype[np.bool_]]") -> str:
    parts = [
        f"half of the {name} score above {threshold_text(float(np.median(data.scores[group])))[:-3]}"
        for name, group in (("normals", normal), ("abnormals", ~normal))
        if group.any()
    ]
    return f"{'; '.join(parts).capitalize()}." if parts else ""
