"""Report: how result objects name the images they are about. Input: a finding and headers. Output: sequence items."""

from collections.abc import Iterable, Sequence

from pydicom.dataset import Dataset

from triage.core.finding import StudyFinding
from triage.report.source import is_uid, sop_reference, text

Reference = tuple[str, str, str, str]
"""SOP Class, SOP Instance, Series Instance and Study Instance UID of one instance."""


def ordered(evidence: Sequence[Dataset]) -> list[Dataset]:
    """The headers in an order of their own, so that the order of arrival changes no byte of a result object."""
    return sorted(evidence, key=lambda header: text(header, "SOPInstanceUID"))


def evidence_references(finding: StudyFinding, sources: Sequence[Dataset]) -> list[Reference]:
    """Every source image and every image of the finding, once: dciodvfy and viewers look each reference up here."""
    named = [sop_reference(header) for header in sources]
    named += [(image.sop_class_uid, image.sop_instance_uid, image.series_instance_uid) for image in finding.images]
    listed = {one[1]: (*one, finding.study_instance_uid) for one in reversed(named) if all(map(is_uid, one))}
    return list(reversed(listed.values()))


def instance_item(reference: Reference) -> Dataset:
    """SOP Instance Reference macro (PS3.3 table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference[:2]
    return item


def by_series(references: Iterable[Reference]) -> list[Dataset]:
    """Items of series with their instances, in the order of the references; the references are of one study."""
    series: dict[str, Dataset] = {}
    for reference in references:
        one = series.setdefault(reference[2], Dataset())
        if "SeriesInstanceUID" not in one:
            one.SeriesInstanceUID, one.ReferencedSOPSequence = reference[2], []
        one.ReferencedSOPSequence.append(instance_item(reference))
    return list(series.values())


def by_study(references: Iterable[Reference]) -> list[Dataset]:
    """Hierarchical SOP Instance Reference macro (PS3.3 table C.17-3): study > series > instance."""
    studies: dict[str, list[Reference]] = {}
    for reference in references:
        studies.setdefault(reference[3], []).append(reference)
    items = []
    for study_instance_uid, instances in studies.items():
        study = Dataset()
        study.StudyInstanceUID, study.ReferencedSeriesSequence = study_instance_uid, by_series(instances)
        items.append(study)
    return items
