"""Events to ``text_completion``, whole and in chunks. No async, no HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from server.errors import LonghandError
from server.events import Choice, Ended, Fragment, TokenLogprob, Usage
from server.wire.encode import (
    DONE,
    Folded,
    Head,
    Style,
    failure,
    frame,
    queued_comment,
    usage_object,
)
from server.wire.encode_writing import kept_object, position_object


class CompletionEncoder:
    """``text_completion``, whole and in chunks."""

    def __init__(self, head: Head, style: Style, *, draft_id: str | None = None) -> None:
        self._head = head
        self._draft_id = draft_id
        self._style = style
        self._lengths: dict[int, int] = {}

    def opening(self) -> bytes:
        if self._draft_id is None:
            return b""
        return self._frame(0, "", writing=kept_object(self._draft_id, 0))

    def heartbeat(self, queue_position: int | None = None) -> bytes:
        return queued_comment(queue_position) + self._frame(0, "")

    def chunk(self, choice: Choice, position: int | None = None) -> bytes:
        writing = position_object(position)
        match choice.event:
            case Fragment(text=text, logprobs=logprobs):
                offset = self._lengths.get(choice.index, 0)
                self._lengths[choice.index] = offset + len(text)
                told = completion_logprobs(logprobs, offset) if self._style.show_logprobs else None
                return self._frame(choice.index, text, told, writing=writing)
            case Ended(finish_reason=reason):
                return self._frame(choice.index, "", reason=reason, writing=writing)
            case _:
                return b""

    def _frame(
        self,
        index: int,
        text: str,
        logprobs: dict[str, Any] | None = None,
        *,
        reason: str | None = None,
        writing: Mapping[str, Any] | None = None,
    ) -> bytes:
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}
        body = {**self._head.fields("text_completion"), "choices": [choice]}
        return frame(orjson.dumps({**body, "writing": writing} if writing else body))

    def closing(self, usage: Usage) -> bytes:
        if not self._style.show_usage:
            return DONE
        last = {**self._head.fields("text_completion"), "choices": [], "usage": usage_object(usage)}
        return frame(orjson.dumps(last)) + DONE

    def failed(self, error: LonghandError) -> bytes:
        return failure(error)

    def whole(self, choices: Sequence[Folded], usage: Usage) -> bytes:
        return orjson.dumps(
            {
                **self._head.fields("text_completion"),
                "choices": [
                    {
                        "index": index,
                        "text": "".join(folded.answer),
                        "logprobs": completion_logprobs(folded.logprobs, 0)
                        if self._style.show_logprobs
                        else None,
                        "finish_reason": folded.finish_reason,
                    }
                    for index, folded in enumerate(choices)
                ],
                **({"writing": {"draft_id": self._draft_id}} if self._draft_id else {}),
                "usage": usage_object(usage),
            }
        )


def completion_logprobs(tokens: Sequence[TokenLogprob], offset: int) -> dict[str, Any]:
    """OpenAI's ``choices[].logprobs`` of a completion; offsets are in characters."""
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{rival.token: rival.logprob for rival in token.top} for token in tokens],
        "text_offset": offsets,
    }
