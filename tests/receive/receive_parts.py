"""A listener under test: in this process, or in one that can be killed (`python receive_parts.py HOME PORT`)."""

import hashlib
import re
import sys
import threading
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from dicom_samples import dcmtk

from triage.accept.header_rules import describe
from triage.assemble.completeness import due_at
from triage.receive.scp import Listener, Reception, serve
from triage.store.blobs import Blobs
from triage.store.database import open_database
from triage.store.ledger import DueAt, Ledger
from triage.store.records import StoredInstance

SUCCESS = "Success"
DUE = partial(due_at, quiet=timedelta(seconds=60), max_wait=timedelta(seconds=900))


@dataclass(frozen=True)
class Service:
    """A running listener and what it writes to."""

    server: Reception
    blobs: Blobs
    ledger: Ledger

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port or 0

    @property
    def tls_port(self) -> int:
        """Where it listens with TLS."""
        return self.server.tls_port or 0

    def send(self, *files: Path, options: tuple[str, ...] = ()) -> list[str]:
        """DCMTK's storescu sends the files on one association; the name of each status received."""
        return send(self.port, *files, options=options)

    def files(self) -> list[Path]:
        """Every file kept or left behind."""
        return [path for path in self.blobs.root.rglob("*") if path.is_file()]


def start(blobs: Blobs, ledger: Ledger, due: DueAt, listener: Listener) -> Service:
    """Starts a listener in this process."""
    return Service(serve(listener, blobs, ledger, describe, due), blobs, ledger)


def send(port: int, *files: Path, options: tuple[str, ...] = ()) -> list[str]:
    """The statuses that storescu received, in the order of the files; fewer if the association broke off."""
    done = dcmtk("storescu", "-v", "-nh", "-aec", "TRIAGE", *options, "127.0.0.1", str(port), *map(str, files))
    return re.findall(r"Received Store Response \((.*)\)", done.stdout + done.stderr)


def is_intact(instance: StoredInstance) -> bool:
    """Whether the file on the disk still has the digest that the ledger gives."""
    content = Path(instance.path).read_bytes()
    data_set = content[144 + int.from_bytes(content[140:144], "little") :]
    return hashlib.sha256(instance.header.transfer_syntax_uid.encode() + data_set).hexdigest() == instance.sha256


if __name__ == "__main__":
    home = Path(sys.argv[1])
    start(Blobs(home / "spool"), Ledger(open_database("", home)), DUE, Listener(port=int(sys.argv[2])))
    threading.Event().wait()
