"""Conformance: application entities, presentation contexts, timers, status codes.

Input: the lists and numbers of `receive` and `deliver`. Output: sections of the statement.
"""

from types import SimpleNamespace

from triage.accept.header import Header
from triage.accept.header_rules import ELIGIBILITY
from triage.conformance.markdown import bullets, section, table
from triage.deliver.association import DicomNode, refusal
from triage.deliver.c_store import DUPLICATE, WARNINGS
from triage.deliver.sender import DeliveryRejected
from triage.receive.contexts import IGNORED_SOP_CLASSES, IMAGE_SYNTAXES, PLAIN_SYNTAXES, STORED_SOP_CLASSES
from triage.receive.handlers import DATA_SET_MISMATCH, OUT_OF_RESOURCES, SUCCESS
from triage.receive.scp import MAXIMUM_PDU_SIZE, Listener
from triage.receive.waiting_room import NETWORK_SECONDS, WAITING_SECONDS
from triage.report.kinds import KINDS
from triage.report.outputs import OTHERS, REPORTS

VERIFICATION, STORAGE_COMMITMENT = "1.2.840.10008.1.1", "1.2.840.10008.1.20.1"  # PS3.6 annex A

_ANSWERS = (
    (SUCCESS, "The object is on the disk and in the ledger, or of a class that is acknowledged and not kept."),
    (OUT_OF_RESOURCES, "It could not be made safe (disk, database). Nothing is kept; send it again."),
    (DATA_SET_MISMATCH, "The data set names another SOP instance or class than the command. Nothing is kept."),
)
"""Every status that C-STORE requests are answered with."""
_TAKEN = {0x0000, DUPLICATE, *WARNINGS}
_PEER_STATUSES = (*sorted(_TAKEN), 0x0105, 0x0110, 0x0115, 0x0117, 0x0119, 0x0122, 0x0124, 0xA700, 0xA900, 0xC000)


def entities() -> str:
    """Which application entity does what, in which role, and with whom."""
    rows = [
        ("STORE-SCP", f"Verification ({VERIFICATION})", "SCP", "answers C-ECHO"),
        ("STORE-SCP", "Storage (section 2.1)", "SCP", "takes images from modalities and PACS"),
        ("STORE-SCP", f"Storage Commitment Push Model ({STORAGE_COMMITMENT})", "SCU", "takes N-EVENT-REPORT"),
        ("RESULT-SCU", "Storage (section 2.2)", "SCU", "sends results by C-STORE"),
        ("RESULT-SCU", f"Storage Commitment Push Model ({STORAGE_COMMITMENT})", "SCU", "N-ACTION, if configured"),
        ("RESULT-SCU", "Store Transaction, STOW-RS (PS3.18 section 10.5)", "user agent", "instead of C-STORE"),
        ("MESSAGE-SENDER", "HL7 v2.5.1 ORU^R01 over MLLP", "sender", "sends results to a RIS, if configured"),
    ]
    return section(
        "2 Application entities",
        table(("entity", "service", "role", "use"), rows),
        "There is no Query/Retrieve, no Modality Worklist, no media storage and no printing. Asynchronous operations, "
        "SOP class extended negotiation and user identity are not negotiated.",
        _received(),
        _sent(),
        _association(),
        _answers(),
        _peer_statuses(),
    )


def _received() -> str:
    classes = [(one.name, one, "kept") for one in STORED_SOP_CLASSES]
    classes += [(one.name, one, "acknowledged, not kept") for one in IGNORED_SOP_CLASSES]
    syntaxes = [(number, one.name, one, _believed(str(one))) for number, one in enumerate(IMAGE_SYNTAXES, 1)]
    return section(
        "2.1 Presentation contexts that STORE-SCP accepts",
        table(("SOP class", "UID", "objects"), classes),
        "Classes that are kept are accepted in the transfer syntaxes below. Of those that a sender proposes, the one "
        "that stands first is taken. Images are kept as they came, never transcoded.",
        table(("order", "transfer syntax", "UID", "images"), syntaxes),
        f"Classes that are not kept are accepted in {', '.join(one.name for one in PLAIN_SYNTAXES)}. Results of the "
        "service itself that a PACS forwards are acknowledged and change nothing.",
        level=3,
    )


def _believed(syntax: str) -> str:
    """What the rule on lossy compression makes of images in a transfer syntax."""
    [rule] = [rule for rule in ELIGIBILITY if rule.code == "lossy-compression"]
    declared = Header({"LossyImageCompression": SimpleNamespace(value="00")}, syntax)
    if rule.check(Header({}, syntax)) is None:
        return "evaluated"
    return f"not evaluated: {rule.code}" if rule.check(declared) else "evaluated if LossyImageCompression is 00"


def _sent() -> str:
    outputs = zip((*REPORTS, *OTHERS), KINDS, strict=True)
    rows = [
        (f"`{name}`", kind.description, kind.sop_class_uid, kind.modality, kind.series_number) for name, kind in outputs
    ]
    return section(
        "2.2 Presentation contexts that RESULT-SCU proposes",
        "One context for each association, for the class of the object at hand, in Explicit and Implicit VR Little "
        "Endian. Each site chooses its outputs; `sr` is the default.",
        table(("output", "series description", "SOP class UID", "modality", "series number"), rows),
        level=3,
    )


def _association() -> str:
    listener, node = Listener(), DicomNode("", "", "", 0)
    rows = [
        ("AE title", listener.ae_title, "configurable; calls with another called AE title are rejected"),
        ("port", listener.port, "configurable"),
        ("associations at once", listener.maximum_associations, "as acceptor; as requestor one for each destination"),
        ("maximum PDU size", f"{MAXIMUM_PDU_SIZE} bytes", "as acceptor"),
        ("time for an association request", f"{WAITING_SECONDS:g} s", "from the connection on, TLS handshake included"),
        (
            "time without a message or an answer",
            f"{NETWORK_SECONDS:g} s",
            "as acceptor; then the association is aborted",
        ),
        ("time to connect and associate", f"{node.connection_seconds:g} s", "as requestor"),
        ("time to answer a request", f"{node.response_seconds:g} s", "as requestor"),
    ]
    return section(
        "2.3 Association parameters",
        table(("parameter", "value", "remark"), rows),
        "Implementation class UID and version name are those of pynetdicom.",
        level=3,
    )


def _answers() -> str:
    rows = [(f"0x{status:04X}", meaning) for status, meaning in _ANSWERS]
    return section(
        "3 Status codes",
        section("3.1 Given by STORE-SCP to C-STORE", table(("status", "meaning"), rows), level=3),
        "An image that cannot be evaluated is a success all the same: it is kept, and the worklist names the reason.",
        "An object whose header cannot be read is kept too, and its study is not evaluated (`undecodable`).",
    )


def _peer_statuses() -> str:
    rows = [(f"0x{status:04X}", _meaning(status)) for status in _PEER_STATUSES]
    return section(
        "3.2 What RESULT-SCU makes of the answers to its C-STORE and STOW-RS requests",
        table(("status or failure reason", "behaviour"), rows),
        bullets(
            (
                "tried again: after a pause that grows, section 5.1",
                "rejected: tried once more, then given up; an error in the log, and listed by `triage deliveries`",
            )
        ),
        level=3,
    )


def _meaning(status: int) -> str:
    if status == DUPLICATE:
        return "taken: the peer has it, from an attempt whose answer was lost"
    if status in _TAKEN:
        return "taken"
    return "rejected" if refusal(status) is DeliveryRejected else "tried again"
