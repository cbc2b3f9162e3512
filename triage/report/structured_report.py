"""Report: a finding as structured report by TID 1500 (PS3.16), the form that viewers parse.

Input: a finding, the headers of its source images, earlier reports, the device. Output: a data set. A refusal is
reported as fully as a result, because silence would look like one. The report is preliminary and unverified. Receivers
that do not know Comprehensive 3D SR get the same tree as Comprehensive or Enhanced SR: it holds nothing that they lack.
"""

from collections.abc import Sequence

from highdicom.sr import (
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from triage.core.finding import StudyFinding
from triage.report.codes import MAMMOGRAPHY, scheme_identification
from triage.report.composite import Device, write
from triage.report.content import device_uid
from triage.report.image_library import image_library
from triage.report.kinds import REPORT, Kind, begin
from triage.report.measurement_groups import measurement_groups
from triage.report.references import Reference, by_study, evidence_references

__all__ = ["Device", "Predecessor", "identity_of", "structured_report", "write"]

Predecessor = Reference
"""An earlier report."""


def identity_of(result_id: str) -> tuple[str, str]:
    """SOP Instance UID and Series Instance UID of the report of a result."""
    return REPORT.identify(result_id)


def structured_report(
    finding: StudyFinding,
    evidence: Sequence[Dataset],
    predecessors: Sequence[Predecessor],
    device: Device,
    kind: Kind = REPORT,
) -> Dataset:
    """The report of one finding. The same arguments give the same data set, with the same UIDs.

    Args:
        finding: the answer to one revision of the study.
        evidence: headers of the source images, without pixels, in any order; missing attributes are allowed.
        predecessors: earlier reports about the study, which this one replaces.
        device: the service.
        kind: which of the structured report classes; predecessors are of the same.

    Raises:
        TriageError: no header is given, so nothing says whose report it is.
    """
    ds, sources = begin(finding, evidence, kind, device)
    ds.CodingSchemeIdentificationSequence = [scheme_identification()]
    # SR Document Series and SR Document General modules, PS3.3 C.17.1 and C.17.2
    ds.ReferencedPerformedProcedureStepSequence, ds.PerformedProcedureCodeSequence = [], []
    ds.PreliminaryFlag, ds.CompletionFlag, ds.VerificationFlag = "PRELIMINARY", "COMPLETE", "UNVERIFIED"
    ds.CurrentRequestedProcedureEvidenceSequence = by_study(evidence_references(finding, sources))
    replaced = [one for one in predecessors if one[1] != ds.SOPInstanceUID]  # a retry does not replace itself
    if replaced:
        ds.PredecessorDocumentsSequence = by_study(replaced)
    for element in _content(finding, sources, device):
        ds.add(element)
    return ds


def _content(finding: StudyFinding, sources: Sequence[Dataset], device: Device) -> Dataset:
    """The root container of TID 1500."""
    observer = DeviceObserverIdentifyingAttributes(
        uid=device_uid(device),
        name=device.name,
        manufacturer_name=device.manufacturer,
        model_name=device.model_name,
        serial_number=device.serial_number,
    )
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, observer)),
        procedure_reported=MAMMOGRAPHY,
        imaging_measurements=measurement_groups(finding, device),
        title=codes.DCM.ImagingMeasurementReport,
    )
    root: Dataset = report[0]
    library = image_library(sources)
    if "ContentSequence" in library:  # TID 1600 has at least one group, each with at least one image
        root.ContentSequence.insert(len(root.ContentSequence) - 1, library)  # before the measurements
    return root
