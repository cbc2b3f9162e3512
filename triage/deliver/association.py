"""Deliver: associations with a DICOM node, and what its status codes mean for trying again.

Input: address and SOP classes. Output: an established association, or the peer's own reason against it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association

from triage.core.errors import ConfigurationError
from triage.deliver.peer_tls import PeerTls
from triage.deliver.sender import DeliveryError, DeliveryRejected, Unreachable

Handlers = Sequence[tuple[evt.EventType, Callable[[evt.Event], Any]]]

_PERMANENT_REJECTION = 0x01
"""Result of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
_FINAL_STATUSES = frozenset({0x0105, 0x0106, 0x0115, 0x0117, 0x0119, 0x0122, 0x0124})
"""PS3.7 annex C: attribute, argument, instance or class that does not fit, and not authorized."""
_FINAL_RANGES = ((0xA900, 0xA9FF), (0xC000, 0xCFFF))
"""PS3.4 table B.2-1: the data set does not match its class, or is not understood. 0xA7xx, out of resources, passes."""


@dataclass(frozen=True)
class DicomNode:
    """A peer and how long it may take to answer, in seconds."""

    calling_ae_title: str
    ae_title: str
    host: str
    port: int
    connection_seconds: float = 10.0
    response_seconds: float = 60.0
    tls: PeerTls | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Errors: ConfigurationError: a file of TLS cannot be used."""
        if self.tls:
            self.tls.context([])

    @property
    def address(self) -> str:
        """AET@HOST:PORT."""
        return f"{self.ae_title}@{self.host}:{self.port}"

    def associate(self, sop_class: UID, syntaxes: Sequence[UID], handlers: Handlers = ()) -> Association:
        """An established association for one SOP class.

        Raises:
            Unreachable: not there, or not now. DeliveryRejected: the peer does not want us, or not this class.
        """
        ae = AE(ae_title=self.calling_ae_title)
        ae.connection_timeout = self.connection_seconds
        ae.acse_timeout = self.connection_seconds
        ae.dimse_timeout = ae.network_timeout = self.response_seconds
        ae.add_requested_context(sop_class, list(syntaxes))
        faults: list[str] = []
        association = ae.associate(
            self.host, self.port, ae_title=self.ae_title, evt_handlers=list(handlers), tls_args=self._tls(faults)
        )
        if association.is_established:
            return association
        if association.is_rejected:
            answer = association.acceptor.primitive
            kind = DeliveryRejected if answer.result == _PERMANENT_REJECTION else Unreachable
            raise kind(f"{self.address} rejected the association: {answer.reason_str}")
        if association.rejected_contexts:
            raise DeliveryRejected(f"{self.address} does not take {sop_class.name}: presentation context rejected")
        if faults:
            raise Unreachable(f"{self.address}: no TLS with it: {faults[0]}")
        hint = ", or does not take our certificate" if self.tls else ""
        raise Unreachable(f"{self.address} cannot be reached{hint}")

    def _tls(self, faults: list[str]) -> tuple[SSLContext, str] | None:
        if not self.tls:
            return None
        try:
            return self.tls.context(faults), self.host
        except ConfigurationError as error:  # the files were there at the start, and will be again
            raise Unreachable(f"{self.address}: {error}") from error


def refusal(status: int) -> type[DeliveryError]:
    """DeliveryRejected for a status that will be the same next time; DeliveryError for one that may pass."""
    final = status in _FINAL_STATUSES or any(first <= status <= last for first, last in _FINAL_RANGES)
    return DeliveryRejected if final else DeliveryError
