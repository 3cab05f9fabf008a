"""How much of a draft was already said in it; knows neither what was asked nor who wrote it.

Why: copying paragraphs is the cheap way to the length that was asked for. LongWriter-Zero's format
reward therefore has a penalty on repeated content by semantic overlap (arXiv 2506.18841); which
measure and which thresholds is not published. This one is Longhand's own, on four levels:

| level | what is counted, as a share of the words | free | factor |
|---|---|---|---|
| paragraphs | in paragraphs taken from an earlier one, or that loop | 0 | (1 - share)^3 |
| sentences | in sentences and lines said before | 0.05 | (1 - rest)^2 |
| phrases | runs of 4 words (6 characters) that came before | 0.40 | 1 - rest |
| openings | sentences whose first 3 words one of the 10 before had | 0.25 | 1 - rest / 4 |

``rest`` is (share - free) / (1 - free), at least 0; ``free`` is what healthy text was seen to have.
The value is the product of the factors: range [0, 1], higher is better.

A passage counts when more than a quarter of its shingles came first in one other; of a share c it
counts (c - 1/4) / (3/4). Where one word in ten is another, c = 0.9^4 = 0.66, which counts 0.54.
A sentence under 8 words, a short line beside others (verse, speech, an item of a list), a heading,
a table row and a line of code count word for word only, and from their fourth occurrence on, for a
chorus is sung three times.

Examples (tests/rewards/test_repetition.py has them): different paragraphs 1.0; the fifth of 24
again behind the last 0.88; twelve of 24 a first one with a word in twenty changed 0.1; everything
twice 0.03; a paragraph ten times 0.0; a song with its chorus three times 0.96.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from rewards.base import Draft, Score, abstained
from rewards.passages import Passages, read
from rewards.semantic import Embed, echoes
from rewards.shingles import Shingles, owners

_SHINGLE_WORDS, _SHINGLE_CHARACTERS = 4, 6
# A paragraph with fewer shingles is left to its sentences; a sentence with fewer, to exactness.
_PARAGRAPH_SHINGLES, _SENTENCE_SHINGLES = 20, 4
_LEAST_CONTAINED = 0.25
# A shorter sentence is an interjection, and so is a short line beside others: three are free.
_FULL_SENTENCE_WORDS, _FULL_SENTENCE_CHARACTERS = 8, 16
_FREE_OCCURRENCES = 3
_OPENING_WORDS, _OPENING_CHARACTERS = 3, 4
_OPENING_SENTENCES = 10
# What healthy text has of each; see docs/rewards.md for the measurements.
_FREE_SENTENCES, _FREE_PHRASES, _FREE_OPENINGS = 0.05, 0.4, 0.25
_OPENINGS_WEIGHT = 0.25
# A passage that counts at least so much is named among the faults.
_NAMED = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What of a text is said again, each in [0, 1].

    sources: of each paragraph that repeats another, that other; both counted from 0, headings,
    tables and code left out.
    """

    paragraphs: float
    sentences: float
    phrases: float
    openings: float
    sources: Mapping[int, int]

    @property
    def value(self) -> float:
        """1 for a text that says nothing twice, near 0 for one that does little else.

        Worked number: a paragraph in ten is a copy of another and nothing else is said again:
        paragraphs 0.1, sentences 0.1, phrases 0.1 -> 0.9^3 * (1 - 0.05 / 0.95)^2 = 0.65.
        """
        sentences = _beyond(self.sentences, _FREE_SENTENCES)
        phrases = _beyond(self.phrases, _FREE_PHRASES)
        openings = _OPENINGS_WEIGHT * _beyond(self.openings, _FREE_OPENINGS)
        kept = (1 - self.paragraphs) ** 3 * (1 - sentences) ** 2
        return kept * (1 - phrases) * (1 - openings)

    @property
    def why(self) -> str:
        """The worst of it in a few words; "" where nothing stands out."""
        if self.sources:
            return _name_sources(self.sources)
        if self.sentences > _FREE_SENTENCES:
            return f"{self.sentences:.0%} of it in sentences said before"
        if self.phrases > _FREE_PHRASES:
            return f"{self.phrases:.0%} of its phrases came before"
        if self.openings > _FREE_OPENINGS:
            return f"{self.openings:.0%} of its sentences begin alike"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """The reward. embed: also finds paragraphs that repeat an earlier one in other words.

    least_cosine: from where on two paragraphs say the same; it depends on the embedding model.
    """

    embed: Embed | None = None
    least_cosine: float = 0.9
    name: ClassVar[str] = "repetition"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, draft: Draft) -> Score:
        """Judges the answer; abstains where it holds no word."""
        passages = read(draft.answer)
        if not passages.codes and not passages.set_lines:
            return abstained("nothing is written yet")
        shares = self._shares(passages)
        return Score(
            value=shares.value,
            why=shares.why,
            parts={
                "paragraphs": shares.paragraphs,
                "sentences": shares.sentences,
                "phrases": shares.phrases,
                "openings": shares.openings,
            },
        )

    def _shares(self, passages: Passages) -> Shares:
        size = _SHINGLE_CHARACTERS if passages.unspaced else _SHINGLE_WORDS
        shingles = Shingles(passages.codes, size)
        copies = _copied_paragraphs(passages, shingles)
        if self.embed is not None:
            near = echoes(passages.texts, self.embed, self.least_cosine)
            copies |= {number: (1.0, source) for number, source in near.items()}
        return Shares(
            paragraphs=_share_of_words(passages, copies),
            sentences=_said_before(passages, shingles),
            phrases=shingles.repeated_share,
            openings=_begun_alike(passages),
            sources={number: source for number, (much, source) in copies.items() if much >= _NAMED},
        )


def _beyond(share: float, free: float) -> float:
    return max(0.0, share - free) / (1 - free)


def _nearness(contained: float) -> float:
    """How much a passage counts of which ``contained`` came from one other: 0.66 -> 0.55."""
    return _beyond(contained, _LEAST_CONTAINED)


def _copied_paragraphs(passages: Passages, shingles: Shingles) -> dict[int, tuple[float, int]]:
    """Of each paragraph that repeats another, or itself: how near it is, and which.

    Paragraphs of short lines, verse and lists, are left to their lines: a chorus is no copy.
    """
    starts = passages.paragraph_starts
    paragraph_of = owners(starts)
    copies: dict[int, tuple[float, int]] = {}
    for number, (start, end) in enumerate(pairwise(starts)):
        count = end - start - shingles.size + 1
        if count < _PARAGRAPH_SHINGLES:
            continue
        if shingles.num_repeated(start, end) <= _LEAST_CONTAINED * count:
            continue
        first, last = passages.paragraphs[number : number + 2]
        contained, source = shingles.contained(number, starts, paragraph_of)
        if contained > _LEAST_CONTAINED and not all(passages.short_lines[first:last]):
            copies[number] = (_nearness(contained), source)
    return copies


def _share_of_words(passages: Passages, copies: Mapping[int, tuple[float, int]]) -> float:
    starts = passages.paragraph_starts
    words = sum(
        nearness * (starts[number + 1] - starts[number]) for number, (nearness, _) in copies.items()
    )
    return words / max(1, len(passages.codes))


def _said_before(passages: Passages, shingles: Shingles) -> float:
    """The share of the words that stand in sentences or lines said before."""
    full = _FULL_SENTENCE_CHARACTERS if passages.unspaced else _FULL_SENTENCE_WORDS
    starts, sentence_of = passages.starts, owners(passages.starts)
    times: dict[str, int] = {}
    again, words = _lines_said_before(passages.set_lines)
    for number, sentence in enumerate(passages.sentences):
        times[sentence] = occurrence = times.get(sentence, 0) + 1
        size, short = len(sentence), passages.short_lines[number]
        if occurrence > 1:
            if occurrence > _FREE_OCCURRENCES or (size >= full and not short):
                again += size
            continue
        count = size - shingles.size + 1
        if count < _SENTENCE_SHINGLES or short:
            continue
        start = starts[number]
        if shingles.num_repeated(start, start + size) > _LEAST_CONTAINED * count:
            contained, _ = shingles.contained(number, starts, sentence_of)
            again += size * _nearness(contained)
    return again / max(1, len(passages.codes) + words)


def _lines_said_before(lines: Sequence[str]) -> tuple[float, int]:
    """Words in the fourth and later occurrences of set lines, and words in all of them."""
    again = words = 0
    for line, occurrences in Counter(lines).items():
        size = len(line.split())
        words += size * occurrences
        again += size * max(0, occurrences - _FREE_OCCURRENCES)
    return float(again), words


def _begun_alike(passages: Passages) -> float:
    """The share of the full sentences that begin as one of the 10 full ones before them."""
    size, full = _OPENING_WORDS, _FULL_SENTENCE_WORDS
    if passages.unspaced:
        size, full = _OPENING_CHARACTERS, _FULL_SENTENCE_CHARACTERS
    openings = [
        sentence[:size]
        for sentence, short in zip(passages.sentences, passages.short_lines, strict=True)
        if len(sentence) >= full and not short
    ]
    last: dict[str, int] = {}
    alike = 0
    for number, opening in enumerate(openings):
        alike += number - last.get(opening, -_OPENING_SENTENCES - 1) <= _OPENING_SENTENCES
        last[opening] = number
    return alike / max(_OPENING_SENTENCES, len(openings))


def _name_sources(sources: Mapping[int, int]) -> str:
    """ "repeats paragraph 4 3 times" of {7: 3, 8: 3, 9: 3}."""
    times = Counter(sources.values())
    source, most = times.most_common(1)[0]
    named = f"repeats paragraph {source + 1}"
    if most > 1:
        named += f" {most} times"
    return f"{named}, and {len(times) - 1} more" if len(times) > 1 else named
