"""Report: Mammography CAD SR (TID 4000), for workstations that list CAD results. Off unless a site asks for it.

Input: a finding, headers, the device. Output: a data set, or None. The service locates nothing, so the only CAD result
it can give is "without findings", which a workstation shows as a clean exam. Hence a report is made in two cases only:
for an exam flagged as confidently normal, and, as a failure, for an exam that was not evaluated. For an exam that was
evaluated and not flagged there is none. No detection is claimed and no assessment category (TID 4002) is given.
"""

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation

from triage.core.finding import ImageFinding, Outcome, StudyFinding
from triage.report.codes import BREASTS
from triage.report.composite import Device
from triage.report.conformance import conforming
from triage.report.content import (
    ACQUISITION,
    CONTAINS,
    INFERRED,
    PROPERTIES,
    by_reference,
    code,
    container,
    date,
    image,
    language,
    number,
    root,
    text,
    time,
)
from triage.report.kinds import CAD_REPORT, begin
from triage.report.measurement_groups import parameters_of
from triage.report.references import Reference, by_study, instance_item
from triage.report.source import is_uid, numbers, sop_reference, values
from triage.report.source import text as text_of

VIEWS = {"CC": Code("399162004", "SCT", "cranio-caudal"), "MLO": Code("399368009", "SCT", "medio-lateral oblique")}
"""The part of CID 4014 that is analysed."""
SUCCEEDED, FAILED, NOT_ATTEMPTED = codes.DCM.Succeeded, codes.DCM.Failed, codes.DCM.NotAttempted  # CID 6042
WITHOUT_FINDINGS = codes.DCM.AllAlgorithmsSucceededWithoutFindings  # CID 6047
NONE_SUCCEEDED = codes.DCM.NoAlgorithmsSucceededWithoutFindings
OVERALL = Code("111234", "DCM", "Overall Impression/Recommendation Analysis")  # CID 6043
_LIBRARY = 2
"""Position of the Image Library below the root, from which items are referred to."""


def cad_report(finding: StudyFinding, evidence: Sequence[Dataset], device: Device) -> Dataset | None:
    """The CAD report, or None where it would mislead or no standard view can be listed.

    Raises:
        TriageError: no header is given.
    """
    if finding.outcome is Outcome.NOT_FLAGGED:
        return None
    ds, sources = begin(finding, evidence, CAD_REPORT, device)
    entries = list(_entries(finding, sources))
    if not entries:
        return None
    references: list[Reference] = [(*sop_reference(header), finding.study_instance_uid) for _, header in entries]
    ds.ReferencedPerformedProcedureStepSequence, ds.PerformedProcedureCodeSequence = [], []
    ds.PreliminaryFlag, ds.CompletionFlag, ds.VerificationFlag = "PRELIMINARY", "COMPLETE", "UNVERIFIED"
    ds.CurrentRequestedProcedureEvidenceSequence = by_study(references)
    library = [_entry(found, header, one) for (found, header), one in zip(entries, references, strict=True)]
    for element in _content(finding, library, device):
        ds.add(element)
    return ds


def _entries(finding: StudyFinding, sources: Sequence[Dataset]) -> Iterator[tuple[ImageFinding, Dataset]]:
    """Mammograms of a standard view without modifiers, of which TID 4020 wants to know laterality and view."""
    headers = {sop_reference(header)[1]: header for header in sources}
    for found in finding.images:
        header = headers.get(found.sop_instance_uid)
        modified = any(one.code == "view-modifier" for one in found.reasons)
        if header is None or found.view is None or modified or not all(map(is_uid, sop_reference(header))):
            continue
        if text_of(header, "SOPClassUID") == DigitalMammographyXRayImageStorageForPresentation:
            yield found, header


def _entry(found: ImageFinding, header: Dataset, reference: Reference) -> Dataset:
    """TID 4020 CAD Image Library Entry."""
    items = [
        code(ACQUISITION, codes.DCM.ImageLaterality, BREASTS[found.laterality or ""]),
        code(ACQUISITION, codes.DCM.ImageView, VIEWS[found.view_position or ""]),
    ]
    names = (codes.DCM.PatientOrientationRow, codes.DCM.PatientOrientationColumn)
    orientation = values(header, "PatientOrientation", 2)
    items += [text(ACQUISITION, name, one) for name, one in zip(names, orientation, strict=False) if all(orientation)]
    for prefix, day, hour in (
        ("Study", codes.DCM.StudyDate, codes.DCM.StudyTime),
        ("Content", codes.DCM.ContentDate, codes.DCM.ContentTime),
    ):
        if value := conforming(header, f"{prefix}Date"):
            items.append(date(ACQUISITION, day, value))
        if value := conforming(header, f"{prefix}Time"):
            items.append(time(ACQUISITION, hour, value))
    if spacing := numbers(header, "ImagerPixelSpacing", 2):
        for name, millimetres in (
            (codes.DCM.HorizontalPixelSpacing, spacing[1]),
            (codes.DCM.VerticalPixelSpacing, spacing[0]),
        ):
            items.append(number(ACQUISITION, name, f"{millimetres:.8g}", codes.UCUM.Millimeter))
    return image(CONTAINS, instance_item(reference), items)


def _content(finding: StudyFinding, library: Sequence[Dataset], device: Device) -> Dataset:
    """TID 4000, whose order of rows is significant."""
    done = finding.outcome is Outcome.CONFIDENTLY_NORMAL
    images = [by_reference(PROPERTIES, (1, _LIBRARY, place)) for place in range(1, len(library) + 1)]
    performed = code(CONTAINS, codes.DCM.AnalysisPerformed, OVERALL, [*_algorithm(finding, device), *images])
    group = codes.DCM.SuccessfulAnalyses if done else codes.DCM.FailedAnalyses
    summary = code(
        CONTAINS,
        codes.DCM.SummaryOfAnalyses,
        SUCCEEDED if done else FAILED,
        [container(INFERRED, group, [performed])],
    )
    children = [
        language(),
        container(CONTAINS, codes.DCM.ImageLibrary, library),
        code(CONTAINS, codes.DCM.CADProcessingAndFindingsSummary, WITHOUT_FINDINGS if done else NONE_SUCCEEDED),
        code(CONTAINS, codes.DCM.SummaryOfDetections, NOT_ATTEMPTED),
        summary,
    ]
    return root(codes.DCM.MammographyCADReport, "4000", children)


def _algorithm(finding: StudyFinding, device: Device) -> list[Dataset]:
    """TID 4019."""
    bundle = finding.bundle
    return [
        text(PROPERTIES, codes.DCM.AlgorithmName, bundle.name if bundle else device.name),
        text(PROPERTIES, codes.DCM.AlgorithmVersion, bundle.version if bundle else device.software_version),
        text(PROPERTIES, Code("122405", "DCM", "Algorithm Manufacturer"), device.manufacturer),
        *(text(PROPERTIES, codes.DCM.AlgorithmParameters, one) for one in parameters_of(finding)),
    ]
