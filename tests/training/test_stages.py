"""Every stage of a recipe on the tiny cache, each on top of the one it starts from."""

import json
from pathlib import Path

import pytest
import torch

from training.recipe import Recipe, Stage
from training.stages import ENCODER, HEAD, RESULT, Trainer
from triage.core.errors import TriageError

ONE = {"epochs": 1, "learning_rate": 1e-3}


@pytest.fixture
def recipe() -> Recipe:
    stages = {
        "patches": Stage(method="patches", batch_size=8, per_epoch=8, **ONE),
        "scp": Stage(method="scp", start="patches", per_epoch=24, **ONE),
        "dual": Stage(method="sf", start="scp", views="dual", **ONE),
        "single": Stage(method="sf", start="scp", views="single", **ONE),
        "plain": Stage(method="supervised", start="patches", views="dual", per_epoch=24, **ONE),
        "byol": Stage(method="byol", start="patches", batch_size=8, per_epoch=16, tile=32, **ONE),
        "linear": Stage(method="mip-linear", start="byol", **ONE),
        "whole": Stage(method="mip-finetune", start="linear", per_epoch=24, **ONE),
    }
    systems = {"dual_view": "dual", "whole_image": "whole", "compared": {"plain": "plain"}}
    points = {"exams": 1, "seed": 2, "abnormal_from": 1}
    data = {"exams": {"train": 1, "validation": 1, "test": 1}, "operating_points": points}
    return Recipe.model_validate({"data": data, "systems": systems, "stages": stages})


def test_stages_build_on_each_other(recipe: Recipe, tiny_cache: Path, tmp_path: Path) -> None:
    trainer = Trainer(recipe, tiny_cache, tmp_path)
    for name in recipe.stages:
        trainer.fit(name)
        assert json.loads((tmp_path / name / RESULT).read_text())["stage"] == name
    weights = {name: torch.load(tmp_path / name / ENCODER, weights_only=True) for name in recipe.stages}
    for frozen, source in (("dual", "scp"), ("single", "scp"), ("linear", "byol")):
        assert all(torch.equal(weights[frozen][key], weights[source][key]) for key in weights[source])
    for trained, source in (("scp", "patches"), ("plain", "patches"), ("byol", "patches"), ("whole", "linear")):
        assert not torch.equal(weights[trained]["stem.weight"], weights[source]["stem.weight"])
    assert {name for name in recipe.stages if (tmp_path / name / HEAD).is_file()} == {
        "dual", "single", "plain", "linear", "whole",
    }  # fmt: skip


def test_a_finished_stage_is_left_alone(recipe: Recipe, tiny_cache: Path, tmp_path: Path) -> None:
    trainer = Trainer(recipe, tiny_cache, tmp_path)
    trainer.fit("patches")
    before = (tmp_path / "patches" / ENCODER).stat().st_mtime_ns
    trainer.fit("patches")
    assert (tmp_path / "patches" / ENCODER).stat().st_mtime_ns == before


def test_a_stage_without_its_start_says_what_to_do(recipe: Recipe, tiny_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(TriageError, match="fit --stage patches"):
        Trainer(recipe, tiny_cache, tmp_path).fit("scp")
