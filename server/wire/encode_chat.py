"""Events to ``chat.completion`` and its chunks. No async, no HTTP.

A chunk's constant parts are encoded once per request; per event only the text is.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from server.events import Channel, Choice, Ended, Fragment, Progress, TokenLogprob, Usage
from server.wire.encode import DONE, Folded, Head, Style, frame, one_line, usage_object
from server.wire.encode_writing import progress_object, writing_object

_OPEN_END = b',"logprobs":null,"finish_reason":null}]}\n\n'


class ChatEncoder:
    """``chat.completion`` and ``chat.completion.chunk``."""

    def __init__(self, head: Head, style: Style, *, n: int) -> None:
        self._head = head
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
        return b"".join(self._frame(index, first) for index in range(self._n))

    def heartbeat(self) -> bytes:
        return self._frame(0, b'{"content":""}')

    def chunk(self, choice: Choice) -> bytes:
        match choice.event:
            case Fragment(channel=Channel.REASONING, text=text):
                return self._reasoning(choice.index, text)
            case Fragment(text=text, logprobs=()):
                return self._frame(
                    choice.index, b'{"content":' + one_line(orjson.dumps(text)) + b"}"
                )
            case Fragment(text=text, logprobs=logprobs):
                return self._frame(
                    choice.index,
                    b'{"content":' + one_line(orjson.dumps(text)) + b"}",
                    b',"logprobs":'
                    + one_line(orjson.dumps(chat_logprobs(logprobs)))
                    + b',"finish_reason":null}]}\n\n',
                )
            case Ended(finish_reason=reason) as ended:
                rest = b',"logprobs":null,"finish_reason":"%s"}],"writing":%s}\n\n'
                report = orjson.dumps(writing_object(ended))
                return self._frame(choice.index, b"{}", rest % (reason.encode(), report))
            case Progress() as progress:
                return self._progress(progress)
            case _:
                return b""

    def _progress(self, progress: Progress) -> bytes:
        """A chunk without text, so that clients which count data see that there is life."""
        if not self._style.show_progress:
            return self.heartbeat()
        rest = b',"logprobs":null,"finish_reason":null}],"writing":%s}\n\n'
        return self._frame(0, b'{"content":""}', rest % orjson.dumps(progress_object(progress)))

    def _reasoning(self, index: int, text: str) -> bytes:
        if not self._style.show_reasoning:
            return b""
        value = one_line(orjson.dumps(text))
        name = self._style.reasoning_field
        if name == "both":
            delta = b'{"reasoning":' + value + b',"reasoning_content":' + value + b"}"
        else:
            delta = b'{"' + name.encode() + b'":' + value + b"}"
        return self._frame(index, delta)

    def closing(self, usage: Usage) -> bytes:
        if not self._style.show_usage:
            return DONE
        fields = self._head.fields("chat.completion.chunk")
        last = {**fields, "choices": [], "usage": usage_object(usage)}
        return frame(orjson.dumps(last)) + DONE

    def whole(self, choices: Sequence[Folded], usage: Usage) -> bytes:
        told = [self._choice(index, folded) for index, folded in enumerate(choices)]
        reports = [folded.ended and writing_object(folded.ended) for folded in choices]
        body = {**self._head.fields("chat.completion"), "choices": told}
        if len(told) == 1:
            body["writing"] = reports[0]
        else:
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
