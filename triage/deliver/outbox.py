"""Stage: deliver. Empties the ledger's outbox, one thread for each destination: one that is down holds up no other.

Input: pending deliveries. Output: objects sent, or the error of the last attempt. At least once: a crash between
sending and marking sends the same object again, under the same SOP Instance UID.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from triage.core.errors import TriageError
from triage.store.ledger import Ledger
from triage.store.records import Delivery, utc_now

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=30)
GIVE_UP_AFTER = timedelta(days=7)
"""A PACS may be down over a long weekend; what it missed is still wanted."""
POLL_SECONDS = 0.05


class DeliveryError(TriageError):
    """A destination did not take an object; the text says what it answered."""


class Sender(Protocol):
    """One kind of destination."""

    def send(self, path: Path) -> None:
        """Returns once the destination has accepted the object file; else raises DeliveryError or OSError."""


class Outbox:
    """Sends in background threads from `start` to `stop`."""

    def __init__(self, ledger: Ledger, senders: Mapping[str, Sender], now: Callable[[], datetime] = utc_now) -> None:
        self._ledger = ledger
        self._senders = dict(senders)
        self._now = now
        self._stop = Event()
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Starts one thread for each destination."""
        for name in self._senders:
            thread = Thread(target=self._run, args=(name,), name=f"deliver-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout: float = 5.0) -> None:
        """Ends after the object in hand; one that hangs longer than `timeout` seconds is sent again later."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout)

    def _run(self, destination: str) -> None:
        while not self._stop.is_set():
            try:
                busy = self.deliver_one(destination)
            except Exception:
                log.exception("the outbox of %s cannot be read or written", destination)
                self._stop.wait(1)
                continue
            if not busy:
                self._stop.wait(POLL_SECONDS)

    def deliver_one(self, destination: str) -> bool:
        """Tries the delivery that has waited longest; False if none is due."""
        due = self._ledger.due_deliveries(destination, limit=1)
        for delivery in due:
            try:
                self._senders[destination].send(Path(delivery.path))
            except (DeliveryError, OSError) as error:
                self._put_off(delivery, str(error))
            except Exception as error:
                log.exception("sending to %s failed", destination)
                self._put_off(delivery, type(error).__name__)
            else:
                self._ledger.sent(delivery.id)
                log.info("sent %s to %s", delivery.sop_instance_uid, destination)
        return bool(due)

    def _put_off(self, delivery: Delivery, error: str) -> None:
        next_at = self._now() + pause_after(delivery.attempts)
        if next_at > delivery.created_at + GIVE_UP_AFTER:
            log.error("gave up sending %s to %s: %s", delivery.sop_instance_uid, delivery.destination, error)
            self._ledger.failed(delivery.id, error)
            return
        log.warning("%s did not take %s: %s", delivery.destination, delivery.sop_instance_uid, error)
        self._ledger.retry(delivery.id, error, next_at)


def pause_after(attempts: int) -> timedelta:
    """How long to wait after the given number of failed attempts: 5 s, doubled each time, at most 30 min."""
    doublings = min(attempts - 1, 20)  # far beyond the longest pause, and never too large a number
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
