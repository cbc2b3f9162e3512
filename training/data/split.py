"""Splits by patient: no patient is in two parts, and each part has its share of patients with an abnormal image."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np

from training.data.manifest import ImageRow, ManifestError


def split_by_patient(rows: Sequence[ImageRow], shares: Mapping[str, float], seed: int) -> tuple[ImageRow, ...]:
    """The rows with `split` filled in; the same rows, shares and seed give the same split.

    Args:
        rows: every image of every patient.
        shares: part name to its share (or number) of patients; scaled to sum to 1.
        seed: of the shuffle.

    Raises:
        ManifestError: fewer patients than parts.
    """
    abnormal: dict[str, bool] = {}
    for row in rows:
        abnormal[row.patient_id] = abnormal.get(row.patient_id, False) or row.normal is False
    if len(abnormal) < len(shares):
        raise ManifestError(f"{len(abnormal)} patient(s) cannot be split into {len(shares)} parts")
    generator = np.random.default_rng(seed)
    assigned: dict[str, str] = {}
    for stratum in (False, True):
        # Sorted first, so that the order of the manifest does not matter.
        patients = sorted(patient for patient, flag in abnormal.items() if flag is stratum)
        generator.shuffle(patients)
        assigned |= _deal(patients, shares)
    return tuple(row.model_copy(update={"split": assigned[row.patient_id]}) for row in rows)


def _deal(patients: Sequence[str], shares: Mapping[str, float]) -> dict[str, str]:
    total = sum(shares.values())
    bounds = [round(len(patients) * reached / total) for reached in accumulate(shares.values())]
    dealt: dict[str, str] = {}
    for name, start, stop in zip(shares, [0, *bounds[:-1]], bounds, strict=True):
        dealt |= dict.fromkeys(patients[start:stop], name)
    return dealt
