"""Stage: deliver. Sends one object file to a DICOM node by C-STORE.

Input: a DICOM file. Output: a receipt, or a DeliveryError that says at which step and how the peer refused.
"""

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.association import Association

from triage.deliver.association import DicomNode, refusal
from triage.deliver.masking import PatientMask, mask_of_object
from triage.deliver.sender import DeliveryError, Receipt

WARNINGS = {0xB000, 0xB006, 0xB007}
"""PS3.4 Table B.2-1: the peer has stored the object, with elements coerced or discarded."""
DUPLICATE = 0x0111
"""The peer has an object of this UID. A UID of ours stands for one content only, so an earlier attempt got through."""


@dataclass(frozen=True)
class CStore(DicomNode):
    """A Storage SCU for one peer."""

    def send(self, path: Path) -> Receipt:
        """Sends the file on an association of its own.

        Raises:
            DeliveryError: Not reached, not let in, or refused. OSError: The file cannot be read.
        """
        ds = read_object(path)
        syntaxes = [ds.file_meta.TransferSyntaxUID]
        if syntaxes[0] in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]  # either can be made from the other
        association = self.associate(ds.SOPClassUID, syntaxes)
        try:
            self._check(self._store(association, ds), mask_of_object(ds))
        finally:
            if association.is_established:
                association.release()
        return Receipt.SENT

    def _store(self, association: Association, ds: Dataset) -> Dataset:
        try:
            return association.send_c_store(ds)
        except (ValueError, RuntimeError) as error:
            raise DeliveryError(f"{self.ae_title}: {mask_of_object(ds).words(str(error))}") from error

    def _check(self, answer: Dataset, mask: PatientMask) -> None:
        if "Status" not in answer:
            raise DeliveryError(f"{self.ae_title} broke the association off, or did not answer in time")
        status = answer.Status
        if status not in {0x0000, DUPLICATE, *WARNINGS}:
            comment = mask.words(str(answer.get("ErrorComment", "")))
            raise refusal(status)(f"{self.ae_title} refused the object: status 0x{status:04X} {comment}".rstrip())


def read_object(path: Path) -> Dataset:
    """The data set of a result object.

    Raises:
        DeliveryError: the file is no DICOM object. OSError: the file cannot be read.
    """
    try:
        ds = dcmread(path)
    except InvalidDicomError as error:
        raise DeliveryError(f"{path.name} is not a DICOM file") from error
    if not ds.get("SOPClassUID") or not ds.get("SOPInstanceUID"):
        raise DeliveryError(f"{path.name} names no SOP class or instance")
    return ds
