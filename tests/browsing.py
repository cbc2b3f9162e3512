"""What tests of pages share."""

from dataclasses import dataclass
from typing import Any

from served_exams import Archive


@dataclass
class Site:
    """A running site: its address, its archive, and the studies in it by kind."""

    address: str
    archive: Archive
    uids: dict[str, str]


def poll(opened: Any) -> None:
    """Lets the page believe that the time for its next question to the service has come."""
    opened.clock.fast_forward(5000)
