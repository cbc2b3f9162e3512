"""Durable files: digests, full disks, what a crash leaves behind."""

import errno
import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest

from triage.store.blobs import Blobs

HOUR = timedelta(hours=1)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "spool")


def incoming(blobs: Blobs, content: bytes, name: str = "x.part") -> Path:
    path = blobs.incoming / name
    path.write_bytes(content)
    return path


def age(path: Path) -> None:
    os.utime(path, (1_000_000, 1_000_000))


def test_a_file_is_kept_under_the_digest_of_its_content(blobs: Blobs) -> None:
    temporary = incoming(blobs, b"content")
    sha256, path = blobs.adopt(temporary)
    assert sha256 == hashlib.sha256(b"content").hexdigest()
    assert path == blobs.path(sha256)
    assert path.read_bytes() == b"content"
    assert not temporary.exists()


def test_the_digest_covers_salt_and_the_bytes_after_the_skipped(blobs: Blobs) -> None:
    sha256, path = blobs.adopt(incoming(blobs, b"metacontent"), skip=4, salt="1.2.840")
    assert sha256 == hashlib.sha256(b"1.2.840content").hexdigest()
    assert path.read_bytes() == b"metacontent"


def test_the_same_content_again_mends_a_damaged_file(blobs: Blobs) -> None:
    _, path = blobs.add(b"content")
    path.write_bytes(b"damaged")
    assert blobs.add(b"content")[1] == path
    assert path.read_bytes() == b"content"


@pytest.mark.parametrize("name", ["../../etc/passwd", "AB" * 32, "ab" * 31, ""])
def test_only_digests_name_files(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        blobs.path(name)


def test_file_then_rename_then_folder_are_flushed_in_this_order(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def flushed(handle: int) -> None:
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        fsync(handle)

    def renamed(self: Path, target: Path) -> Path:
        calls.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    blobs.adopt(incoming(blobs, b"content"))
    assert calls == ["file", "rename", "folder"]


def test_a_failing_flush_is_told_and_leaves_nothing(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        blobs.adopt(incoming(blobs, b"content"))
    assert [path for path in blobs.root.rglob("*") if path.is_file()] == []


def test_sweep_removes_old_strays_and_keeps_what_is_known_or_young(blobs: Blobs) -> None:
    known, known_path = blobs.add(b"known")
    _, orphan = blobs.add(b"orphan")
    _, young = blobs.add(b"young")
    part = incoming(blobs, b"half", "old.part")
    receiving = incoming(blobs, b"half", "new.part")
    for path in (known_path, orphan, part):
        age(path)
    assert blobs.sweep(lambda asked: {known} & set(asked), HOUR) == 2
    assert known_path.exists()
    assert young.exists()
    assert receiving.exists()
    assert not orphan.exists()
    assert not part.exists()


def test_an_orphan_received_again_during_the_sweep_is_kept(blobs: Blobs) -> None:
    _, orphan = blobs.add(b"orphan")
    age(orphan)

    def known(_asked: object) -> set[str]:
        blobs.add(b"orphan")  # it arrives just after the ledger was asked
        return set()

    assert blobs.sweep(known, HOUR) == 0
    assert orphan.read_bytes() == b"orphan"
