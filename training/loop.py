"""The one training loop: a method and its settings in, checkpoints and `metrics.jsonl` in a run folder out.

Every epoch ends with an atomic checkpoint. A run that is started again continues from it exactly: the order of an epoch
is a function of seed and epoch, and weights, optimiser and torch's generator are restored to the bit.
"""

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

Batch = tuple[Tensor, ...]
LAST, BEST, METRICS = "last.pt", "best.pt", "metrics.jsonl"


class Method(nn.Module):
    """What the loop asks of a training method. Everything it must remember is in its parameters and buffers."""

    selection: str = "loss"
    """Name of the validation metric by which the best epoch is chosen."""
    higher_is_better: bool = False

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def epoch(self, generator: np.random.Generator) -> Iterator[Batch]:
        """The batches of one epoch, drawn with the generator alone."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """Scalar loss of one batch."""
        raise NotImplementedError

    def after_step(self) -> None:
        """Called after each optimiser step."""

    def validate(self) -> dict[str, float]:
        """Metrics on the validation part; must contain `selection`."""
        raise NotImplementedError


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast; the same names in a recipe."""

    epochs: int
    learning_rate: float
    weight_decay: float = 5e-4
    warmup_steps: int = 4
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    drop_after: float = 1 / 3
    """`step`: share of the epochs after which the rate falls to a tenth (100 of 300 in Cao et al.)."""
    accumulate: int = 1
    """Batches an optimiser step."""
    seed: int = 1
    precision: Literal["bf16", "fp32"] = "fp32"
    device: str = "cpu"

    def rate(self, step: int, steps_per_epoch: float) -> float:
        """Learning rate of an optimiser step, counted from 0."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / (self.warmup_steps + 1)
        done = step / max(1.0, self.epochs * steps_per_epoch)
        if self.schedule == "cosine":
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        if self.schedule == "step" and done >= self.drop_after:
            return self.learning_rate / 10
        return self.learning_rate


@dataclass
class _Progress:
    epoch: int = 0
    step: int = 0
    steps_per_epoch: float = 1.0
    best: float = math.nan


def autocast(settings: LoopSettings) -> torch.autocast:
    """The precision of the forward pass; losses are computed in float32 by the methods."""
    return torch.autocast(settings.device.split(":")[0], torch.bfloat16, enabled=settings.precision == "bf16")


def fit(method: Method, settings: LoopSettings, run: Path) -> Path:
    """Trains until `settings.epochs`, continuing what the run folder holds; returns the best checkpoint.

    The best checkpoint holds the method's state alone; the last one everything that a resume needs.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    method.to(settings.device)
    trainable = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trainable, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    progress = _resume(method, optimizer, run)
    while progress.epoch < settings.epochs:
        started = time.monotonic()
        loss = _one_epoch(method, optimizer, settings, progress)
        method.eval()
        with torch.inference_mode(), autocast(settings):
            metrics = method.validate()
        progress.epoch += 1
        better = _better(metrics[method.selection], progress.best, method.higher_is_better)
        if better:
            progress.best = metrics[method.selection]
            _save(method.state_dict(), run / BEST)
        seconds = time.monotonic() - started
        _record(
            run,
            {
                "epoch": progress.epoch,
                "step": progress.step,
                "loss": loss,
                **metrics,
                "best": better,
                "seconds": seconds,
            },
        )
        _save(_state(method, optimizer, progress), run / LAST)
    method.load_state_dict(torch.load(run / BEST, map_location=settings.device, weights_only=True))
    return run / BEST


def _one_epoch(method: Method, optimizer: torch.optim.Optimizer, settings: LoopSettings, progress: _Progress) -> float:
    method.train()
    generator = np.random.default_rng([settings.seed, progress.epoch])
    total, batches, first_step = 0.0, 0, progress.step
    optimizer.zero_grad(set_to_none=True)
    for batch in _shown(method.epoch(generator), f"epoch {progress.epoch + 1}/{settings.epochs}"):
        with autocast(settings):
            loss = method.loss(tuple(tensor.to(settings.device) for tensor in batch))
        (loss / settings.accumulate).backward()  # type: ignore[no-untyped-call]
        batches += 1
        total += float(loss.detach())
        if batches % settings.accumulate:
            continue
        for group in optimizer.param_groups:
            group["lr"] = settings.rate(progress.step, progress.steps_per_epoch)
        optimizer.step()
        # Gradients are freed before the next batch is loaded.
        optimizer.zero_grad(set_to_none=True)
        method.after_step()
        progress.step += 1
    if progress.epoch == 0:
        # Known after one epoch: during the first, any schedule is flat enough.
        progress.steps_per_epoch = max(1, progress.step - first_step)
    return total / max(1, batches)


def _shown(batches: Iterator[Batch], label: str) -> Iterable[Batch]:
    """The batches with a counter on a terminal; how many there will be only the method knows."""
    return track(batches, label, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)


def chunks(numbers: Tensor, size: int) -> Iterator[Tensor]:
    """Consecutive pieces of at most `size` entries."""
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _better(value: float, best: float, higher: bool) -> bool:
    if math.isnan(best):
        return True
    return value > best if higher else value < best


def _state(method: Method, optimizer: torch.optim.Optimizer, progress: _Progress) -> dict[str, Any]:
    return {
        "method": method.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": vars(progress),
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _resume(method: Method, optimizer: torch.optim.Optimizer, run: Path) -> _Progress:
    if not (run / LAST).is_file():
        (run / METRICS).unlink(missing_ok=True)
        return _Progress()
    state = torch.load(run / LAST, map_location="cpu", weights_only=True)
    method.load_state_dict(state["method"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"])
    if state["cuda_rng"]:
        torch.cuda.set_rng_state_all(state["cuda_rng"])
    progress = _Progress(**state["progress"])
    # An epoch that was recorded but not checkpointed is trained, and recorded, again.
    kept = (run / METRICS).read_text(encoding="utf-8").splitlines()[: progress.epoch]
    (run / METRICS).write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    return progress


def _save(state: Any, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _record(run: Path, metrics: dict[str, Any]) -> None:
    rounded = {key: round(value, 6) if isinstance(value, float) else value for key, value in metrics.items()}
    with (run / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(rounded) + "\n")
