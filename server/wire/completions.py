"""The body of ``POST /v1/completions``: a raw text carried on as it is. No engine, no I/O."""

from typing import Annotated

from pydantic import Field

from server.errors import BadRequest
from server.wire.fields import SharedFields, check_text

# OpenAI's default for this route.
DEFAULT_MAX_TOKENS = 16

TokenIds = list[Annotated[int, Field(ge=0)]]


class CompletionRequest(SharedFields):
    """OpenAI's legacy request. ``prompt`` is a text or token ids, or a list of either."""

    prompt: str | TokenIds | list[str] | list[TokenIds]
    logprobs: int | None = Field(None, ge=0, le=20)

    def prompts(self) -> tuple[str | tuple[int, ...], ...]:
        """One or more prompts, each a text or token ids.

        Raises:
            BadRequest: there is none, or one is empty.
        """
        given = self.prompt
        if isinstance(given, str):
            found: list[str | tuple[int, ...]] = [given]
        elif given and isinstance(given[0], int):
            found = [tuple(token for token in given if isinstance(token, int))]
        else:
            found = [one if isinstance(one, str) else tuple(one) for one in _texts(given)]
        if not found or not all(found):
            raise BadRequest("prompt: an empty prompt cannot be carried on", param="prompt")
        check_text("".join(one for one in found if isinstance(one, str)), "prompt")
        return tuple(found)

    @property
    def length_tokens(self) -> int:
        return self.max_tokens or DEFAULT_MAX_TOKENS


def _texts(given: TokenIds | list[str] | list[TokenIds]) -> list[str | TokenIds]:
    return [one for one in given if not isinstance(one, int)]
