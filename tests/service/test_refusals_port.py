"""Spoilt studies sent to the running service: each is refused over REST and in the report that the PACS receives."""

from pathlib import Path

from refusal_port import send, verdict
from refusal_run import VENDORS, phantom_exam
from running_service import Service

from training.phantom.mutated_headers import header_mutations
from training.phantom.mutated_pixels import PIXEL_MUTATIONS
from training.phantom.mutated_studies import DEVICE_MUTATIONS, STUDY_MUTATIONS

NAMES = (
    "request", "small focal spot", "views of both breasts swapped", "SoftwareVersions never seen", "clip",
    "pixel data cut short", "ViewCodeSequence deleted", "one image of another PatientID",
)  # fmt: skip


def test_every_refusal_reaches_the_pacs(service: Service, tmp_path: Path) -> None:
    known = {one.name: one for one in (*header_mutations(), *STUDY_MUTATIONS, *DEVICE_MUTATIONS, *PIXEL_MUTATIONS)}
    bases = [phantom_exam(8200 + number, name) for number, name in enumerate(VENDORS)]
    chosen = [known[name] for name in NAMES]
    sent = [send(service, bases[number % 4], one, number, tmp_path / "out") for number, one in enumerate(chosen)]
    for uid, mutation in zip(sent, chosen, strict=True):
        delivered = verdict(service, uid, mutation)
        assert delivered.refused, delivered
        assert delivered.codes & mutation.codes, delivered
