"""A PostgreSQL cluster of its own, for the length of a test session."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dicom_samples import free_port


def _programs() -> Path:
    found = [Path(path).parent for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if not found:
        pytest.skip("PostgreSQL is not installed: its half of the ledger tests needs initdb and pg_ctl")
    return found[0]


def _as_owner(*command: str) -> None:
    """PostgreSQL refuses to run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *command], check=True, capture_output=True, timeout=60, cwd="/")


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of a running server, without a database name; it is stopped and removed at the end."""
    programs, port = _programs(), free_port()
    with TemporaryDirectory(prefix="triage-pg-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        _as_owner(f"{programs}/initdb", "-D", data, "-U", "triage", "-A", "trust", "--no-sync")
        options = f"-p {port} -c fsync=off -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        _as_owner(f"{programs}/pg_ctl", "-D", data, "-l", f"{folder}/log", "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://triage@127.0.0.1:{port}"
        finally:
            _as_owner(f"{programs}/pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
