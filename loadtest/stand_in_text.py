"""What a stand-in server writes: a script, byte by byte, as the events of several servers. No I/O.

A token is a byte, so that streams break off inside characters as they do on byte-level BPE.
"""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

Kind = Literal["vllm", "sglang", "llama.cpp", "ollama", "openai"]
# What ends a text; it stands for no text.
END_ID = 256
_NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"


def decoded(ids: Sequence[int]) -> str:
    return bytes(token_id for token_id in ids if token_id < END_ID).decode("utf-8", "replace")


def rest_of(script: bytes, prompt: bytes) -> bytes:
    """How the script goes on behind a prompt that ends with a beginning of it: the same wherever
    it was broken off, as a model at temperature 0 would."""
    longest = next((n for n in range(len(script), 0, -1) if prompt.endswith(script[:n])), 0)
    return script[longest:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Tokens that are sent together, and the text that they complete."""

    ids: tuple[int, ...]
    text: str
    finish: str | None = None
    stop: str | None = None


@dataclass(slots=True, kw_only=True)
class Writing:
    """One answer of a server of this kind to this request."""

    kind: Kind
    body: dict[str, Any]
    script: bytes
    tokens_per_piece: int = 1
    id: str = "cmpl-0"
    rival: str = ""
    num_tokens: int = field(default=0, init=False)

    @property
    def prompt(self) -> bytes:
        given = self.body["prompt"]
        return given.encode() if isinstance(given, str) else bytes(given)

    def pieces(self) -> Iterator[Piece]:
        """The whole text: to a stop string, the last allowed token, or its end."""
        ids = [*rest_of(self.script, self.prompt), END_ID]
        max_tokens = self.body.get("max_tokens") or self.body["options"]["num_predict"]
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(self.prompt)
        repeated, text = self._repeated(), ""
        for at in range(0, min(len(ids), max_tokens), self.tokens_per_piece):
            some = ids[at : min(at + self.tokens_per_piece, max_tokens)]
            new = decoder.decode(bytes(one for one in some if one < END_ID), END_ID in some)
            if new and repeated:
                new, repeated = repeated + new, ""
            text += new
            stop = next((stop for stop in self._stops() if stop in text), None)
            last = at + len(some) >= max_tokens
            finish = "stop" if stop or END_ID in some else "length" if last else None
            if stop:
                new = new[: len(new) - (len(text) - text.index(stop) - len(stop))]
            yield Piece(ids=tuple(some), text=new, finish=finish, stop=stop)
            if finish:
                return

    def _stops(self) -> list[str]:
        return self.body.get("stop") or []

    def _repeated(self) -> str:
        """vLLM 0.32 says a prompt again that breaks off inside a character."""
        text = self.prompt.decode("utf-8", "replace")
        breaks = self.kind == "vllm" and text.endswith(_NO_CHARACTER)
        return text.rstrip(_NO_CHARACTER) if breaks else ""

    def event(self, piece: Piece) -> dict[str, Any]:
        """A piece as this kind of server says it."""
        self.num_tokens += len(piece.ids)
        if self.kind == "ollama":
            done = {"done_reason": piece.finish, "eval_count": self.num_tokens}
            told = {"model": self.body["model"], "created_at": "", "response": piece.text}
            return told | {"done": bool(piece.finish)} | (done if piece.finish else {})
        choice: dict[str, Any] = {"index": 0, "text": piece.text, "finish_reason": piece.finish}
        if self.kind == "vllm":
            choice |= {"stop_reason": piece.stop, "logprobs": self._logprobs(piece)}
            if self.body.get("return_token_ids"):
                choice["token_ids"] = list(piece.ids)
        event = self._chunk([choice])
        counted = (self.body.get("stream_options") or {}).get("continuous_usage_stats")
        if counted or (piece.finish and self.kind == "llama.cpp"):
            event["usage"] = self._usage()
        return event

    def last_events(self) -> list[bytes]:
        """What follows the text."""
        if self.kind == "ollama":
            return []
        usage = self._chunk([]) | {"usage": self._usage()}
        return [*([] if self.kind == "llama.cpp" else [framed(usage)]), b"data: [DONE]\n\n"]

    def frame(self, event: dict[str, Any]) -> bytes:
        return orjson.dumps(event) + b"\n" if self.kind == "ollama" else framed(event)

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        told = {"id": self.id, "object": "text_completion", "created": 0}
        return told | {"model": self.body["model"], "choices": choices}

    def _usage(self) -> dict[str, Any]:
        cached = {"prompt_tokens_details": {"cached_tokens": len(self.prompt) // 16 * 16}}
        return {"prompt_tokens": len(self.prompt), "completion_tokens": self.num_tokens} | cached

    def _logprobs(self, piece: Piece) -> dict[str, Any] | None:
        rivals = self.body.get("logprobs")
        if rivals is None:
            return None
        tokens = [decoded([token_id]) for token_id in piece.ids]
        others = {self.rival or f"other {at}": -1.0 - at for at in range(rivals)}
        if self.body.get("return_tokens_as_token_ids"):
            tokens = [f"token_id:{token_id}" for token_id in piece.ids]
            others = {f"token_id:{at}": -1.0 - at for at in range(rivals)}
        return {
            "tokens": tokens,
            "token_logprobs": [-0.5] * len(tokens),
            "top_logprobs": [{token: -0.5, **others} for token in tokens],
            "text_offset": [0] * len(tokens),
        }


def framed(event: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(event) + b"\n\n"
