"""The loop: exact resume, checkpoints, schedule."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training.data.images import part
from training.encoders import Encoder
from training.heads import SingleViewHead
from training.loop import BEST, LAST, METRICS, LoopSettings, fit
from training.methods.byol import Byol, TileSettings
from training.methods.supervised import EndToEnd, ViewSettings


class Crash(Exception):
    """Stands for a crash."""


def method(tiny_cache: Path, tiny_encoder: Callable[[], Encoder]) -> EndToEnd:
    parts = part(tiny_cache, "train", paired=False), part(tiny_cache, "validation", paired=False)
    encoder = tiny_encoder()
    return EndToEnd(encoder, SingleViewHead(8, (8, 6), 2, 8), parts, ViewSettings("single", 8, 32))


def test_resume_is_exact_to_the_bit(tiny_cache: Path, tiny_encoder: Callable[[], Encoder], tmp_path: Path) -> None:
    settings = LoopSettings(epochs=4, learning_rate=1e-3, accumulate=2)
    straight = method(tiny_cache, tiny_encoder)
    fit(straight, settings, tmp_path / "straight")

    crashed = method(tiny_cache, tiny_encoder)
    validations = 0
    real = crashed.validate

    def crash_in_the_third_epoch() -> dict[str, float]:
        nonlocal validations
        validations += 1
        if validations == 3:
            raise Crash
        return real()

    crashed.validate = crash_in_the_third_epoch  # type: ignore[method-assign]
    with pytest.raises(Crash):
        fit(crashed, settings, tmp_path / "resumed")
    torch.manual_seed(99)
    fit(method(tiny_cache, tiny_encoder), settings, tmp_path / "resumed")

    states = [torch.load(tmp_path / name / LAST, weights_only=True) for name in ("straight", "resumed")]
    assert all(torch.equal(states[0]["method"][key], states[1]["method"][key]) for key in states[0]["method"])
    assert torch.equal(states[0]["rng"], states[1]["rng"])
    lines = [(tmp_path / name / METRICS).read_text().splitlines() for name in ("straight", "resumed")]
    assert [_without_time(line) for line in lines[0]] == [_without_time(line) for line in lines[1]]
    assert len(lines[0]) == 4


def test_resume_of_byol_restores_the_generator_of_its_transforms(
    tiny_cache: Path, tiny_encoder: Callable[[], Encoder], tmp_path: Path
) -> None:
    parts = part(tiny_cache, "train", paired=False), part(tiny_cache, "validation", paired=False)
    tiles = TileSettings(16, 16, 48, projection=8, hidden=16)
    for epochs, name in ((3, "straight"), (2, "resumed"), (3, "resumed")):
        torch.manual_seed(0)
        fit(Byol(tiny_encoder(), parts, tiles), LoopSettings(epochs, 1e-3, schedule="constant"), tmp_path / name)
    states = [torch.load(tmp_path / name / LAST, weights_only=True)["method"] for name in ("straight", "resumed")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_the_best_epoch_is_kept_and_loaded(
    tiny_cache: Path, tiny_encoder: Callable[[], Encoder], tmp_path: Path
) -> None:
    trained = method(tiny_cache, tiny_encoder)
    values = iter([0.5, 0.9, 0.7])
    kept: list[torch.Tensor] = []

    def validate() -> dict[str, float]:
        kept.append(trained.head.block.full.weight.detach().clone())
        return {"auc": next(values)}

    trained.validate = validate  # type: ignore[method-assign]
    assert fit(trained, LoopSettings(3, 1e-2), tmp_path) == tmp_path / BEST
    assert torch.equal(trained.head.block.full.weight, kept[1])


def test_schedules() -> None:
    paper = LoopSettings(epochs=300, learning_rate=1e-5, schedule="step")
    assert paper.rate(0, 10) == pytest.approx(2e-6)
    assert paper.rate(4, 10) == 1e-5
    assert paper.rate(999, 10) == 1e-5
    assert paper.rate(1000, 10) == pytest.approx(1e-6)
    assert LoopSettings(10, 1e-3).rate(50, 10) == pytest.approx(5e-4)


def _without_time(line: str) -> dict[str, float]:
    return {key: value for key, value in json.loads(line).items() if key != "seconds"}
