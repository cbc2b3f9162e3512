"""Certificates for the tests of TLS, made with the openssl command: authorities, and whom they vouch for."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:{name}"


@dataclass(frozen=True)
class Identity:
    """A certificate, its key, and the authority that signed it."""

    certificate: Path
    key: Path
    authority: Path

    @property
    def sha256(self) -> str:
        """As openssl prints it."""
        return openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256")

    def dcmtk(self, authority: Path | None = None) -> tuple[str, ...]:
        """Options of DCMTK's programs to be this one, and to trust that authority, or its own."""
        return ("+tls", str(self.key), str(self.certificate), "+cf", str(authority or self.authority))


@dataclass(frozen=True)
class Authority:
    """Signs certificates."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        openssl(*NEW_KEY, "-x509", "-days", "2", "-subj", f"/CN={self.name}", *self._files(self.name))

    @property
    def certificate(self) -> Path:
        """Its own."""
        return self.folder / f"{self.name}.crt"

    def identity(self, name: str, days: int = 2) -> Identity:
        """A certificate of that common name, of this machine, valid so long from now on."""
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        key, certificate = (self.folder / f"{name}{suffix}" for suffix in (".key", ".crt"))
        openssl(*NEW_KEY, "-subj", f"/O=Test/CN={name}", "-keyout", key, "-out", request)
        extensions.write_text(NAMES.format(name=name))
        ca = ("-CA", self.certificate, "-CAkey", self.folder / f"{self.name}.key", "-CAcreateserial")
        openssl("x509", "-req", "-in", request, *ca, "-days", str(days), "-extfile", extensions, "-out", certificate)
        return Identity(certificate, key, self.certificate)

    def _files(self, name: str) -> tuple[str | Path, ...]:
        return ("-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.crt")


NEW_KEY = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*arguments: str | Path) -> str:
    """What the openssl command prints; skips the test where it is not installed."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed (Debian package openssl)")
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True).stdout.strip()
