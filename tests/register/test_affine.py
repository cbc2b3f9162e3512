"""Alignment of two breasts: better than none, the same on every run, and refused where it cannot be."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from register_samples import drawn_view

from triage.core.study import DUAL_VIEW_SHAPE, PreparedView
from triage.register import affine
from triage.register.affine import moments_matrix, register_pair

FIXED = drawn_view()
MOVING = drawn_view(width=0.5, height=0.38, center=0.46, tilt=0.12)


def likeness(first: Any, second: Any) -> float:
    return float(np.corrcoef(first[::4, ::4].ravel(), second[::4, ::4].ravel())[0, 1])


def test_deformed_breast_is_brought_back() -> None:
    pair = register_pair(FIXED, MOVING)
    assert pair.method == "affine"
    assert pair.accepted
    assert pair.moving.shape == DUAL_VIEW_SHAPE
    assert pair.moving.dtype == np.uint16
    assert pair.quality > 0.97
    assert likeness(FIXED.dual_view, pair.moving) > 0.97 > likeness(FIXED.dual_view, MOVING.dual_view)


def test_background_stays_exactly_zero() -> None:
    pair = register_pair(FIXED, MOVING)
    assert (pair.moving == 0).mean() > 0.4
    assert not pair.moving[:, -50:].any()


def test_identical_views_stay_where_they_are() -> None:
    pair = register_pair(FIXED, FIXED)
    assert pair.quality > 0.995
    assert likeness(FIXED.dual_view, pair.moving) > 0.999


def test_moments_keep_the_chest_wall_and_find_scale_and_shift() -> None:
    taller = drawn_view(width=0.5, height=0.35, center=0.45)
    coarse = slice(affine.SHRINK // 2, None, affine.SHRINK)
    matrix = moments_matrix(FIXED.breast_mask[coarse, coarse], taller.breast_mask[coarse, coarse])
    expected = [[0.5 / 0.6, 0, 0], [0, 0.35 / 0.42, (0.45 - 0.5 * 0.35 / 0.42) * DUAL_VIEW_SHAPE[0]]]
    np.testing.assert_allclose(matrix, expected, rtol=0.02, atol=0.01)


def test_same_bytes_on_every_run_and_from_threads() -> None:
    once = register_pair(FIXED, MOVING)
    with ThreadPoolExecutor(2) as pool:
        others = list(pool.map(lambda _: register_pair(FIXED, MOVING), range(4)))
    for other in others:
        assert other.moving.tobytes() == once.moving.tobytes()
        assert (other.quality, other.method) == (once.quality, once.method)


def test_the_global_number_of_threads_is_left_alone() -> None:
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    register_pair(FIXED, MOVING)
    assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == before


@pytest.mark.parametrize(("fixed", "moving"), [(FIXED, drawn_view(empty=True)), (drawn_view(empty=True), FIXED)])
def test_empty_view_is_not_accepted(fixed: PreparedView, moving: PreparedView) -> None:
    pair = register_pair(fixed, moving)
    assert (pair.accepted, pair.quality, pair.method) == (False, 0.0, "moments")


def test_breasts_that_cannot_overlap_are_not_accepted() -> None:
    sliver = drawn_view(width=0.95, height=0.04)
    pair = register_pair(drawn_view(width=0.15, height=0.5), sliver)
    assert not pair.accepted
    assert pair.quality < 0.75


def test_implausible_fit_falls_back_to_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    for bad in (None, np.array([[-1.0, 0, 800], [0, 1, 0]]), np.array([[1.0, 0, 200], [0, 1, 300]])):
        monkeypatch.setattr(affine, "_refine", lambda *_, result=bad: result)
        pair = register_pair(FIXED, MOVING)
        assert pair.method == "moments"
        assert pair.accepted
        assert likeness(FIXED.dual_view, pair.moving) > likeness(FIXED.dual_view, MOVING.dual_view)


def test_time_limit_falls_back_to_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine, "SECONDS", 0.0)
    assert register_pair(FIXED, MOVING).method == "moments"


def test_uniform_breasts_do_not_break_the_metric() -> None:
    flat = drawn_view()
    flat.dual_view[:] = 0
    pair = register_pair(flat, MOVING)
    assert pair.method == "moments"
    assert pair.quality > 0.9


def real_pairs(data_dir: Path) -> list[tuple[str, PreparedView, PreparedView]]:
    """The two pairs of the real exam and ten of films, prepared as training does."""
    cv2 = pytest.importorskip("cv2")
    from triage.prepare.view import prepare_pixels

    def view(path: Path, chest_wall: Any) -> PreparedView:
        return prepare_pixels(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), chest_wall, 8)

    exam, films = data_dir / "exam-4view-8bit", data_dir / "mini-mias" / "images"
    pairs = [
        (name, view(exam / f"L-{name}.png", "left"), view(exam / f"R-{name}.png", "left")) for name in ("CC", "MLO")
    ]
    odd = sorted(path for path in films.glob("mdb*.png") if int(path.stem[3:]) % 2)[::13]
    for path in odd:
        partner = films / f"mdb{int(path.stem[3:]) + 1:03d}.png"
        pairs.append((path.stem, view(path, "right"), view(partner, "left")))
    return pairs


def test_real_pairs_are_aligned(data_dir: Path) -> None:
    pairs = real_pairs(data_dir)
    assert len(pairs) == 12
    before, after = [], []
    for name, fixed, moving in pairs:
        pair = register_pair(fixed, moving)
        assert pair.accepted, name
        before.append(likeness(fixed.dual_view, moving.dual_view))
        after.append(likeness(fixed.dual_view, pair.moving))
        sys_line = f"{name}: {pair.method}, Dice {pair.quality:.3f}, {pair.milliseconds:.0f} ms"
        print(f"{sys_line}, correlation {before[-1]:.3f} -> {after[-1]:.3f}")  # noqa: T201  shown by pytest -s
        assert after[-1] > before[-1], name
    assert np.mean(after) > np.mean(before) + 0.03
