"""Serve: what the page on devices shows of each stratum. Input: the ledger. Output: `Device`, newest problems first."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from triage.core.governance import CalibrationVersion, InForce
from triage.decide import drift
from triage.serve.pages.charts import Bar
from triage.serve.pages.figures import percent
from triage.store.ledger import Ledger
from triage.store.monitoring_records import ChartRecord, SeenStratum, WeekOfScores

LAST_EXAMS = 10_000
WEEKS = 8
EDGES = tuple(float(edge) for edge in np.linspace(-6, 6, 25))
"""Of the histograms: fused logits of the models lie well within."""
NEWEST, BEFORE = 200, 800
"""Exams whose scores the Kolmogorov-Smirnov figure compares."""
BAR_WIDTH, BAR_HEIGHT = 240, 14
PLOT_WIDTH, PLOT_HEIGHT = 260, 40
CHART_WORDS = {"flag": "Flags", "refusal": "Refusals", "ood": "Unfamiliar images"}


@dataclass(frozen=True)
class ChartView:
    """One control chart as bars: how far each sum is on its way to the alarm."""

    title: str
    exams: int
    events: int
    rate: str
    baseline: str
    up: float
    down: float | None
    """None if a fall of this event is not watched."""
    interval: float
    up_width: float
    down_width: float
    alarm_at: datetime | None


@dataclass(frozen=True)
class WeekView:
    """The scores of one week as small bars."""

    monday: str
    exams: int
    without_score: int
    bars: tuple[Bar, ...]
    psi: str


@dataclass(frozen=True)
class Device:
    """One stratum."""

    seen: SeenStratum
    answer: InForce
    watched: CalibrationVersion | None
    """Whose charts are shown: the version in force, or the last one that had exams."""
    charts: tuple[ChartView, ...]
    weeks: tuple[WeekView, ...]
    ks: str

    @property
    def never_calibrated(self) -> bool:
        """True if there was no calibration for it since its first exam."""
        return self.answer.reason_code == "uncalibrated-device" and self.watched is None


def devices(ledger: Ledger) -> tuple[Device, ...]:
    """Every stratum of the newest LAST_EXAMS exams."""
    return tuple(_device(ledger, seen) for seen in ledger.strata_seen(LAST_EXAMS))


def _device(ledger: Ledger, seen: SeenStratum) -> Device:
    answer = ledger.in_force(seen.stratum, datetime.now(UTC))
    versions = (
        [answer.version]
        if answer.version
        else sorted(ledger.calibrations(seen.stratum.id), key=lambda one: -one.number)
    )
    charted = ((version, ledger.charts(version.id)) for version in versions)
    watched, charts = next((pair for pair in charted if pair[1]), (answer.version, ()))
    weeks = ledger.histograms(seen.stratum.id, WEEKS, EDGES)
    scores = [
        one.exam_score for one in ledger.observations(seen.stratum.id, NEWEST + BEFORE) if one.exam_score is not None
    ]
    return Device(seen, answer, watched, tuple(map(_chart, charts)), _weeks(weeks), _ks(scores))


def _chart(record: ChartRecord) -> ChartView:
    state = record.state
    two_sided = drift.is_two_sided(state.event, state.baseline)
    interval = drift.Chart(state.baseline).interval
    return ChartView(
        CHART_WORDS[state.event],
        state.exams,
        state.events,
        percent(state.events / state.exams) if state.exams else "no exam yet",
        percent(state.baseline),
        state.up,
        state.down if two_sided else None,
        interval,
        _width(state.up, interval),
        _width(state.down, interval),
        record.alarm_at,
    )


def _width(value: float, interval: float) -> float:
    return round(BAR_WIDTH * min(1.0, value / interval), 1)


def _weeks(weeks: tuple[WeekOfScores, ...]) -> tuple[WeekView, ...]:
    """Each week with its stability index against all weeks before it that are shown."""
    views, before = [], np.zeros(len(EDGES) + 1, np.int64)
    for week in weeks:
        psi = (
            f"{drift.psi(before.tolist(), week.counts):.3f}" if before.any() and any(week.counts) else "none before it"
        )
        last = week.monday + timedelta(days=6)
        views.append(
            WeekView(f"{week.monday} to {last}", sum(week.counts), week.without_score, _bars(week.counts), psi)
        )
        before += np.asarray(week.counts)
    return tuple(reversed(views))


def _bars(counts: tuple[int, ...]) -> tuple[Bar, ...]:
    top, width = max(1, *counts), PLOT_WIDTH / len(counts)
    heights = [round(PLOT_HEIGHT * count / top, 1) for count in counts]
    return tuple(
        Bar(round(place * width, 1), round(PLOT_HEIGHT - height, 1), round(width - 1, 1), height)
        for place, height in enumerate(heights)
        if height
    )


def _ks(scores: list[float]) -> str:
    newest, before = np.asarray(scores[-NEWEST:]), np.asarray(scores[:-NEWEST])
    distance, p = drift.ks(before, newest)
    if math.isnan(distance):
        return f"not enough exams: it compares the newest {NEWEST} with those before"
    compared = f"newest {newest.size} against {before.size} before"
    return f"{distance:.3f} (p = {p:.3f}, each exam taken as independent): {compared}"
