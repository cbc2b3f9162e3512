"""Studies whose pixels are not what their headers say, or not what a screening mammogram shows.

The headers stay those of a good study: what is wrong must be seen. Objects that do not fit a screening exam (implants,
metal) are drawn into the woman's own breasts.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

import cv2
import imagecodecs
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, JPEGLosslessSV1, RLELossless

from training.phantom.acquisition import Stored
from training.phantom.exam import make_exam
from training.phantom.metal import KINDS
from training.phantom.mutations import Change, Mutation, Rng, Study, chosen
from training.phantom.study import stored_pixels
from triage.core.views import View

Draw = Callable[[Stored, Rng], Stored]


def pixels_of(ds: Dataset) -> Stored:
    """A copy of the stored values of an uncompressed phantom image."""
    return np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns).copy()


def put_pixels(ds: Dataset, pixels: Stored) -> None:
    """Other stored values of any size."""
    ds.Rows, ds.Columns = pixels.shape
    ds.PixelData = pixels.astype("<u2").tobytes()


def _drawn(draw: Draw) -> Change:
    """The same drawing on one image or all."""

    def change(study: Study, rng: Rng) -> None:
        for ds in chosen(study, rng):
            put_pixels(ds, draw(pixels_of(ds), rng))

    return change


def _top(ds: Dataset) -> int:
    return int((1 << ds.BitsStored) - 1)


def _clipped(study: Study, rng: Rng) -> None:
    """A window so narrow and so low (or high) that most of the breast is white (or black)."""
    for ds in chosen(study, rng):
        if "VOILUTSequence" in ds:
            del ds.VOILUTSequence
        low, high = np.percentile(pixels_of(ds)[::4, ::4], (2, 98))
        ds.VOILUTFunction, ds.WindowWidth = "LINEAR", 2
        ds.WindowCenter = float(low + (0.15 if rng.random() < 0.5 else 0.9) * (high - low))


def _truncated(study: Study, rng: Rng) -> None:
    for ds in chosen(study, rng):
        ds.PixelData = ds.PixelData[: 2 * int(rng.uniform(0.1, 0.98) * len(ds.PixelData) / 2)]


def _more_rows(study: Study, rng: Rng) -> None:
    for ds in chosen(study, rng):
        ds.Rows = ds.Rows + int(rng.integers(1, 200))


def _undecodable(study: Study, rng: Rng) -> None:
    """A codestream of noise, under one of several transfer syntaxes."""
    for ds in chosen(study, rng):
        noise = rng.bytes(4096)
        frame = b"\xff\xd8" + noise + b"\xff\xd9"
        ds.file_meta.TransferSyntaxUID = (JPEGLosslessSV1, RLELossless)[int(rng.integers(2))]
        ds.PixelData = encapsulate([frame])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True


def _perhaps_lossy(study: Study, rng: Rng) -> None:
    """JPEG 2000 under the transfer syntax that may lose, and no word on whether it did."""
    ds = study[int(rng.integers(len(study)))]
    frame = imagecodecs.jpeg2k_encode(pixels_of(ds), codecformat="J2K", reversible=True, level=0)
    ds.file_meta.TransferSyntaxUID = JPEG2000
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    del ds.LossyImageCompression


def _small(pixels: Stored, rng: Rng) -> Stored:
    return np.asarray(cv2.resize(pixels, (300, 380), interpolation=cv2.INTER_AREA), np.uint16)


def _large(pixels: Stored, rng: Rng) -> Stored:
    return np.asarray(cv2.resize(pixels, (1000, 8400), interpolation=cv2.INTER_NEAREST), np.uint16)


def _blank(pixels: Stored, rng: Rng) -> Stored:
    return np.full_like(pixels, int(rng.integers(0, 4000)))


def _nearly_blank(pixels: Stored, rng: Rng) -> Stored:
    """Nothing but a speck."""
    empty = np.full_like(pixels, int(pixels[0].min() if pixels[0].mean() < 2000 else pixels[0].max()))
    empty[:40, :40] = pixels[:40, :40] // 2
    return empty


def _mirrored(pixels: Stored, rng: Rng) -> Stored:
    return np.ascontiguousarray(pixels[:, ::-1])


@lru_cache(maxsize=64)
def _with_object(seed: int, vendor: str, kind: str, view: View) -> Stored:
    exam = make_exam(seed, 1, vendor=vendor, implants=kind == "implant")
    exam = exam if kind == "implant" else replace(exam, metal=kind)
    return stored_pixels(exam, exam.render(view))


def _object(kind: str, study: Study, rng: Rng) -> None:
    """The same woman with an implant in both breasts, or metal in the left one."""
    for ds in study:
        view = View(f"{ds.ImageLaterality}{ds.ViewPosition}")
        if kind == "implant" or view.laterality == "L":
            put_pixels(ds, _with_object(int(ds.PatientID[-9:]), str(ds.Manufacturer), kind, view))


def _implant_without_tag(study: Study, rng: Rng) -> None:
    _object("implant", study, rng)
    for ds in study:
        del ds.BreastImplantPresent


def _mutation(name: str, codes: tuple[str, ...], change: Change, sendable: bool = True) -> Mutation:
    return Mutation(name, "pixels", frozenset(codes), change, sendable)


PIXEL_MUTATIONS = (
    _mutation("implant, tag deleted", ("implant-suspected",), _implant_without_tag),
    _mutation("implant, tag says NO", ("implant-suspected",), partial(_object, "implant")),
    *(
        _mutation(kind.replace("-", " "), ("foreign-object-suspected",), partial(_object, kind))
        for kind in KINDS
        if kind != "nipple-marker"
    ),
    _mutation("mirrored against the header", ("orientation-conflict",), _drawn(_mirrored)),
    _mutation("blank", ("blank-image", "clipped-image"), _drawn(_blank)),
    _mutation("nearly blank", ("breast-not-found", "blank-image", "orientation-conflict"), _drawn(_nearly_blank)),
    _mutation("clipped by the window", ("clipped-image",), _clipped),
    _mutation("pixel data cut short", ("truncated",), _truncated),
    _mutation("Rows too large", ("truncated",), _more_rows),
    _mutation("codestream of noise", ("undecodable", "truncated"), _undecodable, sendable=False),
    _mutation("JPEG 2000, loss not denied", ("lossy-compression",), _perhaps_lossy, sendable=False),
    _mutation("too small", ("size-unexpected",), _drawn(_small)),
    _mutation("too large", ("size-unexpected",), _drawn(_large)),
)
"""Each must be refused by a rule of its own."""


def _noisy(pixels: Stored, rng: Rng) -> Stored:
    top = int(pixels.max())
    noise = rng.normal(0, 0.12 * top, pixels.shape)
    return np.where((pixels > 0) & (pixels < top), np.clip(pixels + noise, 1, top - 1), pixels).astype(np.uint16)


def _blurred(pixels: Stored, rng: Rng) -> Stored:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 6.0), np.uint16)


def _inverted(study: Study, rng: Rng) -> None:
    """Bright and dark exchanged within the breast, the background kept: a unit that forgot its inversion."""
    for ds in study:
        pixels = pixels_of(ds)
        background = pixels[0, 0 if ds.ImageLaterality == "R" else -1]
        inside = pixels != background
        low, high = int(pixels[inside].min()), int(pixels[inside].max())
        pixels[inside] = low + high - pixels[inside]
        put_pixels(ds, pixels)


def _rotated(study: Study, rng: Rng) -> None:
    for ds in chosen(study, rng):
        put_pixels(ds, np.ascontiguousarray(np.rot90(pixels_of(ds))))


def _other_body_part(study: Study, rng: Rng) -> None:
    """A hand of bars and discs against the chest wall, within the grey levels of the breast."""
    for ds in chosen(study, rng):
        pixels = pixels_of(ds)
        hand = np.zeros(pixels.shape, np.uint8)
        height, width = pixels.shape
        for finger in range(4):
            y = round(height * (0.25 + 0.15 * finger))
            cv2.line(hand, (0, y), (round(width * (0.6 + 0.05 * (finger % 2))), y), 160, round(height * 0.05))
            for joint in (0.25, 0.45):
                cv2.circle(hand, (round(width * joint), y), round(height * 0.03), 230, cv2.FILLED)
        cv2.rectangle(hand, (0, round(height * 0.2)), (round(width * 0.25), round(height * 0.75)), 140, cv2.FILLED)
        hand = hand if ds.ImageLaterality == "L" else hand[:, ::-1]
        level = cv2.GaussianBlur(hand, (0, 0), 3).astype(np.float32) / 255 * _top(ds)
        inverse = ds.PhotometricInterpretation == "MONOCHROME1"
        put_pixels(ds, (_top(ds) - level if inverse else level).astype(np.uint16))


OUT_OF_DISTRIBUTION = tuple(
    Mutation(name, "out-of-distribution", frozenset(codes), change)
    for name, codes, change in (
        ("strong noise", ("out-of-distribution",), _drawn(_noisy)),
        ("blurred", ("out-of-distribution",), _drawn(_blurred)),
        ("grey scale inverted", ("out-of-distribution",), _inverted),
        ("rotated by 90 degrees", ("orientation-conflict", "out-of-distribution", "registration-failed"), _rotated),
        ("another body part", ("out-of-distribution", "registration-failed"), _other_body_part),
    )
)
"""What no header and no rule tells: left to the out-of-distribution check and to registration."""
