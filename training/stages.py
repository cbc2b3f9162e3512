"""Stages: a stage of a recipe and a cache in, a trained method in RUN/STAGE out, on top of the stage it starts from."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import nn

from training.data.images import Part, part
from training.data.pairs import SAMPLERS
from training.encoders import Encoder, encoder, feature_shape
from training.heads import DualViewHead, Projection, SingleViewHead
from training.loop import BEST, Method, fit
from training.methods.byol import Byol, TileSettings
from training.methods.mip import BagClassifier, WholeImage, WholeImageSettings, cached_bags
from training.methods.patches import PatchClassifier, PatchSettings
from training.methods.scp import PairSettings, SupervisedContrastive
from training.methods.sf import CachedFeatures, FeatureClassifier, encode
from training.methods.supervised import EndToEnd, ViewSettings
from training.recipe import Recipe, Stage
from triage.core.errors import TriageError
from triage.core.study import DUAL_VIEW_SHAPE

ENCODER, HEAD, RESULT = "encoder.pt", "head.pt", "result.json"
Parts = tuple[Part, Part]


class Trainer:
    """Builds and fits the stages of one recipe over one cache."""

    def __init__(self, recipe: Recipe, cache: Path, run: Path, seed: int | None = None) -> None:
        self.recipe, self.cache, self.run = recipe, cache, run
        self.seed = recipe.seed if seed is None else seed
        torch.set_num_threads(recipe.threads)
        if recipe.device == "cpu":
            # Denormals of dying gradients cost a tenfold slowdown on a CPU.
            torch.set_flush_denormal(True)

    def fit(self, name: str) -> None:
        """Trains one stage to its end unless it is there already, and writes encoder.pt, head.pt and result.json."""
        stage, folder = self.recipe.stages[name], self.run / name
        if (folder / RESULT).is_file():
            return
        started = time.monotonic()
        torch.manual_seed(self.seed)
        method, trained_encoder = self._method(stage)
        fit(method, self.recipe.loop(stage, self.seed), folder)
        torch.save(trained_encoder.state_dict(), folder / ENCODER)
        head = head_of(method)
        if head is not None:
            torch.save(head.state_dict(), folder / HEAD)
        result = {"stage": name, "seed": self.seed, "seconds": round(time.monotonic() - started, 1)}
        (folder / RESULT).write_text(json.dumps(result | stage.model_dump(), indent=2) + "\n", encoding="utf-8")
        (folder / BEST).unlink()

    def _method(self, stage: Stage) -> tuple[Method, Encoder]:
        made = encoder(self.recipe.encoder_of(stage))
        if stage.start:
            made.load_state_dict(load(self.run / stage.start / ENCODER))
        paired = stage.views == "dual"
        parts = (part(self.cache, "train", paired=paired), part(self.cache, "validation", paired=paired))
        build: dict[str, Callable[[Stage, Encoder, Parts], Method]] = {
            "patches": _patches,
            "scp": _scp,
            "sf": partial(_sf, device=self.recipe.device),
            "supervised": _supervised,
            "byol": _byol,
            "mip-linear": partial(_mip_linear, device=self.recipe.device),
            "mip-finetune": partial(_mip_finetune, start=self.run / stage.start),
        }
        return build[stage.method](stage, made, parts), made


def load(path: Path) -> dict[str, torch.Tensor]:
    """Weights of an earlier stage.

    Raises:
        TriageError: that stage was not trained.
    """
    if not path.is_file():
        raise TriageError(
            f"{path} does not exist; train that stage first (triage-train fit --stage {path.parent.name})"
        )
    return cast(dict[str, torch.Tensor], torch.load(path, map_location="cpu", weights_only=True))


def head_of(method: Method) -> nn.Module | None:
    """What a method trains on top of its encoder and a later stage or the export needs."""
    if isinstance(method, FeatureClassifier | EndToEnd):
        return method.head
    return method.bag if isinstance(method, WholeImage) else None


def make_head(stage: Stage, made: Encoder, shape: tuple[int, int] = DUAL_VIEW_SHAPE) -> DualViewHead | SingleViewHead:
    """The head of a stage, randomly initialised, for the encoder's features of an image of that shape."""
    channels, *grid = feature_shape(made, *shape)
    kind = DualViewHead if stage.views == "dual" else SingleViewHead
    return kind(channels, (grid[0], grid[1]), stage.grid, stage.hidden)


def _shape(parts: Parts) -> tuple[int, int]:
    rows, columns = parts[0].pixels("dual_view", 0).shape
    return rows, columns


def _patches(stage: Stage, made: Encoder, parts: Parts) -> Method:
    if not parts[0].boxes or not parts[1].boxes:
        raise TriageError("annotated patches need lesions.csv beside the manifest")
    settings = PatchSettings(batch_size=stage.batch_size, patches_per_epoch=stage.per_epoch or 2 * len(parts[0].boxes))
    return PatchClassifier(made, parts, settings)


def _scp(stage: Stage, made: Encoder, parts: Parts) -> Method:
    channels, *grid = feature_shape(made, *_shape(parts))
    projection = Projection(channels, (grid[0], grid[1]), stage.grid, stage.hidden)
    settings = PairSettings(SAMPLERS[stage.sampler], stage.batch_size, stage.per_epoch or len(parts[0]))
    return SupervisedContrastive(made, projection, parts, settings)


def _sf(stage: Stage, made: Encoder, parts: Parts, device: str) -> Method:
    cached = []
    for one in parts:
        main = encode(made, one, "dual_view", device)
        views = (main, encode(made, one, "moving", device)) if stage.views == "dual" else (main,)
        cached.append(CachedFeatures(views, one.labels))
    return FeatureClassifier(make_head(stage, made, _shape(parts)), (cached[0], cached[1]), stage.batch_size)


def _supervised(stage: Stage, made: Encoder, parts: Parts) -> Method:
    default = len(parts[0]) * (2 if stage.views == "dual" else 1)
    settings = ViewSettings(stage.views, stage.batch_size, stage.per_epoch or default)
    return EndToEnd(made, make_head(stage, made, _shape(parts)), parts, settings)


def _byol(stage: Stage, made: Encoder, parts: Parts) -> Method:
    settings = TileSettings(stage.tile, stage.batch_size, stage.per_epoch or 10 * len(parts[0]))
    return Byol(made, parts, settings)


def _mip_linear(stage: Stage, made: Encoder, parts: Parts, device: str) -> Method:
    cached = [cached_bags(made, one, device) for one in parts]
    return FeatureClassifier(BagClassifier(made.channels), (cached[0], cached[1]), stage.batch_size)


def _mip_finetune(stage: Stage, made: Encoder, parts: Parts, start: Path) -> Method:
    bag = BagClassifier(made.channels)
    bag.load_state_dict(load(start / HEAD))
    return WholeImage(made, bag, parts, WholeImageSettings(stage.batch_size, stage.per_epoch or len(parts[0])))
