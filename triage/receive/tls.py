"""Stage: receive. The server's end of a TLS connection whose first bytes were read before pynetdicom gets it.

Input: an accepted socket. Output: an encrypted socket, and the certificate that the peer showed.
"""

import socket
import ssl
from pathlib import Path
from typing import Any

from triage.core.tls import TlsFiles, fingerprint
from triage.receive.admission import Certificate


class ReadAheadSocket(ssl.SSLSocket):
    """Gives back first what `unread` was given. pynetdicom asks `pending` where `select` shows nothing."""

    _ahead: bytes = b""

    def unread(self, data: bytes) -> None:
        """Puts bytes back before those to come."""
        self._ahead = data + self._ahead

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Bytes put back, or else received."""
        if not self._ahead:
            return super().recv(buflen, flags)
        data, self._ahead = self._ahead[:buflen], self._ahead[buflen:]
        return data

    def pending(self) -> int:
        """Bytes that can be had without waiting."""
        return len(self._ahead) or super().pending()


def server_context(cert_file: Path, key_file: Path, ca_file: Path) -> ssl.SSLContext:
    """What the TLS port shows and demands.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    context = TlsFiles(cert_file, key_file, ca_file).server_context()
    context.sslsocket_class = ReadAheadSocket
    return context


def wrapped(connection: socket.socket, context: ssl.SSLContext) -> ReadAheadSocket:
    """The connection with TLS on it; its handshake is still to be made, and does not block."""
    connection.setblocking(False)
    encrypted = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    if not isinstance(encrypted, ReadAheadSocket):
        raise TypeError("the context is not one of server_context")
    return encrypted


def certificate_of(connection: ssl.SSLSocket) -> Certificate | None:
    """The verified certificate of the peer, after the handshake."""
    der = connection.getpeercert(True)
    told: dict[str, Any] = dict(connection.getpeercert() or {})
    if not der or not told:
        return None
    pairs = [pair for part in told.get("subject", ()) for pair in part if pair[0] == "commonName"]
    names = {str(pair[1]).lower() for pair in (*pairs, *told.get("subjectAltName", ()))}
    return Certificate(fingerprint(der), frozenset(names))
