"""Calls an ASGI application in process, without sockets and without a client's overhead."""

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message

Result = TypeVar("Result")


def complete(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs a coroutine to its end, in a thread of its own: the caller's may have an event loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@dataclass(frozen=True)
class Answer:
    """Status and JSON body."""

    status: int
    body: Any


class Caller:
    """Requests to `/api/v1`; several may be under way at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def get(self, path: str, key: str = "", query: str = "") -> Answer:
        """A reading request."""
        return await self._request("GET", path, key, b"", query)

    async def post(self, path: str, key: str, body: Any) -> Answer:
        """A writing request with a JSON body; bytes are taken as JSON already."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self._request("POST", path, key, content)

    async def _request(self, method: str, path: str, key: str, content: bytes, query: str = "") -> Answer:
        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
        headers += [(b"authorization", f"Bearer {key}".encode())] if key else []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": f"/api/v1{path}",
            "raw_path": f"/api/v1{path}".encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        status, parts = 0, []

        async def receive() -> Message:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        try:
            await self._app(scope, receive, send)
        except Exception:  # an error is answered with 500 and then raised again, for the server's log
            if not status:
                raise
        whole = b"".join(parts)
        return Answer(status, json.loads(whole) if whole else None)
