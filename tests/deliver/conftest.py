"""Fixtures of the delivery tests: one result in the outbox, for `dead` and for `pacs`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from delivery_parts import REPORT, Receiver
from dicom_samples import mg_dataset, write
from ledger_samples import LEASE, Clock, at_once, digest, finding, header
from pydicom.uid import ComprehensiveSRStorage

from triage.store.database import open_database
from triage.store.ledger import Ledger
from triage.store.records import PlannedDelivery


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report, as far as its transport is concerned."""
    ds = mg_dataset(SOPClassUID=ComprehensiveSRStorage, SOPInstanceUID=REPORT, PixelData=None)
    return write(ds, tmp_path)


@pytest.fixture
def empty_ledger(tmp_path: Path, clock: Clock) -> Ledger:
    return Ledger(open_database("", tmp_path), clock)


@pytest.fixture
def ledger(empty_ledger: Ledger, report: Path) -> Ledger:
    """A result to be sent to `dead` and to `pacs`."""
    empty_ledger.record_instance(header(), digest(1), "p", at_once)
    claim = empty_ledger.claim_study(LEASE)
    assert claim is not None
    plans = [PlannedDelivery(name, "sr", REPORT, str(report)) for name in ("dead", "pacs")]
    assert empty_ledger.finish(claim, finding(), plans)
    return empty_ledger


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An MLLP receiver that accepts everything until told otherwise."""
    made = Receiver()
    yield made
    made.close()
