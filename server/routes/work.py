"""A request's body as work to be done, for the request itself and for a draft carried on after it.

It must not admit, start or answer anything.
"""

from dataclasses import replace

from planner.brief import Brief
from server.answer import Order
from server.routes.service import Defaults
from server.wire.chat import ChatRequest, Writing, to_brief
from server.wire.completions import CompletionRequest


def chat_work(body: ChatRequest, defaults: Defaults, order_id: str) -> tuple[Brief, Order]:
    """What a chat request asks for.

    Raises:
        BadRequest: it cannot be asked for.
    """
    brief = to_brief(body, defaults.efforts)
    order = Order(
        id=order_id,
        n=body.drafts(defaults.max_n),
        stops=body.stops(),
        priority=body.priority or 0,
        best_of=body.candidates(defaults.candidates),
        sampling=body.sampling(
            temperature=defaults.temperature, top_p=defaults.top_p, logprobs=body.rivals()
        ),
    )
    return brief, order


def completion_work(body: CompletionRequest, defaults: Defaults, order_id: str) -> Order:
    """What a completion request asks for, but its prompts.

    Raises:
        BadRequest: it cannot be asked for.
    """
    return Order(
        id=order_id,
        n=body.drafts(defaults.max_n),
        stops=body.stops(),
        priority=body.priority or 0,
        sampling=body.sampling(
            temperature=defaults.temperature, top_p=defaults.top_p, logprobs=body.logprobs
        ),
    )


def chat_body(body: ChatRequest, order: Order, reasoning_tokens: int | None) -> bytes:
    """A chat request to be kept: with what this server's settings added to it, so that a restart
    with other settings carries on what was begun."""
    writing = pinned_writing(body.writing, order, reasoning_tokens)
    resolved = body.model_copy(update={**pinned_draws(order), "writing": writing})
    return resolved.model_dump_json(exclude_none=True).encode()


def completion_body(body: CompletionRequest, order: Order) -> bytes:
    """The same of a completion request."""
    resolved = body.model_copy(update=pinned_draws(order))
    return resolved.model_dump_json(exclude_none=True).encode()


def pinned_draws(order: Order) -> dict[str, float]:
    """How the text is drawn, as fields of a request, this server's settings included."""
    return {"temperature": order.sampling.temperature, "top_p": order.sampling.top_p}


def pinned_writing(writing: Writing | None, order: Order, reasoning_tokens: int | None) -> Writing:
    """What a caller said of the writing, and what this server's settings added to it."""
    also: dict[str, object] = {}
    if order.best_of is not None:
        also["best_of"] = order.best_of.drafts
        also["rewards"] = dict(order.best_of.weights)
    if reasoning_tokens is not None:
        also["reasoning_tokens"] = reasoning_tokens
    return (writing or Writing()).model_copy(update=also)


def for_kept(defaults: Defaults) -> Defaults:
    """What holds for a request that was kept: it says how many drafts it chooses from, if it
    chooses. (No field could say that all of ``n`` drafts are shown as they come.)"""
    return replace(defaults, candidates=replace(defaults.candidates, drafts=1))
