"""Compares the trained systems of a recipe on one part of the cache: same images, same metrics, paired differences."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training.data.images import Part, part
from training.encoders import encoder
from training.evaluate.metrics import Scored, auc, bootstrap_auc, evaluate
from training.heads import DualViewHead, SingleViewHead
from training.methods.mip import BagClassifier, WholeImage, WholeImageSettings
from training.methods.supervised import EndToEnd, ViewSettings
from training.recipe import Recipe, Stage
from training.stages import ENCODER, HEAD, load, make_head
from triage.core.errors import TriageError


def trained_dual(recipe: Recipe, run: Path, name: str) -> EndToEnd:
    """Encoder and head of a single- or dual-view stage, with their trained weights, ready to score."""
    stage = recipe.stages[name]
    made = encoder(recipe.encoder_of(stage))
    made.load_state_dict(load(run / name / ENCODER))
    head: DualViewHead | SingleViewHead = make_head(stage, made)
    head.load_state_dict(load(run / name / HEAD))
    return EndToEnd(made, head, (_NO_IMAGES, _NO_IMAGES), ViewSettings(stage.views)).eval()


def trained_whole(recipe: Recipe, run: Path, name: str) -> WholeImage:
    """The same for a whole-image stage."""
    made = encoder(recipe.encoder_of(recipe.stages[name]))
    made.load_state_dict(load(run / name / ENCODER))
    bag = BagClassifier(made.channels)
    bag.load_state_dict(load(run / name / HEAD))
    return WholeImage(made, bag, (_NO_IMAGES, _NO_IMAGES), WholeImageSettings()).eval()


def stage_scores(recipe: Recipe, run: Path, name: str, images: Part) -> npt.NDArray[np.float64]:
    """Logit of normal for each image of a part, in float32 as the service computes it."""
    method = _scorer(recipe.stages[name], recipe, run, name).to(recipe.device)
    with torch.inference_mode():
        return method.scores(images).numpy().astype(np.float64)


def _scorer(stage: Stage, recipe: Recipe, run: Path, name: str) -> EndToEnd | WholeImage:
    if stage.method in {"sf", "supervised"}:
        return trained_dual(recipe, run, name)
    if stage.method in {"mip-linear", "mip-finetune"}:
        return trained_whole(recipe, run, name)
    raise TriageError(f"stage {name} ({stage.method}) is no classifier")


def compare(recipe: Recipe, cache: Path, run: Path, part_name: str = "test") -> dict[str, Any]:
    """Metrics of every compared system, and the difference in AUC of every two of them, on paired images."""
    images = part(cache, part_name, paired=True)
    scored = {
        row: Scored(stage_scores(recipe, run, stage, images), images.normal, images.birads, images.patients)
        for row, stage in recipe.systems.compared.items()
    }
    differences = [
        {
            "first": first,
            "second": second,
            "auc_difference": auc(a.scores, a.normal) - auc(b.scores, b.normal),
            "interval": list(bootstrap_auc(a, b.scores)),
        }
        for (first, a), (second, b) in combinations(scored.items(), 2)
    ]
    return {"part": part_name, "systems": {row: evaluate(s) for row, s in scored.items()}, "differences": differences}


_NOTHING = np.empty(0)
_NO_IMAGES = Part(
    Path(), _NOTHING.astype(np.int64), (), _NOTHING.astype(np.bool_), _NOTHING.astype(np.int64),
    _NOTHING.astype(np.str_), _NOTHING.astype(np.str_), (),
)  # fmt: skip
"""A trained network that only scores needs no parts to train on."""
