"""Stage: receive. One connection on its way to an association: handshake, request, the titles in it.

Input: an accepted connection. Output: the A-ASSOCIATE-RQ (PS3.8 table 9-11), complete and not yet consumed. Nothing
here blocks: what would is raised, and tried again when more has come.
"""

import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from triage.receive.admission import Certificate, peer_address
from triage.receive.tls import ReadAheadSocket, certificate_of, wrapped

ASSOCIATE_RQ = 0x01
HEADER, TITLES_END = 6, 42
LONGEST_REQUEST = 1 << 18
"""Bytes. All 128 presentation contexts with some thirty transfer syntaxes each."""
LONGEST_FAREWELL = 1 << 20
CALLING_TITLE_NOT_RECOGNISED = bytes((0x03, 0, 0, 0, 0, 4, 0, 1, 1, 3))
"""A-ASSOCIATE-RJ: permanent, by the service user, calling AE title not recognised (PS3.8 table 9-21).

The same for a title that exists and comes from elsewhere, so that nobody learns titles by trying. The log tells more.
"""
ABORT = bytes((0x07, 0, 0, 0, 0, 4, 0, 0, 0, 0))
"""A-ABORT, source service user (PS3.8 table 9-26): action AA-1, the answer to anything else (table 9-10)."""


class NotDicom(Exception):
    """What came is no association request."""


class Visitor:
    """A connection that has no association yet."""

    def __init__(
        self,
        connection: socket.socket,
        client_address: tuple[Any, ...],
        context: ssl.SSLContext | None,
        begin: Callable[[socket.socket, tuple[Any, ...]], None],
        deadline: float,
    ) -> None:
        connection.setblocking(False)
        self.connection: socket.socket = connection if context is None else wrapped(connection, context)
        self.number = self.connection.fileno()
        self.host = str(client_address[0])
        self.address = peer_address(self.host)
        self.certificate: Certificate | None = None
        self.deadline = deadline
        self.leaving = False
        self._client_address = client_address
        self._begin = begin
        self._shaken = context is None
        self._request = b""
        self._farewell = 0

    @property
    def calling_ae_title(self) -> str:
        """Bytes 27 to 42 of the request."""
        return self._request[26:TITLES_END].decode("ascii", "replace").strip(" \0")

    def has_asked(self) -> bool:
        """Whether the whole request is there.

        Raises:
            NotDicom: what came is none. SSLError: no TLS, or no certificate that counts. BlockingIOError,
            SSLWantReadError: not yet. OSError: it hung up.
        """
        if isinstance(self.connection, ReadAheadSocket):
            if not self._shaken:
                self.connection.do_handshake()
                self._shaken, self.certificate = True, certificate_of(self.connection)
            while self._missing():
                self._request += self._received(self._missing(), 0)
        else:
            # Looked at, not taken: pynetdicom reads it again.
            self._request = self._received(LONGEST_REQUEST, socket.MSG_PEEK)
        return not self._missing()

    def _received(self, size: int, flags: int) -> bytes:
        data = self.connection.recv(size, flags)
        if not data:
            raise ConnectionResetError
        return data

    def _missing(self) -> int:
        """Bytes until the next thing can be told."""
        have = len(self._request)
        if have and self._request[0] != ASSOCIATE_RQ:
            raise NotDicom
        if have < HEADER:
            return HEADER - have
        size = HEADER + struct.unpack(">L", self._request[2:HEADER])[0]
        if not TITLES_END <= size <= LONGEST_REQUEST:
            raise NotDicom
        return int(max(0, size - have))

    def admitted(self, network_seconds: float) -> None:
        """Hands the connection over, its request unread."""
        self.connection.settimeout(network_seconds)
        if isinstance(self.connection, ReadAheadSocket):
            self.connection.unread(self._request)
        self._begin(self.connection, self._client_address)

    def leave(self, answer: bytes) -> None:
        """Says a last word and no more. What had come is read first, or closing would discard the answer too."""
        self.leaving = True
        with suppress(OSError):
            if not isinstance(self.connection, ReadAheadSocket):
                self.connection.recv(LONGEST_REQUEST)
        with suppress(OSError):
            if answer and self._shaken:
                self.connection.send(answer)
        with suppress(OSError):
            if self._shaken and isinstance(self.connection, ReadAheadSocket):
                self.connection.unwrap()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def has_left(self) -> bool:
        """Whether the peer hung up, or goes on talking at such length that we do."""
        try:
            while self._farewell < LONGEST_FAREWELL:
                data = self.connection.recv(1 << 16)
                if not data:
                    return True
                self._farewell += len(data)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        return True
