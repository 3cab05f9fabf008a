"""The events of a response and their numbers: what is told, in which order, under which number.
Pure: the same text gives the same frames, in whatever pieces it comes, whenever it is told again.

    response.created, response.queued (in the background), response.in_progress
    of each item: response.output_item.added, response.content_part.added,
        response.reasoning_text.delta or response.output_text.delta, again and again,
        ...done, response.content_part.done, response.output_item.done
    response.completed | response.incomplete | response.failed

Numbers count from 0 without a gap, as OpenAI's do. Deltas are cut by ``response_deltas``, and not
where an engine's pieces end, so that a number means one place in the text for ever: a reader
``starting_after`` N gets what is behind N, character by character, from whoever tells it. Text that
comes with log-probabilities is told in the pieces in which it came; stores keep these apart.

How the candidates of a best-of request are getting on is told by the last event once more, under
its own number. A cancelled response ends with ``response.incomplete`` whose response has the status
"cancelled": the published schema has no event of its own for that, and a reader must be told.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from server.errors import LonghandError
from server.events import Channel, Fragment, Progress, TokenLogprob
from server.wire.encode import one_line
from server.wire.encode_responses import ResponseHead, Standing, Status, response_object
from server.wire.encode_writing import progress_object
from server.wire.response_deltas import Cutter
from server.wire.response_output import ItemStatus, Output, OutputItem, delta_logprob

_TEXTS: Final = {
    Channel.REASONING: "response.reasoning_text",
    Channel.ANSWER: "response.output_text",
}
_ENDS: Final[Mapping[Status, str]] = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "cancelled": "response.incomplete",
    "failed": "response.failed",
}
NOTHING_YET: Final = -1


class Telling:
    """One telling of a response, from its first event on; each call returns frames.

    starting_after: the last number that the reader has; nothing up to it is encoded again.
    """

    def __init__(self, head: ResponseHead, *, starting_after: int = NOTHING_YET) -> None:
        self.output = Output(head.key)
        self._head = head
        self._after = starting_after
        self._number = 0
        self._is_started = False
        self._cutter = Cutter()
        self._delta_start = b""

    def opening(self) -> bytes:
        """Before anything is written; nothing the second time. What is written in the background
        is queued until ``started``."""
        if self._number:
            return b""
        if not self._head.background:
            return self._lifecycle("response.created", "in_progress") + self.started()
        return self._lifecycle("response.created", "queued") + self._lifecycle(
            "response.queued", "queued"
        )

    def started(self) -> bytes:
        """It is being written now; nothing the second time."""
        if self._is_started:
            return b""
        self._is_started = True
        return self._lifecycle("response.in_progress", "in_progress")

    def pulse(self, progress: Progress | None = None) -> bytes:
        """A sign of life while nothing is shown: the last event, told again, with how the
        candidates are getting on."""
        if self.output.items:
            return b""
        begun = self.opening() + (b"" if progress is None else self.started())
        if begun:
            return begun
        self._number -= 1
        status: Status = "in_progress" if self._is_started else "queued"
        writing = None if progress is None else progress_object(progress)
        return self._response(f"response.{status}", Standing(status=status, writing=writing))

    def fragment(self, fragment: Fragment) -> bytes:
        """Text that was written, as the deltas that are complete with it."""
        opened = b""
        if self.output.opens(fragment.channel):
            opened = self.started() + self._close("completed") + self._open(fragment.channel)
        self.output.items[-1].add(fragment)
        if fragment.logprobs:
            held = self._deltas(self._cutter.rest())
            return opened + held + self._delta(fragment.text, fragment.logprobs)
        return opened + self._deltas(self._cutter.add(fragment.text))

    def end(self, standing: Standing) -> bytes:
        """The last frames; as ``Output.settle``, with the frames of the message."""
        opened = self.started()
        if standing.status == "completed" and not self.output.answered:
            opened += self._close("completed") + self._open(Channel.ANSWER)
        closed = self._close("completed" if standing.status == "completed" else "incomplete")
        return opened + closed + self._response(_ENDS[standing.status], standing)

    def error(self, error: LonghandError) -> bytes:
        """The last frame where it cannot be told how the response stands: this reader's stream
        breaks off, and the response may well go on.

        It bears the number of the event before it, so that who goes on behind it misses nothing.
        """
        told = {"code": error.code, "message": error.message, "param": error.param}
        self._number = max(self._number - 1, self._after, 0)
        return self._numbered("error", told)

    def _lifecycle(self, kind: str, status: Status) -> bytes:
        return self._response(kind, Standing(status=status))

    def _response(self, kind: str, standing: Standing) -> bytes:
        if self._is_known():
            return self._skip()
        return self._frame(kind, {"response": response_object(self._head, standing, self.output)})

    def _open(self, channel: Channel) -> bytes:
        item = self.output.open(channel)
        place = _place(item)
        start = orjson.dumps({"type": f"{_TEXTS[channel]}.delta", **place})[:-1]
        self._delta_start = b"event: %s.delta\ndata: %s" % (_TEXTS[channel].encode(), start)
        added = {"output_index": item.index, "item": item.bare()}
        return self._frame("response.output_item.added", added) + self._frame(
            "response.content_part.added", {**place, "part": item.part("")}
        )

    def _deltas(self, texts: Iterable[str]) -> bytes:
        return b"".join([self._delta(text) for text in texts])

    def _delta(self, text: str, logprobs: Sequence[TokenLogprob] = ()) -> bytes:
        """Put together by hand: of a long answer these are nearly all frames, and only the text
        and the number change."""
        if self._is_known():
            return self._skip()
        rest = b""
        if self.output.items[-1].channel is Channel.ANSWER:
            told = orjson.dumps([delta_logprob(token) for token in logprobs]) if logprobs else b"[]"
            rest = b',"logprobs":' + one_line(told)
        frame = b'%s,"delta":%s%s,"sequence_number":%d}\n\n' % (
            self._delta_start, one_line(orjson.dumps(text)), rest, self._number,
        )  # fmt: skip
        self._number += 1
        return frame

    def _close(self, status: ItemStatus) -> bytes:
        """The item that was being written, if there is one, is done."""
        if not self.output.items:
            return b""
        item = self.output.items[-1]
        held = self._deltas(self._cutter.rest())
        if self._number + 2 <= self._after:
            return self._skip(3)
        place, text = _place(item), item.text
        done: dict[str, Any] = {**place, "text": text}
        if item.channel is Channel.ANSWER:
            done["logprobs"] = [delta_logprob(token) for token in item.logprobs]
        frames = (
            self._frame(f"{_TEXTS[item.channel]}.done", done),
            self._frame(
                "response.content_part.done", {**place, "part": item.part(text, item.logprobs)}
            ),
            self._frame(
                "response.output_item.done",
                {"output_index": item.index, "item": item.object(status)},
            ),
        )
        return held + b"".join(frames)

    def _is_known(self) -> bool:
        return self._number <= self._after

    def _skip(self, num_frames: int = 1) -> bytes:
        self._number += num_frames
        return b""

    def _frame(self, kind: str, fields: dict[str, Any]) -> bytes:
        return self._skip() if self._is_known() else self._numbered(kind, fields)

    def _numbered(self, kind: str, fields: dict[str, Any]) -> bytes:
        told = orjson.dumps({"type": kind, **fields, "sequence_number": self._number})
        self._number += 1
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), one_line(told))


def _place(item: OutputItem) -> dict[str, Any]:
    return {"item_id": item.id, "output_index": item.index, "content_index": 0}
