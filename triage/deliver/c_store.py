"""Stage: deliver. Sends one object file to a DICOM node by C-STORE.

Input: a DICOM file. Output: nothing, or a DeliveryError that says at which step and how the peer refused.
"""

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association

from triage.deliver.outbox import DeliveryError

WARNINGS = {0xB000, 0xB006, 0xB007}
"""PS3.4 Table B.2-1: the peer has stored the object, with elements coerced or discarded."""


@dataclass(frozen=True)
class CStore:
    """A Storage SCU for one peer."""

    calling_ae_title: str
    ae_title: str
    host: str
    port: int
    connection_seconds: float = 10.0
    response_seconds: float = 60.0

    def send(self, path: Path) -> None:
        """Sends the file on an association of its own.

        Errors:
            DeliveryError: Not reached, not let in, or refused. OSError: The file cannot be read.
        """
        try:
            ds = dcmread(path)
        except InvalidDicomError as error:
            raise DeliveryError(f"{path.name} is not a DICOM file") from error
        if not ds.get("SOPClassUID") or not ds.get("SOPInstanceUID"):
            raise DeliveryError(f"{path.name} names no SOP class or instance")
        association = self._associate(ds)
        try:
            self._check(self._store(association, ds))
        finally:
            if association.is_established:
                association.release()

    def _associate(self, ds: Dataset) -> Association:
        ae = AE(ae_title=self.calling_ae_title)
        ae.connection_timeout = self.connection_seconds
        ae.acse_timeout = self.connection_seconds
        ae.dimse_timeout = ae.network_timeout = self.response_seconds
        syntaxes = [ds.file_meta.TransferSyntaxUID]
        if syntaxes[0] in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]  # either can be made from the other
        ae.add_requested_context(ds.SOPClassUID, syntaxes)
        association = ae.associate(self.host, self.port, ae_title=self.ae_title)
        if association.is_established:
            return association
        where = f"{self.ae_title}@{self.host}:{self.port}"
        if association.is_rejected:
            answer = association.acceptor.primitive
            raise DeliveryError(f"{where} rejected the association: {answer.reason_str}")
        if association.rejected_contexts:
            raise DeliveryError(f"{where} does not take {ds.SOPClassUID.name}: presentation context rejected")
        raise DeliveryError(f"{where} cannot be reached")

    def _store(self, association: Association, ds: Dataset) -> Dataset:
        try:
            return association.send_c_store(ds)
        except (ValueError, RuntimeError) as error:
            raise DeliveryError(f"{self.ae_title}: {error}") from error

    def _check(self, answer: Dataset) -> None:
        if "Status" not in answer:
            raise DeliveryError(f"{self.ae_title} broke the association off, or did not answer in time")
        if answer.Status != 0x0000 and answer.Status not in WARNINGS:
            comment = answer.get("ErrorComment", "")
            raise DeliveryError(f"{self.ae_title} refused the object: status 0x{answer.Status:04X} {comment}".rstrip())
