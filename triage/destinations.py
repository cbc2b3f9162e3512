"""From the configured destinations to what sends to them: senders, commitments and the words of HL7 messages."""

from triage.core.finding import Outcome
from triage.deliver.commitment import StorageCommitment
from triage.deliver.kinds import sender
from triage.deliver.outbox import Outbox
from triage.deliver.peer_tls import PeerTls
from triage.deliver.sender import Sender
from triage.report.hl7 import Hl7Mapping
from triage.settings import CStoreDestination, Hl7Destination, Settings
from triage.store.ledger import Ledger


def outbox(settings: Settings, ledger: Ledger) -> Outbox:
    """The outbox with a sender for each destination; nothing is connected yet.

    Raises:
        TriageError: an address or a secret cannot be used.
    """
    senders: dict[str, Sender] = {}
    commitments: dict[str, StorageCommitment] = {}
    for one in settings.destination:
        if isinstance(one, CStoreDestination):
            calling = settings.dicom.ae_title
            tls = PeerTls(**one.tls.model_dump()) if one.tls else None
            node = {"calling_ae_title": calling, "ae_title": one.ae_title, "host": one.host, "port": one.port}
            senders[one.name] = sender("c-store", **node, tls=tls)
            if one.storage_commitment:
                commitments[one.name] = StorageCommitment(calling, one.ae_title, one.host, one.port, tls=tls)
        elif isinstance(one, Hl7Destination):
            senders[one.name] = sender("hl7", host=one.host, port=one.port)
        else:
            senders[one.name] = sender("stow", **one.model_dump(exclude={"name", "kind", "outputs"}))
    return Outbox(ledger, senders, commitments=commitments)


def messages(settings: Settings) -> dict[str, Hl7Mapping]:
    """The mapping of each HL7 destination.

    Raises:
        TriageError: a priority is given that would lower another one.
    """
    return {
        one.name: Hl7Mapping(
            **one.model_dump(exclude={"name", "kind", "host", "port", "outputs", "priorities"}),
            priorities={Outcome(outcome): priority for outcome, priority in one.priorities.items()},
        )
        for one in settings.destination
        if isinstance(one, Hl7Destination)
    }
