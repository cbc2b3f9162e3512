"""Stage: receive. C-STORE to status: read the header once, make the bytes durable, record them, then acknowledge.

Input: a received file. Output: a status of PS3.4 Table B.2-1. 0x0000 is answered only after the data set was flushed
and renamed, its folder flushed and the ledger committed. Pixels are never decoded here.

The digest of an instance covers the transfer syntax UID and the data set, not the file meta information, which this
service writes itself: the same image resent after an upgrade is still the same image.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydicom
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from triage.core.reasons import reason
from triage.core.study import InstanceHeader
from triage.receive.contexts import IGNORED_SOP_CLASSES, RESULT_IMAGE_CLASS
from triage.receive.salvage import salvaged_study_uid
from triage.store.blobs import Blobs
from triage.store.ledger import DueAt, Ledger

log = logging.getLogger(__name__)

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
"""Refused, the sender shall try again."""
DATA_SET_MISMATCH = 0xA900


@dataclass(frozen=True)
class Received:
    """One C-STORE request: what the command said, and the file that holds the data set."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str = ""


@dataclass(frozen=True)
class StoreHandler:
    """Answers C-STORE requests."""

    blobs: Blobs
    ledger: Ledger
    describe: Callable[[Dataset, str], InstanceHeader]
    """The header rules: data set without pixels and transfer syntax UID to what is known of the image."""
    due_at: DueAt

    def __call__(self, event: Any) -> int:
        """Handler of pynetdicom's EVT_C_STORE."""
        request = event.request
        return self.store(
            Received(
                event.dataset_path,
                str(request.AffectedSOPClassUID),
                str(request.AffectedSOPInstanceUID),
                str(event.context.transfer_syntax),
                event.assoc.requestor.ae_title,
            )
        )

    def store(self, received: Received) -> int:
        """The status for one request."""
        try:
            header = self._header(received)
            if header is None:
                return DATA_SET_MISMATCH
            if self._is_ignored(received):
                log.info("ignored %s of class %s", received.sop_instance_uid, received.sop_class_uid)
                return SUCCESS
            sha256, path = self.blobs.adopt(received.path, _meta_length(received.path), received.transfer_syntax_uid)
            new = self.ledger.record_instance(header, sha256, str(path), self.due_at)
        except Exception as error:
            # Whatever it was, the image is not safe here: the sender must keep it and try again.
            log.error("refused %s: %s", received.sop_instance_uid, _cause(error))
            return OUT_OF_RESOURCES
        log.info(
            "stored %s of study %s from %s%s",
            header.sop_instance_uid,
            header.study_instance_uid,
            received.calling_ae_title,
            "" if new else " (known already)",
        )
        return SUCCESS

    def _is_ignored(self, received: Received) -> bool:
        """Reports of whomever, and our own summary page: a PACS that forwards all it gets must reopen no study."""
        if received.sop_class_uid == RESULT_IMAGE_CLASS:
            return self.ledger.made_here(received.sop_instance_uid)
        return received.sop_class_uid in IGNORED_SOP_CLASSES

    def _header(self, received: Received) -> InstanceHeader | None:
        """What the data set says of itself; None if it contradicts the command.

        A data set that cannot be read, or does not name its study, is kept all the same and shown as `undecodable`: in
        its own study if the file tells that anywhere, so that the exam is not judged without this image.
        """
        try:
            ds = dcmread(received.path, stop_before_pixels=True)
            header = self.describe(ds, received.transfer_syntax_uid)
        except Exception as error:
            if isinstance(error, OSError) and error.errno:  # the disk's; for damage pydicom raises one without a number
                raise
            log.warning("cannot read %s: %s", received.sop_instance_uid, type(error).__name__)
            return _unreadable(received, salvaged_study_uid(received.path))
        commanded = {"", received.sop_instance_uid, received.sop_class_uid}
        named = {header.sop_instance_uid, header.sop_class_uid} - commanded
        if not all(UID(uid, pydicom.config.IGNORE).is_valid for uid in named):
            # damaged rather than another's
            return _unreadable(received, header.study_instance_uid or salvaged_study_uid(received.path))
        if named:
            log.error("refused %s: the data set names another SOP instance or class", received.sop_instance_uid)
            return None
        return _completed(header, received)


def _unreadable(received: Received, study_instance_uid: str) -> InstanceHeader:
    return InstanceHeader(
        sop_instance_uid=received.sop_instance_uid,
        sop_class_uid=received.sop_class_uid,
        study_instance_uid=study_instance_uid or _derived_uid("study", received.sop_instance_uid),
        series_instance_uid=_derived_uid("series", received.sop_instance_uid),
        transfer_syntax_uid=received.transfer_syntax_uid,
        laterality=None,
        view_position=None,
        analysable=True,
        reasons=(reason("undecodable", "The data set cannot be read.", received.sop_instance_uid),),
    )


def _completed(header: InstanceHeader, received: Received) -> InstanceHeader:
    """The header with what the command says, and with UIDs salvaged or made up for those it lacks, said in a reason."""
    header = replace(header, sop_instance_uid=received.sop_instance_uid, sop_class_uid=received.sop_class_uid)
    missing = []
    if not header.study_instance_uid:
        missing.append("StudyInstanceUID")
        study = salvaged_study_uid(received.path) or _derived_uid("study", received.sop_instance_uid)
        header = replace(header, study_instance_uid=study)
    if not header.series_instance_uid:
        missing.append("SeriesInstanceUID")
        header = replace(header, series_instance_uid=_derived_uid("series", received.sop_instance_uid))
    if missing and "undecodable" not in {found.code for found in header.reasons}:
        text = f"The header lacks {' and '.join(missing)}."
        found = reason("undecodable", text, received.sop_instance_uid)
        header = replace(header, reasons=(*header.reasons, found))
    return header


def _derived_uid(kind: str, sop_instance_uid: str) -> str:
    """The same UID for the same instance each time it comes (PS3.5 B.2: 2.25 and a UUID as a number)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{kind} of {sop_instance_uid}').int}"


def _meta_length(path: Path) -> int:
    """Bytes of preamble and file meta information (PS3.10 section 7.1): the group length element comes first."""
    with path.open("rb") as file:
        start = file.read(144)
    return 144 + int.from_bytes(start[140:144], "little")


def _cause(error: Exception) -> str:
    """Type and system message only: other texts may quote the data set."""
    return f"{type(error).__name__} {error.strerror or ''}" if isinstance(error, OSError) else type(error).__name__
