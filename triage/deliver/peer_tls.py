"""Deliver: TLS towards one DICOM node. Input: our certificate, and how to know theirs. Output: contexts for it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from triage.core.tls import TlsFiles, cause, fingerprint


class _AnotherCertificate(OSError):
    """What pynetdicom takes as a connection that failed."""


@dataclass(frozen=True)
class PeerTls:
    """How we prove who we are to a peer, and how it proves that to us. All files are PEM."""

    cert_file: Path
    key_file: Path
    ca_file: Path
    certificate_sha256: str = ""
    """The one certificate to accept, whatever host it names; empty: any that names the host and is vouched for."""

    def context(self, faults: list[str]) -> ssl.SSLContext:
        """For one connection; what goes wrong in its handshake is put into `faults`, for pynetdicom tells nobody.

        The files are read each time, so that a new certificate needs no restart.

        Raises:
            ConfigurationError: a file cannot be used.
        """
        wanted = self.certificate_sha256

        class Socket(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                try:
                    super().do_handshake(block)
                    if wanted and fingerprint(self.getpeercert(True) or b"") != wanted:
                        raise _AnotherCertificate("another certificate than the one of certificate_sha256")
                except OSError as error:
                    faults.append(str(error) if isinstance(error, _AnotherCertificate) else cause(error))
                    raise

        context = TlsFiles(self.cert_file, self.key_file, self.ca_file).client_context()
        context.check_hostname = not wanted
        context.sslsocket_class = Socket
        return context
