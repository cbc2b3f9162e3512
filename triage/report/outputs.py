"""Report: which objects a finding becomes, for which destination.

Input: a finding, its stored instances, what was delivered of the study before. Output: planned deliveries whose files
are already durable.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage

from triage.core.finding import StudyFinding
from triage.report.composite import Device
from triage.report.structured_report import Predecessor, identity_of, structured_report, write
from triage.store.blobs import Blobs
from triage.store.records import Delivery, PlannedDelivery, StoredInstance

log = logging.getLogger(__name__)


class Outputs:
    """Builds the objects of one service. `wanted` names the outputs of each destination."""

    def __init__(self, blobs: Blobs, wanted: Mapping[str, Sequence[str]], device: Device) -> None:
        self._blobs = blobs
        self._wanted = wanted
        self._device = device

    def plan(
        self, finding: StudyFinding, instances: Sequence[StoredInstance], delivered: Sequence[Delivery]
    ) -> list[PlannedDelivery]:
        """One delivery for each destination that wants a structured report; none if no source image can be read.

        Errors:
            OSError: The disk does not take the report.
        """
        destinations = [name for name, outputs in self._wanted.items() if "sr" in outputs]
        if not destinations:
            return []
        evidence = [header for one in instances if (header := _header(one)) is not None]
        if not evidence:
            log.error(
                "study %s: no readable image, so no report can name it; see the worklist", finding.study_instance_uid
            )
            return []
        report = structured_report(finding, evidence, _predecessors(finding, delivered), self._device)
        _, path = self._blobs.add(write(report))
        return [PlannedDelivery(name, "sr", str(report.SOPInstanceUID), str(path)) for name in destinations]


def _header(instance: StoredInstance) -> Dataset | None:
    """The header if anything can refer to it: one that does not say what it is was kept under a derived study."""
    try:
        ds = pydicom.dcmread(Path(instance.path), stop_before_pixels=True)
        named = all(ds.get(key) for key in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"))
    except Exception as error:  # whatever the parser met; its text may quote the patient, so the type is all to log
        log.warning("the header of a stored image cannot be read: %s", type(error).__name__)
        return None
    return ds if named else None


def _predecessors(finding: StudyFinding, delivered: Sequence[Delivery]) -> list[Predecessor]:
    """The newest report that a PACS has, if any: one that never left cannot be referred to."""
    sent = [one for one in delivered if one.output == "sr" and one.sent_at and one.result_id != finding.result_id]
    if not sent:
        return []
    newest = max(sent, key=lambda one: one.sent_at or one.created_at)
    sop_instance_uid, series_instance_uid = identity_of(newest.result_id)
    return [(Comprehensive3DSRStorage, sop_instance_uid, series_instance_uid, finding.study_instance_uid)]
