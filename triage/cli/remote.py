"""The REST interface of a running service, for the command line. Input: address and key. Output: JSON values.

The key comes from TRIAGE_KEY or from a file, never from the command line itself, which other users of the machine see.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from triage.core.errors import TriageError
from triage.settings import load

TIMEOUT_SECONDS = 600.0
"""An evaluation of 100,000 images takes seconds; a busy machine takes longer."""
SHOWN_ERRORS = 20


@dataclass(frozen=True)
class Remote:
    """A running service."""

    url: str | None
    key_file: Path | None
    home: Path | None
    config: Path | None

    @property
    def address(self) -> str:
        """Where it is: as given, or where the settings have it listen."""
        if self.url:
            return self.url.rstrip("/")
        http = load(self.config, home=self.home).http
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(http.host, http.host)  # noqa: S104 - the caller's way there
        return f"http://{host}:{http.port}"

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer to a reading request; query values of None are left out."""
        return self._ask("GET", path, params=_given(query)).json()

    def fetch(self, path: str, **query: Any) -> bytes:
        """The answer to a reading request, as it is."""
        return self._ask("GET", path, params=_given(query)).content

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON answer to an act."""
        return self._ask("POST", path, json=body).json()

    def post_csv(self, path: str, content: bytes, **query: Any) -> Any:
        """The JSON answer to an upload."""
        headers = {"content-type": "text/csv; charset=utf-8"}
        return self._ask("POST", path, content=content, params=_given(query), headers=headers).json()

    def _ask(self, method: str, path: str, headers: dict[str, str] | None = None, **request: Any) -> httpx.Response:
        address = f"{self.address}/api/v1{path}"
        sent = (headers or {}) | self._authorization()
        try:
            # trust_env: a proxy of the environment must not see the key.
            answer = httpx.request(method, address, headers=sent, timeout=TIMEOUT_SECONDS, trust_env=False, **request)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise TriageError(f"no answer from {self.address} ({error}); is the service running? See --url") from error
        if answer.is_success:
            return answer
        raise TriageError(_said(answer))

    def _authorization(self) -> dict[str, str]:
        key = os.environ.get("TRIAGE_KEY", "")
        if self.key_file:
            try:
                key = self.key_file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise TriageError(f"{self.key_file}: the key cannot be read ({error})") from error
        key = key.strip()
        if not (key.isascii() and key.isprintable()):
            raise TriageError("the key holds characters that no key has; see TRIAGE_KEY and --key-file")
        return {"authorization": f"Bearer {key}"} if key else {}


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _said(answer: httpx.Response) -> str:
    """What the service said against a request, each refusal and wrong row on a line of its own."""
    try:
        problem = answer.json()
        lines = [str(problem["detail"])]
    except (ValueError, KeyError, TypeError):
        return f"{answer.request.url}: the service answered {answer.status_code}"
    if problem.get("refusals"):
        lines = ["approval refused:"] + [f"  {one['code']}: {one['text']}" for one in problem["refusals"]]
    rows = [one for one in problem.get("errors", []) if "row" in one]
    if rows:
        lines = [f"{len(rows)} wrong value(s); nothing was stored:"]
        lines += [f"  row {one['row']}, {one['column']}: {one['problem']}" for one in rows[:SHOWN_ERRORS]]
        lines += [f"  and {len(rows) - SHOWN_ERRORS} more"] if len(rows) > SHOWN_ERRORS else []
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        lines.append("give the key in TRIAGE_KEY or by --key-file")
    return "\n".join(lines)
