"""Stage: receive. The Storage and Verification SCP on stock pynetdicom: a plain port, one with TLS, or both.

Input: associations of those who may send. Output: running servers that hand each C-STORE request to the handler.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from ssl import SSLContext
from typing import Any

import pydicom
from pydicom import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import Verification
from pynetdicom.transport import ThreadedAssociationServer

from triage.core.errors import ConfigurationError
from triage.core.study import InstanceHeader
from triage.receive.admission import Admission, is_loopback
from triage.receive.contexts import IGNORED_SOP_CLASSES, IMAGE_SYNTAXES, PLAIN_SYNTAXES, STORED_SOP_CLASSES
from triage.receive.handlers import StoreHandler
from triage.receive.spool import receive_into
from triage.receive.tls import server_context
from triage.receive.waiting_room import NETWORK_SECONDS, WAITING_SECONDS, Room, WaitingRoom
from triage.store.blobs import Blobs
from triage.store.ledger import DueAt, Ledger

MAXIMUM_PDU_SIZE = 131_072
"""Bytes. Twice as fast as the default for images of 27 MB; larger gives nothing."""


@dataclass(frozen=True)
class TlsPort:
    """A port that demands certificates. The files are PEM, see `triage.core.tls.TlsFiles`."""

    cert_file: Path
    key_file: Path
    ca_file: Path
    host: str = "127.0.0.1"
    port: int = 2762
    """Registered for DICOM over TLS (PS3.15 annex B)."""


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
    plain: bool = True
    """Whether to listen without TLS at all."""
    tls: TlsPort | None = None
    admission: Admission = Admission()
    room: Room = Room()

    def __post_init__(self) -> None:
        """Errors: ConfigurationError: nobody could send, or anybody."""
        hosts = ([self.host] if self.plain else []) + ([self.tls.host] if self.tls else [])
        if not hosts:
            raise ConfigurationError("dicom.plain: false without dicom.tls, so that nothing would listen")
        within_reach = [host for host in hosts if not is_loopback(host)]
        if within_reach and not self.admission.senders:
            text = f"dicom: listening on {within_reach[0] or 'every address'} without senders would take images from"
            raise ConfigurationError(f"{text} anybody; name them in [[dicom.sender]], or listen on 127.0.0.1")
        for sender in self.admission.senders:
            if sender.needs_certificate and not self.tls:
                text = f"dicom.sender: {sender.ae_title} is bound to a certificate, but there is no [dicom.tls]"
                raise ConfigurationError(text)


Extension = tuple[Callable[[AE], None], Sequence[tuple[Any, Any]]]
"""What another stage adds to the listener: contexts to support, and handlers of events."""


class Server(ThreadedAssociationServer):  # type: ignore[misc]  # pynetdicom tells no types
    """Accepts and does nothing else: handshake and request are waited for elsewhere, docs/pynetdicom-accept-loop.md."""

    request_queue_size = 128
    """Connections that the kernel holds; with five, a burst has others wait a second to be let in."""

    def __init__(self, *arguments: Any, room: WaitingRoom, **options: Any) -> None:
        self._room = room
        super().__init__(*arguments, **options)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection, as it is."""
        listening: socket.socket = self.socket
        return listening.accept()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Has it wait, and only then begin."""
        self._room.enter(request, client_address, self.ssl_context, super().process_request)


@dataclass(frozen=True)
class Reception:
    """What listens."""

    plain: Server | None
    tls: Server | None
    room: WaitingRoom

    @property
    def port(self) -> int | None:
        """Of the plain listener."""
        return int(self.plain.server_address[1]) if self.plain else None

    @property
    def tls_port(self) -> int | None:
        """Of the listener with TLS."""
        return int(self.tls.server_address[1]) if self.tls else None

    def shutdown(self) -> None:
        """Stops listening; associations that exist may end on their own."""
        for server in (self.plain, self.tls):
            if server is not None:
                server.shutdown()
        self.room.close()


def serve(  # noqa: PLR0913, PLR0917 - each a collaborator of its own
    listener: Listener,
    blobs: Blobs,
    ledger: Ledger,
    describe: Callable[[Dataset, str], InstanceHeader],
    due_at: DueAt,
    extension: Extension = (lambda _: None, ()),
) -> Reception:
    """Starts listening in background threads; `shutdown()` ends it, `port` and `tls_port` tell where.

    Args:
        listener: where to listen.
        blobs: keeps the files, and gives the folder to receive into.
        ledger: keeps the rows.
        describe: the header rules: data set without pixels and transfer syntax UID to an InstanceHeader.
        due_at: when a study may be analysed.
        extension: what else the port is for, such as the storage commitment reports of a PACS.

    Errors:
        ConfigurationError: An address is in use or not ours, or a file of TLS cannot be used.
    """
    _config.STORE_RECV_CHUNKED_DATASET = True  # data sets go to files, not into memory
    _config.LOG_HANDLER_LEVEL = "none"  # handlers that format every PDU for the log halve the throughput
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # its warnings quote values into the log
    receive_into(blobs.incoming)
    ae = _application_entity(listener)
    store = StoreHandler(blobs, ledger, describe, due_at)
    support, more = extension
    support(ae)
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_C_ECHO, _echo), *more]
    tls = listener.tls
    context = server_context(tls.cert_file, tls.key_file, tls.ca_file) if tls else None
    room = WaitingRoom(listener.admission, listener.room)
    reception = Reception(None, None, room)
    try:
        if listener.plain:
            reception = replace(reception, plain=_started(ae, (listener.host, listener.port), None, handlers, room))
        if tls:
            reception = replace(reception, tls=_started(ae, (tls.host, tls.port), context, handlers, room))
    except BaseException:
        reception.shutdown()
        raise
    return reception


def _started(
    ae: AE, address: tuple[str, int], context: SSLContext | None, handlers: Sequence[tuple[Any, Any]], room: WaitingRoom
) -> Server:
    where, key = f"{address[0]}:{address[1]}", "dicom.tls.port" if context else "dicom.port"
    try:
        server: Server = ae.make_server(
            address, ssl_context=context, evt_handlers=list(handlers), server_class=Server, room=room
        )
    except OSError as error:
        raise ConfigurationError(f"dicom: cannot listen on {where} ({error.strerror}); set {key}") from error
    ae._servers.append(server)  # its shutdown takes it from there: AE.start_server, which knows no other class, does so
    threading.Thread(target=server.serve_forever, name=f"accept {where}", daemon=True).start()
    return server


def _application_entity(listener: Listener) -> AE:
    ae = AE(ae_title=listener.ae_title)
    ae.maximum_pdu_size = MAXIMUM_PDU_SIZE
    ae.maximum_associations = listener.maximum_associations
    ae.require_called_aet = listener.require_called_ae_title
    ae.acse_timeout = WAITING_SECONDS
    ae.dimse_timeout = NETWORK_SECONDS
    ae.network_timeout = NETWORK_SECONDS
    for sop_class in STORED_SOP_CLASSES:
        ae.add_supported_context(sop_class, list(IMAGE_SYNTAXES))
    for sop_class in IGNORED_SOP_CLASSES:
        ae.add_supported_context(sop_class, list(PLAIN_SYNTAXES))
    ae.add_supported_context(Verification, list(PLAIN_SYNTAXES[:2]))
    return ae


def _echo(_event: Any) -> int:
    return 0x0000
