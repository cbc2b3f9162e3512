"""Odd images are told from usual ones, by device, at the promised cost."""

from pathlib import Path

import numpy as np
import pytest

from triage.core.errors import BundleError
from triage.core.strata import Stratum
from triage.decide import ood

DEVICES = ("A|1||", "B|2||")


def sample(seed: int, exams: int = 500, shift: float = 0.0) -> ood.Sample:
    """Four images an exam; device B lies 5 apart from A, MLO 3 from CC."""
    generator = np.random.default_rng(seed)
    number = np.repeat(np.arange(exams), 4)
    devices = np.asarray(DEVICES, np.str_)[number % 2]
    positions = np.tile(np.asarray(["CC", "CC", "MLO", "MLO"], np.str_), exams)
    centre = 5.0 * (devices == DEVICES[1]) + 3.0 * (positions == "MLO") + shift
    # Images of one exam resemble each other.
    woman = generator.standard_normal((exams, 12))[number]
    embeddings = centre[:, None] + 0.7 * woman + 0.7 * generator.standard_normal((number.size, 12))
    statistics = centre[:, None] + generator.standard_normal((number.size, 5))
    return ood.Sample(
        devices,
        positions,
        number.astype(np.str_),
        embeddings.astype(np.float32),
        statistics.astype(np.float32),
    )


@pytest.fixture(scope="module")
def fitted() -> ood.OutOfDistribution:
    return ood.fit(sample(1), sample(2, 900))


def refused(fitted: ood.OutOfDistribution, images: ood.Sample, device: str | None = None) -> float:
    """Share of exams with at least one refused image."""
    scores = [
        fitted.score(device or str(own), str(position), embedding, statistics)
        for own, position, embedding, statistics in zip(
            images.devices, images.positions, images.embeddings, images.statistics, strict=True
        )
    ]
    return float((np.asarray(scores).reshape(-1, 4).max(axis=1) > 1).mean())


def test_clean_exams_are_hardly_ever_refused(fitted: ood.OutOfDistribution) -> None:
    # 1,000 exams at 0.5%: 5 expected; the reference itself has its error too.
    assert refused(fitted, sample(3, 1000)) <= 0.015


def test_shifted_exams_are_refused(fitted: ood.OutOfDistribution) -> None:
    assert refused(fitted, sample(4, 100, shift=6.0)) > 0.95


def test_one_device_looks_odd_as_another(fitted: ood.OutOfDistribution) -> None:
    images = sample(5, 100)
    of_b = images.where(images.devices == DEVICES[1])
    assert refused(fitted, of_b) < 0.1
    assert refused(fitted, of_b, DEVICES[0]) > 0.9


def test_an_unknown_device_is_held_against_the_nearest(fitted: ood.OutOfDistribution) -> None:
    assert refused(fitted, sample(6, 200), "C|3||") < 0.05
    assert refused(fitted, sample(6, 100, shift=30.0), "C|3||") > 0.95


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_number_is_infinitely_odd(fitted: ood.OutOfDistribution, value: float) -> None:
    images = sample(7, 1)
    embedding = images.embeddings[0].copy()
    embedding[3] = value
    assert fitted.score(DEVICES[0], "CC", embedding, images.statistics[0]) == float("inf")


def test_a_written_check_scores_the_same(fitted: ood.OutOfDistribution, tmp_path: Path) -> None:
    path = tmp_path / "ood.npz"
    path.write_bytes(ood.to_bytes(fitted))
    again, images = ood.read(path), sample(8, 5)
    assert again.devices == fitted.devices
    for number in range(20):
        args = (
            str(images.devices[number]),
            str(images.positions[number]),
            images.embeddings[number],
            images.statistics[number],
        )
        assert again.score(*args) == pytest.approx(fitted.score(*args), rel=1e-4)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ood.npz"
    path.write_bytes(b"no such thing")
    with pytest.raises(BundleError, match="ood.npz"):
        ood.read(path)


def test_too_few_reference_exams_are_no_reference() -> None:
    with pytest.raises(ValueError, match="cannot hold alpha"):
        ood.fit(sample(1), sample(2, 100))


def test_the_key_of_a_device_leaves_out_site_and_models() -> None:
    one = Stratum("Here", "A", "1", "v", "DIRECT", "ab" * 32, "1")
    assert ood.device_key(one) == "A|1|v|DIRECT"
