"""The output of a response as items: what was thought and what was answered, in the order in which
it came. It keeps text and shapes; it makes no events and no frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from server.events import Channel, Fragment, TokenLogprob

ItemStatus = Literal["in_progress", "completed", "incomplete"]

_PREFIXES: Final = {Channel.REASONING: "rs", Channel.ANSWER: "msg"}
INPUT_PREFIX: Final = "in"


@dataclass(slots=True, kw_only=True)
class OutputItem:
    """One item, and all of its text so far. ``index``: its place in the output.

    Reasoning is ``content`` of type ``reasoning_text``, as OpenAI's schema has it for models whose
    thinking is open; ``summary`` would be a text about it, and nobody writes one.
    """

    id: str
    index: int
    channel: Channel
    pieces: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def add(self, fragment: Fragment) -> None:
        self.pieces.append(fragment.text)
        self.logprobs.extend(fragment.logprobs)

    def part(self, text: str, logprobs: Sequence[TokenLogprob] = ()) -> dict[str, Any]:
        """The item's one part of content, holding ``text``."""
        if self.channel is Channel.REASONING:
            return {"type": "reasoning_text", "text": text}
        return {
            "type": "output_text",
            "text": text,
            "annotations": [],
            "logprobs": [logprob_object(token) for token in logprobs],
        }

    def bare(self) -> dict[str, Any]:
        """The item before there is anything in it."""
        return self._object([], "in_progress")

    def object(self, status: ItemStatus) -> dict[str, Any]:
        return self._object([self.part(self.text, self.logprobs)], status)

    def _object(self, content: list[dict[str, Any]], status: ItemStatus) -> dict[str, Any]:
        if self.channel is Channel.REASONING:
            kind: dict[str, Any] = {"type": "reasoning", "summary": []}
        else:
            kind = {"type": "message", "role": "assistant"}
        return {"id": self.id, **kind, "status": status, "content": content}


@dataclass(slots=True)
class Output:
    """All items of one response. A channel that comes again after the other one is a new item.

    key: what the items' ids are made of; the last item is the one that grows.
    """

    key: str
    items: list[OutputItem] = field(default_factory=list)

    def opens(self, channel: Channel) -> bool:
        """Whether text of ``channel`` would begin a new item."""
        return not self.items or self.items[-1].channel is not channel

    def open(self, channel: Channel) -> OutputItem:
        """A new item, which is the last one from now on."""
        index = len(self.items)
        self.items.append(
            OutputItem(id=f"{_PREFIXES[channel]}_{self.key}_{index}", index=index, channel=channel)
        )
        return self.items[-1]

    def add(self, fragment: Fragment) -> None:
        if self.opens(fragment.channel):
            self.open(fragment.channel)
        self.items[-1].add(fragment)

    @property
    def answered(self) -> bool:
        """Whether there is a message."""
        return any(item.channel is Channel.ANSWER for item in self.items)

    def settle(self) -> None:
        """An answer that is complete has a message, be it an empty one."""
        if not self.answered:
            self.open(Channel.ANSWER)

    def answer(self) -> str:
        """The text of all messages, as the SDKs' ``output_text`` has it."""
        return "".join(item.text for item in self.items if item.channel is Channel.ANSWER)

    def objects(self, last: ItemStatus) -> list[dict[str, Any]]:
        """The items as the API tells them; every one but the last is complete."""
        before = [item.object("completed") for item in self.items[:-1]]
        return [*before, *(item.object(last) for item in self.items[-1:])]


def owner_of(item_id: str) -> str | None:
    """The key of the response that an item belongs to, of its input or its output, by the item's
    id; None for an id that was not given out here.

    Worked example: ``msg_5f_1`` belongs to ``5f``.
    """
    prefix, _, rest = item_id.partition("_")
    key, _, index = rest.rpartition("_")
    known = prefix in (*_PREFIXES.values(), INPUT_PREFIX)
    return key if known and index.isdecimal() and key else None


def delta_logprob(token: TokenLogprob) -> dict[str, Any]:
    """A token's log-probability as events have it."""
    return {
        "token": token.token,
        "logprob": token.logprob,
        "top_logprobs": [{"token": top.token, "logprob": top.logprob} for top in token.top],
    }


def logprob_object(token: TokenLogprob) -> dict[str, Any]:
    """The same as items have it, with the token's bytes."""
    return {**_with_bytes(token), "top_logprobs": [_with_bytes(top) for top in token.top]}


def _with_bytes(token: TokenLogprob) -> dict[str, Any]:
    return {
        "token": token.token,
        "logprob": token.logprob,
        "bytes": list(token.token.encode("utf-8", "replace")),
    }
