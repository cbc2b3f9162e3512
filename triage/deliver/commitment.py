"""Stage: deliver. Storage commitment: a PACS promises to keep what it took, and only then is a delivery confirmed.

Input: deliveries that were sent. Output: an N-ACTION request to the PACS (PS3.4 annex J), and what its N-EVENT-REPORT
says, written to the ledger. The report may come at once on the same association, or hours later on one that the PACS
opens to our listener, in another process: so the transaction UID itself tells which delivery it is about.
"""

import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from triage.deliver.association import DicomNode
from triage.deliver.c_store import read_object
from triage.deliver.masking import PatientMask, mask_of_object
from triage.deliver.sender import DeliveryError, DeliveryRejected
from triage.store.ledger import Ledger
from triage.store.records import Delivery, utc_now

log = logging.getLogger(__name__)

ASK_FOR = timedelta(days=7)
"""After that an object stays sent, with what was last heard of it."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=12)
SEND_AGAIN_AFTER = timedelta(minutes=15)
"""A PACS may deny an object that it has not filed yet."""
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
REQUEST = 1
"""Action Type ID of a storage commitment request (PS3.4 table J.3.2-1)."""
FAILURES = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class and instance do not agree",
    0x0122: "SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}
"""Failure Reason (0008,1197) of PS3.3 table C.14-1."""


@dataclass(frozen=True)
class StorageCommitment(DicomNode):
    """A Storage Commitment SCU for one peer."""

    wait_seconds: float = 5.0
    """How long the association is kept open for a report on it."""

    def request(self, delivery_id: int, path: Path, note: Callable[[Dataset], None]) -> None:
        """Asks for one object; `note` gets the report if it comes while the association is open.

        Raises:
            DeliveryError: not reached, or the request was not accepted. OSError: the file cannot be read.
        """
        ds = read_object(path)
        wanted = Dataset()
        wanted.ReferencedSOPClassUID, wanted.ReferencedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
        content = Dataset()
        content.TransactionUID, content.ReferencedSOPSequence = transaction_uid(delivery_id), [wanted]
        reported = Event()

        def on_report(event: evt.Event) -> tuple[int, None]:
            note(event.event_information)
            reported.set()
            return 0x0000, None

        handlers = [(evt.EVT_N_EVENT_REPORT, on_report)]
        association = self.associate(StorageCommitmentPushModel, SYNTAXES, handlers)
        try:
            self._check(self._ask(association, content), mask_of_object(ds))
            reported.wait(self.wait_seconds)
        finally:
            if association.is_established:
                association.release()

    def _ask(self, association: Any, content: Dataset) -> Dataset:
        model, instance = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        try:
            status, _ = association.send_n_action(content, REQUEST, model, instance)
        except (ValueError, RuntimeError) as error:
            raise DeliveryError(f"{self.ae_title}: {error}") from error
        return status

    def _check(self, status: Dataset, mask: PatientMask) -> None:
        if "Status" not in status:
            raise DeliveryError(f"{self.ae_title} did not answer the storage commitment request")
        if status.Status != 0x0000:
            comment = mask.words(str(status.get("ErrorComment", "")))
            text = f"{self.ae_title} refused storage commitment: status 0x{status.Status:04X} {comment}"
            raise DeliveryError(text.rstrip())


def commit_one(ledger: Ledger, destination: str, client: StorageCommitment, now: Callable[[], datetime]) -> bool:
    """Asks for the delivery that was sent and not asked for longest ago; False if there is none."""
    due = ledger.due_commitments(destination, sent_after=now() - ASK_FOR, limit=1)
    for delivery in due:
        next_at = now() + _pause(delivery, now())
        try:
            client.request(delivery.id, Path(delivery.path), lambda report: note_report(ledger, report, now))
        except (DeliveryError, OSError) as error:
            level = logging.ERROR if isinstance(error, DeliveryRejected) else logging.WARNING
            log.log(level, "storage commitment of %s by %s: %s", delivery.sop_instance_uid, destination, error)
            ledger.not_yet_committed(delivery.id, str(error), next_at)
        else:
            ledger.not_yet_committed(delivery.id, None, next_at)
    return bool(due)


def note_report(ledger: Ledger, report: Dataset, now: Callable[[], datetime] = utc_now) -> None:
    """Writes what a storage commitment report says (PS3.4 table J.3.3-1). What is not ours is logged and ignored."""
    delivery_id = delivery_of(str(report.get("TransactionUID", "")))
    if delivery_id is None:
        log.warning("a storage commitment report names a transaction that this service did not begin")
        return
    for item in report.get("ReferencedSOPSequence") or []:
        if ledger.committed(delivery_id, str(item.get("ReferencedSOPInstanceUID", ""))):
            log.info("delivery %d is committed", delivery_id)
    for item in report.get("FailedSOPSequence") or []:
        code = item.get("FailureReason")
        said = "no reason given" if code is None else f"{FAILURES.get(code, 'failure')} (0x{code:04X})"
        text = f"storage was not committed: {said}"
        uid = str(item.get("ReferencedSOPInstanceUID", ""))
        if ledger.commitment_failed(delivery_id, uid, text, now() + SEND_AGAIN_AFTER):
            log.error("delivery %d: %s; it is sent again", delivery_id, text)


def report_handler(ledger: Ledger) -> Callable[[evt.Event], tuple[int, None]]:
    """For EVT_N_EVENT_REPORT of our listener: reports that a PACS brings on an association of its own."""

    def on_report(event: evt.Event) -> tuple[int, None]:
        try:
            note_report(ledger, event.event_information)
        except Exception as error:
            log.error("a storage commitment report was not noted: %s", type(error).__name__)
            return 0x0110, None  # processing failure: the PACS reports again, or is asked again
        return 0x0000, None

    return on_report


def accept_reports(ae: AE) -> None:
    """Lets the PACS, which requests that association, act as SCP on it (PS3.4 J.3.3, PS3.7 D.3.3.4)."""
    ae.add_supported_context(StorageCommitmentPushModel, list(SYNTAXES), scu_role=True, scp_role=True)


def listening(ledger: Ledger) -> tuple[Callable[[AE], None], list[tuple[Any, Any]]]:
    """What our listener needs for such reports: the context to support, and the handler."""
    return accept_reports, [(evt.EVT_N_EVENT_REPORT, report_handler(ledger))]


def transaction_uid(delivery_id: int) -> str:
    """A new UID for one request about one delivery: a UUID of version 8 (RFC 9562) whose first 48 bits are its id."""
    value = (delivery_id << 80) | secrets.randbits(80)
    value = value & ~(0xF << 76) | (8 << 76)  # version
    value = value & ~(0b11 << 62) | (0b10 << 62)  # variant
    return f"2.25.{value}"


def delivery_of(uid: str) -> int | None:
    """The delivery that a `transaction_uid` is about; None if it is not one of ours."""
    with suppress(ValueError):
        value = int(uid.removeprefix("2.25."))
        if uid.startswith("2.25.") and value < 1 << 128 and (value >> 76) & 0xF == 8:
            return value >> 80
    return None


def _pause(delivery: Delivery, now: datetime) -> timedelta:
    """As long as it has waited already: after 5 min, 10, 20, 40 min and so on, at most half a day."""
    waited = now - (delivery.sent_at or now)
    return min(max(waited, FIRST_PAUSE), LONGEST_PAUSE)
