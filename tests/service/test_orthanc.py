"""A real Orthanc beside the running service: it forwards all that it stores, and so the results that it gets."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_samples import free_port
from running_service import Service, require
from tiny_bundle import make_bundle

from training.phantom.study import write_exams
from triage.accept.header_rules import describe
from triage.core.strata import stratum_of

ORTHANC = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
FORWARD = "function OnStoredInstance(instance, tags, metadata, origin)\n  SendToModality(instance, 'triage')\nend\n"
"""Orthanc's own scripting: each object goes to the service, the service's own results too."""
OUTPUTS = {
    "sr": "1.2.840.10008.5.1.4.1.1.88.34",
    "sc": "1.2.840.10008.5.1.4.1.1.7",
    "pdf": "1.2.840.10008.5.1.4.1.1.104.1",
}
MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"
OUTCOMES = {"confidently_normal": "TRI-100", "not_flagged": "TRI-101", "not_evaluated": "TRI-900"}


@dataclass(frozen=True)
class Orthanc:
    """A PACS by its DICOM port and its REST interface."""

    http_port: int
    dicom_port: int

    def ask(self, route: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/{route}", data)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())

    def get(self, route: str, body: object = None) -> Any:
        return json.loads(self.ask(route, body))

    def answers(self) -> bool:
        try:
            return bool(self.get("system"))
        except OSError:
            return False

    def objects(self, study_instance_uid: str) -> list[pydicom.Dataset]:
        """Everything that it holds of one study."""
        query = {"Level": "Instance", "Query": {"StudyInstanceUID": study_instance_uid}}
        return [pydicom.dcmread(BytesIO(self.ask(f"instances/{one}/file"))) for one in self.get("tools/find", query)]


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The four files of one phantom exam."""
    out = tmp_path_factory.mktemp("exam")
    write_exams(out, 1, seed=4711)
    return sorted(out.rglob("*.dcm"))


@pytest.fixture(scope="module")
def peers(exam: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Orthanc]]:
    """The service and an Orthanc that know each other."""
    require("storescu")
    if not Path(ORTHANC).is_file():
        pytest.skip("Orthanc is not installed (Debian package orthanc)")
    folder = tmp_path_factory.mktemp("orthanc")
    header = describe(pydicom.dcmread(exam[0], stop_before_pixels=True), "")
    bundle = make_bundle(folder / "bundle", strata=[stratum_of(header.attributes, "", "")])
    service, orthanc = Service(folder, str(bundle)), Orthanc(free_port(), free_port())
    text = service.config.read_text().partition("[[destination]]")[0]
    service.config.write_text(
        f'{text}[[destination]]\nname = "orthanc"\nkind = "c-store"\nae_title = "ORTHANC"\n'
        f"port = {orthanc.dicom_port}\nstorage_commitment = true\noutputs = {json.dumps(list(OUTPUTS))}\n"
    )
    (folder / "forward.lua").write_text(FORWARD)
    configuration = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "LuaScripts": [str(folder / "forward.lua")],
        "HttpPort": orthanc.http_port,
        "DicomPort": orthanc.dicom_port,
        "DicomAet": "ORTHANC",
        "DicomModalities": {"triage": {"AET": "TRIAGE", "Host": "127.0.0.1", "Port": service.dicom_port}},
        "JobsHistorySize": 100,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    service.start()
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([ORTHANC, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        service.until(orthanc.answers, "Orthanc to answer")
        yield service, orthanc
    finally:
        process.kill()
        process.wait()
        if service.process is not None:
            service.stop()


@pytest.fixture(scope="module")
def answered(peers: tuple[Service, Orthanc], exam: list[Path]) -> dict[str, Any]:
    """What the service says of an exam that was stored in Orthanc, once the results are there and one is committed.

    Orthanc reports each commitment on an association of its own, which our listener takes.
    """
    service, orthanc = peers
    uid = str(pydicom.dcmread(exam[0], stop_before_pixels=True).StudyInstanceUID)
    command = ["storescu", "-aec", "ORTHANC", "127.0.0.1", str(orthanc.dicom_port), *map(str, exam)]
    subprocess.run(command, check=True, capture_output=True)
    service.finished(uid, revision=4)

    def kept() -> bool:
        return {one["state"] for one in service.get(f"studies/{uid}")["deliveries"]} == {"sent", "confirmed"}

    service.until(kept, "Orthanc to take every result and commit itself to one")
    return service.get(f"studies/{uid}")


def test_results_come_back_under_the_study_that_orthanc_forwarded(
    peers: tuple[Service, Orthanc], answered: dict[str, Any]
) -> None:
    held = peers[1].objects(answered["study_instance_uid"])
    sources = [ds for ds in held if ds.SOPClassUID == MAMMOGRAM]
    results = {str(ds.SOPClassUID): ds for ds in held if ds.SOPClassUID != MAMMOGRAM}
    assert len(sources) == 4
    assert len(held) == 4 + len(OUTPUTS)
    assert set(results) == set(OUTPUTS.values())
    assert {(ds.PatientID, ds.AccessionNumber, ds.StudyDate) for ds in results.values()} == {
        (ds.PatientID, ds.AccessionNumber, ds.StudyDate) for ds in sources
    }
    expected = {one["output"]: one["sop_instance_uid"] for one in answered["deliveries"]}
    assert {name: str(results[sop_class].SOPInstanceUID) for name, sop_class in OUTPUTS.items()} == expected
    seen = {str(ds.SOPInstanceUID) for ds in sources}
    [evidence] = results[OUTPUTS["sr"]].CurrentRequestedProcedureEvidenceSequence
    named = [item for series in evidence.ReferencedSeriesSequence for item in series.ReferencedSOPSequence]
    assert {str(item.ReferencedSOPInstanceUID) for item in named} == seen
    assert OUTCOMES[answered["outcome"]] in str(results[OUTPUTS["sr"]])
    page = results[OUTPUTS["sc"]]
    assert {str(item.ReferencedSOPInstanceUID) for item in page.SourceImageSequence} == seen
    assert len(page.PixelData) >= page.Rows * page.Columns > 0
    assert page.pixel_array.std() > 0


def test_own_results_that_orthanc_forwards_change_nothing(
    peers: tuple[Service, Orthanc], answered: dict[str, Any]
) -> None:
    service, uid = peers[0], answered["study_instance_uid"]
    results = [one["sop_instance_uid"] for one in answered["deliveries"]]

    def log() -> str:
        return (service.folder / "service.log").read_text()

    service.until(lambda: all(f"ignored {one}" in log() for one in results), "Orthanc to forward every result")
    assert not any(f"stored {one}" in log() for one in results)
    after = service.get(f"studies/{uid}")
    changed = {key for key in answered if after[key] != answered[key]}
    assert changed <= {"deliveries"}, "commitments come in meanwhile"
    assert [one["sop_instance_uid"] for one in after["deliveries"]] == results
    assert (after["revision"], after["state"], len(after["images"])) == (4, "done", 4)
    errors = [line for line in (service.folder / "orthanc.log").read_text().splitlines() if line.startswith("E")]
    assert not errors, "Orthanc could forward everything"


def test_a_summary_page_of_another_is_kept_and_changes_no_result(
    peers: tuple[Service, Orthanc], answered: dict[str, Any], tmp_path: Path
) -> None:
    """The negative control: it is our own UID that is known, not the class."""
    service, orthanc = peers
    uid = answered["study_instance_uid"]
    [page] = [ds for ds in orthanc.objects(uid) if ds.SOPClassUID == OUTPUTS["sc"]]
    page.SOPInstanceUID = page.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.10.1338.78"
    page.save_as(tmp_path / "page.dcm")
    assert service.send([tmp_path / "page.dcm"]).returncode == 0
    after = service.finished(uid, revision=5)
    assert after["outcome"] == answered["outcome"]
    assert len(after["images"]) == 5
    made = {one["sop_instance_uid"] for one in answered["deliveries"]}
    assert {one["sop_instance_uid"] for one in after["deliveries"]} == made
