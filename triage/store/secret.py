"""Stage: store. The service's secret, and the keyed hashes that stand for patients in calibration sets.

A plain hash of a patient's ID could be undone by hashing every possible ID; a keyed one (HMAC-SHA-256, RFC 2104) cannot
without the key, and the key never leaves the home of the service.
"""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from triage.core.errors import ConfigurationError

SECRET_BYTES = 32


class PatientKeys:
    """Makes the keys of patients and exams with one secret of SECRET_BYTES."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise ConfigurationError(f"the secret of the patient keys has {len(secret)} bytes, not {SECRET_BYTES}")
        self._secret = secret

    def key(self, identifier: str) -> str:
        """64 hexadecimal digits for a patient's ID or a UID; spaces around it are padding (PS3.5 6.2) and not part."""
        return hmac.new(self._secret, identifier.strip(" \0").encode(), hashlib.sha256).hexdigest()


def patient_keys(home: Path) -> PatientKeys:
    """The patient keys of this home; the first call makes the secret. Safe when several processes start together.

    Raises:
        ConfigurationError: the file is damaged, or others than its owner may read it. OSError: it cannot be made.
    """
    path = home / "secrets" / "hmac.key"
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path}: others may read the secret; run chmod 600 on it")
    try:
        return PatientKeys(path.read_bytes())
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}; restore it from a backup: a new one breaks every set") from error


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its secret counts
            os.link(made, path)
    finally:
        made.unlink()
