"""The ``response`` object of the Responses API, as it stands at any moment. No events, no frames,
no HTTP.

Fields and their order follow OpenAI's published schema (github.com/openai/openai-openapi, 2.3.0). A
field that may not be null there is left out until it has a value (``usage``, ``user``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

from server.errors import LonghandError
from server.events import Ended, Usage
from server.wire.encode import Head
from server.wire.encode_writing import writing_object
from server.wire.response_input import Turn, item_object
from server.wire.response_output import ItemStatus, Output
from server.wire.responses import ResponsesRequest

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]

PREFIX: Final = "resp_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a response failed, in the words of OpenAI's schema, which knows few codes."""

    code: str
    message: str
    param: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a response stands beside its output.

    completed_at: seconds since 1970, of one that is completed. usage, writing: of one that ended.
    """

    status: Status
    completed_at: int | None = None
    usage: Usage | None = None
    writing: Mapping[str, Any] | None = None
    failure: Failure | None = None

    @property
    def over(self) -> bool:
        return self.status not in ("queued", "in_progress")

    @property
    def last_item(self) -> ItemStatus:
        """The status of the item that was being written."""
        if not self.over:
            return "in_progress"
        return "completed" if self.status == "completed" else "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """What every telling of one response repeats: its name, and what was asked for, as JSON."""

    id: str
    fields: Mapping[str, Any]

    @property
    def key(self) -> str:
        return self.id.removeprefix(PREFIX)

    @property
    def background(self) -> bool:
        return bool(self.fields["background"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """How the text is drawn, as the response says it."""

    temperature: float
    top_p: float


def head_fields(request: ResponsesRequest, head: Head, drawn: Drawn) -> dict[str, Any]:
    """The part of the response that is known when it is accepted."""
    reasoning = request.reasoning
    fields = {
        "id": head.id,
        "object": "response",
        "created_at": head.created,
        "model": head.model,
        "background": bool(request.background),
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": None,
        "metadata": request.metadata or {},
        "parallel_tool_calls": False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        # What is asked for with "auto" is a summary if there is one, and there is none.
        "reasoning": {"effort": reasoning and reasoning.effort, "summary": None},
        "safety_identifier": request.safety_identifier,
        # All are served alike, which the schema allows to say: the tier used, not the one asked.
        "service_tier": "default",
        "store": request.store is not False,
        "temperature": drawn.temperature,
        "text": {"format": {"type": "text"}},
        "tool_choice": "none" if _wants_no_tools(request) else "auto",
        "tools": [],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": drawn.top_p,
        "truncation": request.truncation or "disabled",
    }
    return fields if request.user is None else {**fields, "user": request.user}


def _wants_no_tools(request: ResponsesRequest) -> bool:
    return (request.model_extra or {}).get("tool_choice") == "none"


def response_object(head: ResponseHead, standing: Standing, output: Output) -> dict[str, Any]:
    """The response as it stands."""
    failure = standing.failure
    told: dict[str, Any] = {
        **head.fields,
        "status": standing.status,
        "completed_at": standing.completed_at,
        "error": failure and _error_object(failure),
        "incomplete_details": (
            {"reason": "max_output_tokens"} if standing.status == "incomplete" else None
        ),
        "output": output.objects(standing.last_item),
    }
    if standing.usage is not None:
        told["usage"] = usage_object(standing.usage)
    if standing.writing is not None:
        told["writing"] = standing.writing
    return told


def usage_object(usage: Usage) -> dict[str, Any]:
    """Nothing is billed for writing to a cache, so that no such tokens are counted."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def failure_of(error: LonghandError) -> Failure:
    """An error by the codes that the schema allows; ours stays in the sentence."""
    code = "server_error"
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        code = "rate_limit_exceeded"
    elif error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        code = "invalid_prompt"
    return Failure(code=code, message=error.message, param=error.param, type=error.type)


def ended_standing(ended: Ended, usage: Usage, *, completed_at: int) -> Standing:
    """How a response stands whose draft came to its end."""
    complete = ended.finish_reason == "stop"
    return Standing(
        status="completed" if complete else "incomplete",
        completed_at=completed_at if complete else None,
        usage=usage,
        writing=writing_object(ended),
    )


def _error_object(failure: Failure) -> dict[str, Any]:
    return {
        "code": failure.code,
        "message": failure.message,
        "param": failure.param,
        "type": failure.type,
    }


def deleted_object(response_id: str) -> dict[str, Any]:
    return {"id": response_id, "object": "response", "deleted": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is wanted. ``after``: the id behind which it begins."""

    limit: int = 20
    descending: bool = True
    after: str | None = None


def items_page(turns: Sequence[Turn], page: Page) -> dict[str, Any]:
    """One page of the input items. Nothing is behind an id that is not in the list.

    Worked example: of items 0, 1, 2, newest first and two a page: 2, 1 and more; after 1: 0.
    """
    ordered = list(reversed(turns)) if page.descending else list(turns)
    if page.after is not None:
        ids = [turn.id for turn in ordered]
        ordered = ordered[ids.index(page.after) + 1 :] if page.after in ids else []
    shown = ordered[: page.limit]
    return {
        "object": "list",
        "data": [item_object(turn) for turn in shown],
        "first_id": shown[0].id if shown else "",
        "last_id": shown[-1].id if shown else "",
        "has_more": len(ordered) > len(shown),
    }
