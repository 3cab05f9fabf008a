"""The tree of errors a client can meet; each knows its HTTP answer. It must not format responses.

    LonghandError
     +- BadRequest           400  the request is wrong; says which field
     |   +- ContextTooLong   400  the prompt does not fit the window
     +- Unauthorized         401  no key or a wrong one
     +- OverCeiling          403  more than this key may ask for; says which field
     +- NotFound             404  no such model or route
     +- MethodNotAllowed     405
     +- BodyTooSlow          408  the body did not come in time
     +- BodyTooLarge         413
     +- NotJson              415
     +- RateLimited          429  this caller has its share already
     |   +- TooManyRequests  429  of requests in a minute
     |   +- TooManyTokens    429  of tokens in a minute
     +- Overloaded           503  the queue is full
     +- EngineUnavailable    503  loading, restarting or shut down; nothing was written
     +- EngineDied           503  it went in the middle of a draft
     +- StoreUnavailable     503  drafts cannot be stored or read now
     +- LeaseLost            409  another gateway writes the draft, or it is over
     +- DraftCancelled       409  somebody cancelled the draft that is read
     +- NotInterrupted       409  the draft cannot be carried on: it is written, over or another's
     +- DraftInterrupted     503  the draft is kept; it goes on later, or elsewhere
     +- KeyReused            422  an Idempotency-Key came again with another body
     +- Internal             500  a fault of ours

Status, type and code follow OpenAI's error table (platform.openai.com/docs/guides/error-codes).
"""

from http import HTTPStatus
from typing import ClassVar


class LonghandError(Exception):
    """An error with its HTTP status, OpenAI ``type`` and ``code``, and retry advice in seconds."""

    status: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code
        self.retry_after_s = retry_after_s

    @property
    def reason(self) -> str:
        """What a refusal is counted as: a name of ours, never a caller's text."""
        return self.code or "other"


class BadRequest(LonghandError):
    """The request cannot be served as it stands; ``param`` names the field."""

    status = HTTPStatus.BAD_REQUEST
    type = "invalid_request_error"
    default_code = "invalid_value"


class ContextTooLong(BadRequest):
    """Prompt and answer do not fit the context window."""

    default_code = "context_length_exceeded"


class Unauthorized(LonghandError):
    """No API key, or one that is not known."""

    status = HTTPStatus.UNAUTHORIZED
    type = "authentication_error"
    default_code = "invalid_api_key"


class OverCeiling(LonghandError):
    """More than this key may ask for in one request; ``param`` names the field."""

    status = HTTPStatus.FORBIDDEN
    type = "invalid_request_error"
    default_code = "key_limit_exceeded"


class NotFound(LonghandError):
    """No such route or model."""

    status = HTTPStatus.NOT_FOUND
    type = "invalid_request_error"
    default_code = "not_found"


class MethodNotAllowed(LonghandError):
    """The route exists, the method does not."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class BodyTooSlow(LonghandError):
    """The body did not come in time; the connection is closed (RFC 9110, section 15.5.9)."""

    status = HTTPStatus.REQUEST_TIMEOUT
    type = "invalid_request_error"
    default_code = "body_too_slow"


class BodyTooLarge(LonghandError):
    """The body is over the limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    type = "invalid_request_error"
    default_code = "body_too_large"


class NotJson(LonghandError):
    """The body is not declared as JSON."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    type = "invalid_request_error"
    default_code = "unsupported_media_type"


class RateLimited(LonghandError):
    """This caller has as many drafts under way as one key may."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"


class TooManyRequests(RateLimited):
    """This caller has sent as many requests as one key may in a minute."""

    @property
    def reason(self) -> str:
        return "requests_per_minute"


class TooManyTokens(RateLimited):
    """This caller has had more tokens written than one key may in a minute."""

    @property
    def reason(self) -> str:
        return "tokens_per_minute"


class Overloaded(LonghandError):
    """Every slot is taken and the queue is full."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = "server_error"
    default_code = "overloaded"


class EngineUnavailable(LonghandError):
    """No engine can answer now; another, or the same one later, may."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = "server_error"
    default_code = "engine_unavailable"


class EngineDied(EngineUnavailable):
    """The engine ended while it was writing."""

    default_code = "engine_died"


class StoreUnavailable(LonghandError):
    """Drafts cannot be stored or read now. ``code`` tells why: "store_unavailable" (away),
    "store_full", "store_damaged", "store_locked" or "store_too_new"."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = "server_error"
    default_code = "store_unavailable"


class LeaseLost(LonghandError):
    """The draft is over, deleted, or another gateway writes it; nothing was stored."""

    status = HTTPStatus.CONFLICT
    type = "server_error"
    default_code = "lease_lost"


class DraftCancelled(LonghandError):
    """Somebody cancelled the draft; what was written till then is kept."""

    status = HTTPStatus.CONFLICT
    type = "invalid_request_error"
    default_code = "draft_cancelled"


class DraftInterrupted(LonghandError):
    """Nobody writes the draft now; it is kept, and can be carried on from where it is."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = "server_error"
    default_code = "draft_interrupted"


class NotInterrupted(LonghandError):
    """A draft is to be carried on that is being written, or over, or of another model."""

    status = HTTPStatus.CONFLICT
    type = "invalid_request_error"
    default_code = "draft_not_interrupted"


class KeyReused(LonghandError):
    """An ``Idempotency-Key`` came again with another body (section 2.7 of
    draft-ietf-httpapi-idempotency-key-header)."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    type = "invalid_request_error"
    default_code = "idempotency_key_reused"


class Internal(LonghandError):
    """A fault of ours; the log has the traceback, the client gets none of it."""

    default_code = "internal_error"


UNEXPECTED = "something went wrong here; the server's log has the details under the request id"


class CannotServe(Exception):
    """The server cannot start as it is set; the message is a sentence for the operator."""
