"""Mutated studies through the real pipeline in process: intake, ledger, analysis, report. For tests and benchmarks.

The threshold is laid far below every score, so that whatever is evaluated is flagged: a defect that no rule sees shows
as a flag and cannot hide behind a low score. Model outputs, registrations and prepared views are remembered by the
digest of everything that they are made from, since all of them are deterministic; `memory=False` remembers nothing.
"""

import hashlib
import logging
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from training.phantom.acquisition import LOOKS
from training.phantom.dicom import mg_dataset
from training.phantom.exam import make_exam
from training.phantom.identity import identity_of, uid
from training.phantom.mutations import Mutation, Study
from training.phantom.study import facts_of, stored_pixels
from triage import pipeline as pipeline_module
from triage import scoring
from triage.accept import exam_rules, header_rules
from triage.accept.header_rules import describe
from triage.assemble.completeness import due_at
from triage.core.finding import Outcome, StudyFinding
from triage.core.reasons import CODE_VALUES
from triage.core.views import STANDARD_VIEWS
from triage.decide.ood import read as read_ood
from triage.infer import bundle as bundles
from triage.infer.engine import Engine
from triage.intake import ViewsAtHand
from triage.pipeline import Pipeline
from triage.prepare import decode, view
from triage.receive.handlers import SUCCESS, Received, StoreHandler
from triage.report.composite import Device
from triage.report.outputs import Outputs
from triage.roles import shipped_with
from triage.scoring import Scorer
from triage.store.blobs import Blobs
from triage.store.database import open_database
from triage.store.ledger import Ledger
from triage.store.pictures import Pictures
from triage.store.records import StoredInstance

MINUTE = timedelta(minutes=1)
LOWEST = -1e6
"""A threshold that every finite score reaches."""
VENDORS = tuple(LOOKS)
VIEWS_KEPT = 140
"""Prepared views in memory, about 5 MB each."""


@dataclass(frozen=True)
class Answered:
    """What became of one study that was sent."""

    outcomes: tuple[str, ...]
    """Of the study and, where an image could not be told whose it is, of the studies that intake made for it."""
    codes: frozenset[str]
    reported: bool
    """The planned report exists and holds every one of these codes."""

    @property
    def refused(self) -> bool:
        """Not evaluated, and said why."""
        return set(self.outcomes) == {Outcome.NOT_EVALUATED.value} and bool(self.codes)

    @property
    def flagged(self) -> bool:
        """Confidently normal."""
        return Outcome.CONFIDENTLY_NORMAL.value in self.outcomes


@dataclass
class Memory:
    """Results by digest, the oldest forgotten first."""

    size: int = 400
    _kept: OrderedDict[str, Any] = field(default_factory=OrderedDict)

    def get(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
            if len(self._kept) > self.size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def digest(*arrays: np.ndarray) -> str:
    found = hashlib.blake2b(digest_size=20)
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


class RememberingEngine(Engine):
    """Scores an input once; on a CPU each image is a batch of its own, so company changes nothing."""

    def __init__(self, *arguments: Any) -> None:
        self.memory = Memory(4000)
        super().__init__(*arguments)

    def dual_view(self, main: Sequence[Any], contralateral: Sequence[Any]) -> list[Any]:
        one = super().dual_view
        pairs = zip(main, contralateral, strict=True)
        return [self.memory.get("d" + digest(a, b), partial(lambda a, b: one([a], [b])[0], a, b)) for a, b in pairs]

    def whole_image(self, images: Sequence[Any]) -> list[Any]:
        one = super().whole_image
        return [self.memory.get("w" + digest(image), partial(lambda image: one([image])[0], image)) for image in images]


class RememberingViews(ViewsAtHand):
    """Prepares an image once, by every element that preparation reads; draws nothing for the pages."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__(pictures)
        self.memory = Memory(VIEWS_KEPT)

    def get(self, instance: StoredInstance) -> Any:
        key = _pixel_key(Path(instance.path))
        made = self.memory.get(key, partial(self._make, instance)) if key else self._make(instance)
        if isinstance(made, Exception):
            raise made
        return made

    def write_attention(self, *_: Any) -> None:
        return None


def _pixel_key(path: Path) -> str | None:
    """Digest of transfer syntax, pixel data, groups 0028 and 2050, orientation and laterality; None if unreadable."""
    try:
        ds = decode.read(path)
        read = Dataset()
        read.update({element.tag: element for element in ds if element.tag.group in (0x0028, 0x2050, 0x7FE0)})
        read.update({tag: ds[tag] for tag in ("PatientOrientation", "ImageLaterality") if tag in ds})
        buffer = BytesIO()
        pydicom.dcmwrite(buffer, read, implicit_vr=True, little_endian=True)
        return hashlib.blake2b(buffer.getbuffer()).hexdigest() + str(ds.file_meta.TransferSyntaxUID)
    except Exception:  # damaged: whatever it is, it is prepared anew
        return None


class Run:
    """One pipeline over a folder of its own."""

    def __init__(self, folder: Path, bundle: str = "default", memory: bool = True) -> None:
        self.ledger = Ledger(open_database("", folder))
        self.blobs = Blobs(folder / "spool")
        due = partial(due_at, quiet=-MINUTE, max_wait=-MINUTE)
        self.handler = StoreHandler(self.blobs, self.ledger, describe, due)
        self.pipeline = _pipeline(self.ledger, folder, bundle, memory)

    def answer(self, study: Study) -> Answered:
        """Stores the images as the listener does and analyses whatever is due."""
        for number, ds in enumerate(study):
            self._store(ds, number)
        main = next((str(ds.StudyInstanceUID) for ds in study if ds.get("StudyInstanceUID")), "")
        outcomes: list[str] = []
        codes: set[str] = set()
        reported, paths = True, []
        while (claim := self.ledger.claim_study(MINUTE)) is not None:
            self.pipeline.analyse(claim)
            record = self.ledger.study(claim.study_instance_uid)
            assert record is not None
            assert record.finding is not None
            outcomes.append(str(record.finding.outcome.value))
            codes |= {found.code for found in record.finding.reasons}
            reports = [Path(one.path) for one in record.deliveries]
            if claim.study_instance_uid == main:
                reported &= bool(reports) and all(_tells(path, record.finding) for path in reports)
            paths += [*reports, *(Path(one.path) for one in self.ledger.instances(claim.study_instance_uid))]
        for path in paths:
            path.unlink(missing_ok=True)
        return Answered(tuple(outcomes), frozenset(codes), reported)

    def forget(self) -> None:
        """Prepares every image anew: rules changed."""
        if isinstance(self.pipeline.scorer.views, RememberingViews):
            self.pipeline.scorer.views.memory = Memory(VIEWS_KEPT)

    def _store(self, ds: Dataset, number: int) -> None:
        """As the listener stores it: the command names what the data set may lack."""
        incoming, meta = self.blobs.incoming / f"{number}.dcm", ds.file_meta
        sop_class = str(ds.get("SOPClassUID") or meta.MediaStorageSOPClassUID)
        named = str(ds.get("SOPInstanceUID") or meta.MediaStorageSOPInstanceUID)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds.save_as(incoming, enforce_file_format=True)
            status = self.handler.store(Received(incoming, sop_class, named, str(meta.TransferSyntaxUID)))
        assert status == SUCCESS, f"intake answered 0x{status:04X}"


def _pipeline(ledger: Ledger, folder: Path, bundle_name: str, memory: bool) -> Pipeline:
    """The pipeline as the worker builds it, with the threshold laid at LOWEST."""
    bundle = bundles.load(bundle_name)
    points = [
        replace(one, kind="exam_min", threshold=LOWEST, image_threshold=LOWEST)
        for one in shipped_with(bundle).calibrations
    ]
    ledger.adopt(points)
    pictures = Pictures(folder / "pictures")
    engine = (RememberingEngine if memory else Engine)(bundle, "cpu", 1)
    views = (RememberingViews if memory else ViewsAtHand)(pictures)
    outputs = Outputs(Blobs(folder / "results"), {"pacs": ("sr",)}, Device("name", "maker", "model", "1", "serial"))
    return Pipeline(ledger, Scorer(engine, read_ood(bundle.file(bundles.OOD)), views, 1), outputs)


def _tells(path: Path, finding: StudyFinding) -> bool:
    """Whether a report holds the coded value of every reason."""
    wanted = {CODE_VALUES[found.code] for found in finding.reasons}
    return wanted <= set(coded_values(pydicom.dcmread(path)))


def coded_values(item: Dataset) -> Iterator[str]:
    """Every code value in a tree of content items."""
    for element in item:
        if element.VR == "SQ":
            for inner in element.value:
                yield from coded_values(inner)
        elif element.keyword == "CodeValue":
            yield str(element.value)


@contextmanager
def prepared_process(registrations: bool = True) -> Iterator[None]:
    """Quiet logs, remembered registrations, and charts off: so many refusals would rightly suspend the calibration."""
    before, watched = scoring.register_pair, pipeline_module._watched
    memory = Memory(300)
    logging.disable(logging.ERROR)
    pipeline_module._watched = lambda *_: None  # type: ignore[assignment]
    if registrations:
        scoring.register_pair = lambda fixed, moving: memory.get(
            digest(fixed.dual_view, fixed.breast_mask, moving.dual_view, moving.breast_mask),
            partial(before, fixed, moving),
        )
    try:
        yield
    finally:
        scoring.register_pair, pipeline_module._watched = before, watched
        logging.disable(logging.NOTSET)


@contextmanager
def without(code: str) -> Iterator[None]:
    """Switches off every rule with this reason code, in headers, exams and pixels: the negative control."""
    tables = [(header_rules, "ELIGIBILITY"), (header_rules, "SET_ASIDE"), (exam_rules, "EXAM_RULES")]
    before = [(module, name, getattr(module, name)) for module, name in tables]
    checks = {"foreign-object-suspected": "check_foreign_object", "implant-suspected": "check_implant"}
    checks["clipped-image"] = "check_clipping"
    before += [(view, name, getattr(view, name)) for reason, name in checks.items() if reason == code]
    try:
        for module, name, value in before:
            off = (lambda *_: None) if callable(value) else tuple(rule for rule in value if rule.code != code)
            setattr(module, name, off)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def phantom_exam(seed: int, vendor: str | None, birads: int | None = 1) -> Study:
    """Four data sets of one woman."""
    exam = make_exam(seed, birads, vendor=vendor)
    study = []
    for number, one in enumerate(STANDARD_VIEWS, 1):
        rendered = exam.render(one)
        made = mg_dataset(stored_pixels(exam, rendered), facts_of(exam, rendered, number), identity_of(seed), exam.look)
        study.append(made)
    return study


def mutated(base: Study, mutation: Mutation | None, rng: np.random.Generator, key: str) -> Study:
    """A copy of a study under UIDs of its own, spoiled."""
    study = [deepcopy(ds) for ds in base]
    for number, ds in enumerate(study):
        ds.StudyInstanceUID, ds.SeriesInstanceUID = uid("mutated", key), uid("mutated", key, "series", number)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid("mutated", key, "image", number)
    if mutation is not None:
        mutation.change(study, rng)
    for ds in study:
        if ds.get("SOPClassUID"):
            ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    return study
