"""Training rows: runs of draft text of every kind, cut at random places; needs no torch.

A row is never cut where a section or a draft begins or ends on purpose: a model that always sees
windows cut alike learns the position of the cut instead of the text.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tokenizers import Tokenizer

from server.pocket.maker.mix import Mixture, draw_spec
from server.pocket.maker.render import render
from server.pocket.maker.sampler import DraftMaker
from server.pocket.maker.tokenizer import end_id

_EMPHASIS = Mixture(emphasis=0.3)
_NATURAL = Mixture()
_HEAD_SHARE, _MIDDLE_SHARE = 0.42, 0.36
_BLIND_TOKENS = 40
_EVENT_SHARE = 0.7
_STUB_TOKENS = (50, 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A run of tokens of one draft; the first `blind` of them are read but not learnt."""

    tokens: list[int]
    blind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`length` + 1 tokens, the number of the piece that each belongs to, and what is learnt."""

    tokens: list[int]
    pieces: list[int]
    learnt: list[int]


class Packer:
    """Draws pieces of fresh drafts, endlessly and by seed, and fills rows with them.

    `stub_share`: how many of the beginnings break off after a few lines of the plan. They teach
    what is asked for, and how it becomes a plan, at a fraction of the tokens.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, length: int, seed: int, stub_share: float = 0.0
    ) -> None:
        self._tokenizer = tokenizer
        self._length = length
        self._seed = seed
        self._stub_share = stub_share
        self._end = end_id(tokenizer)

    def rows(self) -> Iterator[Row]:
        """Rows without end; each is filled with pieces until it is full."""
        draft = self._seed
        while True:
            tokens: list[int] = []
            pieces: list[int] = []
            learnt: list[int] = []
            number = 0
            while len(tokens) <= self._length:
                piece = self.piece(draft)
                draft, number = draft + 1, number + 1
                size = len(piece.tokens)
                tokens.extend(piece.tokens)
                pieces.extend([number] * size)
                learnt.extend([0] * min(piece.blind, size) + [1] * (size - piece.blind))
            size = self._length + 1
            yield Row(tokens=tokens[:size], pieces=pieces[:size], learnt=learnt[:size])

    def piece(self, seed: int) -> Piece:
        """The piece of draft `seed`: its beginning, some middle of it, or its end."""
        rng = random.Random(f"piece/{seed}")
        kind = rng.random()
        if kind < _HEAD_SHARE:
            return self._head(DraftMaker(draw_spec(seed, _NATURAL)), rng)
        maker = DraftMaker(draw_spec(seed, _EMPHASIS))
        if kind < _HEAD_SHARE + _MIDDLE_SHARE:
            return self._middle(maker, rng)
        return self._tail(maker, rng)

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def _head(self, maker: DraftMaker, rng: random.Random) -> Piece:
        last = rng.randint(1, 3)
        rendered = render(maker.draft(last=last))
        prompt = self._ids(rendered.prompt)
        tokens = prompt + self._ids(rendered.opening + "".join(rendered.sections))
        if self._stub_share and rng.random() < self._stub_share:
            tokens = tokens[: len(prompt) + rng.randint(*_STUB_TOKENS)]
        spare = len(tokens) - self._length
        if spare <= 0 or rng.random() < 0.5:
            return Piece(tokens=tokens[: self._length], blind=len(prompt))
        start = rng.randint(0, spare)
        blind = max(len(prompt) - start, _BLIND_TOKENS)
        return Piece(tokens=tokens[start : start + self._length], blind=blind)

    def _middle(self, maker: DraftMaker, rng: random.Random) -> Piece:
        first = rng.randint(1, maker.last)
        if maker.events and rng.random() < _EVENT_SHARE * (maker.events[0] != maker.last):
            first = max(1, maker.events[0] - rng.randint(0, 1))
        rendered = render(maker.draft(first=first, last=first + 3))
        text = "".join(rendered.sections)
        if maker.last <= first + 3:
            text += rendered.ending
        tokens = self._ids(text) + ([self._end] if maker.last <= first + 3 else [])
        start = rng.randint(0, max(0, len(tokens) - 700))
        stop = start + rng.randint(min(500, self._length // 2), self._length)
        return Piece(tokens=tokens[start:stop], blind=_BLIND_TOKENS)

    def _tail(self, maker: DraftMaker, rng: random.Random) -> Piece:
        rendered = render(maker.draft(first=max(1, maker.last - rng.randint(1, 3))))
        whole = "".join(rendered.sections) + rendered.ending
        tokens = [*self._ids(whole), self._end]
        size = rng.randint(min(300, self._length // 2), self._length)
        return Piece(tokens=tokens[-size:], blind=_BLIND_TOKENS)
