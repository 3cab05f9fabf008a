"""What users ask: topics, lengths and odd prompts in many wordings; writes no answers."""

import random

from server.pocket.maker.draft import Request
from server.pocket.maker.length import spell
from server.pocket.maker.lexicon import Lexicon, coined_word

_RANGE_SHARE = 0.12
_EXTRA_SHARE = 0.25
_NOTES_SHARE = 0.04
_HISTORY_SHARE = 0.04
_NOISE_SHARE = 0.05


def sample_request(lexicon: Lexicon, words: int | None, rng: random.Random) -> Request:
    """A request for `words` words (None: no length is named) about a random topic."""
    topic, genre = lexicon.phrase("pattern", rng), lexicon.phrase("genre", rng)
    bound = {"topic": topic, "genre": genre}
    low, high = _bounds(words, rng)
    if words is None:
        text = lexicon.phrase("open", rng, **bound)
    elif low is None or high is None:
        text = lexicon.phrase("exact", rng, n=spell(words, lexicon.language, rng), **bound)
    else:
        style = rng.choice(("{}", "{:,}")) if lexicon.surface["joiner"] else "{}"
        text = lexicon.phrase("range", rng, low=style.format(low), high=style.format(high), **bound)
    return Request(
        topic=topic,
        genre=genre,
        text=_dress(lexicon, text, rng),
        history=_history(lexicon, rng) if rng.random() < _HISTORY_SHARE else "",
        low_words=low,
        high_words=high,
    )


def _bounds(words: int | None, rng: random.Random) -> tuple[int | None, int | None]:
    """A range around `words`, or none: 900 -> (800, 1000)."""
    if words is None or words < 400 or words % 100 or rng.random() >= _RANGE_SHARE:
        return None, None
    spread = 100 * max(1, words // 1_000)
    return words - spread, words + spread


def _dress(lexicon: Lexicon, text: str, rng: random.Random) -> str:
    """The bare request with extra wishes, pasted material or unknown words around it."""
    joiner = lexicon.surface["joiner"]
    parts = [text]
    while rng.random() < _EXTRA_SHARE:
        parts.insert(rng.randint(0, len(parts)), lexicon.phrase("extra", rng))
    if rng.random() < _NOTES_SHARE:
        parts.append(lexicon.phrase("notes", rng) + material(lexicon, rng.randint(2, 20), rng))
    if rng.random() < _NOISE_SHARE:
        noise = " ".join(coined_word(lexicon.language, rng) for _ in range(rng.randint(2, 25)))
        parts.insert(rng.randint(0, len(parts)), noise.lower() + ".")
    return joiner.join(parts)


def material(lexicon: Lexicon, sentences: int, rng: random.Random) -> str:
    """Running text about no topic in particular, as users paste it below a request."""
    scene = {"topic": lexicon.phrase("pattern", rng)}
    joined: list[str] = []
    for _ in range(sentences):
        aspect = rng.choice(lexicon.aspects)
        thing, other = rng.sample(aspect.things, 2)
        bound = {"aspect": aspect.name, "thing": thing, "other": other, **scene}
        joined.append(lexicon.phrase(rng.choice(("body", "off_topic")), rng, **bound))
    return lexicon.surface["joiner"].join(joined)


def _history(lexicon: Lexicon, rng: random.Random) -> str:
    """An earlier turn with its answer, in the role markers of the template."""
    asked = lexicon.phrase("past", rng, topic=lexicon.phrase("pattern", rng))
    answer = material(lexicon, rng.randint(2, 12), rng)
    surface = lexicon.surface
    return (
        f"{asked} {surface['assistant_marker']} <answer>{answer}</answer> {surface['user_marker']} "
    )
