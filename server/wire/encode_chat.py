"""Events to ``chat.completion`` and its chunks. No async, no HTTP.

A chunk's constant parts are encoded once per request; per event only the text is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from server.errors import LonghandError
from server.events import Channel, Choice, Ended, Fragment, Progress, TokenLogprob, Usage
from server.wire.encode import (
    DONE,
    Folded,
    Head,
    Style,
    failure,
    frame,
    one_line,
    queued_comment,
    usage_object,
)
from server.wire.encode_writing import (
    kept_object,
    position_object,
    progress_object,
    writing_object,
)

_OPEN_END = b',"logprobs":null,"finish_reason":null}]}\n\n'
_POSITIONED_END = b',"logprobs":null,"finish_reason":null}],"writing":{"position":%d}}\n\n'


class ChatEncoder:
    """``chat.completion`` and ``chat.completion.chunk``."""

    def __init__(self, head: Head, style: Style, *, n: int, draft_id: str | None = None) -> None:
        self._head = head
        self._draft_id = draft_id
        self._style = style
        self._n = n
        shared = orjson.dumps(head.fields("chat.completion.chunk"))[:-1]
        self._starts = [
            b"data: " + shared + b',"choices":[{"index":%d,"delta":' % index for index in range(n)
        ]

    def _frame(self, index: int, delta: bytes, rest: bytes = b"") -> bytes:
        return self._starts[index] + delta + (rest or _OPEN_END)

    def opening(self) -> bytes:
        first = b'{"role":"assistant","content":""}'
        rest = b"" if self._draft_id is None else _open_end(kept_object(self._draft_id, 0))
        return b"".join(self._frame(index, first, rest) for index in range(self._n))

    def heartbeat(self, queue_position: int | None = None) -> bytes:
        empty = b'{"content":""}'
        if queue_position is not None and self._style.show_progress:
            return self._frame(0, empty, _open_end({"queue_position": queue_position}))
        return queued_comment(queue_position) + self._frame(0, empty)

    def chunk(self, choice: Choice, position: int | None = None) -> bytes:
        match choice.event:
            case Fragment(channel=Channel.REASONING, text=text):
                return self._reasoning(choice.index, text, position)
            case Fragment(text=text, logprobs=logprobs):
                delta = b'{"content":' + one_line(orjson.dumps(text)) + b"}"
                return self._frame(choice.index, delta, _rest(logprobs, position))
            case Ended(finish_reason=reason) as ended:
                rest = b',"logprobs":null,"finish_reason":"%s"}],"writing":%s}\n\n'
                report = orjson.dumps({**writing_object(ended), **position_object(position)})
                return self._frame(choice.index, b"{}", rest % (reason.encode(), report))
            case Progress() as progress:
                return self._progress(progress)
            case _:
                return b""

    def _progress(self, progress: Progress) -> bytes:
        """A chunk without text, so that clients which count data see that there is life."""
        if not self._style.show_progress:
            return self.heartbeat()
        return self._frame(0, b'{"content":""}', _open_end(progress_object(progress)))

    def _reasoning(self, index: int, text: str, position: int | None) -> bytes:
        if not self._style.show_reasoning:
            return b""
        value = one_line(orjson.dumps(text))
        name = self._style.reasoning_field
        if name == "both":
            delta = b'{"reasoning":' + value + b',"reasoning_content":' + value + b"}"
        else:
            delta = b'{"' + name.encode() + b'":' + value + b"}"
        return self._frame(index, delta, _rest((), position))

    def closing(self, usage: Usage) -> bytes:
        if not self._style.show_usage:
            return DONE
        fields = self._head.fields("chat.completion.chunk")
        last = {**fields, "choices": [], "usage": usage_object(usage)}
        return frame(orjson.dumps(last)) + DONE

    def failed(self, error: LonghandError) -> bytes:
        return failure(error)

    def whole(self, choices: Sequence[Folded], usage: Usage) -> bytes:
        told = [self._choice(index, folded) for index, folded in enumerate(choices)]
        reports = [folded.ended and writing_object(folded.ended) for folded in choices]
        body = {**self._head.fields("chat.completion"), "choices": told}
        kept = {} if self._draft_id is None else {"draft_id": self._draft_id}
        if len(told) == 1:
            body["writing"] = {**(reports[0] or {}), **kept}
        else:
            body.update({"writing": kept} if kept else {})
            body["choices"] = [
                {**choice, "writing": report} for choice, report in zip(told, reports, strict=True)
            ]
        return orjson.dumps({**body, "usage": usage_object(usage)})

    def _choice(self, index: int, folded: Folded) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(folded.answer),
            "refusal": None,
        }
        reasoning = "".join(folded.reasoning)
        if self._style.show_reasoning and reasoning:
            name = self._style.reasoning_field
            names = ("reasoning", "reasoning_content") if name == "both" else (name,)
            message.update(dict.fromkeys(names, reasoning))
        logprobs = chat_logprobs(folded.logprobs) if self._style.show_logprobs else None
        return {
            "index": index,
            "message": message,
            "logprobs": logprobs,
            "finish_reason": folded.finish_reason,
        }


def _rest(logprobs: Sequence[TokenLogprob], position: int | None) -> bytes:
    """What follows a delta in its chunk, from the log-probabilities on."""
    if not logprobs:
        return b"" if position is None else _POSITIONED_END % position
    told = one_line(orjson.dumps(chat_logprobs(logprobs)))
    writing = b"" if position is None else b',"writing":{"position":%d}' % position
    return b',"logprobs":' + told + b',"finish_reason":null}]' + writing + b"}\n\n"


def _open_end(writing: Mapping[str, Any]) -> bytes:
    """The end of a chunk that tells of more than text."""
    return b',"logprobs":null,"finish_reason":null}],"writing":' + orjson.dumps(writing) + b"}\n\n"


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    """OpenAI's ``choices[].logprobs`` of a chat."""
    return {
        "content": [
            {**_chat_logprob(token), "top_logprobs": [_chat_logprob(rival) for rival in token.top]}
            for token in tokens
        ],
        "refusal": None,
    }


def _chat_logprob(token: TokenLogprob) -> dict[str, Any]:
    return {
        "token": token.token,
        "logprob": token.logprob,
        "bytes": list(token.token.encode("utf-8", "replace")),
    }
