"""Control charts: exams until a change is found, and exams between false alarms, through the charts' own numbers.

Many charts are stepped at once; `tests/decide/test_drift.py` holds them against `triage.decide.drift.Chart.step`, exam
by exam. Run lengths are from a fresh chart; false alarms are exams in control divided by alarms, each alarm starting
the chart again as in the service.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from _evidence import Row, record
from scipy import stats

from triage.decide.drift import (
    BASELINE_OOD,
    BASELINE_REFUSAL,
    increments,
    interval,
    is_two_sided,
)

SHIFTED_CHARTS = 4000
CALM_CHARTS, CALM_EXAMS = 400, 150_000
"""Charts in control, and exams on each: several times the exams between two alarms."""
SHIFTS = ((0.06, 0.12, 250.0), (0.06, 0.09, None), (0.06, 0.03, None), (0.20, 0.40, None), (0.20, 0.30, None))
"""Baseline, new rate, and the most exams that the median may take."""
EVERY = 40_000
"""Exams in control that a false alarm may come once in."""

Events = npt.NDArray[np.bool_]


class Charts:
    """Charts of one baseline side by side: `triage.decide.drift.Chart`, in arrays of shape (n,)."""

    def __init__(self, baseline: float, n: int, two_sided: bool) -> None:
        self.rise, self.fall = increments(baseline)
        self.interval, self.two_sided = interval(baseline), two_sided
        self.up, self.down = np.zeros(n), np.zeros(n)

    def step(self, events: Events) -> Events:
        """Which charts alarm at this exam; they start again with the next."""
        self.up = np.maximum(0.0, self.up + np.where(events, self.rise[1], self.rise[0]))
        alarm = self.up >= self.interval
        if self.two_sided:
            self.down = np.maximum(0.0, self.down + np.where(events, self.fall[1], self.fall[0]))
            alarm |= self.down >= self.interval
        return alarm

    def restart(self, which: Events) -> None:
        """Sets charts back to zero."""
        self.up[which] = self.down[which] = 0.0


def run_lengths(baseline: float, exams: Iterable[Events], two_sided: bool) -> npt.NDArray[np.int64]:
    """Exams until the first alarm of each chart, shape (n,); 0 where the exams ended before it.

    Args:
        exams: events of all charts, exam by exam, each of shape (n,).
    """
    charts, found = None, np.zeros(0, np.int64)
    for number, events in enumerate(exams, 1):
        if charts is None:
            charts, found = Charts(baseline, events.size, two_sided), np.zeros(events.size, np.int64)
        found[charts.step(events) & (found == 0)] = number
        if (found > 0).all():
            break
    return found


def stream(rng: np.random.Generator, rate: float) -> Iterator[Events]:
    """Exams without end."""
    while True:
        yield rng.random(SHIFTED_CHARTS) < rate


def delay_row(rng: np.random.Generator, baseline: float, rate: float, most: float | None) -> Row:
    """How long a shift lasts until it is found."""
    found = run_lengths(baseline, stream(rng, rate), two_sided=True)
    median = float(np.median(found))
    low, high = (float(np.quantile(found, q)) for q in (0.025, 0.975))
    print(
        f"{baseline:.0%} -> {rate:.0%}: median {median:.0f} exams, mean {found.mean():.0f}, 95% {low:.0f} to {high:.0f}"
    )
    return Row(
        id=f"drift-delay-{baseline:.2f}-{rate:.2f}",
        what=f"exams until a flag rate that went from {baseline:.0%} to {rate:.0%} suspends the calibration, median",
        value=median,
        unit="exams",
        n=SHIFTED_CHARTS,
        interval=(low, high),
        target=f"<= {most:.0f}" if most else "",
        holds=most is None or median <= most,
        note="interval: 95% of simulated shifts",
    )


@dataclass(frozen=True)
class Calm:
    """A calibration in control."""

    id: str
    baselines: dict[str, float]
    actual: dict[str, float] = field(default_factory=dict)
    """Where the true rate is not the baseline."""
    everything: bool = False
    """Watches every event for falling, too."""
    target: int | None = None
    note: str = ""

    def alarms(self, rng: np.random.Generator, exams: int) -> int:
        """Alarms of any chart in `exams` on each of CALM_CHARTS; all charts of a calibration then start again."""
        charts = {
            event: Charts(rate, CALM_CHARTS, self.everything or is_two_sided(event, rate))
            for event, rate in self.baselines.items()
        }
        rates = {**self.baselines, **self.actual}
        found = 0
        for _ in range(exams):
            alarm = np.zeros(CALM_CHARTS, np.bool_)
            for event, one in charts.items():
                alarm |= one.step(rng.random(CALM_CHARTS) < rates[event])
            if alarm.any():
                found += int(alarm.sum())
                for one in charts.values():
                    one.restart(alarm)
        return found


def calm_row(rng: np.random.Generator, calm: Calm, exams: int) -> Row:
    """How rare false alarms are."""
    alarms, total = calm.alarms(rng, exams), exams * CALM_CHARTS
    between = total / max(1, alarms)
    # Exact Poisson interval of the number of alarms (Garwood 1936).
    most, least = stats.chi2.ppf(0.975, 2 * alarms + 2) / 2, stats.chi2.ppf(0.025, 2 * alarms) / 2 if alarms else 0.5
    what = ", ".join(f"{event} {rate:.0%}" for event, rate in calm.baselines.items())
    what += "".join(f", truly {event} {rate:.1%}" for event, rate in calm.actual.items())
    what += ", all two-sided" if calm.everything else ""
    print(f"{what}: one false alarm in {between:.0f} exams ({total / most:.0f} to {total / least:.0f})")
    return Row(
        id=f"drift-false-alarm-{calm.id}",
        what=f"exams in control for one false alarm; baselines: {what}",
        value=round(between),
        unit="exams",
        n=total,
        interval=(round(total / most), round(total / least)),
        target=f">= {calm.target}" if calm.target else "",
        holds=calm.target is None or between >= calm.target,
        note=calm.note,
    )


LIMITS = {"refusal": BASELINE_REFUSAL, "ood": BASELINE_OOD}
FULL = "refusals use up their limits all the time; as long as they stay below, alarms are rarer"
CALM = (
    Calm("flag-0.06", {"flag": 0.06}, target=EVERY),
    Calm("flag-0.20", {"flag": 0.20}, target=EVERY),
    Calm("joint-0.06", {"flag": 0.06, **LIMITS}, target=EVERY, note=FULL),
    Calm("joint-0.20", {"flag": 0.20, **LIMITS}, target=EVERY, note=FULL),
    Calm("joint-0.06-two-sided", {"flag": 0.06, **LIMITS}, everything=True, note="not how the service watches"),
    Calm("flag-0.06-off", {"flag": 0.06}, {"flag": 0.066}, note="the calibration measured a tenth too little"),
)


def main(scale: float) -> None:
    """Measures and records."""
    rng = np.random.default_rng(20261121)
    rows = [delay_row(rng, *shift) for shift in SHIFTS]
    rows += [calm_row(rng, calm, int(CALM_EXAMS * scale)) for calm in CALM]
    print(record("calibration", "make bench", rows) if scale >= 1 else "reduced size: nothing recorded")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
