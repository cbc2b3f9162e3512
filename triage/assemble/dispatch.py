"""Stage: assemble. The worker's loop over the ledger: analyse what is due, else prepare what has arrived, else wait.

Input: the ledger. Output: calls of `analyse` and `prepare`. The loop keeps no state of its own: whatever is overdue in
the ledger is found by the next look, so nothing is lost with a process.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread

from triage.core.errors import Rejected
from triage.store.ledger import Ledger
from triage.store.records import Claim, StoredInstance

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How often the loop looks, and how long the study of a dead worker waits."""

    poll: timedelta = timedelta(milliseconds=50)
    lease: timedelta = timedelta(seconds=30)
    """Renewed three times in its length while the analysis runs."""
    after_error: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=10)
    """An analysis that takes longer hangs in native code, which nothing but the end of the process stops."""


@dataclass(frozen=True)
class Dispatcher:
    """One for each worker process; any number of them may share one ledger."""

    ledger: Ledger
    analyse: Callable[[Claim], None]
    """Brings a claim to `Ledger.finish`; whatever it raises fails the attempt."""
    prepare: Callable[[StoredInstance], object]
    """Decodes an image ahead of its study's turn. Its errors are met again, and told, by the analysis."""
    pace: Pace = Pace()
    end_process: Callable[[int], object] = os._exit

    def run(self, stop: Event) -> None:
        """Works until `stop` is set, and ends after the study in hand. Errors of the ledger are waited out."""
        while not stop.is_set():
            try:
                busy = self._analyse_one() or self._prepare_one()
                pause = timedelta() if busy else self.pace.poll
            except Exception:
                log.exception("the ledger cannot be used")
                pause = self.pace.after_error
            if pause:
                stop.wait(pause.total_seconds())

    def _analyse_one(self) -> bool:
        claim = self.ledger.claim_study(self.pace.lease)
        if claim is None:
            return False
        try:
            with self._lease_renewed(claim):
                self.analyse(claim)
        except Exception as error:
            log.exception("attempt %d at study %s failed", claim.attempts, claim.study_instance_uid)
            self.ledger.fail_attempt(claim, type(error).__name__)
        return True

    def _prepare_one(self) -> bool:
        waiting = self.ledger.claim_unprepared(limit=1)
        for instance in waiting:
            try:
                self.prepare(instance)
            except Rejected as rejected:
                log.info("image %s: %s", instance.header.sop_instance_uid, rejected.reason.code)
            except Exception:
                log.exception("image %s cannot be prepared", instance.header.sop_instance_uid)
            self.ledger.mark_prepared(instance.id)
        return bool(waiting)

    @contextmanager
    def _lease_renewed(self, claim: Claim) -> Iterator[None]:
        """Keeps the claim while this process lives: a short lease, so that another worker soon takes over if not."""
        done = Event()
        thread = Thread(target=self._renew, args=(claim, done), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _renew(self, claim: Claim, done: Event) -> None:
        deadline = time.monotonic() + self.pace.longest.total_seconds()
        while not done.wait(self.pace.lease.total_seconds() / 3):
            if time.monotonic() > deadline:
                # The supervisor starts a new worker, and the attempt counts.
                log.critical("the analysis of study %s hangs: ending this process", claim.study_instance_uid)
                self.end_process(1)
                return
            try:
                if not self.ledger.extend(claim, self.pace.lease):
                    log.warning("study %s was taken over by another worker", claim.study_instance_uid)
                    return
            except Exception:
                log.exception("the lease of study %s cannot be renewed", claim.study_instance_uid)
