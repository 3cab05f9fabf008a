"""`python -m server.pocket.maker.pairs --out FILE.jsonl`: pairs to train the pocket quality model.

A pair is two stretches of drafts for one request, alike in everything but their sentences' flaws.
Where a stretch begins, how many sections it has and how its headings are marked is drawn for each
side on its own, so that neither length nor form says which side is the better one.
"""

import argparse
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from server.pocket.maker.draft import Draft, Fault, Flaw, Section, Spec
from server.pocket.maker.length import sample_words
from server.pocket.maker.lexicon import Aspect, Language, Lexicon, lexicon
from server.pocket.maker.mix import CHINESE_SHARE
from server.pocket.maker.render import render_section
from server.pocket.maker.sampler import DraftMaker

_CLEAN = frozenset[Flaw]()
_OFF_TOPIC, _MONOTONE = frozenset({Flaw.OFF_TOPIC}), frozenset({Flaw.MONOTONE})
_CONTRADICTION = frozenset({Flaw.CONTRADICTION})
_TIRED = _OFF_TOPIC | _MONOTONE
# Kind: its share; flaws of the chosen and of the rejected side.
_KINDS: Mapping[str, tuple[float, frozenset[Flaw], frozenset[Flaw]]] = {
    "off_topic": (0.17, _CLEAN, _OFF_TOPIC),
    "contradiction": (0.14, _CLEAN, _CONTRADICTION),
    # The chosen side makes claims as well, but claims that agree: no word gives the other away.
    "contradiction_among_claims": (0.28, _CLEAN, _CONTRADICTION),
    "monotone": (0.14, _CLEAN, _MONOTONE),
    "tired": (0.06, _CLEAN, _TIRED),
    "tired_or_monotone": (0.03, _MONOTONE, _TIRED),
    "tired_or_off_topic": (0.03, _OFF_TOPIC, _TIRED),
    # The rejected side is sound, and about something that nobody asked for.
    "other_subject": (0.15, _CLEAN, _CLEAN),
}
_FAULTS = {Fault.NONE: 0.6, Fault.SHORT: 0.25, Fault.LONG: 0.15}
_SECTIONS = (1, 2, 3, 4)
_FROM_THE_START = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two texts for a request, one better, and what the other suffers from."""

    prompt: str
    chosen: str
    rejected: str
    kind: str


def make_pair(seed: int) -> Pair:
    """Pair number ``seed``; the same one every time."""
    rng = random.Random(f"pair/{seed}")
    kind = rng.choices(tuple(_KINDS), weights=[share for share, _, _ in _KINDS.values()])[0]
    _, better, worse = _KINDS[kind]
    language = Language.CHINESE if rng.random() < CHINESE_SHARE else Language.ENGLISH
    spec = Spec(seed=seed, language=language, words=sample_words(rng), flaws=better)
    other = replace(spec, flaws=worse)
    if kind == "other_subject":
        other = replace(other, seed=seed + 10**12)
    chosen, rejected = _stretch(spec, rng), _stretch(other, rng)
    if kind == "contradiction_among_claims":
        chosen = replace(chosen, sections=tuple(_claiming(chosen, rng)))
    return Pair(
        prompt=chosen.request.text,
        chosen=_text(chosen),
        rejected=_text(rejected),
        kind=f"{kind}-{language}",
    )


def _stretch(spec: Spec, rng: random.Random) -> Draft:
    """Some sections of a draft: from its start, or from anywhere. A closing has no flaw to show, so
    it never stands alone."""
    fault = rng.choices(tuple(_FAULTS), weights=list(_FAULTS.values()))[0]
    maker = DraftMaker(replace(spec, fault=fault))
    if maker.last == 1:
        maker = DraftMaker(spec)
    first = 1 if rng.random() < _FROM_THE_START else rng.randint(1, maker.last - 1)
    return maker.draft(first=first, last=first + rng.choice(_SECTIONS) - 1)


def _text(draft: Draft) -> str:
    starts = draft.sections[0].number == 1
    body = "".join(render_section(section) for section in draft.sections)
    return (f"# {draft.title}\n{body}" if starts else body).strip()


def _claiming(draft: Draft, rng: random.Random) -> Iterator[Section]:
    """The sections, each with two claims about one thing that can both be true, where the flawed
    ones have a claim and its opposite: in the first and in the last paragraph."""
    words = lexicon(draft.spec.language)
    for section in draft.sections:
        aspect = _aspect(words, draft, section)
        yield section if aspect is None else _with_claims(words, draft, section, aspect, rng)


def _with_claims(
    words: Lexicon, draft: Draft, section: Section, aspect: Aspect, rng: random.Random
) -> Section:
    thing, other = rng.sample(aspect.things, 2)
    bound = {"topic": draft.request.topic, "aspect": aspect.name, "thing": thing, "other": other}
    one, two = _agreeing(words, rng)
    paragraphs = [list(paragraph) for paragraph in section.paragraphs]
    _say(paragraphs[0], 1, words.fill(one, rng, **bound))
    _say(paragraphs[-1], 1 if len(paragraphs) > 1 else 2, words.fill(two, rng, **bound))
    return replace(section, paragraphs=tuple(tuple(p) for p in paragraphs))


def _agreeing(words: Lexicon, rng: random.Random) -> tuple[str, str]:
    """Two claims, or denials, of different disputes."""
    claims, counters = words.lists["claim"], words.lists["counterclaim"]
    first, second = rng.sample(range(len(claims)), 2)
    return rng.choice((claims, counters))[first], rng.choice((claims, counters))[second]


def _say(paragraph: list[str], place: int, sentence: str) -> None:
    """In place of the sentence there, so that no length is added; the last one stays the last."""
    if place < len(paragraph) - 1:
        paragraph[place] = sentence
    else:
        paragraph.insert(min(place, len(paragraph)), sentence)


def _aspect(words: Lexicon, draft: Draft, section: Section) -> Aspect | None:
    """The aspect that a section is about, by its heading; None for the closing."""
    for aspect in words.aspects:
        bound = {"aspect": aspect.name, "topic": draft.request.topic}
        if any(form.format(**bound) in section.heading for form in words.lists["section_titles"]):
            return aspect
    return None


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(prog="server.pocket.maker.pairs", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=8_000)
    parser.add_argument("--seed", type=int, default=3 * 10**9)
    options = parser.parse_args()
    with options.out.open("w", encoding="utf-8") as file:
        for number in range(options.pairs):
            pair = make_pair(options.seed + number)
            line = {name: getattr(pair, name) for name in Pair.__dataclass_fields__}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
