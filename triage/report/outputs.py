"""Report: which objects a finding becomes, for which destination.

Input: a finding, its stored instances, what was delivered of the study before. Output: planned deliveries whose files
are already durable.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import pydicom
from pydicom.dataset import Dataset

from triage.core.finding import StudyFinding
from triage.report.cad_report import cad_report
from triage.report.composite import Device
from triage.report.encapsulated_pdf import encapsulated_pdf
from triage.report.hl7 import Hl7Mapping, message_control_id, oru
from triage.report.key_objects import key_objects
from triage.report.kinds import COMPREHENSIVE_REPORT, ENHANCED_REPORT, REPORT, Kind
from triage.report.presentation_state import presentation_state
from triage.report.secondary_capture import secondary_capture
from triage.report.structured_report import Predecessor, structured_report, write
from triage.store.blobs import Blobs
from triage.store.records import Delivery, PlannedDelivery, StoredInstance

log = logging.getLogger(__name__)

REPORTS: Mapping[str, Kind] = MappingProxyType(
    {"sr": REPORT, "sr-88.33": COMPREHENSIVE_REPORT, "sr-88.22": ENHANCED_REPORT}
)
"""Outputs that are structured reports by TID 1500; a new revision of one names what it replaces."""
OTHERS = MappingProxyType(
    {
        "sc": secondary_capture,
        "gsps": presentation_state,
        "kos": key_objects,
        "pdf": encapsulated_pdf,
        "cad-sr": cad_report,
    }
)
"""Outputs of the other kinds; a builder gives None where the object would say nothing or mislead."""
MESSAGE = "hl7-oru"
"""The output that is no DICOM object."""


Made = tuple[str, str]
"""Identifier and file of what is to be sent: SOP Instance UID, or the control ID of a message."""


class Outputs:
    """Builds the objects of one service.

    Args:
        blobs: where they lie until they are sent.
        wanted: names the outputs of each destination.
        device: what the objects say made them.
        messages: how each destination of HL7 messages wants them.
    """

    def __init__(
        self,
        blobs: Blobs,
        wanted: Mapping[str, Sequence[str]],
        device: Device,
        messages: Mapping[str, Hl7Mapping] = MappingProxyType({}),
    ) -> None:
        self._blobs = blobs
        self._wanted = wanted
        self._device = device
        self._messages = messages

    def plan(
        self, finding: StudyFinding, instances: Sequence[StoredInstance], delivered: Sequence[Delivery]
    ) -> list[PlannedDelivery]:
        """One delivery of each wanted output for each destination that wants it, each object built once.

        An object that cannot be built is logged and left out, and the others go: the same finding would fail in the
        same way again, and a refused banner is no ground to withhold the report. None if no source image can be read.

        Errors:
            OSError: The disk does not take an object.
            Exception: Whatever the builder met, where nothing at all could be built.
        """
        if not any(self._wanted.values()):
            return []
        evidence = [header for one in instances if (header := _header(one)) is not None]
        if not evidence:
            log.error(
                "study %s: no readable image, so no report can name it; see the worklist", finding.study_instance_uid
            )
            return []
        makers = self._makers(finding, evidence, delivered)
        built = self._built(finding.study_instance_uid, makers)
        return [
            PlannedDelivery(name, output, *built[key])
            for name, wanted in self._wanted.items()
            for output in dict.fromkeys(wanted)
            if (key := self._key(name, output)) in built
        ]

    @staticmethod
    def _key(destination: str, output: str) -> str:
        """Objects are the same for everybody; each receiver of messages has its own words."""
        return f"{output} for {destination}" if output == MESSAGE else output

    def _makers(
        self, finding: StudyFinding, evidence: Sequence[Dataset], delivered: Sequence[Delivery]
    ) -> dict[str, Callable[[], Made | None]]:
        makers: dict[str, Callable[[], Made | None]] = {}
        for name, wanted in self._wanted.items():
            for output in wanted:
                if output == MESSAGE:
                    makers[self._key(name, output)] = partial(self._message, finding, evidence, self._messages[name])
                else:
                    makers[output] = partial(self._object, output, finding, evidence, delivered)
        return makers

    def _built(self, study_instance_uid: str, makers: Mapping[str, Callable[[], Made | None]]) -> dict[str, Made]:
        """Every output that there is to send."""
        built, errors = {}, []
        for key, make in makers.items():
            try:
                made = make()
            except OSError:
                raise
            except Exception as error:
                log.exception("study %s: output %s cannot be made", study_instance_uid, key)
                errors.append(error)
                continue
            if made is None:
                log.info("study %s: there is no output %s of this result", study_instance_uid, key)
            else:
                built[key] = made
        if errors and not built:
            raise errors[0]
        return built

    def _message(self, finding: StudyFinding, evidence: Sequence[Dataset], mapping: Hl7Mapping) -> Made:
        content = oru(finding, evidence, mapping)
        return message_control_id(finding.result_id), str(self._blobs.add(content)[1])

    def _object(
        self, output: str, finding: StudyFinding, evidence: Sequence[Dataset], delivered: Sequence[Delivery]
    ) -> Made | None:
        ds = self._build(output, finding, evidence, delivered)
        return None if ds is None else (str(ds.SOPInstanceUID), str(self._blobs.add(write(ds))[1]))

    def _build(
        self, output: str, finding: StudyFinding, evidence: Sequence[Dataset], delivered: Sequence[Delivery]
    ) -> Dataset | None:
        if output in REPORTS:
            kind = REPORTS[output]
            earlier = _predecessors(finding, delivered, output, kind)
            return structured_report(finding, evidence, earlier, self._device, kind)
        return OTHERS[output](finding, evidence, self._device)


def _header(instance: StoredInstance) -> Dataset | None:
    """The header if anything can refer to it: one that does not say what it is was kept under a derived study."""
    try:
        ds = pydicom.dcmread(Path(instance.path), stop_before_pixels=True)
        named = all(ds.get(key) for key in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"))
    except Exception as error:  # whatever the parser met; its text may quote the patient, so the type is all to log
        log.warning("the header of a stored image cannot be read: %s", type(error).__name__)
        return None
    return ds if named else None


def _predecessors(finding: StudyFinding, delivered: Sequence[Delivery], output: str, kind: Kind) -> list[Predecessor]:
    """The newest report of its kind that a PACS has, if any: one that never left cannot be referred to."""
    sent = [one for one in delivered if one.output == output and one.sent_at and one.result_id != finding.result_id]
    if not sent:
        return []
    newest = max(sent, key=lambda one: one.sent_at or one.created_at)
    sop_instance_uid, series_instance_uid = kind.identify(newest.result_id)
    return [(kind.sop_class_uid, sop_instance_uid, series_instance_uid, finding.study_instance_uid)]
