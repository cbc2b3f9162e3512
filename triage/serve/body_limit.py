"""Serve: no request is read further than a limit. Input: a request. Output: the same one, or 413."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024 * 1024
"""About 250,000 rows of a calibration set as CSV."""


class BodyLimit:
    """ASGI middleware within the error handlers: whoever reads too much of a body meets the error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._limit = MAX_BODY_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        too_long = length.isdigit() and int(length) > self._limit
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            if too_long:  # said before a byte of it is taken
                raise self._error()
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise self._error()
            return message

        await self._app(scope, limited, send)

    def _error(self) -> HTTPException:
        megabytes = self._limit / 1024 / 1024
        detail = f"The request is larger than {megabytes:.0f} MB; split the calibration set into several, or send CSV."
        return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
