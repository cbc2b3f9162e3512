"""Phantom stage 6a: who the woman is. Input: a seed. Output: names, dates and UIDs, the same for the same seed."""

import uuid
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

_NAMESPACE = uuid.UUID("6f1c2a54-9d0e-5b7a-8f43-2a6f0d3b71c9")


def uid(*parts: object) -> str:
    """A UID made from the parts alone (PS3.5 B.2: 2.25 and a UUID as one integer)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, parts))).int}"


@dataclass(frozen=True)
class Identity:
    """Demographics of an invented woman and her exam."""

    patient_id: str
    patient_name: str
    birth_date: date
    study_date: date
    accession_number: str
    study_key: str
    """What the UIDs are made from."""

    @property
    def age(self) -> int:
        """Completed years on the day of the exam."""
        had_birthday = (self.study_date.month, self.study_date.day) >= (self.birth_date.month, self.birth_date.day)
        return self.study_date.year - self.birth_date.year - (not had_birthday)

    @property
    def study_instance_uid(self) -> str:
        """StudyInstanceUID."""
        return uid(self.study_key, "study")


def identity_of(seed: int, prefix: str = "DEMO") -> Identity:
    """The identity of a seed: 40 to 74 years old, examined in 2024 or 2025."""
    rng = np.random.default_rng([seed, 20])
    study_date = date(2024, 1, 2) + timedelta(days=int(rng.integers(700)))
    birth_date = study_date - timedelta(days=int(rng.integers(40 * 366, 74 * 365)))
    number = f"{seed:09d}"
    name = f"DEMO^NAME{number[-7:]}"
    return Identity(f"{prefix}-{number}", name, birth_date, study_date, f"A{number}", f"{prefix}/{seed}")
