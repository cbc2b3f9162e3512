"""Writes measured rows to docs/results/TOPIC.json: what is measured today replaces its row of yesterday."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"


@dataclass(frozen=True)
class Row:
    """One measured figure."""

    id: str
    what: str
    value: float
    unit: str
    n: int
    interval: tuple[float, float] | None = None
    peer: str = ""
    peer_value: float | None = None
    target: str = ""
    holds: bool = True
    note: str = ""


def machine() -> str:
    """Cores, processor, memory, GPU."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpu = "NVIDIA GPU" if Path("/dev/nvidia0").exists() else "no GPU"
    return f"{os.cpu_count()} vCPU {cpu or platform.machine()}, {gigabytes:.0f} GiB, {gpu}"


def record(topic: str, made_by: str, rows: Sequence[Row]) -> Path:
    """Merges rows by id into the topic's file and returns its path."""
    path = RESULTS / f"{topic}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    new = [asdict(row) for row in rows]
    ids = {row["id"] for row in new}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    content = {
        "made_by": made_by,
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "rows": [row for row in kept if row["id"] not in ids] + new,
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path
