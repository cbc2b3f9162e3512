"""Pictures: names are checked, files appear whole."""

from pathlib import Path

import pytest

from triage.store.pictures import PREVIEW, Pictures, attention_name

SHA256 = "0f" * 32


def test_written_pictures_are_found(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path)
    name = attention_name("ab" * 32)
    assert name == "attention-abababababab.png"
    assert pictures.path(SHA256, PREVIEW) is None
    pictures.write(SHA256, PREVIEW, b"old")
    pictures.write(SHA256, PREVIEW, b"new")
    pictures.write(SHA256, name, b"map")
    path = pictures.path(SHA256, PREVIEW)
    assert path == tmp_path / SHA256 / "preview.png"
    assert path.read_bytes() == b"new"
    assert {file.name for file in path.parent.iterdir()} == {PREVIEW, name}


@pytest.mark.parametrize("name", ["../preview.png", "/etc/passwd", "attention-..%2f.png", "preview.png\n", ""])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="picture"):
        Pictures(tmp_path).path(SHA256, name)
    with pytest.raises(ValueError, match="picture"):
        Pictures(tmp_path).write(SHA256, name, b"")


@pytest.mark.parametrize("digest", ["..", "../" + "a" * 61, "A" * 64, "a" * 63, "a" * 64 + "\n", ""])
def test_other_digests_are_refused(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        Pictures(tmp_path / "root").path(digest, PREVIEW)
    assert list(tmp_path.iterdir()) == []
