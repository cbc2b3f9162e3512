"""Stage: store. Files named by the SHA-256 of what they hold; durable before anybody hears of them.

Input: a file written into `incoming`, or bytes. Output: the digest and the path `<root>/ab/<sha256>.dcm`. No name
that a sender chose ever becomes part of a path. Local file systems only: object stores need a writer of their own.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import mkstemp

_CHUNK = 1 << 18


class Blobs:
    """The files of one service home. `incoming` lies on the same file system, so that a rename is enough."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.incoming = self.root / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)
        # All folders are there and durable from the start: storing a file then has one folder to flush.
        for number in range(256):
            (self.root / f"{number:02x}").mkdir(exist_ok=True)
        _flush_folder(self.root)

    def path(self, sha256: str) -> Path:
        """Where the file of that digest lies. Anything but a lower-case hexadecimal SHA-256 raises ValueError."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError("not a SHA-256 digest")
        return self.root / sha256[:2] / f"{sha256}.dcm"

    def adopt(self, temporary: Path, skip: int = 0, salt: str = "") -> tuple[str, Path]:
        """Takes a finished file of `incoming` in: hashes it, flushes it, renames it, flushes its folder.

        The digest is over `salt` and the bytes from `skip` on. When it returns, the file survives a power loss. A file
        that is there already is replaced by its equal, which also mends a damaged one.

        Errors:
            OSError: Disk full or broken; the temporary file is gone.
        """
        try:
            with temporary.open("rb", buffering=0) as file:
                digest = hashlib.sha256(salt.encode())
                file.seek(skip)
                chunk = memoryview(bytearray(_CHUNK))  # one buffer: fresh memory costs more than the hash
                while read := file.readinto(chunk):
                    digest.update(chunk[:read])
                os.fsync(file.fileno())
            path = self.path(digest.hexdigest())
            temporary.replace(path)
            _flush_folder(path.parent)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return digest.hexdigest(), path

    def add(self, content: bytes) -> tuple[str, Path]:
        """Keeps `content` as durably as `adopt` does; same errors."""
        handle, name = mkstemp(dir=self.incoming)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return self.adopt(temporary)

    def sweep(self, known: Callable[[Sequence[str]], set[str]], older_than: timedelta) -> int:
        """Removes what a crash left behind: old files of `incoming`, and old blobs that `known` does not claim.

        `known` gives the digests, of those it is asked for, that must stay. Returns the number of files removed.
        `older_than` must exceed the time from receiving an object to its ledger entry by far (an hour is plenty).
        """
        oldest = time.time() - older_than.total_seconds()
        removed = 0
        for path in self.incoming.iterdir():
            removed += _remove_old(path, oldest)
        for number in range(256):
            old = {path.stem: path for path in (self.root / f"{number:02x}").glob("*.dcm") if _is_old(path, oldest)}
            for sha256s in _batched(sorted(old), 1000):
                for sha256 in set(sha256s) - known(sha256s):
                    removed += self._remove_orphan(old[sha256], oldest)
        return removed

    def _remove_orphan(self, path: Path, oldest: float) -> int:
        # The same object may be received again at this very moment. Moved aside first, so that what is deleted is for
        # certain the old file and not the new one of that name.
        aside = self.incoming / path.name
        path.replace(aside)
        if _remove_old(aside, oldest):
            return 1
        aside.replace(path)
        _flush_folder(path.parent)
        return 0


def _batched(sha256s: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Runs of at most `size`: a database takes only so many parameters in one statement."""
    for start in range(0, len(sha256s), size):
        yield sha256s[start : start + size]


def _is_old(path: Path, oldest: float) -> bool:
    try:
        return path.stat().st_mtime < oldest
    except FileNotFoundError:
        return False


def _remove_old(path: Path, oldest: float) -> int:
    if not _is_old(path, oldest):
        return 0
    path.unlink(missing_ok=True)
    return 1


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
