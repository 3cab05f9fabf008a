"""Training rows: runs of draft text of every kind, cut at random places; needs no torch.

A row is never cut where a section or a draft begins or ends on purpose: a model that always sees
windows cut alike learns the position of the cut instead of the text.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tokenizers import Tokenizer

from server.pocket.maker.draft import Form, Section
from server.pocket.maker.mix import Mixture, draw_spec
from server.pocket.maker.render import plan_text, render, render_section
from server.pocket.maker.sampler import DraftMaker
from server.pocket.maker.tokenizer import end_id

_EMPHASIS = Mixture(emphasis=0.25, spread=0.5)
_NATURAL = Mixture(spread=0.15)
_HEAD_SHARE, _MIDDLE_SHARE = 0.38, 0.40
_BLIND_TOKENS = 40
_EVENT_SHARE = 0.7
_STUB_TOKENS = (50, 200)
_UNDERSTOOD_LINES = 5
# The thinking, every heading, the end; what ends a sentence and what begins a paragraph, so that
# all outcomes of a decision weigh alike; the topic is added.
_STRUCTURE = (
    r"(?s:<think>.*?</think>\n?<answer>)|^#.*$|</answer>"
    r"|[.?!。？！]\n*|(?<=\n)(?:[A-Za-z]+|.{1,2})|"
)
_HEADING = r"(?<=^## ).*$"
_LADDER_SENTENCES = (0, 1, 2, 3, 5, 8)
_LADDER_SECTIONS = 24
_BRIDGE_LINES, _BRIDGE_SECTIONS = (4, 14), (1, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A run of tokens of one draft, and how much each of them counts in the loss."""

    tokens: list[int]
    weights: list[float]

    def cut_off(self) -> "Piece":
        """Without its last token, for a text that goes on: the tokenizer would have joined that
        with what comes next. A section's last line feed alone, which before a heading is one token
        of two, taught that the draft ends there."""
        return Piece(tokens=self.tokens[:-1], weights=self.weights[:-1])

    def part(self, start: int, stop: int, blind: int) -> "Piece":
        """The tokens from `start` to `stop`, the first `blind` of them read but not learnt."""
        tokens, weights = self.tokens[start:stop], self.weights[start:stop]
        blind = min(blind, len(tokens))
        return Piece(tokens=tokens, weights=[0.0] * blind + weights[blind:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`length` + 1 tokens, the number of the piece that each belongs to, and its weight."""

    tokens: list[int]
    pieces: list[int]
    weights: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diet:
    """What rows are made of: `length` tokens each, and shares of short pieces.

    `stub_share`: how many of the beginnings break off after a few lines of the plan. They teach
    what is asked for, and how it becomes a plan, at a fraction of the tokens. `weight`: how much
    a token of the plan, of a heading or of the topic counts; others count 1. `question_share`:
    how many pieces hold only a question and how it is understood. `ladder_share`: how many of the
    others are runs of headings over sections of a few sentences, of which only the headings are
    learnt: ten times as many counters in as many tokens. `bridge_share`: how many are the end of a
    plan and the first headings behind it, over sections shortened as well: there the plan's pace
    becomes the headings' mark, and its first title the first of theirs.
    """

    length: int = 1_024
    stub_share: float = 0.0
    weight: float = 1.0
    question_share: float = 0.0
    ladder_share: float = 0.0
    bridge_share: float = 0.0


class Packer:
    """Draws pieces of fresh drafts, endlessly and by seed, and fills rows with them."""

    def __init__(self, tokenizer: Tokenizer, diet: Diet, *, seed: int) -> None:
        self._tokenizer = tokenizer
        self._diet = diet
        self._seed = seed
        self._end = end_id(tokenizer)

    @property
    def mixtures(self) -> tuple[Mixture, ...]:
        """The mixtures that its drafts are drawn with."""
        return (_NATURAL, _EMPHASIS)

    def rows(self) -> Iterator[Row]:
        """Rows without end; each is filled with pieces until it is full."""
        draft = self._seed
        while True:
            tokens: list[int] = []
            pieces: list[int] = []
            weights: list[float] = []
            number = 0
            while len(tokens) <= self._diet.length:
                piece = self.piece(draft)
                draft, number = draft + 1, number + 1
                tokens.extend(piece.tokens)
                weights.extend(piece.weights)
                pieces.extend([number] * len(piece.tokens))
            size = self._diet.length + 1
            yield Row(tokens=tokens[:size], pieces=pieces[:size], weights=weights[:size])

    def piece(self, seed: int) -> Piece:
        """The piece of draft `seed`: its beginning, some middle of it, or its end."""
        rng = random.Random(f"piece/{seed}")
        if self._diet.question_share and rng.random() < self._diet.question_share:
            return self._question(DraftMaker(draw_spec(seed, _NATURAL)), rng)
        if self._diet.bridge_share and rng.random() < self._diet.bridge_share:
            spec = replace(draw_spec(seed, _EMPHASIS), form=Form.PLANNED)
            return self._bridge(DraftMaker(spec), rng)
        if self._diet.ladder_share and rng.random() < self._diet.ladder_share:
            return self._ladder(DraftMaker(draw_spec(seed, _EMPHASIS)), rng)
        kind = rng.random()
        if kind < _HEAD_SHARE:
            return self._head(DraftMaker(draw_spec(seed, _NATURAL)), rng)
        maker = DraftMaker(draw_spec(seed, _EMPHASIS))
        if kind < _HEAD_SHARE + _MIDDLE_SHARE:
            return self._middle(maker, rng)
        return self._tail(maker, rng)

    def _piece(self, text: str, topic: str) -> Piece:
        """The text as tokens; what carries the structure weighs more."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        heavy = bytearray(len(text) + 1)
        for match in re.finditer(_STRUCTURE + re.escape(topic), text, re.MULTILINE):
            heavy[match.start() : match.end()] = b"\x01" * (match.end() - match.start())
        weights = [self._diet.weight if heavy[stop - 1] else 1.0 for _, stop in encoded.offsets]
        return Piece(tokens=encoded.ids, weights=weights)

    def _ladder(self, maker: DraftMaker, rng: random.Random) -> Piece:
        """Sections cut to a few sentences and their last one; only their headings are learnt."""
        first = rng.randint(1, maker.last)
        sections = maker.draft(first=first, last=first + _LADDER_SECTIONS).sections
        whole = self._headings("", "".join(_shortened(section, rng) for section in sections))
        return whole.part(0, self._diet.length, _BLIND_TOKENS)

    def _headings(self, before: str, sections: str) -> Piece:
        """The text, of which only the headings are learnt, and what stands before the sections."""
        text = before + sections
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        heavy = bytearray(b"\x01" * len(before) + bytes(len(sections)))
        for match in re.finditer(_HEADING, text, re.MULTILINE):
            heavy[match.start() : match.end()] = b"\x01" * (match.end() - match.start())
        weights = [self._diet.weight * heavy[stop - 1] for _, stop in encoded.offsets]
        return Piece(tokens=encoded.ids, weights=weights)

    def _bridge(self, maker: DraftMaker, rng: random.Random) -> Piece:
        """The last lines of a plan, read but not learnt, for which faults there are is not decided
        here; then what follows them, each section cut to a few sentences."""
        draft = maker.draft(last=rng.randint(*_BRIDGE_SECTIONS))
        plan = "\n".join(plan_text(draft).split("\n")[-rng.randint(*_BRIDGE_LINES) :])
        rendered = render(draft)
        before = rendered.opening[rendered.opening.index(plan) :]
        sections = "".join(_shortened(section, rng) for section in draft.sections)
        whole = self._headings(before, sections).cut_off()
        blind = len(self._tokenizer.encode(plan, add_special_tokens=False).ids)
        return whole.part(0, self._diet.length, blind)

    def _question(self, maker: DraftMaker, rng: random.Random) -> Piece:
        """The question without the template before it, and the first lines of the plan or all."""
        rendered = render(maker.draft(last=0))
        prompt = rendered.prompt
        asked = self._piece(prompt[prompt.rindex(maker.request.text) :], "<")
        lines = rendered.opening.split("\n")
        shown = rng.choice((_UNDERSTOOD_LINES, _UNDERSTOOD_LINES, len(lines)))
        understood = self._piece("\n".join(lines[:shown]), maker.request.topic).cut_off()
        weights = [self._diet.weight] * len(understood.tokens)
        whole = Piece(tokens=asked.tokens + understood.tokens, weights=asked.weights + weights)
        return whole.part(0, self._diet.length * 2 // 3, len(asked.tokens))

    def _head(self, maker: DraftMaker, rng: random.Random) -> Piece:
        last = rng.randint(1, 3)
        rendered = render(maker.draft(last=last))
        prompt = self._piece(rendered.prompt, "<")
        text = rendered.opening + "".join(rendered.sections)
        written = self._piece(text, maker.request.topic).cut_off()
        whole = Piece(
            tokens=prompt.tokens + written.tokens, weights=prompt.weights + written.weights
        )
        blind, size = len(prompt.tokens), len(whole.tokens)
        if self._diet.stub_share and rng.random() < self._diet.stub_share:
            size = min(size, blind + rng.randint(*_STUB_TOKENS))
        if size <= self._diet.length or rng.random() < 0.5:
            return whole.part(0, min(size, self._diet.length), blind)
        start = rng.randint(0, size - self._diet.length)
        return whole.part(start, start + self._diet.length, max(blind - start, _BLIND_TOKENS))

    def _middle(self, maker: DraftMaker, rng: random.Random) -> Piece:
        first = rng.randint(1, maker.last)
        if maker.events and rng.random() < _EVENT_SHARE * (maker.events[0] != maker.last):
            first = max(1, maker.events[0] - rng.randint(0, 1))
        ends = maker.last <= first + 3
        whole = self._run(maker, first, first + 3, ends=ends)
        start = rng.randint(0, max(0, len(whole.tokens) - 700))
        size = rng.randint(min(500, self._diet.length // 2), self._diet.length)
        return whole.part(start, start + size, _BLIND_TOKENS)

    def _tail(self, maker: DraftMaker, rng: random.Random) -> Piece:
        first = max(1, maker.last - rng.randint(1, 3))
        whole = self._run(maker, first, maker.last, ends=True)
        size = rng.randint(min(300, self._diet.length // 2), self._diet.length)
        length = len(whole.tokens)
        return whole.part(max(0, length - size), length, _BLIND_TOKENS)

    def _run(self, maker: DraftMaker, first: int, last: int, *, ends: bool) -> Piece:
        """Sections `first` to `last`; with the draft's end, if they reach it."""
        rendered = render(maker.draft(first=first, last=last))
        text = "".join(rendered.sections) + (rendered.ending if ends else "")
        piece = self._piece(text, maker.request.topic)
        if not ends:
            return piece.cut_off()
        return Piece(tokens=[*piece.tokens, self._end], weights=[*piece.weights, self._diet.weight])


def _shortened(section: Section, rng: random.Random) -> str:
    sentences = [sentence for paragraph in section.paragraphs for sentence in paragraph]
    kept = (*sentences[: rng.choice(_LADDER_SENTENCES)], sentences[-1])
    return render_section(replace(section, paragraphs=(kept,)))
