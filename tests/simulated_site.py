"""Labelled scores of a site that does not exist: binormal, with images of one patient alike.

Normal images score as N(2.339, 1), abnormal ones as N(0, 1.482): AUC 0.9046, and at 20% sensitivity 1.6% of abnormal
images are missed. Within a patient the standardised scores share a random effect with correlation rho.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

NORMAL_MEAN, ABNORMAL_SD = 2.339, 1.482
VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))
CATEGORIES = (2, 3, 0, 4, 5, 6)


@dataclass(frozen=True)
class Device:
    """Where the exams come from."""

    site: str = "Site"
    manufacturer: str = "ACME"
    model: str = "Mammo 1"
    software_version: str = "1.0"
    acquisition_type: str = "DIRECT"


DEVICE = Device()


def patient_key(name: str) -> str:
    """64 hexadecimal digits, as the service wants patients to be called."""
    return hashlib.sha256(name.encode()).hexdigest()


def site_rows(
    seed: int, name: str, normals: int, abnormals: int, rho: float = 0.7, device: Device = DEVICE
) -> list[dict[str, object]]:
    """Exams of four views, one a patient: `normals` normal ones, `abnormals` with one abnormal breast."""
    scores = draw(np.random.default_rng(seed), normals, abnormals, rho)
    rows: list[dict[str, object]] = []
    for number, exam in enumerate(scores.tolist()):
        abnormal = side_of(number) if number >= normals else ""
        same = {
            "patient": patient_key(f"{name}-{number}"),
            "exam": patient_key(f"{name}-{number}-exam"),
            **vars(device),
            "follow_up": "",
        }
        for (laterality, view), score in zip(VIEWS, exam, strict=True):
            birads = CATEGORIES[number % len(CATEGORIES)] if laterality == abnormal else 1
            rows.append({**same, "laterality": laterality, "view": view, "score": score, "birads": birads})
    return rows


def side_of(number: int) -> str:
    """Which breast of an abnormal exam is the abnormal one."""
    return "RL"[number % 2]


def draw(rng: np.random.Generator, normals: int, abnormals: int, rho: float) -> npt.NDArray[np.float64]:
    """Scores of shape (normals + abnormals, 4) in the order of VIEWS, rounded as the service keeps them."""
    n = normals + abnormals
    z = np.sqrt(rho) * rng.standard_normal((n, 1)) + np.sqrt(1 - rho) * rng.standard_normal((n, 4))
    number = np.arange(n)[:, None]
    side = np.where(number % 2 == 0, "R", "L")
    abnormal = (number >= normals) & (side == np.array([laterality for laterality, _ in VIEWS]))
    return np.round(np.where(abnormal, ABNORMAL_SD * z, NORMAL_MEAN + z), 6)


def true_image_miss(threshold: float) -> float:
    """Share of all abnormal images of such sites that score at or above the threshold."""
    return float(stats.norm.sf(threshold / ABNORMAL_SD))


def true_exam_miss(threshold: float, rho: float = 0.7) -> float:
    """Share of all exams with one abnormal breast whose four images all reach the threshold; by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    left = np.sqrt(1 - rho)
    normal = stats.norm.cdf((NORMAL_MEAN + np.sqrt(rho) * nodes - threshold) / left)
    abnormal = stats.norm.cdf((ABNORMAL_SD * np.sqrt(rho) * nodes - threshold) / (ABNORMAL_SD * left))
    return float(np.sum(weights * normal**2 * abnormal**2) / weights.sum())
