"""Deliver: what every kind of destination has in common. Input: a file. Output: a receipt, or why it was not taken."""

from enum import StrEnum
from pathlib import Path
from typing import Protocol

from triage.core.errors import TriageError


class Receipt(StrEnum):
    """What a destination has promised by its answer; the values are states of a delivery."""

    SENT = "sent"
    """It has taken the file."""
    CONFIRMED = "confirmed"
    """It has said that it processed the message, or keeps the object."""


class DeliveryError(TriageError):
    """A destination did not take a file, for now; the text says what it answered, or that it did not.

    The text goes into the log, the ledger and the audit trail: a sender puts a destination's words into it only through
    `masking`.
    """


class Unreachable(DeliveryError):
    """Nobody there, or nobody who speaks with us at present: nothing to do with the file."""


class DeliveryRejected(DeliveryError):
    """The destination answered that it will not take this: somebody has to look at its settings or ours."""


class Sender(Protocol):
    """One destination."""

    def send(self, path: Path) -> Receipt:
        """Returns once the destination has accepted the file.

        Raises:
            DeliveryError: it did not, and why. OSError: the file cannot be read.
        """
