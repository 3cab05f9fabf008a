"""Text to tokens and back for a server: by the checkpoint's tokenizer, by the server, by guess."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from server.engine.base import Passage
from server.engine.tokenizer import Tokenizer
from server.engine.upstream.faults import Broken
from server.engine.upstream.link import Link

_CONTEXT_TOKENS = 8
_NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"
# Fewer than a token takes in English (4 to 5) or Chinese (4 to 5): a prompt must fit its window.
_CAUTIOUS_TOKEN_BYTES = 3
# By which two tokenizers are told apart: words, capitals, accents, another script, an emoji.
_SAMPLE = "The lighthouse keeper wrote 一封长信, naïve AND precise 🌊\n\n1,024"


class Counts(Protocol):
    """How many tokens a text takes, and which, if anybody tells. Raises ``Broken`` where a server
    fails, as all that follows."""

    async def passage(self, text: str) -> Passage: ...


class Texts(Counts, Protocol):
    """Text to token ids and back."""

    async def text_before_break(self, ids: Sequence[int]) -> str | None:
        """The text of ids that break off inside a character, up to it; None if they do not."""
        ...

    async def text_behind(self, before: Sequence[int], ids: Sequence[int]) -> str:
        """The text that ``ids`` add behind ids that break off inside a character."""
        ...


@dataclass(frozen=True, slots=True)
class OwnTexts:
    """By the checkpoint's own tokenizer."""

    tokenizer: Tokenizer

    async def passage(self, text: str) -> Passage:
        return await self.tokenizer.passage(text)

    async def text_before_break(self, ids: Sequence[int]) -> str | None:
        return self.tokenizer.text_before_break(ids)

    async def text_behind(self, before: Sequence[int], ids: Sequence[int]) -> str:
        decoder = self.tokenizer.decoder(tuple(before))
        return "".join(decoder.step(token_id) for token_id in ids)


@dataclass(frozen=True, slots=True)
class VllmTexts:
    """By vLLM's ``/tokenize`` and ``/detokenize``."""

    link: Link
    model: str

    async def passage(self, text: str) -> Passage:
        ids = await _tokens(self.link, _as_vllm(self.model, text))
        return Passage(text=text, token_ids=ids, num_tokens=len(ids))

    async def text_before_break(self, ids: Sequence[int]) -> str | None:
        if not (await self._text(ids[-_CONTEXT_TOKENS:])).endswith(_NO_CHARACTER):
            return None
        return (await self._text(ids)).rstrip(_NO_CHARACTER)

    async def text_behind(self, before: Sequence[int], ids: Sequence[int]) -> str:
        context = list(before[-_CONTEXT_TOKENS:])
        known = (await self._text(context)).rstrip(_NO_CHARACTER)
        text = await self._text([*context, *ids])
        # What they break off in again is said with the tokens that make it whole.
        return text.removeprefix(known).rstrip(_NO_CHARACTER)

    async def _text(self, ids: Sequence[int]) -> str:
        told = await self.link.post("/detokenize", {"model": self.model, "tokens": list(ids)})
        text = told.get("prompt") if isinstance(told, dict) else None
        if not isinstance(text, str):
            raise Broken("does not tell the text of its tokens")
        return text


@dataclass(frozen=True, slots=True)
class CountedTexts:
    """Counts only, by the server where it has a route for it, by size where it has none.

    link: None where there is no such route. Worked number: "The lighthouse keeper", 21 bytes: 7
    tokens by size, where Qwen2's tokenizer has 4.
    """

    link: Link | None
    model: str
    is_llamacpp: bool = False

    async def passage(self, text: str) -> Passage:
        num_tokens = -(-len(text.encode()) // _CAUTIOUS_TOKEN_BYTES)
        if self.link is not None and text:
            as_llamacpp = {"content": text, "add_special": False}
            body = as_llamacpp if self.is_llamacpp else _as_vllm(self.model, text)
            # An older SGLang has no such route; a size is better than no prompt at all.
            with suppress(Broken):
                num_tokens = len(await _tokens(self.link, body))
        return Passage(text=text, token_ids=None, num_tokens=num_tokens)


async def is_like(tokenizer: Tokenizer, link: Link, model: str) -> bool:
    """Whether a vLLM server's tokenizer is the one that lies here; yes if it does not tell."""
    try:
        theirs = await _tokens(link, _as_vllm(model, _SAMPLE))
    except Broken:
        return True
    return theirs == (await tokenizer.passage(_SAMPLE)).token_ids


def _as_vllm(model: str, text: str) -> dict[str, Any]:
    return {"model": model, "prompt": text, "add_special_tokens": False}


async def _tokens(link: Link, body: dict[str, Any]) -> tuple[int, ...]:
    told = await link.post("/tokenize", body)
    ids = told.get("tokens") if isinstance(told, dict) else None
    if not isinstance(ids, list) or not all(isinstance(token_id, int) for token_id in ids):
        raise Broken("does not tell the tokens of a text")
    return tuple(ids)
