"""Serve: the geometry of small charts that the server draws itself as SVG; no script, fixed sizes.

Input: scores of shape (n,) with their labels. Output: paths and marks in user units of the picture, for `charts.html`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BINS = 32
INSET_MISSED, INSET_SENSITIVITY = 0.10, 0.40
"""How much of the curve the inset enlarges: operating points hug the axis."""


@dataclass(frozen=True)
class Frame:
    """A rectangle of the picture and the range of values that it shows."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    def x(self, value: float) -> float:
        """Where a value stands across."""
        low, high = self.x_range
        return round(self.left + self.width * (value - low) / (high - low), 1)

    def y(self, value: float) -> float:
        """Where a value stands upwards."""
        low, high = self.y_range
        return round(self.top + self.height * (1 - (value - low) / (high - low)), 1)

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.top + self.height

    @property
    def right(self) -> float:
        """The right edge."""
        return self.left + self.width

    def path(self, points: list[tuple[float, float]]) -> str:
        """A polyline through the points; what falls on one spot of the picture is drawn once."""
        spots = dict.fromkeys((self.x(x), self.y(y)) for x, y in points)
        return "M" + "L".join(f"{x:g} {y:g}" for x, y in spots)


@dataclass(frozen=True)
class RocChart:
    """A receiver operating characteristic with normal as positive, and its lower left corner enlarged."""

    frame: Frame
    inset: Frame
    curve: str
    inset_curve: str
    missed: float | None
    """Of the operating point; None where nothing is flagged."""
    sensitivity: float | None

    @property
    def in_inset(self) -> bool:
        """True if the operating point lies in the enlarged corner."""
        return (
            self.missed is not None
            and self.sensitivity is not None
            and self.missed <= INSET_MISSED
            and self.sensitivity <= INSET_SENSITIVITY
        )


@dataclass(frozen=True)
class Bar:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class HistogramChart:
    """Scores of normal rows upwards, of abnormal ones downwards; each side in shares of its own."""

    frame: Frame
    normal: tuple[Bar, ...]
    abnormal: tuple[Bar, ...]
    middle: float
    threshold_x: float | None
    """None if there is no threshold, or it lies outside the scores."""
    ticks: tuple[tuple[float, str], ...]


def roc_points(scores: Floats, normal: npt.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """(share of abnormal flagged, share of normal flagged) at every threshold, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits, misses = np.cumsum(normal[order])[last_of_tie], np.cumsum(~normal[order])[last_of_tie]
    x, y = misses / max(1, int((~normal).sum())), hits / max(1, int(normal.sum()))
    return [(0.0, 0.0), *zip(x.tolist(), y.tolist(), strict=True)]


def roc_chart(scores: Floats, normal: npt.NDArray[np.bool_], threshold: float | None) -> RocChart | None:
    """None if one of the two groups is empty."""
    if normal.all() or not normal.any():
        return None
    frame = Frame(56, 12, 330, 288)
    inset = Frame(200, 122, 172, 140, (0.0, INSET_MISSED), (0.0, INSET_SENSITIVITY))
    points = roc_points(scores, normal)
    flagged = None if threshold is None else scores >= threshold
    return RocChart(
        frame,
        inset,
        frame.path(points),
        inset.path(_corner(points)),
        None if flagged is None else float(flagged[~normal].mean()),
        None if flagged is None else float(flagged[normal].mean()),
    )


def histogram_chart(scores: Floats, normal: npt.NDArray[np.bool_], threshold: float | None) -> HistogramChart | None:
    """None if there is no score."""
    if not scores.size:
        return None
    low, high = float(scores.min()), float(scores.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    up, down = (_shares(scores[group], edges) for group in (normal, ~normal))
    top = max(float(up.max()), float(down.max()), 1e-9)
    frame = Frame(16, 30, 468, 220, (low, high), (-top, top))
    ticks = tuple((frame.x(value), f"{value:+.1f}") for value in np.linspace(low, high, 5).tolist())
    inside = threshold is not None and low <= threshold <= high
    return HistogramChart(
        frame,
        _bars(frame, edges, up),
        _bars(frame, edges, -down),
        frame.y(0),
        frame.x(threshold) if inside and threshold is not None else None,
        ticks,
    )


def _corner(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The curve up to where it leaves the inset, cut at the edge."""
    kept = [points[0]]
    for x, y in points[1:]:
        if x > INSET_MISSED or y > INSET_SENSITIVITY:
            (before_x, before_y), shares = kept[-1], [1.0]
            if x > INSET_MISSED:
                shares.append((INSET_MISSED - before_x) / (x - before_x))
            if y > INSET_SENSITIVITY:
                shares.append((INSET_SENSITIVITY - before_y) / (y - before_y))
            share = min(shares)
            return [*kept, (before_x + share * (x - before_x), before_y + share * (y - before_y))]
        kept.append((x, y))
    return kept


def _shares(scores: Floats, edges: Floats) -> Floats:
    return np.histogram(scores, edges)[0] / max(1, scores.size)


def _bars(frame: Frame, edges: Floats, shares: Floats) -> tuple[Bar, ...]:
    places = zip(edges[:-1].tolist(), edges[1:].tolist(), shares.tolist(), strict=True)
    return tuple(_bar(frame, left, right, share) for left, right, share in places if share)


def _bar(frame: Frame, left: float, right: float, share: float) -> Bar:
    x, zero, end = frame.x(left), frame.y(0), frame.y(share)
    return Bar(x, min(zero, end), round(max(1.0, frame.x(right) - x - 1), 1), round(max(0.5, abs(zero - end)), 1))
