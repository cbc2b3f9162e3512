"""Whether calibration keeps its promises on simulated sites: coverage of intervals, violations of t_safe, time.

Peers in the same run: the Clopper-Pearson interval that takes every image for independent, the rule "the empirical miss
rate is at most alpha", and MAPIE's fixed-sequence controller on data without clusters. A number as first argument makes
that many rounds instead of all, prints, and records nothing. Takes about 15 seconds on one core.
"""

import sys
import time

import numpy as np
import numpy.typing as npt
from _evidence import Row, record
from mapie.risk_control import BinaryClassificationController
from scipy.stats import norm

from triage.decide.evaluation import evaluate
from triage.decide.intervals import clopper_pearson, proportion, upper_bound
from triage.decide.operating_point import CalibrationSet, Protocol
from triage.decide.safety import t_safe

ROUNDS = 4000
SETTINGS = (
    # patients, images each, true share, correlation of the latent scores of one patient
    (300, 4, 0.2, 0.6),
    (300, 4, 0.2, 0.8),
    (600, 2, 0.016, 0.6),
    (300, 4, 0.016, 0.6),
    (600, 2, 0.016, 0.8),
    (1500, 2, 0.005, 0.6),
    (100, 2, 0.005, 0.6),
)
SITES = ((300, 4, 0.6), (600, 2, 0.8), (1500, 2, 0.8))
# Binormal, matched to the papers: AUC 0.905, 1.6% of abnormals missed at 20% sensitivity.
SHIFT, SPREAD = 2.339, 1.482
ALPHA, DELTA = 0.025, 0.05
STRATUM = "s" * 16
Latent = npt.NDArray[np.float64]


def latent(rng: np.random.Generator, patients: int, images: int, rho: float) -> Latent:
    """Standard normal scores of shape (patients, images) with correlation rho within a patient."""
    shared, own = rng.standard_normal((patients, 1)), rng.standard_normal((patients, images))
    return shared * np.sqrt(rho) + own * np.sqrt(1 - rho)


def monte_carlo(hits: int, rounds: int) -> tuple[float, float]:
    """How far the rounds tell the share of hits."""
    low, high = clopper_pearson(hits, rounds)
    return round(low, 4), round(high, 4)


def coverage(rounds: int) -> list[Row]:
    """How often the two-sided 95% interval holds the true share, per setting."""
    rows = []
    for setting in SETTINGS:
        patients, images, p, rho = setting
        rng, clusters = np.random.default_rng(7), np.repeat(np.arange(patients), images)
        held = naive = upper = without = 0
        for _ in range(rounds):
            events = (latent(rng, patients, images, rho) > norm.isf(p)).ravel()
            found = proportion(events, clusters)
            held += found.low <= p <= found.high
            upper += bool(upper_bound(events, clusters) >= p)
            without += found.k == 0
            low, high = clopper_pearson(found.k, found.n)
            naive += low <= p <= high
        rows.append(_coverage_row(setting, rounds, (held, naive), (upper, without)))
    return rows


def _coverage_row(
    setting: tuple[int, int, float, float], rounds: int, counts: tuple[int, int], other: tuple[int, int]
) -> Row:
    patients, images, p, rho = setting
    value, control = (count / rounds for count in counts)
    upper, without = (count / rounds for count in other)
    return Row(
        f"coverage-{patients}x{images}-p{p}-rho{rho}",
        f"coverage of the 95% interval, {patients} patients x {images} images, true share {p}, correlation {rho}",
        round(value, 4),
        "share of sites",
        rounds,
        monte_carlo(counts[0], rounds),
        "Clopper-Pearson on images",
        round(control, 4),
        "0.94 to 0.99" + (", the peer at most 0.84" if p == 0.2 else ""),
        0.94 <= value <= 0.99 and (p != 0.2 or control <= 0.84),
        f"The one-sided 95% upper bound holds at {upper:.1%}. No event at {without:.1%} of sites.",
    )


def promises(rounds: int) -> list[Row]:
    """How often the true miss rate at t_safe is above alpha, and at the threshold of the naive rule."""
    rows = []
    for patients, images, rho in SITES:
        rng, clusters = np.random.default_rng(11), np.repeat(np.arange(patients), images)
        thresholds, naive = [], []
        for _ in range(rounds):
            abnormal = np.round(SPREAD * latent(rng, patients, images, rho).ravel(), 6)
            normal = np.round(SHIFT + latent(rng, patients, images, rho).ravel(), 6)
            found = t_safe(abnormal, clusters, np.concatenate((abnormal, normal)), ALPHA, DELTA)
            thresholds.append(np.inf if found is None else found)
            # The lowest threshold at which at most alpha of these abnormals are flagged, ties aside.
            naive.append(np.sort(abnormal)[::-1][int(ALPHA * abnormal.size)] + 1e-6)
        broken, control = (int((norm.sf(np.array(one) / SPREAD) > ALPHA).sum()) for one in (thresholds, naive))
        flagged = float(np.median(norm.sf(np.array(thresholds) - SHIFT)))
        rows.append(
            Row(
                f"t-safe-violations-{patients}x{images}-rho{rho}",
                f"sites whose true miss rate at t_safe is above {ALPHA:.1%} (promised: at most {DELTA:.0%} of sites), "
                f"{patients} abnormal patients x {images} images, correlation {rho}",
                round(broken / rounds, 4),
                "share of sites",
                rounds,
                monte_carlo(broken, rounds),
                "threshold by empirical miss rate at most alpha",
                round(control / rounds, 4),
                "<= 0.05 within Monte Carlo error, the peer at least 0.45",
                monte_carlo(broken, rounds)[0] <= DELTA and control / rounds >= 0.45,
                f"Median share of normals flagged at t_safe alone: {flagged:.1%}.",
            )
        )
    return rows


def oracle(rounds: int) -> Row:
    """On data without clusters, the threshold is that of MAPIE's Learn-then-Test controller."""
    n, same, rng = 1192, 0, np.random.default_rng(13)
    for _ in range(rounds):
        abnormal = np.round(SPREAD * rng.standard_normal(n), 6)
        normal = np.round(SHIFT + rng.standard_normal(n), 6)
        # MAPIE compares every score with each candidate: only those that can come into question, as probabilities.
        candidates = np.unique(np.concatenate((abnormal, normal)))[-n:]
        controller = BinaryClassificationController(
            lambda column: np.column_stack((1 - column.ravel(), column.ravel())),
            "fpr",
            target_level=ALPHA,
            confidence_level=1 - DELTA,
            best_predict_param_choice="recall",
            list_predict_params=candidates[::-1] / 40 + 0.5,
            fwer_method="fixed_sequence",
        )
        scores = np.concatenate((abnormal, normal)) / 40 + 0.5
        controller.calibrate(scores.reshape(-1, 1), np.repeat((0, 1), n))
        theirs = candidates[::-1][len(controller.valid_predict_params) - 1]
        same += t_safe(abnormal, np.arange(n), candidates, ALPHA, DELTA) == float(theirs)
    return Row(
        "t-safe-as-mapie",
        f"same threshold as MAPIE's fixed-sequence controller, {n} independent abnormals, alpha {ALPHA:.1%}",
        same / rounds,
        "share of sets",
        rounds,
        peer="MAPIE 1.6",
        peer_value=1.0,
        target="1",
        holds=same == rounds,
    )


def report_time(rounds: int) -> Row:
    """The whole report of a calibration: both kinds, both sets, 100,000 images, 2,000 patient bootstraps."""
    calibration, evaluation = (_exams(12_500, seed) for seed in (1, 2))
    seconds, began_cpu = [], time.process_time()
    for _ in range(rounds):
        began = time.perf_counter()
        evaluate(calibration, evaluation, STRATUM, "exam_min", Protocol(), False)
        seconds.append(time.perf_counter() - began)
    median, cpu = float(np.median(seconds)), (time.process_time() - began_cpu) / rounds
    return Row(
        "report-100000-images",
        "report of a calibration: 100,000 images in two sets, thresholds, intervals, AUC by 2,000 patient bootstraps",
        round(median, 3),
        "s",
        rounds,
        (round(min(seconds), 3), round(max(seconds), 3)),
        target="<= 2",
        holds=median <= 2,
        note=f"Interval: fastest and slowest. Processor time: {cpu:.2f} s.",
    )


def _exams(exams: int, seed: int) -> CalibrationSet:
    """Images of four views of each exam, one exam a patient, with keys as long as real ones."""
    rng = np.random.default_rng(seed)
    abnormal = rng.random(exams) < 0.47
    common = latent(rng, exams, 4, 0.6)
    scores = np.where(abnormal[:, None], SPREAD * common, SHIFT + common)
    birads = np.where(abnormal, rng.choice([2, 3, 0, 4, 5, 6], exams), 1)
    keys = np.array([f"{seed:02x}{exam:062x}" for exam in range(exams)])
    texts = np.full(4 * exams, "no-cancer"), np.full(4 * exams, STRATUM)
    return CalibrationSet(scores.ravel(), np.repeat(birads, 4), np.repeat(keys, 4), np.repeat(keys, 4), *texts)


def papers() -> list[Row]:
    """What the papers' own counts support, every image taken as independent."""
    rows = []
    for name, k, n, target in (("missed", 19, 1192, 0.0248), ("missed-severe", 0, 102, 0.0355)):
        found = proportion(np.arange(n) < k, np.arange(n))
        rows.append(
            Row(
                f"papers-{name}",
                f"upper end of the 95% interval of {k} of {n}",
                round(found.high, 4),
                "share",
                n,
                (round(found.low, 4), round(found.high, 4)),
                target=f"{target}, never 0",
                holds=abs(found.high - target) < 1e-4,
                note=f"One-sided: {upper_bound(np.arange(n) < k, np.arange(n)):.2%}.",
            )
        )
    return rows


def main() -> None:
    """Measures and prints; records what all rounds found."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    rows = [
        *papers(),
        report_time(min(5, rounds)),
        *coverage(rounds),
        *promises(rounds),
        oracle(max(1, rounds // 40)),
    ]
    for row in rows:
        ends = f" ({row.interval[0]} to {row.interval[1]})" if row.interval else ""
        peer = f", {row.peer}: {row.peer_value}" if row.peer else ""
        print(f"{'ok   ' if row.holds else 'SHORT'} {row.id}: {row.value}{ends} {row.unit}{peer}. {row.note}")
    if rounds == ROUNDS:
        print(f"written: {record('calibration', 'make bench', rows)}")


if __name__ == "__main__":
    main()
