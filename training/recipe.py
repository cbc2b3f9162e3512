"""Recipes: one TOML file says which data, which encoder and which stages; read and checked here.

A stage is one training run: a method, where its encoder starts from, and how long. Stages may build on earlier ones.
"""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.loop import LoopSettings
from triage.core.errors import ConfigurationError

MethodName = Literal["patches", "scp", "sf", "supervised", "byol", "mip-linear", "mip-finetune"]


class Stage(BaseModel):
    """One training run. Fields that a method does not use must stay away from its table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: MethodName
    start: str = ""
    """Stage whose encoder (and, for mip-finetune, whose head) this one takes; empty: random weights."""
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = 5e-4
    warmup_steps: int = 4
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    accumulate: int = 1
    batch_size: int = Field(12, ge=2)
    """Pairs (scp), images, dual-view samples, tiles or patches a batch."""
    per_epoch: int = 0
    """Images that pass the encoder in an epoch (tiles for byol, patches for patches); 0: each image once."""
    views: Literal["single", "dual"] = "single"
    sampler: Literal["patient", "random"] = "patient"
    grid: int = 2
    """Cells a side that the head's max-pool leaves."""
    hidden: int = 32
    tile: int = 96


class Systems(BaseModel):
    """Which stages the report compares, and which two the bundle ships."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dual_view: str
    whole_image: str
    compared: dict[str, str]
    """Row of the report to stage."""


class OperatingPoints(BaseModel):
    """The fresh phantom exams that operating points and out-of-distribution check are found on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exams: int = Field(ge=1)
    seed: int
    abnormal_from: int = Field(ge=1)
    """The abnormal ones of this many more exams, with the next seed, are added to find the thresholds on."""
    admitted: tuple[str, ...] = ()
    """Manufacturers that a demonstration admits at the threshold of all phantom units, without data of their own."""
    real_images: str = "../shared/data"
    """Where real images are that say how the first admitted manufacturer's look; TRIAGE_DATA_DIR comes first."""


class DataRecipe(BaseModel):
    """How many phantom exams each part gets, and from which seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 1
    conspicuity: float = 1.0
    exams: dict[Literal["train", "validation", "calibration", "test"], int]
    operating_points: OperatingPoints

    @model_validator(mode="after")
    def _seeds_differ(self) -> "DataRecipe":
        if self.seed in (self.operating_points.seed, self.operating_points.seed + 1):
            raise ValueError("operating_points.seed or the next one is that of the training data: use other patients")
        return self


class Recipe(BaseModel):
    """A whole recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 1
    threads: int = 2
    device: str = "cpu"
    precision: Literal["bf16", "fp32"] = "fp32"
    dual_encoder: str = "resnet22"
    whole_encoder: str = "resnet22"
    data: DataRecipe
    systems: Systems
    stages: dict[str, Stage]

    @model_validator(mode="after")
    def _stages_exist(self) -> "Recipe":
        order = list(self.stages)
        for name, stage in self.stages.items():
            if stage.start and stage.start not in order[: order.index(name)]:
                raise ValueError(f"stage {name} starts from {stage.start!r}, which is no earlier stage")
        for name in (self.systems.dual_view, self.systems.whole_image, *self.systems.compared.values()):
            if name not in self.stages:
                raise ValueError(f"systems name {name!r}, which is no stage")
        return self

    def loop(self, stage: Stage, seed: int | None = None) -> LoopSettings:
        """The loop's settings for one stage. Cached features train in float32: they are served in it."""
        return LoopSettings(
            epochs=stage.epochs,
            learning_rate=stage.learning_rate,
            weight_decay=stage.weight_decay,
            warmup_steps=stage.warmup_steps,
            schedule=stage.schedule,
            accumulate=stage.accumulate,
            seed=self.seed if seed is None else seed,
            precision="fp32" if stage.method in {"sf", "mip-linear"} else self.precision,
            device=self.device,
        )

    def encoder_of(self, stage: Stage) -> str:
        """Name of the stage's encoder."""
        return self.whole_encoder if stage.method in {"byol", "mip-linear", "mip-finetune"} else self.dual_encoder


def read_recipe(name: str) -> Recipe:
    """A recipe by path, or by name (`cpu`, `gpu`) from the package.

    Raises:
        ConfigurationError: not found or not valid; the message names the key.
    """
    packaged = Path(__file__).parent / "recipes" / f"{name}.toml"
    path = packaged if packaged.is_file() else Path(name)
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        known = ", ".join(sorted(found.stem for found in packaged.parent.glob("*.toml")))
        raise ConfigurationError(f"no recipe {name!r}: not a file, and none of {known}") from error
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
