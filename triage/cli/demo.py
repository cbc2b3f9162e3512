"""`triage demo`: the whole service on this machine, fed with studies by DCMTK, watched by a DCMTK PACS.

Phantom exams are made by `triage-train phantom`; if a folder of real mammograms is at hand (TRIAGE_DATA_DIR) its exam
is wrapped as DICOM and sent too. The service and the PACS go on running after the command ends; `triage demo --stop`
ends them.
"""

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
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from triage.core.errors import TriageError

START_SECONDS = 60
RESULT_SECONDS = 180
FLAGGED_EXAM = ("--seed", "77", "--first", "116")
"""A normal phantom exam that the demonstration bundle flags. Chosen: about one normal phantom exam in seven is."""
CONFIGURATION = """# The demo's configuration: a complete triage.toml for one machine and one PACS.
home = "{home}"

[dicom]
port = {dicom}

[http]
port = {http}

[assembly]
quiet_seconds = 5          # a hospital waits longer for late images: the default is 60

[[destination]]
name = "pacs"
ae_title = "PACS"
port = {pacs}
"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo")(demo)


def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its files.")] = Path("triage-home/demo"),
    exams: Annotated[int, typer.Option(min=1, help="Phantom exams to send.")] = 8,
    stop: Annotated[bool, typer.Option("--stop", help="End a running demo.")] = False,
) -> None:
    """Start the service, send studies to its C-STORE port, print the results, leave the worklist open."""
    _stop(folder)
    if stop:
        return
    _require("storescu", "storescp")
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pacs").mkdir(parents=True)
    ports = Ports.free()
    studies = _studies(folder, exams)
    site = _start(folder, ports)
    sent = [(_send(study, ports), f"{study.parent.name}/{study.name}".removeprefix("studies/")) for study in studies]
    rows = [_row(_result(ports, uid), name) for uid, name in sent]
    _print(rows)
    received = len(list((folder / "pacs").glob("SR*")))
    typer.echo(f"\n{received} structured reports arrived in the PACS ({folder / 'pacs'})")
    typer.echo(f"The demo took {time.monotonic() - started:.0f} s.")
    typer.echo("Demonstration models, trained on phantoms: not for clinical use. Every exam is read by a radiologist.")
    typer.echo(f"\nThe worklist stays open at http://127.0.0.1:{ports.http}/  (end it with: {sys.argv[0]} demo --stop)")
    if received < len(sent) or any(row[1] == "-" for row in rows):
        raise TriageError(f"{len(sent)} studies were sent but not all came back; see {site}")


@dataclass(frozen=True)
class Ports:
    """Loopback ports of the demo."""

    dicom: int
    http: int
    pacs: int

    @classmethod
    def free(cls) -> "Ports":
        """The usual ports, or free ones where those are taken."""
        return cls(*(_free(port) for port in (11112, 8080, 11113)))


def _free(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise TriageError("no free port on 127.0.0.1")


def _require(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise TriageError(f"{' and '.join(missing)} not found: install DCMTK (apt-get install dcmtk)")


def _studies(folder: Path, exams: int) -> list[Path]:
    """Folders of one study each: phantoms, two that must be refused, and the real exam if there is one."""
    typer.echo(f"making {exams + 3} phantom exams ...")
    out = folder / "studies"
    _train("phantom", "--exams", str(exams), "--seed", "2026", "--out", str(out / "phantom"))
    _train("phantom", "--exams", "1", *FLAGGED_EXAM, "--out", str(out / "chosen"))
    for seed, variant in enumerate(("implant", "missing-view"), 7):
        _train("phantom", "--exams", "1", "--seed", str(seed), "--variant", variant, "--out", str(out / variant))
    real = Path(os.environ.get("TRIAGE_DATA_DIR", "../shared/data")) / "exam-4view-8bit"
    if real.is_dir():
        typer.echo(f"wrapping the real exam in {real} as DICOM ...")
        _train("wrap", str(real), "--out", str(out / "real-exam"))
    else:
        typer.echo(f"no real exam at {real} (set TRIAGE_DATA_DIR to add it)")
    return sorted({file.parent for file in out.rglob("*.dcm")})


def _train(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "training", *arguments], check=True)  # noqa: S603


def _start(folder: Path, ports: Ports) -> Path:
    """Starts PACS and service in the background; returns the service's log file."""
    config = folder / "triage.toml"
    config.write_text(CONFIGURATION.format(home=(folder / "home").resolve(), **ports.__dict__), encoding="utf-8")
    pacs = ["storescp", "-aet", "PACS", "-od", str(folder / "pacs"), str(ports.pacs)]
    service = [sys.executable, "-m", "triage", "serve", "--config", str(config)]
    pids = []
    for name, command in (("pacs", pacs), ("service", service)):
        with (folder / f"{name}.log").open("wb") as output:
            process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        pids.append(process.pid)
    (folder / "pids").write_text(json.dumps(pids), encoding="utf-8")
    log = folder / "service.log"
    typer.echo(f"starting the service (configuration {config}, log {log}) ...")
    deadline = time.monotonic() + START_SECONDS
    while _get(ports, "health").get("status") != "ok":
        if time.monotonic() > deadline:
            raise TriageError(f"the service was not ready within {START_SECONDS} s; see {log}")
        time.sleep(0.2)
    return log


def _stop(folder: Path) -> None:
    file = folder / "pids"
    if not file.is_file():
        return
    for pid in json.loads(file.read_text(encoding="utf-8")):
        command = Path(f"/proc/{pid}/cmdline")
        # A pid may have been given to a stranger since.
        if command.is_file() and str(folder).encode() in command.read_bytes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    file.unlink()
    typer.echo("ended the demo that was running")


def _send(study: Path, ports: Ports) -> str:
    """Sends one study by DCMTK and returns its StudyInstanceUID."""
    files = [str(file) for file in sorted(study.glob("*.dcm"))]
    command = ["storescu", "-aec", "TRIAGE", "127.0.0.1", str(ports.dicom), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise TriageError(f"storescu could not send {study}: {done.stderr.strip()}")
    dump = subprocess.run(["dcmdump", "+P", "0020,000d", "-s", files[0]], capture_output=True, text=True, check=True)  # noqa: S603, S607
    return dump.stdout.split("[")[1].split("]")[0].rstrip("\0 ")


def _get(ports: Ports, route: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports.http}/api/v1/{route}", timeout=5) as answer:  # noqa: S310
            return dict(json.load(answer))
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return {}


def _result(ports: Ports, uid: str) -> dict[str, Any]:
    """The study once its report was delivered, or as it stands when patience ends."""
    deadline = time.monotonic() + RESULT_SECONDS
    while True:
        study = _get(ports, f"studies/{uid}")
        delivered = [one for one in study.get("deliveries", []) if one["state"] in ("sent", "confirmed")]
        if (study.get("state") in ("done", "dead") and delivered) or time.monotonic() > deadline:
            return study
        time.sleep(0.1)


def _row(study: dict[str, Any], name: str) -> tuple[str, str, str, str]:
    outcome = study.get("outcome") or "-"
    reasons = "; ".join(dict.fromkeys(found["text"] for found in study.get("reasons", [])))
    seconds = "-"
    if study.get("decided_at") and study.get("last_image_at"):
        taken = datetime.fromisoformat(study["decided_at"]) - datetime.fromisoformat(study["last_image_at"])
        seconds = f"{taken.total_seconds():.2f}"
    return name, outcome, reasons, seconds


def _print(rows: list[tuple[str, str, str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Study", "Flag", "Reason", "Seconds", title="Results (seconds: last image received to decision)")
    words = {"confidently_normal": "confidently normal", "not_flagged": "no flag", "not_evaluated": "not evaluated"}
    for name, outcome, reasons, seconds in rows:
        table.add_row(name, words.get(outcome, outcome), reasons, seconds)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
