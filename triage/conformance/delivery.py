"""Conformance: how results are sent, committed and, if lost, sent again; the HL7 message; security.

Input: the numbers of `deliver`, the profile of `core.tls`. Output: sections of the statement.
"""

from datetime import timedelta

from triage.conformance.markdown import bullets, section, table
from triage.core.finding import Outcome
from triage.core.tls import CIPHERS
from triage.deliver import commitment, outbox
from triage.deliver.mllp import Mllp
from triage.deliver.stow import Stow
from triage.receive.admission import Cause
from triage.report import codes
from triage.report.hl7 import Hl7Mapping


def delivery() -> str:
    """The outbox and everything that it sends by."""
    return section("5 Delivery of results", _outbox(), _commitment(), _stow(), _message())


def security() -> str:
    """Who may send, and what protects a connection."""
    causes = ", ".join(f"`{cause}`" for cause in Cause)
    return section(
        "6 Security",
        bullets(
            (
                "Senders can be bound to AE title, address and certificate (`[[dicom.sender]]`); a listener within "
                "reach of a network does not start without. An AE title alone proves nothing.",
                "TLS after BCP 195 (PS3.15 annex B), on a port of its own: version 1.2 or 1.3, for 1.2 the ciphers "
                f"`{CIPHERS}`; both sides show a certificate.",
                f"Refusals are logged with one of the words {causes}.",
                "STOW-RS verifies the server's certificate and sends no secret over plain HTTP but to this machine. "
                "Redirects are not followed.",
                "Log lines name studies and objects by UID, never the patient.",
            )
        ),
    )


def _outbox() -> str:
    rows = [
        ("pause after a failed attempt", f"{_words(outbox.FIRST_PAUSE)}, doubled each time"),
        ("longest pause", _words(outbox.LONGEST_PAUSE)),
        ("given up after", _words(outbox.GIVE_UP_AFTER)),
    ]
    return section(
        "5.1 Outbox",
        bullets(
            (
                "At least once: after a crash the same object goes again, under the same UIDs and with the same bytes.",
                "One association, request or connection for each object; destinations do not wait for each other.",
                "Only the newest result of a study is sent. A structured report of a later result names the one that "
                "it replaces in Predecessor Documents Sequence (0040,A360), if that one was sent.",
            )
        ),
        table(("", "value"), rows),
        level=3,
    )


def _commitment() -> str:
    client = commitment.StorageCommitment("", "", "", 0)
    failures = [(f"0x{value:04X}", meaning) for value, meaning in commitment.FAILURES.items()]
    return section(
        "5.2 Storage commitment",
        f"One N-ACTION for each object. The association stays open for {client.wait_seconds:g} s for the report; later "
        "the report is taken on an association that the PACS requests with the SCP role. Until then the object counts "
        f"as sent, not as confirmed; it is asked for again after {_words(commitment.FIRST_PAUSE)}, then after pauses "
        f"that grow to {_words(commitment.LONGEST_PAUSE)}, for {_words(commitment.ASK_FOR)}. What a PACS reports as "
        f"failed is sent again after {_words(commitment.SEND_AGAIN_AFTER)}.",
        table(("failure reason", "meaning"), failures),
        level=3,
    )


def _stow() -> str:
    server = Stow("http://127.0.0.1")
    return section(
        "5.3 STOW-RS",
        "POST to `studies/{study}` with one part `application/dicom` of `multipart/related`, answer in "
        f"`application/dicom+json`; {server.connection_seconds:g} s to connect, {server.response_seconds:g} s to "
        "answer; no, basic or bearer authorization.",
        level=3,
    )


def _message() -> str:
    receiver, mapping = Mllp("", 0), Hl7Mapping()
    categories = ", ".join(
        f"{code.value} {code.meaning}" for code in (codes.CONFIDENTLY_NORMAL, codes.NOT_FLAGGED, codes.NOT_EVALUATED)
    )
    rows = [
        ("MSH-9, MSH-12, MSH-18", "ORU^R01^ORU_R01, 2.5.1, UNICODE UTF-8"),
        ("MSH-10", "the same for the same result, so that a message sent twice is known"),
        ("MSH-11", "P; T for a demonstration bundle"),
        ("PID-3", "PatientID with its issuer"),
        ("OBR-4", f"{mapping.procedure.value} {mapping.procedure.meaning}, never the mammogram's own code"),
        (", ".join(f"OBR-{field}" for field in mapping.accession_fields), "AccessionNumber; configurable"),
        ("OBR-25, OBX-11", "P: preliminary; nothing of this is the radiologist's report"),
        (f"OBX {codes.TRIAGE_CATEGORY.value}", f"CWE: {categories}"),
        (f"OBX {codes.REASON.value}", "CWE: each reason of section 4.3, its sentence in CWE-9"),
        (f"OBX {codes.NORMALITY_SCORE.value}, {codes.THRESHOLD.value}", "NM: configurable"),
        ("OBX 113014", "ST: Study Instance UID"),
        ("TQ1-9", f"if configured, only to raise a priority and never for {Outcome.CONFIDENTLY_NORMAL}"),
    ]
    return section(
        "5.4 HL7 v2 message",
        table(("field", "content"), rows),
        f"AA confirms, CA counts as sent, AE and CE are tried again, AR and CR are rejections; "
        f"{receiver.connection_seconds:g} s to connect, {receiver.answer_seconds:g} s for the acknowledgement.",
        level=3,
    )


def _words(span: timedelta) -> str:
    for unit in ("days", "hours", "minutes", "seconds"):
        count = span / timedelta(**{unit: 1})
        if count >= 1:
            return f"{count:g} {unit if count > 1 else unit[:-1]}"
    return "at once"
