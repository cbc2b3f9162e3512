"""Report: the result in the key-object list of a PACS. Input: a finding, headers, the device. Output: a data set.

The document points to all mammograms of the exam: a part of them would say where to look, which the service does not
know. It is made for every outcome, so that its absence never means anything. Codes of TID 2010 say no more than "Of
Interest"; the outcome and its coded reasons stand in the description.
"""

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from triage.core.finding import StudyFinding
from triage.core.reasons import CODE_VALUES
from triage.report.composite import Device
from triage.report.content import CONTAINS, composite, device_observer, image, language, root, text
from triage.report.image_library import is_image
from triage.report.kinds import KEY_OBJECTS, begin
from triage.report.references import Reference, by_study, evidence_references, instance_item
from triage.report.wording import exam_sentences

_MAMMOGRAM = "Digital Mammography X-Ray Image Storage"


def key_objects(finding: StudyFinding, evidence: Sequence[Dataset], device: Device) -> Dataset:
    """The Key Object Selection document (PS3.3 A.35.4); the same arguments give the same data set.

    Raises:
        TriageError: no header is given.
    """
    ds, sources = begin(finding, evidence, KEY_OBJECTS, device)
    ds.ReferencedPerformedProcedureStepSequence = []
    chosen = _chosen(evidence_references(finding, sources))
    ds.CurrentRequestedProcedureEvidenceSequence = by_study(chosen)
    items = [_reference(one) for one in chosen]
    description = text(CONTAINS, codes.DCM.KeyObjectDescription, _description(finding))
    content = root(codes.DCM.OfInterest, "2010", [language(), *device_observer(device), description, *items])
    for element in content:
        ds.add(element)
    return ds


def _chosen(references: Sequence[Reference]) -> list[Reference]:
    """The mammograms; without one, every image; without that, every object: TID 2010 wants at least one."""
    mammograms = [one for one in references if _MAMMOGRAM in UID(one[0]).name]
    images = [one for one in references if is_image(one[0], one[1])]
    return mammograms or images or list(references)


def _reference(reference: Reference) -> Dataset:
    item = instance_item(reference)
    return image(CONTAINS, item) if is_image(reference[0], reference[1]) else composite(CONTAINS, item)


def _description(finding: StudyFinding) -> str:
    reasons = dict.fromkeys(CODE_VALUES[found.code] for found in finding.reasons)
    coded = [f"Coded reasons: {', '.join(reasons)}."] if reasons else []
    return " ".join([*exam_sentences(finding), *coded])
