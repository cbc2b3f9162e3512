"""Stage: deliver. Sends one HL7 v2 message over MLLP and believes nothing but an acknowledgement of that very message.

Input: a file with the message. Output: a receipt, or a DeliveryError with the receiver's words without the patient. One
connection for each message: what comes back on it can then answer no other.
"""

import socket
import time
from dataclasses import dataclass
from pathlib import Path

from triage.deliver.masking import hl7_field, mask_of_message
from triage.deliver.sender import DeliveryError, DeliveryRejected, Receipt, Unreachable

START, END = b"\x0b", b"\x1c\x0d"
"""Around each message (HL7 v2 transport specification, MLLP release 1)."""
LONGEST_ANSWER = 1 << 16


@dataclass(frozen=True)
class Mllp:
    """A sender for one receiver."""

    host: str
    port: int
    connection_seconds: float = 10.0
    answer_seconds: float = 30.0
    """From the last byte sent to the last byte of the acknowledgement."""

    def send(self, path: Path) -> Receipt:
        """Sends the message: CONFIRMED if the receiver processed it (AA), SENT if it only stored it (CA).

        Raises:
            Unreachable: nobody there, or no whole answer in time. DeliveryRejected: answered AR or CR.
            DeliveryError: answered AE or CE, or something that is no answer to this message. OSError: no such file.
        """
        message = path.read_bytes()
        text = message.decode("utf-8", errors="replace")
        control_id = hl7_field(text, "MSH", 9)  # MSH-1 is the separator itself
        if not control_id or START in message or END[:1] in message:
            raise DeliveryError(f"{path.name} is no HL7 message with a control ID (MSH-10)")
        return self._receipt(self._exchange(message), control_id, text)

    def _exchange(self, message: bytes) -> str:
        where = f"{self.host}:{self.port}"
        try:
            with socket.create_connection((self.host, self.port), self.connection_seconds) as connection:
                connection.sendall(START + message + END)
                return _answer(connection, time.monotonic() + self.answer_seconds)
        except TimeoutError as error:
            raise Unreachable(f"{where} did not answer in time") from error
        except OSError as error:
            raise Unreachable(f"{where} cannot be reached: {error.strerror or type(error).__name__}") from error

    def _receipt(self, answer: str, control_id: str, message: str) -> Receipt:
        where = f"{self.host}:{self.port}"
        mask = mask_of_message(message)
        code, answered = hl7_field(answer, "MSA", 1), hl7_field(answer, "MSA", 2)
        if code not in ("AA", "AE", "AR", "CA", "CE", "CR"):
            raise DeliveryError(f"{where} did not answer with an acknowledgement")
        if answered != control_id:
            raise DeliveryError(f"{where} acknowledged message {mask.words(answered)!r}, not {control_id!r}")
        if code in ("AA", "CA"):
            return Receipt.CONFIRMED if code == "AA" else Receipt.SENT
        kind = DeliveryRejected if code in ("AR", "CR") else DeliveryError
        raise kind(f"{where} answered {code}: {mask.words(_said(answer)) or 'without a reason'}")


def _answer(connection: socket.socket, deadline: float) -> str:
    """The text of one framed answer."""
    received = b""
    while END not in received:
        left = deadline - time.monotonic()
        if left <= 0:  # a drop now and then must not keep the destination waiting for ever
            raise TimeoutError
        connection.settimeout(left)
        chunk = connection.recv(4096)
        received += chunk
        if not chunk:
            half = "in the middle of its answer" if received else "without an answer"
            raise Unreachable(f"the receiver closed the connection {half}")
        if len(received) > LONGEST_ANSWER:
            raise DeliveryError(f"the receiver's answer is longer than {LONGEST_ANSWER} bytes")
    before, start, rest = received.partition(START)
    if not start or before:
        raise DeliveryError("the receiver's answer is not framed as MLLP")
    return rest.partition(END)[0].decode("utf-8", errors="replace")


def _said(answer: str) -> str:
    """What the receiver gives as reason: MSA-3, and of ERR the code (3), diagnosis (7) and message to users (8)."""
    said = [hl7_field(answer, "MSA", 3), *(hl7_field(answer, "ERR", number) for number in (3, 7, 8))]
    return "; ".join(dict.fromkeys(part for part in said if part))
