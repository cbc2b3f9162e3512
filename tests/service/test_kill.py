"""SIGKILL at random moments: every acknowledged image is there afterwards, every study ends in one current result."""

import hashlib
import random
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid
from running_service import Service, require

STUDIES = 20
KILLS = 20


@pytest.fixture
def studies(exams: list[list[Path]], tmp_path: Path) -> list[tuple[str, list[Path]]]:
    """Twenty studies from the phantom exams, each with UIDs of its own."""
    made = []
    for number in range(STUDIES):
        uid, files = generate_uid(), []
        for file in exams[number % len(exams)]:
            ds = pydicom.dcmread(file)
            ds.StudyInstanceUID, ds.SOPInstanceUID = uid, generate_uid()
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            path = tmp_path / f"study{number:02d}" / file.name
            path.parent.mkdir(exist_ok=True)
            ds.save_as(path)
            files.append(path)
        made.append((str(uid), files))
    return made


def send_until_acknowledged(service: Service, files: list[Path], acknowledged: set[str], stop: threading.Event) -> None:
    """Sends each image until the service says that it has it, as a PACS does."""
    for file in files:
        uid = str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID)
        while not stop.is_set():
            if service.send([file]).returncode == 0:
                acknowledged.add(uid)
                break
            time.sleep(0.2)
        time.sleep(0.4)  # so that sending lasts as long as the killing


@pytest.mark.timeout(900)
def test_twenty_kills_lose_nothing(studies: list[tuple[str, list[Path]]], tmp_path: Path) -> None:
    require("storescu", "storescp")
    service, chance = Service(tmp_path), random.Random(20261121)
    service.pacs.start()
    acknowledged: set[str] = set()
    stop = threading.Event()
    everything = [file for _, files in studies for file in files]
    senders = [
        threading.Thread(target=send_until_acknowledged, args=(service, everything[part::2], acknowledged, stop))
        for part in range(2)
    ]
    try:
        service.start()
        for sender in senders:
            sender.start()
        while_sending = 0
        for _ in range(KILLS):
            service.until(service.listens, "the listener")
            time.sleep(chance.uniform(0.0, 2.0))
            while_sending += len(acknowledged) < len(everything)
            service.kill()
            service.start(wait=False)
        assert while_sending >= KILLS / 2
        for sender in senders:
            sender.join(300)
        assert len(acknowledged) == len(everything)
        service.until(lambda: service.get("health").get("status") == "ok", "the service to be ready")
        results = {uid: service.finished(uid) for uid, _ in studies}
        for uid, study in results.items():
            assert len(study["images"]) == 4
            assert study["outcome"] is not None
            assert service.delivered(uid)
            # The same result under the same UID, however often it was sent.
            [delivery] = [one for one in study["deliveries"] if one["state"] != "failed"]
            assert delivery["sop_instance_uid"] in {str(report.SOPInstanceUID) for report in service.pacs.reports(uid)}
        assert_files_are_whole(tmp_path / "home", acknowledged)
    finally:
        stop.set()
        if service.process is not None:
            service.kill()
        service.pacs.stop()


def assert_files_are_whole(home: Path, acknowledged: set[str]) -> None:
    """Each acknowledged image has its row, and the bytes that the row names."""
    with sqlite3.connect(home / "triage.db") as connection:
        rows = connection.execute("SELECT sop_instance_uid, path, transfer_syntax_uid, sha256 FROM instance").fetchall()
    assert {row[0] for row in rows} >= acknowledged
    for _, path, syntax, sha256 in rows:
        content = Path(path).read_bytes()
        # Preamble and DICM, then the group length element (12 bytes) that says how long the file meta group is.
        meta = 132 + 12 + int.from_bytes(content[140:144], "little")
        assert hashlib.sha256(syntax.encode() + content[meta:]).hexdigest() == sha256
    assert subprocess.run(["dcmdump", "-q", rows[0][1]], capture_output=True, check=False).returncode == 0
