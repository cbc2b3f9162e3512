"""Report: a finding as Comprehensive 3D SR by TID 1500 (PS3.16), the form that viewers parse.

Input: a finding, the headers of its source images, earlier reports, the device. Output: a data set. A refusal is
reported as fully as a result, because silence would look like one. The report is preliminary and unverified.
"""

from collections.abc import Iterable, Sequence

from highdicom.sr import (
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import Comprehensive3DSRStorage

from triage.core.errors import TriageError
from triage.core.finding import StudyFinding
from triage.report.codes import MAMMOGRAPHY, scheme_identification
from triage.report.composite import Device, ObjectIdentity, composite_header, write
from triage.report.identifiers import uid
from triage.report.image_library import image_library
from triage.report.measurement_groups import measurement_groups
from triage.report.source import is_uid, sop_reference, text

__all__ = ["Device", "Predecessor", "identity_of", "structured_report", "write"]

Predecessor = tuple[str, str, str, str]
"""SOP Class, SOP Instance, Series Instance and Study Instance UID of an earlier report."""

SERIES_NUMBER = 901
_KIND = "structured report"


def identity_of(result_id: str) -> tuple[str, str]:
    """SOP Instance UID and Series Instance UID of the report of a result."""
    return uid(result_id, _KIND), uid(result_id, f"{_KIND} series")


def structured_report(
    finding: StudyFinding, evidence: Sequence[Dataset], predecessors: Sequence[Predecessor], device: Device
) -> Dataset:
    """The report of one finding. The same arguments give the same data set, with the same UIDs.

    Args:
        finding: the answer to one revision of the study.
        evidence: headers of the source images, without pixels, in any order; missing attributes are allowed.
        predecessors: earlier reports about the study, which this one replaces.
        device: the service.

    Raises:
        TriageError: no header is given, so nothing says whose report it is.
    """
    if not evidence:
        raise TriageError(f"No source image of study {finding.study_instance_uid} to report on: give their headers.")
    sources = sorted(evidence, key=lambda header: text(header, "SOPInstanceUID"))
    sop_instance_uid, series_instance_uid = identity_of(finding.result_id)
    identity = ObjectIdentity(
        study_instance_uid=finding.study_instance_uid,
        sop_class_uid=Comprehensive3DSRStorage,
        sop_instance_uid=sop_instance_uid,
        series_instance_uid=series_instance_uid,
        modality="SR",
        series_number=SERIES_NUMBER,
        instance_number=1,
        series_description="Mammography triage (preliminary)",
    )
    ds = composite_header(sources[0], identity, device, finding.decided_at)
    ds.CodingSchemeIdentificationSequence = [scheme_identification()]
    # SR Document Series and SR Document General modules, PS3.3 C.17.1 and C.17.2
    ds.ReferencedPerformedProcedureStepSequence, ds.PerformedProcedureCodeSequence = [], []
    ds.PreliminaryFlag, ds.CompletionFlag, ds.VerificationFlag = "PRELIMINARY", "COMPLETE", "UNVERIFIED"
    ds.CurrentRequestedProcedureEvidenceSequence = _references(_evidence(finding, sources))
    replaced = [one for one in predecessors if one[1] != ds.SOPInstanceUID]  # a retry does not replace itself
    if replaced:
        ds.PredecessorDocumentsSequence = _references(replaced)
    for element in _content(finding, sources, device):
        ds.add(element)
    return ds


def _content(finding: StudyFinding, sources: Sequence[Dataset], device: Device) -> Dataset:
    """The root container of TID 1500."""
    observer = DeviceObserverIdentifyingAttributes(
        uid=uid("/".join([device.manufacturer, device.model_name, device.serial_number]), "device"),
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
    root.ContentSequence.insert(len(root.ContentSequence) - 1, image_library(sources))  # before the measurements
    return root


def _evidence(finding: StudyFinding, sources: Sequence[Dataset]) -> list[Predecessor]:
    """Every source image and every image of the finding, once: dciodvfy and viewers look each reference up here."""
    named = [sop_reference(header) for header in sources]
    named += [(image.sop_class_uid, image.sop_instance_uid, image.series_instance_uid) for image in finding.images]
    listed = {one[1]: (*one, finding.study_instance_uid) for one in reversed(named) if all(map(is_uid, one))}
    return list(reversed(listed.values()))


def _references(instances: Iterable[Predecessor]) -> list[Dataset]:
    """Hierarchical SOP Instance Reference macro (PS3.3 table C.17-3): study > series > instance."""
    studies: dict[str, Dataset] = {}
    series: dict[tuple[str, str], Dataset] = {}
    for sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid in instances:
        study = studies.setdefault(study_instance_uid, Dataset())
        if "StudyInstanceUID" not in study:
            study.StudyInstanceUID, study.ReferencedSeriesSequence = study_instance_uid, []
        one = series.setdefault((study_instance_uid, series_instance_uid), Dataset())
        if "SeriesInstanceUID" not in one:
            one.SeriesInstanceUID, one.ReferencedSOPSequence = series_instance_uid, []
            study.ReferencedSeriesSequence.append(one)
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        one.ReferencedSOPSequence.append(reference)
    return list(studies.values())
