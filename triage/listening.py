"""From the settings to the listener: where, with which certificates, and for whom."""

from triage.receive.admission import Admission, Sender
from triage.receive.scp import Listener, TlsPort
from triage.receive.tls import server_context
from triage.settings import DicomSettings


def listener(dicom: DicomSettings) -> Listener:
    """The listener of these settings; nothing is opened yet.

    Raises:
        ConfigurationError: nobody could send, or anybody could; the message names the setting.
    """
    tls = dicom.tls
    return Listener(
        dicom.ae_title,
        dicom.host,
        dicom.port,
        plain=dicom.plain,
        tls=TlsPort(tls.cert_file, tls.key_file, tls.ca_file, tls.host, tls.port) if tls else None,
        admission=Admission(tuple(Sender(**sender.model_dump()) for sender in dicom.sender)),
    )


def check(dicom: DicomSettings) -> None:
    """Whether that listener could start, short of its ports.

    Raises:
        ConfigurationError: as `listener` does, or a file of TLS cannot be used.
    """
    tls = listener(dicom).tls
    if tls:
        server_context(tls.cert_file, tls.key_file, tls.ca_file)
