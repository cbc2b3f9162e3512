"""Mutated studies by the whole way: DCMTK sends, the service answers over REST, DCMTK receives the report."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from refusal_run import coded_values, mutated
from running_service import Service

from training.phantom.mutations import Mutation, Study
from triage.core.reasons import CODE_VALUES


@dataclass(frozen=True)
class Delivered:
    """What REST and the PACS got of one study."""

    mutation: str
    outcome: str
    codes: frozenset[str]
    reported: bool
    """The report in the PACS holds every one of these codes."""

    @property
    def refused(self) -> bool:
        """Not evaluated, and both sides know why."""
        return self.outcome == "not_evaluated" and bool(self.codes) and self.reported


def send(service: Service, base: Study, mutation: Mutation, number: int, folder: Path) -> str:
    """Sends one mutated study; its Study Instance UID."""
    study = mutated(base, mutation, np.random.default_rng([52, number]), f"port-{folder.name}-{number}")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for position, ds in enumerate(study):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds.save_as(folder / f"{number}-{position}.dcm", enforce_file_format=True)
        files.append(folder / f"{number}-{position}.dcm")
    # Without -R storescu proposes a list of classes that breast projections are not in, and gives up at the first.
    sent = service.send(files, "-R")
    assert sent.returncode == 0, sent.stderr
    for file in files:
        file.unlink()
    return str(study[0].StudyInstanceUID)


def verdict(service: Service, study_instance_uid: str, mutation: Mutation) -> Delivered:
    """Waits for the answer and the report of one study.

    An answer that came before a late image is followed by another; the newest counts.
    """
    answer = service.finished(study_instance_uid)
    reasons = [*answer["reasons"], *(found for image in answer["images"] for found in image["reasons"])]
    codes = frozenset(found["code"] for found in reasons)
    wanted = {CODE_VALUES[found["code"]] for found in answer["reasons"]}
    reports = service.delivered(study_instance_uid)
    told = any(wanted <= set(coded_values(report)) for report in reports)
    return Delivered(mutation.name, answer["outcome"], codes, told)
