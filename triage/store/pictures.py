"""Stage: store. Pictures for people, beside the ledger: previews and attention maps as 8-bit grey PNG.

Input: PNG bytes from the worker. Output: `<root>/<SHA-256 of the instance>/<name>`. A picture can be made again at any
time, so it is written atomically but not flushed. Names come from this module alone, never from a sender.
"""

import os
import re
from pathlib import Path
from tempfile import mkstemp

PREVIEW = "preview.png"
_NAME = re.compile(r"preview\.png|attention-[0-9a-f]{12}\.png")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def attention_name(bundle_sha256: str) -> str:
    """The file name of the attention map that a bundle made: a new bundle never shows the map of an old one."""
    return f"attention-{bundle_sha256[:12]}.png"


class Pictures:
    """The pictures of one service home."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, instance_sha256: str, name: str, png: bytes) -> None:
        """Keeps a picture; one of that name is replaced, and readers see either the old or the new one.

        Errors:
            ValueError: not a digest, or not a picture name. OSError: the disk is full or broken.
        """
        target = self._path(instance_sha256, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = mkstemp(dir=target.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(png)
            Path(temporary).replace(target)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    def path(self, instance_sha256: str, name: str) -> Path | None:
        """Where the picture lies, or None if there is none. Raises ValueError like `write`."""
        target = self._path(instance_sha256, name)
        return target if target.is_file() else None

    def _path(self, instance_sha256: str, name: str) -> Path:
        if not _SHA256.fullmatch(instance_sha256):
            raise ValueError(f"not a lower-case SHA-256 digest: {instance_sha256!r}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"not the name of a picture: {name!r}; expected {PREVIEW} or attention-<12 hex>.png")
        return self._root / instance_sha256 / name
