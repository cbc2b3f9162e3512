"""Stage: receive. The file into which a data set is written while it arrives.

pynetdicom (3.0) writes each fragment from the thread that reads the connection. An OSError there would end that thread
and leave the sender without an answer. This file remembers the failure instead: it vanishes, the rest of the data set
is read and dropped, and the C-STORE handler, finding no file, answers 0xA700 so that the sender tries again.
"""

import logging
import os
import weakref
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from pynetdicom import dimse_messages

log = logging.getLogger(__name__)


class SpoolFile:
    """The part of NamedTemporaryFile that pynetdicom uses. Unbuffered, so that what was written can be read at once.

    The file is removed when nobody holds this object any more (the peer aborted, say), unless it was renamed by then.
    """

    def __init__(self, folder: Path) -> None:
        self.file = self
        self._handle: int | None = None
        self.name = str(folder / "none")
        try:
            self._handle, self.name = mkstemp(dir=folder, suffix=".part")
        except OSError as error:
            log.error("cannot receive: %s", error.strerror)
            return
        self._cleaner = weakref.finalize(self, _remove, self._handle, self.name)

    def write(self, data: bytes) -> int:
        """Writes all of `data`, or drops it if the file was given up."""
        if self._handle is None:
            return len(data)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as error:
            log.error("cannot receive: %s", error.strerror)
            self._handle = None
            self._cleaner()
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """Closes and removes the file; it was renamed if it is to be kept."""
        if self._handle is not None:
            self._handle = None
            self._cleaner()


def receive_into(folder: Path) -> None:
    """Makes pynetdicom receive into `folder`, for this whole process."""

    def temporary_file(**_options: Any) -> SpoolFile:
        return SpoolFile(folder)

    dimse_messages.NamedTemporaryFile = temporary_file


def _remove(handle: int, name: str) -> None:
    os.close(handle)
    Path(name).unlink(missing_ok=True)
