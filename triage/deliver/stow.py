"""Stage: deliver. Sends one object file to a DICOMweb server by STOW-RS (PS3.18 section 10.5).

Input: a DICOM file. Output: a receipt, or a DeliveryError with the server's own reason, without the patient.
"""

import base64
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

import httpx

from triage.core.errors import ConfigurationError
from triage.deliver.association import refusal
from triage.deliver.c_store import DUPLICATE, read_object
from triage.deliver.masking import PatientMask, mask_of_object
from triage.deliver.sender import DeliveryError, DeliveryRejected, Receipt, Unreachable

LONGEST_ANSWER = 1 << 20
_PASSING = frozenset({408, 425, 429})
"""Client errors that are none: too slow, too early, too often."""
_AWAY = frozenset({502, 503, 504})
"""A gateway without its server, or a server that says it is away."""
# The store instances response, PS3.18 table I.2.2-1, in the DICOM JSON model
_FAILED = "00081198"
_INSTANCE, _FAILURE_REASON = "00081155", "00081197"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Stow:
    """A STOW-RS client of one server."""

    url: str
    """Of the DICOMweb service, such as https://pacs.example/dicom-web; `/studies/UID` is appended."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's; a server's certificate is always verified."""
    authorization: Literal["none", "basic", "bearer"] = "none"
    secret_file: Path | None = None
    """`user:password` or a token. Read for each object, so that a new one needs no restart."""
    connection_seconds: float = 10.0
    response_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Errors: ConfigurationError: the settings do not fit together."""
        url = httpx.URL(self.url)
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigurationError(f"url: {self.url!r} is no address such as https://pacs.example/dicom-web")
        if (self.authorization != "none") != (self.secret_file is not None):
            raise ConfigurationError("secret_file: needed for authorization basic or bearer, and only there")
        if self.secret_file and url.scheme == "http" and url.host not in _LOOPBACK:
            raise ConfigurationError(f"url: {self.url} would send the secret unprotected; use https")

    def send(self, path: Path) -> Receipt:
        """Sends the file in a request of its own.

        Raises:
            Unreachable: not reached, or the server is out of order. DeliveryError, DeliveryRejected: refused, for now
            or for good. OSError: the file, the secret or the certificates cannot be read.
        """
        ds = read_object(path)
        mask = mask_of_object(ds)
        status, content = self._post(str(ds.StudyInstanceUID), path.read_bytes(), mask)
        self._check(status, content, str(ds.SOPInstanceUID), mask)
        return Receipt.SENT

    def _post(self, study_instance_uid: str, content: bytes, mask: PatientMask) -> tuple[int, bytes]:
        boundary = uuid4().hex
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
            **self._authorization(),
        }
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = head + content + f"\r\n--{boundary}--\r\n".encode()
        timeout = httpx.Timeout(self.response_seconds, connect=self.connection_seconds)
        verify = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        # Nothing of the environment: results take no proxy that nobody set here. Nor does the secret follow redirects.
        client = httpx.Client(verify=verify, timeout=timeout, trust_env=False, follow_redirects=False)
        address = f"{self.url.rstrip('/')}/studies/{study_instance_uid}"
        try:
            with client, client.stream("POST", address, content=body, headers=headers) as response:
                return response.status_code, _limited(response)
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.url}: {mask.words(str(error)) or type(error).__name__}") from error

    def _authorization(self) -> dict[str, str]:
        if self.secret_file is None:
            return {}
        secret = self.secret_file.read_text(encoding="utf-8").strip()
        if self.authorization == "bearer":
            return {"Authorization": f"Bearer {secret}"}
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}

    def _check(self, status: int, content: bytes, sop_instance_uid: str, mask: PatientMask) -> None:
        """PS3.18 table 10.5.3-1: 200 all stored, 202 some, 409 none; the body says which and why."""
        reason = _failure(content, sop_instance_uid)
        if status in (200, 202) and reason in (None, DUPLICATE):
            return
        if reason == DUPLICATE and status == httpx.codes.CONFLICT:
            return
        if reason is not None:
            raise refusal(reason)(f"{self.url} refused the object: failure reason 0x{reason:04X} (HTTP {status})")
        text = f"{self.url} answered {status} {httpx.codes.get_reason_phrase(status)}".rstrip()
        if status in _AWAY:
            raise Unreachable(text)
        if status >= 500 or status in _PASSING:
            raise DeliveryError(text)
        said = mask.words(content.decode("utf-8", errors="replace"))
        raise DeliveryRejected(f"{text}: {said}" if said else text)


def _limited(response: httpx.Response) -> bytes:
    received = b""
    for chunk in response.iter_bytes():
        received += chunk
        if len(received) > LONGEST_ANSWER:
            raise DeliveryError(f"the server's answer is longer than {LONGEST_ANSWER} bytes")
    return received


def _failure(content: bytes, sop_instance_uid: str) -> int | None:
    """The Failure Reason (0008,1197) that the response body gives for our object; None if it gives none."""
    try:
        answer = json.loads(content)
        answer = answer[0] if isinstance(answer, list) else answer
        for item in answer.get(_FAILED, {}).get("Value", []):
            if item[_INSTANCE]["Value"][0] == sop_instance_uid:
                return int(item[_FAILURE_REASON]["Value"][0])
    except (ValueError, LookupError, TypeError, AttributeError):  # a body of another kind: the status code must do
        pass
    return None
