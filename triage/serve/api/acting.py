"""Serve: who acts. Input: `Authorization: Bearer <key>`. Output: the `Actor`, or 401, 403, 409 or 422 as a problem.

A key is sent with every request and nothing is kept in a cookie, so no other site can act in a person's name.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from triage.core.errors import TriageError
from triage.core.governance import Actor, Conflict, Forbidden, Refused, Role
from triage.decide.calibration_rows import RowsRejected
from triage.serve.problems import answer
from triage.store.ledger import Ledger

log = logging.getLogger(__name__)

_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="The key that a person was given once, as `Authorization: Bearer <key>`.",
)
_REALM = 'Bearer realm="triage"'


class Acting:
    """The person of a request. Use `Depends(acting)`, or `Depends(acting.having(Role.ADMIN))`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __call__(self, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Actor:
        """The person whose key came with the request.

        Errors:
            HTTPException: 401, no key came, or nobody may act with it.
        """
        if given is None:
            detail = "This needs a person's key: send it as `Authorization: Bearer <key>`."
            raise HTTPException(HTTPStatus.UNAUTHORIZED, detail, {"www-authenticate": _REALM})
        actor = self._ledger.person_by_key(given.credentials)
        if actor is None:
            headers = {"www-authenticate": f'{_REALM}, error="invalid_token"'}
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "The key is not known, or its person is disabled.", headers)
        return actor

    def having(self, *roles: Role) -> Callable[[Actor], Actor]:
        """A dependency that lets in only who has one of the roles; Forbidden otherwise."""

        def permitted(actor: Annotated[Actor, Depends(self)]) -> Actor:
            require(actor, *roles)
            return actor

        return permitted


def require(actor: Actor, *roles: Role) -> None:
    """Raises Forbidden, which names who may, unless the person has one of the roles."""
    if not actor.roles & set(roles):
        mine = ", ".join(sorted(actor.roles)) or "none"
        raise Forbidden(f"This needs the role {' or '.join(roles)}; {actor.name} has: {mine}.")


@contextmanager
def wrong_value() -> Iterator[None]:
    """What the ledger says against a value of the request is 422; Forbidden and Conflict stay what they are."""
    try:
        yield
    except (Forbidden, Conflict, Refused, RowsRejected):
        raise
    except TriageError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


def install(app: FastAPI) -> None:
    """Makes problems of what the rules of governance say."""
    app.add_exception_handler(TriageError, _unusable)
    app.add_exception_handler(Forbidden, _forbidden)
    app.add_exception_handler(Conflict, _conflict)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RowsRejected, _rows_rejected)


def _unusable(request: Request, error: Exception) -> Response:
    """Something stored cannot be used, such as a calibration that was tampered with: whoever meets it is told."""
    log.error("request %s failed: %s", request.url.path, error)
    return answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, str(error))


def _forbidden(request: Request, error: Exception) -> Response:
    return answer(request, HTTPStatus.FORBIDDEN, str(error))


def _conflict(request: Request, error: Exception) -> Response:
    return answer(request, HTTPStatus.CONFLICT, str(error))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    refusals = [{"code": code, "text": text} for code, text in error.refusals]
    return answer(request, HTTPStatus.CONFLICT, str(error), {"refusals": refusals})


def _rows_rejected(request: Request, error: Exception) -> Response:
    assert isinstance(error, RowsRejected)
    errors = [
        {"row": one.row, "column": one.column, "value": one.value, "problem": one.problem} for one in error.problems
    ]
    return answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, str(error), {"errors": errors})
