"""Deliver: what every kind of destination has in common. Input: a file. Output: a receipt, or why it was not taken."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from triage.core.errors import TriageError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")
LONGEST_WORDS = 300
"""Characters of a peer's answer that are kept: enough for a sentence, too few to flood the log."""


class Receipt(StrEnum):
    """What a destination has promised by its answer; the values are states of a delivery."""

    SENT = "sent"
    """It has taken the file."""
    CONFIRMED = "confirmed"
    """It has said that it processed the message, or keeps the object."""


class DeliveryError(TriageError):
    """A destination did not take a file, for now; the text says what it answered, or that it did not."""


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


def words(text: str) -> str:
    """What a peer said, on one line and of bounded length: it may not forge lines of our log."""
    line = _CONTROL.sub(" ", text).strip()
    return line if len(line) <= LONGEST_WORDS else f"{line[: LONGEST_WORDS - 3]}..."
