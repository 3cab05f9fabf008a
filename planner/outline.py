"""An outline: the sections of a text and their shares of its words. It must not read a plan."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from planner.closing import is_closing_title

# A plan with less room for each of its sections is no plan for this length.
MIN_SECTION_WORDS = 25
_EVEN_SECTION_WORDS = 400
_CLOSING_WEIGHT = 0.4
# Of the mean: with MIN_SECTION_WORDS, no share is less than a word.
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section. title: None where the model is to find it; words: None where none are named.

    level: how deep the list lay that it was read from, 1 the outermost.
    """

    title: str | None = None
    words: int | None = None
    level: int = 1

    @property
    def closes(self) -> bool:
        """Whether its title says that it closes the text."""
        return self.title is not None and is_closing_title(self.title)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Sections in order; ``fit`` gives each of them its share of an asked length."""

    sections: tuple[Section, ...]

    @property
    def words(self) -> int:
        """The sum of the shares that are named."""
        return sum(section.words or 0 for section in self.sections)

    @property
    def titled(self) -> bool:
        """Whether any section has a title."""
        return any(section.title is not None for section in self.sections)

    @property
    def is_complete(self) -> bool:
        """Whether a plan says something of at least three quarters of its sections.

        Worked number: "Sections: 12" and eight titles: no; nine: yes.
        """
        told = [section for section in self.sections if section.title or section.words]
        return 4 * len(told) >= 3 * len(self.sections)


def fit(outline: Outline, low_words: int, high_words: int) -> Outline:
    """The outline with shares that add up to the middle of the asked range.

    Shares keep their proportions. A section without one gets the mean of the others, 0.4 of it if
    its title closes the text. No section is added: too few sections become long ones. Too many
    (less than ``MIN_SECTION_WORDS`` for each) cannot be written: ``even_outline`` replaces them.
    Worked number: shares 100, None, None ("Conclusion") for 900 to 1,100 words -> 417, 416, 167.
    """
    middle_words = (low_words + high_words) // 2
    if middle_words < MIN_SECTION_WORDS * max(1, len(outline.sections)) or not outline.sections:
        return even_outline(low_words, high_words)
    shares = _apportion(_weights(outline.sections), middle_words)
    sections = zip(outline.sections, shares, strict=True)
    return Outline(sections=tuple(replace(section, words=share) for section, share in sections))


def even_outline(low_words: int, high_words: int, count: int | None = None) -> Outline:
    """Sections without titles, for a text without a plan; the last one is short.

    Worked number: 1,800 to 2,200 words -> 5 sections: 454, 455, 454, 455, 182 words.
    """
    middle_words = max(1, (low_words + high_words) // 2)
    most = max(1, middle_words // MIN_SECTION_WORDS)
    wanted = count if count is not None else max(1, round(middle_words / _EVEN_SECTION_WORDS))
    number = max(1, min(wanted, most))
    weights = [1.0] * (number - 1) + [_CLOSING_WEIGHT]
    shares = _apportion(weights, middle_words)
    return Outline(sections=tuple(Section(words=share) for share in shares))


def _weights(sections: Sequence[Section]) -> list[float]:
    named = [section.words for section in sections if section.words]
    mean = sum(named) / len(named) if named else 1.0
    bare = [mean * (_CLOSING_WEIGHT if section.closes else 1.0) for section in sections]
    weights = [section.words or other for section, other in zip(sections, bare, strict=True)]
    least = _LEAST_WEIGHT * sum(weights) / len(weights)
    return [max(least, weight) for weight in weights]


def _apportion(weights: Sequence[float], words: int) -> list[int]:
    """Whole shares in proportion to the weights, adding up exactly: 1, 1, 1 of 10 -> 3, 4, 3."""
    total, sofar = sum(weights), 0.0
    edges = [0]
    for weight in weights:
        sofar += weight
        edges.append(round(words * sofar / total))
    return [edge - before for before, edge in zip(edges, edges[1:], strict=False)]
