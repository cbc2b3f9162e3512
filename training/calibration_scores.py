"""Scores for the operating points: fresh phantom exams through the service's own code, one after the other.

Input: a bundle and a seed that no training data has. Output: one NPZ a batch of exams: logits, BI-RADS, device,
embeddings and pixel statistics. The images themselves are made in a temporary folder and forgotten, since thousands of
exams would fill a disk. Batches that exist are not made again.
"""

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from training.data.pixels import prepare_file
from training.phantom.exam import Exam, make_exam
from training.phantom.study import write_exam
from triage.core.errors import Rejected
from triage.core.reasons import reason
from triage.core.study import PreparedView
from triage.core.views import STANDARD_VIEWS, View
from triage.decide.operating_point import round_score
from triage.infer.bundle import load
from triage.infer.engine import Engine
from triage.register.affine import register_pair

BATCH = 40
"""Exams in a file."""

_engine: Engine | None = None


@dataclass(frozen=True)
class Scores:
    """One entry an image, in the order RCC, LCC, RMLO, LMLO of each exam; exams with a refused image are left out."""

    exams: npt.NDArray[np.int64]
    """Seed of the exam, which is also its patient; shape (n,)."""
    views: npt.NDArray[np.str_]
    birads: npt.NDArray[np.int64]
    manufacturers: npt.NDArray[np.str_]
    """Shape (n,)."""
    logits: npt.NDArray[np.float64]
    """Dual view, whole image, fused; shape (n, 3)."""
    embeddings: npt.NDArray[np.float32]
    """Shape (n, channels)."""
    statistics: npt.NDArray[np.float32]
    """Shape (n, 16)."""
    refused: tuple[str, ...]
    """`seed: reason` of every exam left out."""

    @property
    def fused(self) -> npt.NDArray[np.float64]:
        """Fused logits as they are stored, shape (n,)."""
        return self.logits[:, 2]


@dataclass(frozen=True)
class Wanted:
    """Which exams: those of the seeds `seed * 1_000_000 + 0 .. exams - 1`."""

    exams: int
    seed: int
    abnormal_only: bool = False
    """Leave out exams without a finding: misses are rare, and a bound on them needs many abnormal exams."""


Job = tuple[Path, Wanted, int, int]


def score_phantoms(bundle: str, out: Path, wanted: Wanted, workers: int = 2) -> Scores:
    """Scores of the exams wanted; `out` keeps the batches."""
    out.mkdir(parents=True, exist_ok=True)
    starts = range(0, wanted.exams, BATCH)
    jobs = [(out / f"{first:06d}.npz", wanted, first, min(first + BATCH, wanted.exams)) for first in starts]
    missing = [job for job in jobs if not job[0].is_file()]
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start, initargs=(bundle,)) as pool:
        done = pool.map(_score_batch, missing)
        for _ in track(
            done, "Scoring phantoms", len(missing), console=Console(stderr=True), disable=not sys.stderr.isatty()
        ):
            pass
    return read_scores([job[0] for job in jobs])


def read_scores(files: Sequence[Path]) -> Scores:
    """Batches as one."""
    parts: list[dict[str, Any]] = []
    for file in files:
        with np.load(file) as content:
            parts.append({name: content[name] for name in content.files})
    joined: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Scores(**joined | {"refused": tuple(str(one) for one in joined["refused"])})


def _start(bundle: str) -> None:
    import cv2

    global _engine  # noqa: PLW0603 - one engine a process, made when the process starts
    cv2.setNumThreads(1)
    _engine = Engine(load(bundle), "cpu", 1)


def _score_batch(job: Job) -> None:
    file, wanted, first, last = job
    rows: list[tuple[Any, ...]] = []
    refused: list[str] = []
    for number in range(first, last):
        exam_seed = wanted.seed * 1_000_000 + number
        exam = make_exam(exam_seed)
        if wanted.abnormal_only and exam.birads == 1:
            continue
        try:
            rows += _score_exam(exam)
        except Rejected as rejected:
            refused.append(f"{exam_seed}: {rejected.reason.code}")
    columns = [np.asarray(column) for column in zip(*rows, strict=True)]
    names = ("exams", "views", "birads", "manufacturers", "logits", "embeddings", "statistics")
    temporary = file.with_suffix(".part.npz")
    np.savez(temporary, **dict(zip(names, columns, strict=True)), refused=np.asarray(refused, np.str_))  # type: ignore[arg-type]
    temporary.replace(file)


def _score_exam(exam: Exam) -> list[tuple[Any, ...]]:
    assert _engine is not None
    with tempfile.TemporaryDirectory() as folder:
        write_exam(exam, Path(folder))
        prepared = {view: prepare_file(Path(folder) / f"{view}.dcm") for view in STANDARD_VIEWS}
    moving = {view: _registered(prepared, view) for view in STANDARD_VIEWS}
    dual = _engine.dual_view([prepared[view].dual_view for view in STANDARD_VIEWS], list(moving.values()))
    whole = _engine.whole_image([prepared[view].whole_image for view in STANDARD_VIEWS])
    rows = []
    for view, (dual_logit, embedding), (whole_logit, _) in zip(STANDARD_VIEWS, dual, whole, strict=True):
        logits = [round_score(value) for value in (dual_logit, whole_logit, _engine.fuse(dual_logit, whole_logit))]
        device = exam.look.manufacturer
        rows.append((exam.seed, str(view), exam.birads_of(view), device, logits, embedding, prepared[view].statistics))
    return rows


def _registered(prepared: dict[View, PreparedView], view: View) -> npt.NDArray[np.uint16]:
    pair = register_pair(prepared[view], prepared[view.contralateral])
    if not pair.accepted:
        raise Rejected(reason("registration-failed"))
    return pair.moving
