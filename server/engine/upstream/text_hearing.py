"""A stream of text without token ids: stop strings found, tokens counted. No I/O.

Stop strings are not told to these servers: they cut them off, and "stop" then says neither which
one was met nor whether it was one. So they are looked for here, and the stream is closed behind.
"""

from dataclasses import dataclass, field

from server.engine.base import End, Text
from server.engine.upstream.chunks import Chunks, check_model, count_of, finish_of, parsed
from server.engine.upstream.faults import Broken, WentOn, reported
from server.events import FinishReason

# What a token takes at the most, but for rare ones, and what it takes on average, in UTF-8.
_LONGEST_TOKEN_BYTES, _TOKEN_BYTES = 16, 4


def tokens_of_piece(text: str) -> int:
    """How many tokens came as one piece, as far as that can be guessed.

    These servers send a piece a token, unless they held some back. Worked numbers: " lighthouse"
    (11 bytes): 1; "The lighthouse keeper wrote" (27 bytes): 7; "": 0.
    """
    size_bytes = len(text.encode())
    if size_bytes <= _LONGEST_TOKEN_BYTES:
        return min(size_bytes, 1)
    return round(size_bytes / _TOKEN_BYTES)


@dataclass(slots=True)
class StopWatch:
    """Finds the stop string that ends first, across pieces. Nothing is held back."""

    stops: tuple[str, ...]
    met: str | None = None
    _tail: str = ""

    def take(self, text: str) -> str:
        """The text up to the end of the stop string that it completes, or all of it."""
        recent = self._tail + text
        found = [(recent.find(stop) + len(stop), stop) for stop in self.stops if stop in recent]
        if found:
            end_chars, self.met = min(found)
            return text[: end_chars - len(self._tail)]
        reach_chars = max(map(len, self.stops), default=1) - 1
        self._tail = recent[-reach_chars:] if reach_chars else ""
        return text


@dataclass(slots=True, kw_only=True)
class TextHearing:
    """What the streams of all these servers have in common."""

    watch: StopWatch
    counted_tokens: int = 0

    @property
    def is_over(self) -> bool:
        return self.watch.met is not None

    def piece(self, text: str, told_tokens: int | None) -> list[Text]:
        """A text as a piece; ``told_tokens``: how many there are in all, if the server says."""
        if self.is_over:
            return []
        kept = self.watch.take(text)
        if told_tokens is None:
            num_tokens = tokens_of_piece(kept)
        else:
            num_tokens = max(0, told_tokens - self.counted_tokens)
        self.counted_tokens += num_tokens
        if not kept and not num_tokens:
            return []
        return [Text(text=kept, token_ids=None, estimated_tokens=num_tokens)]


@dataclass(slots=True, kw_only=True)
class CompletionHearing(TextHearing):
    """Server-sent chunks in OpenAI's form."""

    chunks: Chunks

    @property
    def end(self) -> End | None:
        cached_tokens, stop = self.chunks.cached_tokens, self.watch.met
        if stop is not None:
            return End(reason="stop", stop=stop, cached_tokens=cached_tokens)
        reason = self.chunks.finish
        return None if reason is None else End(reason=reason, cached_tokens=cached_tokens)

    def take(self, payload: bytes) -> list[Text]:
        chunk = self.chunks.take(payload)
        return self.piece(chunk.text, chunk.completion_tokens)


@dataclass(slots=True, kw_only=True)
class OllamaHearing(TextHearing):
    """Lines of JSON as ``/api/generate`` sends them (ollama api/types.go, GenerateResponse)."""

    names: frozenset[str]
    finish: FinishReason | None = field(default=None, init=False)

    @property
    def end(self) -> End | None:
        if self.watch.met is not None:
            return End(reason="stop", stop=self.watch.met)
        return None if self.finish is None else End(reason=self.finish)

    def take(self, payload: bytes) -> list[Text]:
        told = parsed(payload)
        if told.get("error") is not None:
            raise reported(told, writing=self.counted_tokens > 0)
        check_model(told.get("model"), self.names)
        text = told.get("response", "")
        if not isinstance(text, str) or told.get("thinking"):
            raise Broken("sent no plain text")
        if self.finish is not None:
            raise WentOn("went on behind the end of its text")
        if told.get("done"):
            self.finish = finish_of(told.get("done_reason"))
            return self.piece(text, count_of(told.get("eval_count")))
        return self.piece(text, None)
