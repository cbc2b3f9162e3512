"""The one TLS profile of the service, for what it serves and for what it calls.

Input: PEM files. Output: contexts after BCP 195 (RFC 9325; PS3.15 annex B names it for DICOM): TLS 1.2 with ephemeral
keys and authenticated encryption, or TLS 1.3; both sides show a certificate. What OpenSSL's configuration forbids
beyond that, such as RSA keys below 2048 bits, stays forbidden.
"""

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from triage.core.errors import ConfigurationError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
"""For TLS 1.2, RFC 9325 section 4.2; those of TLS 1.3 are all of that kind."""


@dataclass(frozen=True)
class TlsFiles:
    """Who we are, and whose word we take for who others are. All PEM."""

    cert_file: Path
    """Our certificate, with intermediate ones after it."""
    key_file: Path
    """Its key, without a passphrase."""
    ca_file: Path
    """The authorities whose certificates are trusted; never the system's, which vouch for anybody."""

    def server_context(self) -> ssl.SSLContext:
        """For a listener: clients without a valid certificate are refused.

        Raises:
            ConfigurationError: a file cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        return self._loaded(context)

    def client_context(self) -> ssl.SSLContext:
        """For a caller: the server's certificate must be valid, and name the host called unless told otherwise.

        Raises:
            ConfigurationError: a file cannot be used.
        """
        return self._loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def _loaded(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_ciphers(CIPHERS)
        for key, file in (("cert_file", self.cert_file), ("key_file", self.key_file), ("ca_file", self.ca_file)):
            try:
                file.open("rb").close()
            except OSError as error:
                raise ConfigurationError(f"tls.{key}: cannot read {file} ({error.strerror})") from error
        try:
            # An empty passphrase: a key that needs one is an error, not a question on the terminal.
            context.load_cert_chain(self.cert_file, self.key_file, password="")  # noqa: S106
        except (OSError, ValueError) as error:
            text = f"tls: {self.cert_file} and {self.key_file} are no certificate and its key without a passphrase"
            raise ConfigurationError(f"{text} ({_said(error)})") from error
        try:
            context.load_verify_locations(self.ca_file)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"tls.ca_file: {self.ca_file} holds no certificate ({_said(error)})") from error
        return context


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, 64 hexadecimal digits: what `openssl x509 -fingerprint -sha256` prints."""
    return hashlib.sha256(certificate).hexdigest()


def cause(error: Exception) -> str:
    """What OpenSSL has against a peer: words of its own, none of the peer's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return _said(error)


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or type(error).__name__).lower().replace("_", " ")
    return type(error).__name__
