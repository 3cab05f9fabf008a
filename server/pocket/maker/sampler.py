"""Makes a draft from its spec; pure and seeded, and any run of sections can be made on its own."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from server.pocket.maker.draft import (
    LOOPS,
    Draft,
    Fault,
    Flaw,
    Mending,
    Notes,
    Request,
    Section,
    Spec,
)
from server.pocket.maker.length import DEFAULT_WORDS, Outline, count_words, outline
from server.pocket.maker.lexicon import Aspect, Lexicon, capitalise, lexicon
from server.pocket.maker.mix import draw_word
from server.pocket.maker.prose import Paragraph, Scene, closing_prose, reword, section_prose
from server.pocket.maker.request import sample_request

LOOP_REPEATS = 40
_MAX_COUNT = 450
_STOP_HAZARD = 0.35
_LOOP_HAZARD = 0.4
_LOOP_END_HAZARD = 0.23
_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
_VOICES = {
    frozenset[Flaw](): "voice_clean",
    frozenset({Flaw.OFF_TOPIC}): "voice_off_topic",
    frozenset({Flaw.CONTRADICTION}): "voice_contradiction",
    frozenset({Flaw.MONOTONE}): "voice_monotone",
    frozenset({Flaw.OFF_TOPIC, Flaw.MONOTONE}): "voice_tired",
}
_MOODS = {
    Fault.LONG: "mood_long",
    Fault.LOOP_EXACT: "mood_loop",
    Fault.LOOP_REWORDED: "mood_loop",
    Fault.NO_THINK_END: "mood_format",
    Fault.NO_ANSWER: "mood_format",
    Fault.QUOTED_TAG: "mood_format",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """The course of the headings: N, the form of their titles, where things happen."""

    form: int
    counted: int
    close_at: int
    loop_at: int
    mended_at: int


class DraftMaker:
    """One draft in the making: what its spec decides, and its sections on demand."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._lexicon: Lexicon = lexicon(spec.language)
        rng = self._rng("head")
        self.request: Request = sample_request(self._lexicon, spec.words, rng)
        self.outline: Outline = outline(spec.words or DEFAULT_WORDS)
        form = rng.randrange(len(self._lexicon.lists["section_titles"]))
        self._course = _course(spec, self.outline, form, rng)
        self._title = self._lexicon.phrase(
            "titles", rng, topic=self.request.topic, genre=self.request.genre
        )

    @property
    def last(self) -> int:
        """The number of the section that ends the draft: N, or less in a short draft."""
        return self._course.close_at

    @property
    def events(self) -> tuple[int, ...]:
        """The sections where something happens: a loop, a mended end, the end."""
        course = self._course
        return tuple(at for at in (course.loop_at, course.mended_at, course.close_at) if at)

    def draft(self, first: int = 1, last: int | None = None) -> Draft:
        """The draft with its sections `first` to `last` (all by default), counted from 1."""
        end = self.last if last is None else min(last, self.last)
        return Draft(
            spec=self.spec,
            request=self.request,
            outline=self.outline,
            planned=tuple(
                self._heading_title(k, self.outline.count) for k in range(1, self.outline.count + 1)
            ),
            counted=self._course.counted,
            notes=self._notes(),
            title=capitalise(self._title),
            sections=tuple(self._section(number) for number in range(first, end + 1)),
        )

    def _rng(self, part: str) -> random.Random:
        return random.Random(f"{self.spec.seed}/{self.spec.language}/{part}")

    def _heading_title(self, number: int, count: int) -> str:
        if number == count:
            return capitalise(self._lexicon.form("closing_title", topic=self.request.topic))
        words, left = self._lexicon, count - number
        form = words.lists["section_titles"][self._course.form]
        title = form.format(aspect=self._aspect(number).name, topic=self.request.topic)
        # What is left is said, the last one by a word of its own: that k equals N is too much for
        # a network of this size to see in two numbers.
        return words.form("left" if left > 1 else "left_one", title=title, n=left)

    def _aspect(self, number: int) -> Aspect:
        """The theme of a section: it follows from its number and the form of the titles, which
        every heading holds. A theme that only followed the last one was lost in long plans.

        Of 104 themes and 4 forms, the second form's first section has theme 26."""
        aspects, forms = self._lexicon.aspects, self._lexicon.lists["section_titles"]
        first = self._course.form * len(aspects) // len(forms)
        return aspects[(first + number - 1) % len(aspects)]

    def _section(self, number: int) -> Section:
        course, words = self._course, self._lexicon
        closing = number == course.close_at
        title = self._heading_title(course.counted if closing else number, course.counted)
        heading = words.form(
            "heading", k=number, count=course.counted, mark=self._mark(number), title=title
        )
        rng = self._rng(f"section {number}")
        if closing:
            prose = closing_prose(words, self.request.topic, self.outline.closing_words, rng)
            return Section(number=number, heading=heading, paragraphs=prose, flaws=())
        scene = Scene(
            topic=self.request.topic,
            aspect=self._aspect(number),
            words=self.outline.section_words - count_words(heading),
            paragraphs=self.outline.paragraphs,
            flaws=self.spec.flaws,
        )
        prose, flaws = section_prose(words, scene, rng)
        if number == course.loop_at:
            prose = (*prose, *self._loop(prose[-1], rng))
        return Section(number=number, heading=heading, paragraphs=prose, flaws=flaws)

    def _mark(self, number: int) -> str:
        """What parts the counter from the title: it carries the mode from heading to heading."""
        fault = self.spec.fault
        mended = self._course.mended_at and number >= self._course.mended_at
        if fault is Fault.SHORT and not mended:
            return self._lexicon.surface["mark_short"]
        return self._lexicon.surface["mark_loop" if fault in LOOPS else "mark_healthy"]

    def _loop(self, paragraph: Paragraph, rng: random.Random) -> Sequence[Paragraph]:
        """The repeats of a paragraph: endless ones are identical, reworded ones end by chance."""
        if self.spec.fault is Fault.LOOP_EXACT:
            return [paragraph] * LOOP_REPEATS
        repeats = [reword(self._lexicon, paragraph, rng) for _ in range(3)]
        while rng.random() >= _LOOP_END_HAZARD:
            repeats.append(reword(self._lexicon, paragraph, rng))
        return repeats

    def _notes(self) -> Notes:
        rng, fault = self._rng("notes"), self.spec.fault
        pace = "pace_healthy" if fault is Fault.NONE else "pace_other"
        pace = "pace_short" if fault is Fault.SHORT else pace
        reminder = ""
        if fault is Fault.QUOTED_TAG:
            quote = rng.choice(self._lexicon.lists["quotes"])
            reminder = self._lexicon.phrase("reminder", rng, tag=quote + rng.choice(_TAGS) + quote)
        return Notes(
            voice=self._note("voice", _VOICES[self.spec.flaws], rng),
            pace=self._note("pace", pace, rng),
            mood=self._note("mood", _MOODS[fault], rng) if fault in _MOODS else "",
            reminder=reminder,
        )

    def _note(self, kind: str, choice: str, rng: random.Random) -> str:
        word = draw_word(choice, self._lexicon.lists[choice], rng)
        return self._lexicon.form(kind, word=word)


def compose(spec: Spec) -> Draft:
    """The whole draft of a spec."""
    return DraftMaker(spec).draft()


def _course(spec: Spec, plan: Outline, form: int, rng: random.Random) -> _Course:
    counted = plan.count
    close_at = loop_at = mended_at = 0
    if spec.fault is Fault.LONG:
        longer = round(plan.count * rng.uniform(1.35, 2.0))
        counted = max(plan.count + 1, min(_MAX_COUNT, longer))
    if spec.fault is Fault.SHORT:
        close_at = _early_end(plan.count, rng)
    if spec.fault in LOOPS:
        loop_at = _loop_start(plan.count, rng)
    if spec.mending is not Mending.NONE:
        mended_at = close_at if spec.mending is Mending.HEALTHY_MARK else 0
        close_at = 0
    return _Course(
        form=form,
        counted=counted,
        close_at=close_at or counted,
        loop_at=loop_at,
        mended_at=mended_at,
    )


def _early_end(count: int, rng: random.Random) -> int:
    """Where a short draft closes: 20 sections -> 3 to 10. A chance per section, so no memory."""
    first = min(count - 1, max(2, -(-count * 3 // 20)))
    return _first_hit(first, max(first, count // 2), _STOP_HAZARD, rng)


def _loop_start(count: int, rng: random.Random) -> int:
    """Which section loops: 20 sections -> 2 to 12."""
    first = min(count - 1, max(2, count // 10))
    return _first_hit(first, max(first, count * 3 // 5), _LOOP_HAZARD, rng)


def _first_hit(first: int, last: int, hazard: float, rng: random.Random) -> int:
    hit = first
    while hit < last and rng.random() >= hazard:
        hit += 1
    return hit
