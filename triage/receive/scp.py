"""Stage: receive. The Storage and Verification SCP on stock pynetdicom.

Input: associations. Output: a running server that hands each C-STORE request to the handler.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pydicom
from pydicom import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification
from pynetdicom.transport import ThreadedAssociationServer

from triage.core.errors import ConfigurationError
from triage.core.study import InstanceHeader
from triage.receive.contexts import IGNORED_SOP_CLASSES, IMAGE_SYNTAXES, PLAIN_SYNTAXES, STORED_SOP_CLASSES
from triage.receive.handlers import StoreHandler
from triage.receive.spool import receive_into
from triage.store.blobs import Blobs
from triage.store.ledger import DueAt, Ledger

MAXIMUM_PDU_SIZE = 131_072
"""Bytes. Twice as fast as the default for images of 27 MB; larger gives nothing."""


@dataclass(frozen=True)
class Listener:
    """Where and for whom to listen."""

    ae_title: str = "TRIAGE"
    host: str = "127.0.0.1"
    port: int = 11112
    """0: any free port."""
    maximum_associations: int = 64
    require_called_ae_title: bool = True
    """Senders must call us by our title: a misrouted send is refused rather than taken."""


def serve(
    listener: Listener,
    blobs: Blobs,
    ledger: Ledger,
    describe: Callable[[Dataset, str], InstanceHeader],
    due_at: DueAt,
) -> ThreadedAssociationServer:
    """Starts listening in background threads; `server.shutdown()` ends it, `server.server_address` tells the port.

    Args:
        listener: where to listen.
        blobs: keeps the files, and gives the folder to receive into.
        ledger: keeps the rows.
        describe: the header rules: data set without pixels and transfer syntax UID to an InstanceHeader.
        due_at: when a study may be analysed.

    Errors:
        ConfigurationError: The address is in use or not ours.
    """
    _config.STORE_RECV_CHUNKED_DATASET = True  # data sets go to files, not into memory
    _config.LOG_HANDLER_LEVEL = "none"  # handlers that format every PDU for the log halve the throughput
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # its warnings quote values into the log
    receive_into(blobs.incoming)
    ae = _application_entity(listener)
    store = StoreHandler(blobs, ledger, describe, due_at)
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_C_ECHO, _echo)]
    try:
        return ae.start_server((listener.host, listener.port), block=False, evt_handlers=handlers)
    except OSError as error:
        where = f"{listener.host}:{listener.port}"
        raise ConfigurationError(f"dicom: cannot listen on {where} ({error.strerror}); set dicom.port") from error


def _application_entity(listener: Listener) -> AE:
    ae = AE(ae_title=listener.ae_title)
    ae.maximum_pdu_size = MAXIMUM_PDU_SIZE
    ae.maximum_associations = listener.maximum_associations
    ae.require_called_aet = listener.require_called_ae_title
    ae.acse_timeout = 10  # a silent client occupies an association no longer than that
    ae.dimse_timeout = 60
    ae.network_timeout = 60
    for sop_class in STORED_SOP_CLASSES:
        ae.add_supported_context(sop_class, list(IMAGE_SYNTAXES))
    for sop_class in IGNORED_SOP_CLASSES:
        ae.add_supported_context(sop_class, list(PLAIN_SYNTAXES))
    ae.add_supported_context(Verification, list(PLAIN_SYNTAXES[:2]))
    return ae


def _echo(_event: Any) -> int:
    return 0x0000
