"""Every error as OpenAI's envelope, on every path. It must not let text of a request out."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.errors import (
    UNEXPECTED,
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    Internal,
    LonghandError,
    MethodNotAllowed,
    NotFound,
    NotJson,
    Unauthorized,
)
from server.routes.service import request_id, service_of
from server.wire.encode import error_object

logger = logging.getLogger(__name__)

_BY_STATUS: dict[int, type[LonghandError]] = {
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.METHOD_NOT_ALLOWED: MethodNotAllowed,
    HTTPStatus.REQUEST_TIMEOUT: BodyTooSlow,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: BodyTooLarge,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: NotJson,
    HTTPStatus.UNAUTHORIZED: Unauthorized,
}


def install(app: FastAPI) -> None:
    """Registers the handlers on an application."""
    app.add_exception_handler(LonghandError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_anything)


def refusal(
    error: LonghandError, request: Request, also: Mapping[str, str] | None = None
) -> Response:
    """The response of an error. openai-python obeys ``retry-after`` up to 60 s and would repeat
    a request that can never succeed unless told by ``x-should-retry``."""
    service_of(request).metrics.callers.refused.labels(reason=error.reason).inc()
    headers = {**(also or {}), "x-request-id": request_id(request)}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if error.status == HTTPStatus.REQUEST_TIMEOUT:
        # What is still missing of the body is not waited for.
        headers["connection"] = "close"
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        headers["x-should-retry"] = "false" if error.retry_after_s is None else "true"
    return Response(
        orjson.dumps(error_object(error)),
        error.status,
        headers=headers,
        media_type="application/json",
    )


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, LonghandError)
    return refusal(error, request)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = _BY_STATUS.get(error.status_code, BadRequest)
    where = f"{request.method} {request.url.path}: " if kind in (NotFound, MethodNotAllowed) else ""
    # A 405 brings its Allow header along (RFC 9110, section 15.5.6).
    return refusal(kind(f"{where}{error.detail}"), request, error.headers)


async def _on_anything(request: Request, error: Exception) -> Response:
    # uvicorn logs the traceback; this line ties it to the id that the client was given.
    logger.error("a request failed", extra={"request_id": request_id(request)})
    return refusal(Internal(UNEXPECTED), request)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    declared = request.headers.get("content-type", "")
    of_body = any(each["loc"][0] == "body" for each in error.errors())
    if of_body and "json" not in declared.lower():
        return refusal(
            NotJson(f"the body must be application/json, not {declared or 'undeclared'!r}"), request
        )
    return refusal(_bad_request(error.errors()), request)


def _bad_request(errors: Sequence[Any]) -> BadRequest:
    """The first error, or the one that got furthest into a union, as one sentence."""
    first = errors[0]
    if first["type"] == "json_invalid":
        reason = (first.get("ctx") or {}).get("error", "")
        return BadRequest(f"the body is not valid JSON: {reason}", code="invalid_json")
    same = [e for e in errors if _field(e["loc"]).startswith(_field(first["loc"]))]
    deepest = max(same, key=lambda e: len(e["loc"]))
    field = _field(deepest["loc"])
    limits = {k: v for k, v in (deepest.get("ctx") or {}).items() if isinstance(v, int | float)}
    limit = (
        f" ({json.dumps(limits)})"
        if limits and not any(c.isdigit() for c in deepest["msg"])
        else ""
    )
    return BadRequest(f"{field or 'body'}: {deepest['msg']}{limit}", param=field or None)


def _field(location: Sequence[str | int]) -> str:
    """``("body", "messages", 0, "content", "str")`` as ``messages[0].content``: pydantic names
    the branch of a union too, which is no field of the caller's."""
    name = ""
    for part in location[1:]:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part.isidentifier() and part not in {"str", "int", "bool", "float"}:
            name += f".{part}" if name else part
    return name
