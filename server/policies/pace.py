"""Follows an outline through an answer and ends it in the asked range. It must not loop-guard."""

from dataclasses import dataclass, field, replace

from planner.outline import Outline
from server.policies.course import Course
from server.policies.extend import LEAST_WORDS, MAX_EXTENSIONS, Closer, held_closer
from server.policies.heading_rules import Do, Verdict, judge, next_heading
from server.policies.heading_rules import Met as MetHeading
from server.policies.headings import Heading, Kind, read_heading
from server.policies.last_resort import LastResort
from server.policies.place import Place
from server.policies.policy import PACE, Turn
from server.policies.reader import Edge, Met, Reader
from server.policies.tally import Tally

_BREAK = "\n\n"
# A section without an end of a paragraph is cut at a sentence when it is so much over its share.
_FAR_OVER = 2
# A model that counts to another total than its plan three times over means it.
_MAX_TOTALS = 3
# So many headings in a row that open no section: the plan is being written once more.
_MAX_BARE_HEADINGS = 4


@dataclass(slots=True)
class Pace:
    """Policy: one draft, its outline (None: the range alone) and the range of its words."""

    outline: Outline | None
    low_words: int
    high_words: int
    report: Tally = field(default_factory=Tally)
    turn: Turn | None = None
    _course: Course = field(init=False)
    _resort: LastResort = field(init=False)
    _reader: Reader[Place] = field(default_factory=lambda: Reader(Place()))
    _brought: int | None = None
    _stalls: int = 0
    _unproductive: int = 0
    _carried_words: int = -LEAST_WORDS
    _totals: int = 0
    _safe_chars: int = 0

    def __post_init__(self) -> None:
        self._course = Course(self.outline, self.low_words, self.high_words)
        self._resort = LastResort(self.low_words, self.high_words)
        self._reader.gaps_from_words = self._resort.zone_words

    @property
    def safe_chars(self) -> int:
        safe, closer = self._reader.settled_chars, self._closer
        if closer is not None:
            safe = min(safe, closer.chars)
        if self._resort.stop_chars is not None:
            safe = min(safe, self._resort.stop_chars)
        if self.turn is not None:
            safe = min(safe, self.turn.back_to_chars)
        self._safe_chars = max(self._safe_chars, safe)
        return self._safe_chars

    def feed(self, text: str) -> None:
        if self.turn is not None:
            return
        for met in self._reader.feed(text):
            self.turn = self._unsent(self._met(met))
            if self.turn is not None:
                return

    def _unsent(self, turn: Turn | None) -> Turn | None:
        """A turn goes no further back than to what was safe: spaces behind a sentence may be."""
        if turn is None:
            return None
        return replace(turn, back_to_chars=max(turn.back_to_chars, self._safe_chars))

    def ended(self) -> Turn | None:
        """Below the range: the next section, or a plain carrying on; None to let it end."""
        reader, closer = self._reader, self._closer
        if self.turn is not None or reader.words >= self.low_words:
            self._resort.stop_chars = None
            return self.turn
        at = reader.settled_chars if closer is None else closer.chars
        words = reader.words if closer is None else closer.words
        torn = closer is None and not reader.whole
        if torn and not self._stalls and (turn := self._carry_on(at, words, "")) is not None:
            return self._unsent(turn)
        return self._unsent(self._go_on(at, words, torn=torn))

    def _go_on(self, at: int, words: int, *, torn: bool) -> Turn | None:
        """The next section's heading; a blank line where that is the last one's and too early.

        A model that has just been asked and brought nothing is asked in another way: by a heading
        where it would not end its torn sentence.
        """
        following = self._reader.place.section + 1
        if words - self._carried_words < LEAST_WORDS and not torn:
            return self._carry_on(at, words, _BREAK)
        last = following == self._course.count
        short = last and self._course.falls_short(following, words)
        turn = self._lengthen(following, at, words)
        if turn is None and short and (turn := self._carry_on(at, words, _BREAK)) is not None:
            return turn
        turn = turn or self._bring_on(following, at)
        if turn is None:
            return self._carry_on(at, words, _BREAK)
        self._carried_words = words
        return turn

    def _lengthen(self, following: int, at: int, words: int) -> Turn | None:
        """A section more than planned: where only the last one is left, and the text too short."""
        course = self._course
        if following < course.count or not course.count or not course.has_room(following, words):
            return None
        self._course = course.lengthened(following - 1, words)
        turn = self._bring_on(following, at)
        if turn is None:
            self._course = course
        return turn

    def rewind(self, chars: int) -> None:
        if self.turn is not None and chars > self.turn.back_to_chars:
            # Another policy's turn came first and lies behind this one, which still holds.
            return
        if self.turn is None or chars < self.turn.back_to_chars:
            self._brought = None
        self.turn = None
        self._reader.cut(chars)
        self._resort.rewind(chars, self._reader.words)
        self._safe_chars = min(self._safe_chars, chars)

    @property
    def _closer(self) -> Closer | None:
        return held_closer(self._reader.place.closer, self._reader.words, self.low_words)

    def _met(self, met: Met) -> Turn | None:
        if met.kind is None:
            return self._met_edge(met)
        if met.parted:
            self._reader.place = self._reader.place.after_paragraph(met.words)
        if met.kind is Kind.HEADING and (heading := read_heading(met.text)) is not None:
            return self._met_heading(heading, met)
        place, self._brought = self._reader.place, None
        self._reader.place = replace(
            place,
            closer=self._opened_closer(met),
            paragraph_start_words=met.words,
            bare_headings=0,
        )
        return self._met_paragraph(met) if met.parted else None

    def _opened_closer(self, met: Met) -> Closer | None:
        """A closing phrase opens an ending, but not within the section that is meant to close."""
        closer = self._closer
        closing = self._course.count > 0 and self._reader.place.section >= self._course.count
        if closer is None and met.kind is Kind.CLOSING and met.parted and not closing:
            return Closer(chars=met.end_chars, words=met.words, level=9)
        return closer

    def _met_edge(self, met: Met) -> Turn | None:
        """The two cuts inside a paragraph: at the end of the range, and far over a share."""
        end_chars = self._resort.ends_at(met)
        if end_chars is not None:
            return Turn(why=PACE, back_to_chars=end_chars, over=True)
        if met.edge not in (Edge.SENTENCE, Edge.LINE) or self._brought is not None:
            return None
        place = self._reader.place
        following = place.section + 1
        far = place.share > 0 and met.words - place.start_words >= _FAR_OVER * place.share
        if not far or following > self._course.count or self._closer is not None:
            return None
        return self._bring_on(following, met.end_chars)

    def _met_paragraph(self, met: Met) -> Turn | None:
        """A paragraph has ended and another begins: the next section, or the end, may be due."""
        place, course = self._reader.place, self._course
        half_words = place.usual_words / 2
        if 1 <= place.section < course.count:
            if course.closing_due(place.section, met.words, place.usual_words):
                return self._bring_on(course.count, met.end_chars) or self._finish(met)
            own_words = round(met.words - place.start_words + half_words)
            if not course.is_full(place.section, own_words, met.words, place.share):
                return None
            return self._bring_on(place.section + 1, met.end_chars)
        return self._finish(met)

    def _finish(self, met: Met) -> Turn | None:
        place = self._reader.place
        own_words = met.words - place.start_words
        if not self._course.is_over(place.section, own_words, met.words, place.usual_words):
            return None
        return Turn(why=PACE, back_to_chars=met.end_chars, over=True)

    def _met_heading(self, heading: Heading, met: Met) -> Turn | None:
        if self._resort.is_late(met.words):
            return Turn(why=PACE, back_to_chars=met.end_chars, over=True)
        place = self._reader.place
        if self._brought is not None:
            section, self._brought = self._brought, None
            if heading.is_doubled and (turn := self._uncount(heading, section, met)) is not None:
                return turn
            self._enter(heading, met, Verdict(do=Do.ENTER, section=section, sure=True))
            return None
        if heading.label is not None:
            self._course = self._course.counted(heading.label.total)
        stands = MetHeading(
            heading=heading,
            words=met.words,
            parted=met.parted,
            opens=met.end_chars == 0,
            trust_total=self._totals >= _MAX_TOTALS,
        )
        verdict = judge(stands, place, self._course)
        return self._follow(verdict, heading, met)

    def _follow(self, verdict: Verdict, heading: Heading, met: Met) -> Turn | None:
        if verdict.do is Do.END:
            return Turn(why=PACE, back_to_chars=met.end_chars, over=True)
        if verdict.do is Do.CARRY_ON:
            turn = self._lengthen(verdict.section, met.end_chars, met.words) or self._carry_on(
                met.end_chars, met.words, _BREAK
            )
            if turn is not None:
                return turn
        if verdict.do is Do.BRING_ON:
            turn = self._bring_on(verdict.section, met.end_chars, form=heading)
            if turn is not None:
                self._totals += heading.label is not None and heading.label.total is not None
                self.report.headings_replaced += 1
                return turn
        if verdict.do is Do.LEAVE:
            return self._leave(heading, met)
        if heading.is_doubled:
            turn = self._uncount(heading, verdict.section, met)
            if turn is not None:
                return turn
        self._enter(heading, met, verdict)
        return None

    def _uncount(self, heading: Heading, number: int, met: Met) -> Turn | None:
        """The turn that writes a heading with two counters anew, with one.

        A writer may go on with a counter behind a heading's beginning that the gateway wrote.
        """
        turn = self._bring_on(number, met.end_chars, form=heading, title=heading.bare_title)
        if turn is not None:
            self.report.headings_replaced += 1
        return turn

    def _leave(self, heading: Heading, met: Met) -> Turn | None:
        """A heading that is no section's; one that closes opens an ending that is held back.

        Many in a row are the plan over again: the next section is brought on.
        """
        place = self._reader.place
        if heading.closes and met.words and self._closer is None:
            closer = Closer(chars=met.end_chars, words=met.words, level=heading.level)
            place = replace(place, closer=closer)
        titled = heading.level < 8 or (heading.label is not None and heading.label.named)
        self._reader.place = replace(place, bare_headings=place.bare_headings + titled)
        if self._reader.place.bare_headings < _MAX_BARE_HEADINGS:
            return None
        return self._bring_on(place.section + 1, met.end_chars)

    def _enter(self, heading: Heading, met: Met, verdict: Verdict) -> None:
        place, number = self._reader.place, verdict.section
        share = self._course.share(number, met.words) if number <= self._course.count else 0
        matched = number if verdict.sure else place.matched
        entered = place.entered(number, heading, met.words, share)
        self._reader.place = replace(entered, matched=matched)

    def _bring_on(
        self, number: int, at: int, form: Heading | None = None, title: str | None = None
    ) -> Turn | None:
        """The turn that writes a section's heading; ``title``: where the plan has none."""
        form = self._reader.place.form or form
        words = None
        if form is not None:
            words = next_heading(number, form, self._reader.place, self._course, title)
        if words is None:
            return None
        self._brought = number
        self.report.sections_brought_on += 1
        return Turn(why=PACE, back_to_chars=at, words=(_BREAK if at else "") + words)

    def _carry_on(self, at: int, words: int, cue: str) -> Turn | None:
        """The turn that simply goes on; drawn otherwise, or not made, if the last brought nothing.

        Where headings have no number, the second try asks for another section.
        """
        stalled = words - self._carried_words < LEAST_WORDS
        self._stalls = self._stalls + 1 if stalled else 0
        self._unproductive += stalled
        if self._stalls > 1 or self._unproductive > MAX_EXTENSIONS:
            return None
        form = self._reader.place.form
        if stalled and cue and form is not None and form.label is None and form.level < 8:
            cue += form.like(0, None, None)
        self._carried_words = words
        self.report.extensions += 1
        return Turn(why=PACE, back_to_chars=at, words=cue, other_sampling=stalled)
