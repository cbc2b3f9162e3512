"""Serve: errors as RFC 9457 problem details for programs, as a page for people. Never repeats what the caller sent."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from triage.serve.pages.templates import TEMPLATES
from triage.serve.security import SECURITY_HEADERS

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(default="about:blank", description="`about:blank`: the status says all (RFC 9457 4.2.1).")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request.")
    errors: list[dict[str, str | int]] | None = Field(
        default=None,
        description="Only for 422: `location` (such as `query limit`) and `message` of each wrong value; of a set"
        " `row`, `column`, `value` and `problem` of every wrong row.",
    )
    refusals: list[dict[str, str]] | None = Field(
        default=None, description="Only for 409 of an approval: `code` and `text` of everything that speaks against it."
    )


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of a route's errors."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unexpected_error)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"location": " ".join(str(part) for part in item["loc"]), "message": item["msg"]} for item in error.errors()
    ]
    detail = "; ".join(f"{one['location']}: {one['message']}" for one in errors)
    return answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, detail, {"errors": errors})


def _unexpected_error(request: Request, error: Exception) -> Response:
    log.error("request %s failed: %s", request.url.path, type(error).__name__)
    detail = "The service met an unexpected error; its log says more. No result was changed."
    # The outermost layer of the application answers here, outside the middleware that adds these headers.
    return answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail, headers=SECURITY_HEADERS)


def answer(
    request: Request,
    status: int,
    detail: str,
    members: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """The problem as JSON, or as a page where a person asked for one.

    Args:
        members: further members of `Problem`, such as `errors`.
    """
    title = HTTPStatus(status).phrase
    if not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", ""):
        context = {"title": title, "detail": detail}
        return TEMPLATES.TemplateResponse(request, "error.html", context, status_code=status, headers=headers)
    problem = Problem(title=title, status=status, detail=detail, instance=request.url.path, **(members or {}))
    content = jsonable_encoder(problem, exclude_none=True)
    return JSONResponse(content, status_code=status, headers=headers, media_type=MEDIA_TYPE)
