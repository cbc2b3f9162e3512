"""Decide: has the stream of exams changed since the calibration? Input: one exam-level event. Output: chart and alarm.

Two-sided Bernoulli CUSUM (Page 1954, Biometrika 41:100; for Bernoulli events Reynolds & Stoumbos 1999, J Qual Technol
31:87): the sum of log likelihood ratios of a doubled (halved) event rate against the baseline, never below zero,
alarms at a decision interval. PSI and Kolmogorov-Smirnov are for looking at: with 200 clustered images PSI > 0.1 fires
half the time under no change, so no alarm hangs on them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from triage.store.monitoring_records import ChartState

RATIO = 2.0
"""The change that is watched for: twice the baseline, or half of it."""
INTERVAL = 7.5
"""Decision interval up to a baseline of 6%. At 7 one chart alone keeps one false alarm in 40,000 exams; the three
charts of a calibration together keep it at 7.5, and a median of 250 exams for 6 -> 12% is still met."""
INTERVAL_FROM = 0.06
"""Above this baseline the interval grows with its logarithm: exams between false alarms are e^h / rate, nearly."""
BASELINE_REFUSAL = 0.05
"""Share of exams that may be refused (Elhakim et al. 2023 could use 94.7% of 272,008). A limit, not a measurement."""
BASELINE_OOD = 0.01
"""Share of exams that the out-of-distribution check may refuse; it is calibrated to stay below. A limit too."""
LOWEST, HIGHEST = 0.001, 0.999
"""Baselines are kept inside: a likelihood ratio against a rate of 0 or 1 would be infinite."""
DOWN_FROM = 0.01
"""A measured rate below this is not watched for falling: a calibration that flags nothing would alarm by itself."""

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Chart:
    """One event's control chart. After an alarm it starts again with the next exam."""

    baseline: float
    up: float = 0.0
    """Evidence that the rate rose, in natural log units."""
    down: float = 0.0
    exams: int = 0
    events: int = 0
    two_sided: bool = True

    @property
    def interval(self) -> float:
        """At which sum the chart alarms."""
        return interval(self.baseline)

    @property
    def alarm(self) -> Direction | None:
        """In which direction the rate has changed, if it has."""
        if self.up >= self.interval:
            return "up"
        return "down" if self.two_sided and self.down >= self.interval else None

    def step(self, event: bool) -> "Chart":
        """The chart after one more exam."""
        rise, fall = increments(self.baseline)
        up, down = (0.0, 0.0) if self.alarm else (self.up, self.down)
        return replace(
            self,
            up=max(0.0, up + rise[event]),
            down=max(0.0, down + fall[event]) if self.two_sided else 0.0,
            exams=self.exams + 1,
            events=self.events + event,
        )


def interval(baseline: float) -> float:
    """Decision interval of a chart with this baseline, in natural log units."""
    rate = _inside(baseline)
    return INTERVAL + max(0.0, math.log(min(rate, 1 - rate) / INTERVAL_FROM))


def increments(baseline: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """What one exam adds to `up` and to `down`, each (without the event, with it).

    Past one half an event is the rule, so it is its absence that doubles or halves: the chart of an event and that of
    its absence mirror each other.
    """
    rate = _inside(baseline)
    rise = min(RATIO * rate, 1 - (1 - rate) / RATIO)
    fall = max(rate / RATIO, 1 - RATIO * (1 - rate))
    return _log_ratios(rate, rise), _log_ratios(rate, fall)


def _log_ratios(before: float, after: float) -> tuple[float, float]:
    return math.log((1 - after) / (1 - before)), math.log(after / before)


def _inside(rate: float) -> float:
    return min(max(rate, LOWEST), HIGHEST)


def is_two_sided(event: str, baseline: float) -> bool:
    """Whether a fall is a change too: of a measured rate, yes; below a limit that was only assumed, it is no news."""
    return event == "flag" and baseline >= DOWN_FROM


def step(state: ChartState, event: bool) -> tuple[ChartState, Direction | None]:
    """One exam on a stored chart: the function that `triage.store.observations.observe_in` is given."""
    two_sided = is_two_sided(state.event, state.baseline)
    chart = Chart(state.baseline, state.up, state.down, state.exams, state.events, two_sided).step(event)
    return replace(state, up=chart.up, down=chart.down, exams=chart.exams, events=chart.events), chart.alarm


def baselines(report: dict[str, Any] | None, kind: str) -> dict[str, float]:
    """Baseline rate of each event that can be watched, per exam.

    The flag rate is that of whole exams on the evaluation set if there is one, else on the calibration set; for kind
    `image` `flag_rate` would count images. Without a rate (no exams, no report) flags are not watched.
    """
    limits = {"refusal": BASELINE_REFUSAL, "ood": BASELINE_OOD}
    rates = ((report or {}).get("kinds") or {}).get(kind) or {}
    found = rates.get("evaluation") or rates.get("calibration") or {}
    flagged = found.get("exam_flag_rate")
    if not flagged or not flagged["n"]:
        return limits
    return {"flag": smoothed(int(flagged["k"]), int(flagged["n"])), **limits}


def smoothed(k: int, n: int) -> float:
    """k of n as a baseline: half an event and half a non-event are added, so that 0 of n can be watched too."""
    rate = (k + 0.5) / (n + 1)
    return min(rate, DOWN_FROM / 2) if k == 0 else rate


def psi(expected: Sequence[int], observed: Sequence[int]) -> float:
    """Population stability index of two histograms over the same bins; half a count is added to each bin."""
    before, after = (np.asarray(counts, np.float64) + 0.5 for counts in (expected, observed))
    before, after = before / before.sum(), after / after.sum()
    return float(np.sum((after - before) * np.log(after / before)))


def ks(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Two-sample Kolmogorov-Smirnov statistic of scores of shapes (n,) and (m,), and its p-value.

    The p-value counts every exam as independent; NaN both if either is empty.
    """
    if not (before.size and after.size):
        return math.nan, math.nan
    found = stats.ks_2samp(before, after)
    return float(found.statistic), float(found.pvalue)
