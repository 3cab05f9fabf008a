"""The word lists of one language and their expansion into phrases; knows nothing of drafts."""

import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

_SLOT = re.compile(r"\{(\w+)\}")
_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "st", "th")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_FIRST_HAN, _LAST_HAN = 0x4E00, 0x9FA5


class Language(StrEnum):
    """A language that the pocket writer writes."""

    ENGLISH = "en"
    CHINESE = "zh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspect:
    """One link of the cycle of section themes, with the things that its section speaks of."""

    name: str
    things: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """Every word list of one language; `surface` holds the fixed forms of plans and headings."""

    language: Language
    surface: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    aspects: tuple[Aspect, ...]

    def phrase(self, symbol: str, rng: random.Random, **bound: str) -> str:
        """One random member of the list `symbol`, its slots filled; KeyError: no such list."""
        return self.fill(rng.choice(self.lists[symbol]), rng, **bound)

    def fill(self, pattern: str, rng: random.Random, **bound: str) -> str:
        """`pattern` with each {slot} replaced: by `bound`, or by a phrase of the list it names.

        A slot with a capital initial gives the same phrase capitalised: {Who} -> "The baker".
        """

        def replace(match: re.Match[str]) -> str:
            slot = match.group(1)
            if slot in bound:
                return bound[slot]
            lower = slot[0].lower() + slot[1:]
            found = bound[lower] if lower in bound else self._word(lower, rng, bound)
            return found if lower == slot else capitalise(found)

        return _SLOT.sub(replace, pattern)

    def form(self, name: str, **slots: str | int) -> str:
        """The fixed form `name` with its slots filled, such as a heading or a plan line."""
        return self.surface[name].format(**slots)

    def _word(self, symbol: str, rng: random.Random, bound: Mapping[str, str]) -> str:
        if symbol == "coined":
            return coined_word(self.language, rng)
        return self.phrase(symbol, rng, **bound)


def capitalise(text: str) -> str:
    """The text with its first letter in upper case: "tidal energy" -> "Tidal energy"."""
    return text[:1].upper() + text[1:]


def coined_word(language: Language, rng: random.Random) -> str:
    """A made-up name, so that a model learns to copy names that it has never seen."""
    if language is Language.CHINESE:
        return "".join(chr(rng.randint(_FIRST_HAN, _LAST_HAN)) for _ in range(2))
    syllables = (rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.randint(2, 3)))
    return capitalise("".join(syllables) + rng.choice(("", "n", "r", "l", "s")))


@cache
def lexicon(language: Language) -> Lexicon:
    """The bundled lexicon of a language, read once."""
    path = Path(__file__).parent / "words" / f"{language}.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    surface = {k: v for k, v in tables["surface"].items() if isinstance(v, str)}
    lists: dict[str, tuple[str, ...]] = {}
    for table in tables.values():
        lists |= {name: tuple(entry) for name, entry in table.items() if isinstance(entry, list)}
    aspects = tuple(_aspect(line) for line in tables["aspects"]["cycle"])
    return Lexicon(language=language, surface=surface, lists=lists, aspects=aspects)


def _aspect(line: str) -> Aspect:
    name, things = line.split("|")
    return Aspect(name=name, things=tuple(things.split(",")))
