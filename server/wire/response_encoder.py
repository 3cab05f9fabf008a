"""The events of one request to the frames of a response, or to one body. No async, no HTTP."""

from collections.abc import Callable, Sequence

import orjson

from server.errors import LonghandError
from server.events import Channel, Choice, Ended, Fragment, Progress, Usage
from server.wire.encode import Folded, queued_comment
from server.wire.encode_responses import (
    ResponseHead,
    Standing,
    ended_standing,
    failure_of,
    response_object,
)
from server.wire.response_output import Output
from server.wire.response_sequence import NOTHING_YET, Telling


class ResponsesEncoder:
    """An ``encode.Encoder`` of the Responses API. ``now``: the time, in seconds since 1970.

    starting_after: the last event that the reader has.
    """

    def __init__(
        self, head: ResponseHead, now: Callable[[], int], *, starting_after: int = NOTHING_YET
    ) -> None:
        self._head = head
        self._now = now
        self._telling = Telling(head, starting_after=starting_after)
        self._ended: Ended | None = None

    def opening(self) -> bytes:
        return self._telling.opening()

    def heartbeat(self, queue_position: int | None = None) -> bytes:
        return queued_comment(queue_position) + self._telling.pulse()

    def chunk(self, choice: Choice, position: int | None = None) -> bytes:
        """``position`` says nothing here: a response has sequence numbers."""
        match choice.event:
            case Fragment() as fragment:
                return self._telling.fragment(fragment)
            case Progress() as progress:
                return self._telling.pulse(progress)
            case Ended() as ended:
                self._ended = ended
        return b""

    def closing(self, usage: Usage) -> bytes:
        assert self._ended is not None  # a draft that has not ended is failed or cancelled
        return self._telling.end(ended_standing(self._ended, usage, completed_at=self._now()))

    def failed(self, error: LonghandError) -> bytes:
        """How a stream that has begun ends when its draft cannot go on."""
        return self.opening() + self._telling.end(
            Standing(status="failed", failure=failure_of(error))
        )

    def whole(self, choices: Sequence[Folded], usage: Usage) -> bytes:
        [folded] = choices
        assert folded.ended is not None  # what failed has no whole answer
        output = Output(self._head.key)
        if folded.reasoning:
            output.add(Fragment(channel=Channel.REASONING, text="".join(folded.reasoning)))
        if folded.answer:
            output.add(
                Fragment(
                    channel=Channel.ANSWER,
                    text="".join(folded.answer),
                    logprobs=tuple(folded.logprobs),
                )
            )
        standing = ended_standing(folded.ended, usage, completed_at=self._now())
        if standing.status == "completed":
            output.settle()
        return orjson.dumps(response_object(self._head, standing, output))
