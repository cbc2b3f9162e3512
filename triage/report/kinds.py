"""Report: the kinds of result objects: SOP class, series, identifiers. Each kind has a series of its own.

Input: a finding and headers of its source images. Output: an empty result object of one kind. Two kinds never share a
UID, and the same result gives the same UIDs again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    MammographyCADSRStorage,
    SecondaryCaptureImageStorage,
)

from triage.core.errors import TriageError
from triage.core.finding import StudyFinding
from triage.report.composite import Device, ObjectIdentity, composite_header
from triage.report.identifiers import uid
from triage.report.references import ordered


@dataclass(frozen=True)
class Kind:
    """One kind of result object."""

    name: str
    """What its UIDs are derived from: it never changes."""
    sop_class_uid: str
    modality: str
    series_number: int
    description: str

    def identify(self, result_id: str) -> tuple[str, str]:
        """SOP Instance UID and Series Instance UID of the object that a result becomes."""
        return uid(result_id, self.name), uid(result_id, f"{self.name} series")


REPORT = Kind("structured report", str(Comprehensive3DSRStorage), "SR", 901, "Mammography triage (preliminary)")
COMPREHENSIVE_REPORT = Kind(
    "comprehensive report", str(ComprehensiveSRStorage), "SR", 902, "Mammography triage (preliminary, comprehensive SR)"
)
ENHANCED_REPORT = Kind(
    "enhanced report", str(EnhancedSRStorage), "SR", 903, "Mammography triage (preliminary, enhanced SR)"
)
SUMMARY_PAGE = Kind(
    "secondary capture", str(SecondaryCaptureImageStorage), "OT", 904, "Mammography triage (summary page)"
)
BANNER = Kind(
    "presentation state",
    str(GrayscaleSoftcopyPresentationStateStorage),
    "PR",
    905,
    "Mammography triage (banner on the images)",
)
KEY_OBJECTS = Kind(
    "key object selection", str(KeyObjectSelectionDocumentStorage), "KO", 906, "Mammography triage (key objects)"
)
DOCUMENT = Kind("document", str(EncapsulatedPDFStorage), "DOC", 907, "Mammography triage (summary document)")
CAD_REPORT = Kind("cad report", str(MammographyCADSRStorage), "SR", 908, "Mammography triage (CAD report)")

KINDS = (
    REPORT,
    COMPREHENSIVE_REPORT,
    ENHANCED_REPORT,
    SUMMARY_PAGE,
    BANNER,
    KEY_OBJECTS,
    DOCUMENT,
    CAD_REPORT,
)
"""Every kind, for the conformance statement."""


def begin(
    finding: StudyFinding, evidence: Sequence[Dataset], kind: Kind, device: Device
) -> tuple[Dataset, list[Dataset]]:
    """A result object with all but its own modules, and the headers in their order.

    Raises:
        TriageError: no header is given, so nothing says whose result it is.
    """
    if not evidence:
        raise TriageError(f"No source image of study {finding.study_instance_uid} to report on: give their headers.")
    sources = ordered(evidence)
    sop_instance_uid, series_instance_uid = kind.identify(finding.result_id)
    identity = ObjectIdentity(
        study_instance_uid=finding.study_instance_uid,
        sop_class_uid=kind.sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        series_instance_uid=series_instance_uid,
        modality=kind.modality,
        series_number=kind.series_number,
        instance_number=1,
        series_description=kind.description,
    )
    return composite_header(sources[0], identity, device, finding.decided_at), sources
