"""What the sender is told when an image could not be made safe, and that nothing acknowledged is ever lost."""

import errno
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dicom_samples import dcmtk, free_port, mg_dataset, write
from mg_headers import STUDY
from receive_parts import SUCCESS, Service, is_intact, send

from triage.store import database
from triage.store.database import open_database, writing
from triage.store.ledger import Ledger

OUT_OF_RESOURCES = "Refused: OutOfResources"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounting.returncode != 0:
        pytest.skip("a file system that can be filled needs the right to mount one")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_refuses_and_later_accepts(
    small_disk: Path, listen: Callable[..., Service], tmp_path: Path
) -> None:
    service = listen(small_disk / "spool")
    files = [write(mg_dataset(number=number), tmp_path) for number in range(6)]
    filler = small_disk / "filler"
    filler.write_bytes(bytes((1 << 20) - 7 * 4096))  # room for about two images
    statuses = service.send(*files, options=("-nh",))
    stored = service.ledger.instances(STUDY)
    assert 0 < statuses.count(SUCCESS) < 6
    assert set(statuses) == {SUCCESS, OUT_OF_RESOURCES}
    assert len(stored) == statuses.count(SUCCESS)
    assert all(is_intact(one) for one in stored)
    assert len(service.files()) == len(stored), "nothing half written stays"
    filler.unlink()
    assert service.send(*files) == [SUCCESS] * 6
    assert len(service.ledger.instances(STUDY)) == 6


def test_a_flush_that_fails_refuses_and_leaves_nothing(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, file = os.fsync, write(mg_dataset(), tmp_path)

    def failing(handle: int) -> None:
        if str(service.blobs.incoming) in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        assert service.send(file) == [OUT_OF_RESOURCES]
    assert service.files() == []
    assert service.ledger.instances(STUDY) == ()
    assert service.send(file) == [SUCCESS]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases opened from now on wait 0.2 s for a lock."""
    monkeypatch.setattr(database, "BUSY_MILLISECONDS", 200)


@pytest.mark.usefixtures("impatient")
def test_a_locked_ledger_refuses_and_later_accepts(tmp_path: Path, service: Service) -> None:
    file = write(mg_dataset(), tmp_path)
    with writing(open_database("", tmp_path / "home")):
        assert service.send(file) == [OUT_OF_RESOURCES]
    assert service.ledger.instances(STUDY) == ()
    assert service.send(file) == [SUCCESS]
    assert len(service.files()) == 1


def started(home: Path, port: int) -> subprocess.Popen[bytes]:
    """A listener in a process of its own, once it answers."""
    parts = Path(__file__).with_name("receive_parts.py")
    paths = os.pathsep.join(map(str, (parts.parent, parts.parents[1], parts.parents[2])))
    process = subprocess.Popen([sys.executable, parts, home, str(port)], env={**os.environ, "PYTHONPATH": paths})
    for _ in range(200):
        if dcmtk("echoscu", "-aec", "TRIAGE", "127.0.0.1", str(port)).returncode == 0:
            return process
        assert process.poll() is None, "the listener ended"
        time.sleep(0.05)
    raise AssertionError("the listener does not answer")


def test_nothing_acknowledged_is_lost_to_sigkill(tmp_path: Path) -> None:
    """Kills the listener five times while images stream in; every acknowledged one is in the ledger, whole."""
    home, port, chance = tmp_path / "home", free_port(), random.Random(7)
    files = [write(mg_dataset(number=number), tmp_path) for number in range(200)]
    uids = [f"{STUDY}.2.1.{number}" for number in range(200)]
    acknowledged, refused = 0, set()
    for _ in range(5):
        process = started(home, port)
        killer = threading.Timer(chance.uniform(0.1, 0.3), process.kill)
        killer.start()
        statuses = send(port, *files[acknowledged:])
        killer.join()
        process.wait()
        acknowledged += len(statuses)
        refused |= set(statuses) - {SUCCESS}
    assert refused == set()
    assert 5 <= acknowledged < 200, "the kills came while images streamed in"
    ledger = Ledger(open_database("", home))
    stored = {one.header.sop_instance_uid: one for one in ledger.instances(STUDY)}
    assert set(uids[:acknowledged]) <= set(stored)
    assert len(stored) <= acknowledged + 5, "at most the one in hand at each kill was stored unacknowledged"
    assert all(is_intact(one) for one in stored.values())
    process = started(home, port)
    try:
        assert set(send(port, *files)) == {SUCCESS}
    finally:
        process.terminate()
        process.wait()
    record = ledger.study(STUDY)
    assert record is not None
    assert record.row.rev == len(record.instances) == 200, "resending added what was missing, nothing twice"
