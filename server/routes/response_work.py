"""A request of the Responses API as work: for the request itself, and for a response carried on
after it. It must not admit, start or answer anything."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from planner.brief import Brief
from server.answer import Answerer, Commission, Order
from server.errors import ContextTooLong
from server.routes.service import Defaults
from server.routes.work import pinned_draws, pinned_writing
from server.wire.encode import Head
from server.wire.encode_responses import Drawn, head_fields
from server.wire.response_input import Turn, item_object, read_input
from server.wire.responses import ResponsesRequest, num_leading, shortened


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a request wants. turns: its whole conversation, earlier responses' included. fields:
    what its response will repeat."""

    body: ResponsesRequest
    turns: tuple[Turn, ...]
    brief: Brief
    order: Order
    fields: dict[str, Any]

    async def accept(self, answerer: Answerer, left_out: int | None = None) -> Commission:
        """Raises as ``accept``; a conversation may be shortened, if that was asked for. left_out:
        by how many turns it was, where that is known from before."""
        if left_out is not None:
            return await answerer.accept(shortened(self.brief, left_out), self.order)
        shorten = self.body.truncation == "auto"
        return await accept(answerer, self.brief, self.order, shorten=shorten)


def work_of(
    body: ResponsesRequest, turns: Sequence[Turn], head: Head, defaults: Defaults, *, stored: bool
) -> Work:
    """Raises BadRequest for what cannot be asked for."""
    order = order_of(body, head.id, defaults)
    drawn = Drawn(temperature=order.sampling.temperature, top_p=order.sampling.top_p)
    return Work(
        body=body,
        turns=tuple(turns),
        brief=body.brief(turns, defaults.efforts),
        order=order,
        fields={**head_fields(body, head, drawn), "store": stored},
    )


def kept_body(work: Work) -> bytes:
    """A request to be kept: with the whole conversation, so that earlier responses may be deleted,
    and with what this server's settings added, so that a restart with others carries it on."""
    writing = pinned_writing(work.body.writing, work.order, work.brief.reasoning_tokens)
    turns = [item_object(turn) for turn in work.turns]
    resolved = work.body.model_copy(
        update={**pinned_draws(work.order), "input": turns, "writing": writing}
    )
    body = resolved.model_dump(mode="json", exclude_none=True)
    return orjson.dumps({"fields": work.fields, "body": body})


def kept_fields(request: bytes) -> dict[str, Any]:
    """What the response of a kept request repeats."""
    fields: dict[str, Any] = orjson.loads(request)["fields"]
    return fields


def kept_turns(request: bytes) -> tuple[Turn, ...]:
    """The conversation of a kept request."""
    return _turns(orjson.loads(request)["body"]["input"])


def work_again(request: bytes, order_id: str, defaults: Defaults) -> Work:
    """The work of a kept request, once more."""
    kept = orjson.loads(request)
    body = ResponsesRequest.model_validate(kept["body"])
    turns = _turns(body.input)
    return Work(
        body=body,
        turns=turns,
        brief=body.brief(turns, defaults.efforts),
        order=order_of(body, order_id, defaults),
        fields=kept["fields"],
    )


def _turns(items: Any) -> tuple[Turn, ...]:
    return tuple(item for item in read_input(items) if isinstance(item, Turn))


def order_of(body: ResponsesRequest, response_id: str, defaults: Defaults) -> Order:
    """What is wanted beside the text.

    Raises:
        BadRequest: log-probabilities, stop strings or candidates that cannot be had.
    """
    return Order(
        id=response_id,
        stops=body.stops(),
        priority=body.priority or 0,
        best_of=body.candidates(defaults.candidates),
        sampling=body.sampling(
            temperature=defaults.temperature, top_p=defaults.top_p, logprobs=body.rivals()
        ),
    )


async def accept(answerer: Answerer, brief: Brief, order: Order, *, shorten: bool) -> Commission:
    """The work, without as many of the oldest turns as do not fit, if ``shorten``.

    Raises:
        ContextTooLong: it does not fit the window, or not even the last turn does.
        BadRequest, EngineUnavailable: as ``Answerer.accept``.
    """
    try:
        return await answerer.accept(brief, order)
    except ContextTooLong as error:
        too_long = ContextTooLong(error.message, param="input")
    shortest = len(brief.messages) - num_leading(brief) - 1
    fits: Commission | None = None
    # Fewer turns are fewer tokens, so the least number to leave out is found by halving.
    low, high = 1, shortest if shorten else 0
    while low <= high:
        middle = (low + high) // 2
        try:
            fits = await answerer.accept(shortened(brief, middle), order)
            fits = replace(fits, left_out=middle)
            high = middle - 1
        except ContextTooLong:
            low = middle + 1
    if fits is None:
        raise too_long
    return fits
