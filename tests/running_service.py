"""The whole service as its users run it: real processes, real ports, DCMTK as the PACS on both sides."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_samples import free_port

PATIENCE = 90.0


def require(*programs: str) -> None:
    """Skips the test where a program is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed (Debian package dcmtk)")


class Pacs:
    """DCMTK's storescp as the receiver of results."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        command = ["storescp", "-aet", "PACS", "+B", "-od", str(self.folder), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def reports(self, study_instance_uid: str) -> list[pydicom.Dataset]:
        """Structured reports received of one study, oldest first."""
        files = sorted(self.folder.glob("SR*"), key=lambda file: file.stat().st_mtime)
        read = [ds for file in files if (ds := _whole(file)) is not None]
        return [ds for ds in read if ds.StudyInstanceUID == study_instance_uid]


def _whole(file: Path) -> pydicom.Dataset | None:
    """The report, or None while storescp is still writing it."""
    try:
        ds = pydicom.dcmread(file)
    except (pydicom.errors.InvalidDicomError, EOFError):
        return None
    return ds if "ContentSequence" in ds else None


class Service:
    """`triage serve` in a process group of its own."""

    def __init__(self, folder: Path, bundle: str = "default", quiet_seconds: float = 1.0) -> None:
        self.folder = folder
        self.dicom_port, self.http_port = free_port(), free_port()
        self.pacs = Pacs(folder / "pacs", free_port())
        self.config = folder / "triage.toml"
        self.config.write_text(
            f'home = "{folder / "home"}"\n[dicom]\nport = {self.dicom_port}\n[http]\nport = {self.http_port}\n'
            f'[assembly]\nquiet_seconds = {quiet_seconds}\n[inference]\nbundle = "{bundle}"\n'
            f'[[destination]]\nname = "pacs"\nae_title = "PACS"\nport = {self.pacs.port}\n'
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, wait: bool = True) -> None:
        with (self.folder / "service.log").open("ab") as log:
            command = [sys.executable, "-m", "triage", "serve", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            self.until(lambda: self.get("health").get("status") == "ok", "the service to be ready")

    def stop(self) -> float:
        """Ends the service as an operator does; seconds that it took."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.process = None
        return time.monotonic() - started

    def kill(self) -> None:
        """SIGKILL to every process of the service, supervisor first."""
        assert self.process is not None
        children = self.children()
        self.process.kill()
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        self.process = None

    def children(self) -> list[int]:
        assert self.process is not None
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def send(self, files: Sequence[Path], *options: str) -> subprocess.CompletedProcess[str]:
        """Sends by storescu; the exit code says whether every image was acknowledged."""
        address = ["-aec", "TRIAGE", "127.0.0.1", str(self.dicom_port)]
        command = ["storescu", "-v", *options, *address, *[str(file) for file in files]]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def listens(self) -> bool:
        """Whether the DICOM port answers."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.dicom_port)) == 0

    def get(self, route: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/api/v1/{route}", timeout=10) as answer:
                return dict(json.load(answer))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}

    def finished(self, study_instance_uid: str, revision: int = 1) -> dict[str, Any]:
        """The study once the revision is decided."""

        def decided() -> bool:
            study = self.get(f"studies/{study_instance_uid}")
            return study.get("state") in ("done", "dead") and study.get("revision", 0) >= revision

        self.until(decided, f"study {study_instance_uid} to be decided")
        return self.get(f"studies/{study_instance_uid}")

    def delivered(self, study_instance_uid: str, count: int = 1) -> list[pydicom.Dataset]:
        """The study's reports in the PACS, once there are so many."""
        self.until(lambda: len(self.pacs.reports(study_instance_uid)) >= count, f"{count} report(s) in the PACS")
        return self.pacs.reports(study_instance_uid)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                log = (self.folder / "service.log").read_text()[-4000:]
                raise AssertionError(f"waited {PATIENCE} s for {what}; the log ends:\n{log}")
            time.sleep(0.05)
