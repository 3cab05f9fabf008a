"""The shapes of a draft, as frozen data; makes none of them and holds no text of its own."""

from dataclasses import dataclass
from enum import StrEnum

from server.pocket.maker.length import Outline
from server.pocket.maker.lexicon import Language


class Fault(StrEnum):
    """What goes wrong with a whole draft; the kinds are those seen in LongWriter-Zero-32B."""

    NONE = "none"
    SHORT = "short"
    LONG = "long"
    LOOP_EXACT = "loop_exact"
    LOOP_REWORDED = "loop_reworded"
    NO_THINK_END = "no_think_end"
    NO_ANSWER = "no_answer"
    QUOTED_TAG = "quoted_tag"


LOOPS = frozenset({Fault.LOOP_EXACT, Fault.LOOP_REWORDED})
FORMAT_FAULTS = frozenset({Fault.NO_THINK_END, Fault.NO_ANSWER, Fault.QUOTED_TAG})


class Flaw(StrEnum):
    """What makes the sentences of a draft worse without changing its shape."""

    OFF_TOPIC = "off_topic"
    CONTRADICTION = "contradiction"
    MONOTONE = "monotone"


class Form(StrEnum):
    """How the draft begins: with its plan, straight with the answer, or with a plan cut short."""

    PLANNED = "planned"
    DIRECT = "direct"
    CUT = "cut"


class Mending(StrEnum):
    """Whether a short draft was carried on past its early end, and with which headings."""

    NONE = "none"
    HEALTHY_MARK = "healthy_mark"
    SAME_MARK = "same_mark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """All that decides a draft: the same spec gives the same draft. `words` None: not asked."""

    seed: int
    language: Language = Language.ENGLISH
    words: int | None = None
    fault: Fault = Fault.NONE
    flaws: frozenset[Flaw] = frozenset()
    form: Form = Form.PLANNED
    mending: Mending = Mending.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asks: `text` is the message, `history` the earlier turns, already rendered."""

    topic: str
    genre: str
    text: str
    history: str
    low_words: int | None
    high_words: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlawAt:
    """One flawed sentence: where it stands (counted from 0 within its section) and what it says."""

    flaw: Flaw
    paragraph: int
    sentence: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One headed section: its number from 1, its heading line and its paragraphs' sentences."""

    number: int
    heading: str
    paragraphs: tuple[tuple[str, ...], ...]
    flaws: tuple[FlawAt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """The lines of a plan that follow its sections; empty strings are left out."""

    voice: str
    pace: str
    mood: str
    reminder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A whole draft. `planned` are the plan's titles, `counted` the N of the headings' k of N."""

    spec: Spec
    request: Request
    outline: Outline
    planned: tuple[str, ...]
    counted: int
    notes: Notes
    title: str
    sections: tuple[Section, ...]
