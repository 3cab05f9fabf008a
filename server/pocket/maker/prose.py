"""Paragraphs: sentences about one aspect of a topic, with the flaws that were asked for."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from server.pocket.maker.draft import Flaw, FlawAt
from server.pocket.maker.length import count_words
from server.pocket.maker.lexicon import Aspect, Lexicon

Paragraph = tuple[str, ...]
_ENDING_WORDS = 9
_MONOTONE_SHARE = 0.85
_MIDDLES = ("second", "third")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a section is about, how long it runs, and which flaws it shows."""

    topic: str
    aspect: Aspect
    words: int
    paragraphs: int
    flaws: frozenset[Flaw]


@dataclass(slots=True, kw_only=True)
class _Page:
    """The section being written: its paragraphs so far and the flaws placed in them."""

    paragraphs: list[list[str]] = field(default_factory=list)
    flaws: list[FlawAt] = field(default_factory=list)

    def add(self, sentence: str, flaw: Flaw | None = None) -> None:
        last = self.paragraphs[-1]
        if flaw is not None:
            place = {"paragraph": len(self.paragraphs) - 1, "sentence": len(last)}
            self.flaws.append(FlawAt(flaw=flaw, text=sentence, **place))
        last.append(sentence)

    @property
    def words(self) -> int:
        return sum(count_words(s) for paragraph in self.paragraphs for s in paragraph)


def section_prose(
    lexicon: Lexicon, scene: Scene, rng: random.Random
) -> tuple[tuple[Paragraph, ...], tuple[FlawAt, ...]]:
    """The paragraphs of an ordinary section of about `scene.words` words, and its flaws."""
    page = _Page()
    off_topic = _off_topic_paragraphs(scene, rng)
    disputed = rng.randrange(len(lexicon.lists["claim"]))
    bound = _bindings(scene, rng)
    for number in range(scene.paragraphs):
        page.paragraphs.append([])
        last = number == scene.paragraphs - 1
        page.add(_first_sentence(lexicon, scene, rng, number))
        if Flaw.CONTRADICTION in scene.flaws and number == 0:
            page.add(lexicon.fill(lexicon.lists["claim"][disputed], rng, **bound))
        if number in off_topic:
            page.add(lexicon.phrase("off_topic", rng), Flaw.OFF_TOPIC)
        if Flaw.CONTRADICTION in scene.flaws and last:
            counter = lexicon.lists["counterclaim"][disputed]
            page.add(lexicon.fill(counter, rng, **bound), Flaw.CONTRADICTION)
        target = scene.words * (number + 1) / scene.paragraphs - (_ENDING_WORDS if last else 0)
        _fill_up(lexicon, scene, page, target, rng)
        if last:
            page.add(lexicon.phrase("ending", rng, **_bindings(scene, rng)))
    return tuple(tuple(p) for p in page.paragraphs), tuple(page.flaws)


def closing_prose(
    lexicon: Lexicon, topic: str, words: int, rng: random.Random
) -> tuple[Paragraph, ...]:
    """The single paragraph of the closing section, of about `words` words."""
    sentences = [lexicon.phrase("farewell_first", rng, topic=topic)]
    patterns = list(lexicon.lists["farewell"])
    rng.shuffle(patterns)
    while patterns and sum(count_words(s) for s in sentences) < words - 18:
        sentences.append(lexicon.fill(patterns.pop(), rng, topic=topic))
    sentences.append(lexicon.phrase("farewell_last", rng, topic=topic))
    return (tuple(sentences),)


def reword(lexicon: Lexicon, paragraph: Paragraph, rng: random.Random) -> Paragraph:
    """The paragraph said again with an opening of its own and one other adjective, if any."""
    words = lexicon.lists["adj"]
    joined = "\n".join(paragraph)
    present = [word for word in words if word in joined]
    if present:
        joined = joined.replace(rng.choice(present), rng.choice(words), 1)
    first, *rest = joined.split("\n")
    return (lexicon.phrase("reworded", rng) + first, *rest)


def _bindings(scene: Scene, rng: random.Random) -> Mapping[str, str]:
    thing, other = rng.sample(scene.aspect.things, 2)
    return {"topic": scene.topic, "aspect": scene.aspect.name, "thing": thing, "other": other}


def _off_topic_paragraphs(scene: Scene, rng: random.Random) -> frozenset[int]:
    """Which paragraphs drift: two of them where there are as many."""
    if Flaw.OFF_TOPIC not in scene.flaws:
        return frozenset()
    return frozenset(rng.sample(range(scene.paragraphs), min(2, scene.paragraphs)))


def _first_sentence(lexicon: Lexicon, scene: Scene, rng: random.Random, number: int) -> str:
    """Says which paragraph it is, so that a reader of a short stretch knows where it stands."""
    kinds = ("opening", *_MIDDLES[: scene.paragraphs - 2], "last")
    kind = kinds[number] if number else "opening"
    return lexicon.phrase(kind, rng, **_bindings(scene, rng))


def _fill_up(
    lexicon: Lexicon, scene: Scene, page: _Page, target_words: float, rng: random.Random
) -> None:
    """Adds body sentences, no pattern twice in a paragraph, until the target is nearest."""
    bodies = rng.sample(lexicon.lists["body"], 12)
    while bodies and page.words < target_words - 6:
        if Flaw.MONOTONE in scene.flaws and rng.random() < _MONOTONE_SHARE:
            same = lexicon.phrase("monotone", rng, **_bindings(scene, rng))
            page.add(same, Flaw.MONOTONE)
        else:
            page.add(lexicon.fill(bodies.pop(), rng, **_bindings(scene, rng)))
