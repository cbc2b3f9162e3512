"""A folder that `triage-train phantom` wrote: it holds a manifest and lesions already; this checks and counts them."""

from pathlib import Path

from training.data.manifest import read_manifest
from training.data.readers.result import Collector, ReadResult


def read(source: Path) -> ReadResult:
    """Reads `manifest.csv` and `lesions.csv` of the folder; images that are gone are counted, not fatal."""
    manifest = read_manifest(source / "manifest.csv", check_files=False)
    collector = Collector(lesions=list(manifest.lesions))
    for row in manifest.rows:
        collector.add(row, present=manifest.path(row).is_file())
    return collector.result()
