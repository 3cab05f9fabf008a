"""A checkpoint's fast tokenizer, without the model libraries. It must not add special tokens."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer as FastTokenizer
from tokenizers.decoders import DecodeStream

from server.engine.base import Passage
from server.errors import CannotServe

# Up to here encoding takes under a millisecond; longer texts would hold up every other stream.
_INLINE_CHARS = 2_000
_CONTEXT_TOKENS = 8
# What bytes decode to that are no character, or not yet.
_NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"


class Tokenizer:
    """Text to token ids and back. Its calls are thread-safe (the Rust side holds no state).

    Raises:
        CannotServe: the directory has no ``tokenizer.json``.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / "tokenizer.json"
        if not path.is_file():
            raise CannotServe(f"{directory} has no tokenizer.json; a fast tokenizer is needed")
        self._tokenizer = FastTokenizer.from_file(str(path))

    @property
    def vocabulary_tokens(self) -> int:
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    async def passage(self, text: str) -> Passage:
        """The text with its ids; a long one is encoded in a thread."""
        if len(text) <= _INLINE_CHARS:
            return self._encode(text)
        return await asyncio.to_thread(self._encode, text)

    def _encode(self, text: str) -> Passage:
        ids = tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)
        return Passage(text=text, token_ids=ids, num_tokens=len(ids))

    def decoder(self, before: tuple[int, ...]) -> "Decoder":
        """Turns the ids that follow ``before`` into text, one at a time."""
        return Decoder(self._tokenizer, before)

    def text_before_break(self, ids: Sequence[int]) -> str | None:
        """The text of ids that break off inside a character, up to it; None if they do not."""
        if not str(self._tokenizer.decode(ids[-_CONTEXT_TOKENS:])).endswith(_NO_CHARACTER):
            return None
        return str(self._tokenizer.decode(ids)).rstrip(_NO_CHARACTER)

    def text_of(self, token_id: int) -> str:
        """The text of one token by itself."""
        return str(self._tokenizer.decode([token_id], skip_special_tokens=False))


class Decoder:
    """Incremental detokenisation: characters that span tokens come out once they are whole."""

    def __init__(self, tokenizer: FastTokenizer, before: tuple[int, ...]) -> None:
        self._tokenizer = tokenizer
        # A few tokens of context are enough for byte-level BPE to join on.
        context = list(before[-_CONTEXT_TOKENS:])
        # DecodeStream does not know where a context ends that breaks off inside a character: it
        # would write the context again. So that character's first tokens are stepped through.
        whole = len(context)
        while whole and str(tokenizer.decode(context[:whole])).endswith(_NO_CHARACTER):
            whole -= 1
        self._context = context[:whole]
        self._held: list[int] = []
        self._stream = DecodeStream(ids=list(self._context), skip_special_tokens=True)
        for token_id in context[whole:]:
            self.step(token_id)

    def step(self, token_id: int) -> str:
        text = self._stream.step(self._tokenizer, token_id) or ""
        self._held.append(token_id)
        if text:
            self._context = (self._context + self._held)[-_CONTEXT_TOKENS:]
            self._held.clear()
        return text

    def finish(self) -> str:
        """What was held back for a character that will not become whole, so that all texts
        together are what the ids decode to at once (U+FFFD stands for such a character)."""
        known = self._tokenizer.decode(self._context)
        return str(self._tokenizer.decode(self._context + self._held))[len(known) :]
