"""Stage: deliver. Empties the ledger's outbox, one thread for each destination: one that is down holds up no other.

Input: pending deliveries. Output: files sent, or the error of the last attempt. At least once: a crash between sending
and marking sends the same file again, under the same SOP Instance UID or message control ID. Only the newest result of
a study is ever pending, so no older revision can arrive after it.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from traceback import format_tb

from triage.deliver.commitment import StorageCommitment, commit_one
from triage.deliver.sender import DeliveryError, DeliveryRejected, Receipt, Sender, Unreachable
from triage.store.ledger import Ledger
from triage.store.outbox import REJECTED
from triage.store.records import Delivery, utc_now

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=30)
GIVE_UP_AFTER = timedelta(days=7)
"""A PACS may be down over a long weekend; what it missed is still wanted."""
POLL_SECONDS = 0.05
COMMITMENT_POLL_SECONDS = 1.0


class Outbox:
    """Sends in background threads from `start` to `stop`.

    Args of the constructor: the ledger; a sender for each destination by name; a storage commitment client for those
    destinations that shall promise to keep what they took; a clock for tests.
    """

    def __init__(
        self,
        ledger: Ledger,
        senders: Mapping[str, Sender],
        now: Callable[[], datetime] = utc_now,
        commitments: Mapping[str, StorageCommitment] | None = None,
    ) -> None:
        self._ledger = ledger
        self._senders = dict(senders)
        self._commitments = dict(commitments or {})
        self._now = now
        self._down: set[str] = set()
        self._stop = Event()
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Starts one thread for each destination, and one more where storage commitment is asked for."""
        for name in self._senders:
            self._in_background(f"deliver-{name}", self.deliver_one, name, POLL_SECONDS)
        for name in self._commitments:
            self._in_background(f"commit-{name}", self.commit_one, name, COMMITMENT_POLL_SECONDS)

    def stop(self, timeout: float = 5.0) -> None:
        """Ends after the object in hand; one that hangs longer than `timeout` seconds is sent again later."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout)

    def _in_background(self, thread: str, step: Callable[[str], bool], destination: str, pause: float) -> None:
        started = Thread(target=self._run, args=(step, destination, pause), name=thread, daemon=True)
        started.start()
        self._threads.append(started)

    def _run(self, step: Callable[[str], bool], destination: str, pause: float) -> None:
        while not self._stop.is_set():
            try:
                busy = step(destination)
            except Exception:
                log.exception("the outbox of %s cannot be read or written", destination)
                self._stop.wait(1)
                continue
            if not busy:
                self._stop.wait(pause)

    def deliver_one(self, destination: str) -> bool:
        """Tries the delivery that has waited longest; False if none is due."""
        due = self._ledger.due_deliveries(destination, limit=1)
        for delivery in due:
            try:
                receipt = self._senders[destination].send(Path(delivery.path))
            except (DeliveryError, OSError) as error:
                self._put_off(delivery, error, str(error))
            except Exception as error:
                # Where it happened, and not its text, which may quote the patient
                frames = "".join(format_tb(error.__traceback__))
                log.error("sending to %s failed: %s\n%s", destination, type(error).__name__, frames)
                self._put_off(delivery, error, type(error).__name__)
            else:
                self._taken(delivery, receipt)
        return bool(due)

    def commit_one(self, destination: str) -> bool:
        """Asks the destination to promise that it keeps what it took longest ago; False if nothing is to be asked."""
        return commit_one(self._ledger, destination, self._commitments[destination], self._now)

    def _taken(self, delivery: Delivery, receipt: Receipt) -> None:
        if receipt is Receipt.CONFIRMED:
            self._ledger.confirmed(delivery.id)
        else:
            self._ledger.sent(delivery.id)
        log.info("%s %s to %s", receipt, delivery.sop_instance_uid, delivery.destination)
        if delivery.destination in self._down:
            # It is back: what it missed need not sit out the pauses that have grown meanwhile.
            self._down.discard(delivery.destination)
            self._ledger.hasten(delivery.destination)

    def _put_off(self, delivery: Delivery, error: Exception, text: str) -> None:
        rejected = isinstance(error, DeliveryRejected)
        if rejected:
            # A destination that is just starting may reject what it takes later: once more, then people must look.
            final = (delivery.last_error or "").startswith(REJECTED)
            text, next_at = REJECTED + text, self._now() + LONGEST_PAUSE
        else:
            if isinstance(error, Unreachable):
                self._down.add(delivery.destination)
            next_at = self._now() + pause_after(delivery.attempts)
            final = self._now() >= delivery.created_at + GIVE_UP_AFTER
        if final:
            log.error("gave up sending %s to %s: %s", delivery.sop_instance_uid, delivery.destination, text)
            self._ledger.failed(delivery.id, text)
            return
        level = logging.ERROR if rejected else logging.WARNING
        log.log(level, "%s did not take %s: %s", delivery.destination, delivery.sop_instance_uid, text)
        self._ledger.retry(delivery.id, text, next_at)


def pause_after(attempts: int) -> timedelta:
    """How long to wait after the given number of failed attempts: 5 s, doubled each time, at most 30 min."""
    doublings = min(attempts - 1, 20)  # far beyond the longest pause, and never too large a number
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
