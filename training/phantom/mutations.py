"""Studies with one known defect each. Input: the four data sets of a phantom exam. Output: what a service must refuse.

Tests and benchmarks take an exam that the service flags and ask whether any defect leaves it flagged. The defects are
in `mutated_headers`, `mutated_studies` (views, patients, devices) and `mutated_pixels`; this file says what one is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import config
from pydicom.dataset import Dataset

Study = list[Dataset]
Rng = np.random.Generator
Change = Callable[[Study, Rng], None]


@dataclass(frozen=True)
class Mutation:
    """One way to spoil a study."""

    name: str
    group: str
    """header, study, device, pixels, out-of-distribution or harmless."""
    codes: frozenset[str]
    """Reason codes of which at least one must be given; empty for what is harmless."""
    change: Change
    """Spoils the study in place."""
    sendable: bool = True
    """A sender of DICOM would transmit it."""


def code_item(value: str, meaning: str = "", scheme: str = "SCT") -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning or value
    return item


def put(ds: Dataset, keyword: str, value: Any) -> None:
    """Set an element, whatever the value, or delete it where the value is None."""
    if value is None:
        if keyword in ds:
            delattr(ds, keyword)
        return
    before = config.settings.writing_validation_mode
    config.settings.writing_validation_mode = config.IGNORE
    try:
        setattr(ds, keyword, value)
    finally:
        config.settings.writing_validation_mode = before


def chosen(study: Study, rng: Rng) -> Study:
    """One image of the study, or all of them."""
    return study if rng.random() < 0.3 else [study[int(rng.integers(len(study)))]]


def elements(*alternatives: dict[str, Any]) -> Change:
    """Set one of the alternatives in one image or in all; None deletes."""

    def change(study: Study, rng: Rng) -> None:
        values = alternatives[int(rng.integers(len(alternatives)))]
        for ds in chosen(study, rng):
            for keyword, value in values.items():
                put(ds, keyword, value)

    return change


def on_all(*alternatives: dict[str, Any]) -> Change:
    """Set one of the alternatives in every image."""

    def change(study: Study, rng: Rng) -> None:
        values = alternatives[int(rng.integers(len(alternatives)))]
        for ds in study:
            for keyword, value in values.items():
                put(ds, keyword, value)

    return change


def on_one(*alternatives: dict[str, Any]) -> Change:
    """Set one of the alternatives in one image."""

    def change(study: Study, rng: Rng) -> None:
        values = alternatives[int(rng.integers(len(alternatives)))]
        ds = study[int(rng.integers(len(study)))]
        for keyword, value in values.items():
            put(ds, keyword, value)

    return change
