"""Stage: receive. Who may send: the AE title that a peer gives, the address it comes from, the certificate it shows.

Input: these three of one association request. Output: the cause against it, or None. An AE title alone proves nothing,
so each sender is bound to addresses, to a certificate, or both.
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

ANY_TITLE = "*"
"""As AE title of a sender: whatever title, for those that are not named themselves."""


class Cause(StrEnum):
    """Why a connection or an association was refused: fixed words, for the log and for alerts on it."""

    UNKNOWN_TITLE = "unknown-title"
    WRONG_ADDRESS = "wrong-address"
    NO_CERTIFICATE = "no-certificate"
    """The sender is bound to a certificate and came without TLS."""
    WRONG_CERTIFICATE = "wrong-certificate"
    TLS_FAILED = "tls-failed"
    NOT_DICOM = "not-dicom"
    SILENT = "silent"
    """No complete association request in time."""
    TOO_MANY = "too-many"
    """The longest waiting of too many connections that have not asked for an association yet."""


@dataclass(frozen=True)
class Certificate:
    """What a peer showed, after it was verified."""

    sha256: str
    names: frozenset[str]
    """Common name and alternative names, in lower case."""


@dataclass(frozen=True)
class Sender:
    """One peer that may send. An empty field binds to nothing."""

    ae_title: str
    hosts: tuple[Network, ...] = ()
    certificate_sha256: str = ""
    certificate_name: str = ""

    @property
    def needs_certificate(self) -> bool:
        """Whether it may come with TLS only."""
        return bool(self.certificate_sha256 or self.certificate_name)

    def is_at(self, address: Address) -> bool:
        """Whether it may come from there."""
        return not self.hosts or any(address in network for network in self.hosts)

    def shows(self, certificate: Certificate | None) -> bool:
        """Whether that certificate is its own."""
        if not self.needs_certificate:
            return True
        return (
            certificate is not None
            and self.certificate_sha256 in ("", certificate.sha256)
            and (not self.certificate_name or self.certificate_name.lower() in certificate.names)
        )


@dataclass(frozen=True)
class Admission:
    """The senders; without any, everybody is one. A title may stand there twice, as while certificates change."""

    senders: tuple[Sender, ...] = ()

    def refusal(self, ae_title: str, address: Address, certificate: Certificate | None) -> Cause | None:
        """Why that peer may not send; None if it may."""
        if not self.senders:
            return None
        # A named title must not slip in as one of any title.
        titled = [sender for sender in self.senders if sender.ae_title == ae_title]
        titled = titled or [sender for sender in self.senders if sender.ae_title == ANY_TITLE]
        if not titled:
            return Cause.UNKNOWN_TITLE
        here = [sender for sender in titled if sender.is_at(address)]
        if not here:
            return Cause.WRONG_ADDRESS
        if any(sender.shows(certificate) for sender in here):
            return None
        return Cause.NO_CERTIFICATE if certificate is None else Cause.WRONG_CERTIFICATE


def peer_address(text: str) -> Address:
    """The address of a peer; one of IPv4 that a listener for both kinds wrote as IPv6 is IPv4 again."""
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Whether a listener there is out of reach of the network. Other names than localhost could be anything."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
