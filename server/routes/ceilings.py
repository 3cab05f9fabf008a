"""What one key may ask for in one request, held against it. It must not know keys or files.

What a request says is refused where it is too much, by the name of the field; what it leaves to the
server is lowered to what the key may have.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from planner.length import Asked
from server.answer import Commission
from server.callers.caller import Ceilings
from server.errors import OverCeiling
from server.routes.service import Defaults
from server.wire.chat import ChatRequest
from server.wire.completions import CompletionRequest
from server.wire.responses import ResponsesRequest

AnyRequest = ChatRequest | CompletionRequest | ResponsesRequest
Body = TypeVar("Body", ChatRequest, CompletionRequest, ResponsesRequest)

# The fields that bound a draft, the one that counts first.
_MOST_TOKENS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


def held(body: Body, ceilings: Ceilings) -> Body:
    """The request, with a bound on its tokens if it has none and its key has.

    Raises:
        OverCeiling: it asks for more tokens or drafts than its key may have.
    """
    _check_drafts(body, ceilings)
    return _bounded(body, ceilings)


def lowered(defaults: Defaults, ceilings: Ceilings) -> Defaults:
    """What holds where a request says nothing, for a key with these ceilings."""
    most, candidates = _most_drafts(ceilings), defaults.candidates
    if most is None or candidates.drafts <= most:
        return defaults
    return replace(defaults, candidates=replace(candidates, drafts=most))


def planned(
    accept: Callable[[], Awaitable[Commission]], ceilings: Ceilings, text: str
) -> Callable[[], Awaitable[Commission]]:
    """``accept`` that also looks at the length that was read from the request. text: the field
    that has the task.

    Raises, when called:
        OverCeiling: it is more than the key may ask for.
    """

    async def accepted() -> Commission:
        commission = await accept()
        check_words(commission.rules.asked, ceilings, text)
        return commission

    return accepted


def check_words(asked: Asked, ceilings: Ceilings, text: str) -> None:
    """Raises OverCeiling for a length that is more than the key may ask for; one that a model was
    asked for is nobody's wish."""
    most, words = ceilings.max_words, asked.high_words
    fields = {"field": "writing.words", "prompt": text}
    if most is not None and words is not None and words > most and asked.source in fields:
        raise _over(fields[asked.source], f"{words} words", most)


def _check_drafts(body: AnyRequest, ceilings: Ceilings) -> None:
    asked = {"n": body.n or 1}
    if isinstance(body, CompletionRequest):
        asked["prompt"] = (body.n or 1) * len(body.prompts())
    elif body.writing is not None:
        asked["writing.best_of"] = body.writing.best_of or 1
    most = _most_drafts(ceilings)
    for field, drafts in asked.items():
        if most is not None and drafts > most:
            raise _over(field, f"{drafts} drafts", most)


def _most_drafts(ceilings: Ceilings) -> int | None:
    """Of one request; with more than may be under way at all, it would never begin."""
    set_ = [most for most in (ceilings.max_best_of, ceilings.max_drafts) if most is not None]
    return min(set_, default=None)


def _bounded(body: Body, ceilings: Ceilings) -> Body:
    most = ceilings.max_tokens
    if most is None:
        return body
    fields = [name for name in _MOST_TOKENS if name in type(body).model_fields]
    given = {name: getattr(body, name) for name in fields if getattr(body, name) is not None}
    for name, tokens in given.items():
        if tokens > most:
            raise _over(name, f"{tokens} tokens", most)
    # A raw text is carried on by a few tokens only, unless more are asked for.
    least = body.length_tokens if isinstance(body, CompletionRequest) else most
    return body if given else body.model_copy(update={fields[0]: min(least, most)})


def _over(field: str, asked: str, most: int) -> OverCeiling:
    return OverCeiling(f"{field}: {asked} are over this key's limit of {most}", param=field)
