"""What a heading means where it stands, and how the one that is due is written. It acts not."""

from dataclasses import dataclass
from enum import StrEnum

from server.policies.course import Course
from server.policies.headings import Heading
from server.policies.place import Place

# Below this part of its share a section is asked for more, if the whole would come out short.
_SCANTY = 0.6


class Do(StrEnum):
    """What to do about a heading."""

    LEAVE = "leave"
    ENTER = "enter"
    BRING_ON = "bring_on"
    CARRY_ON = "carry_on"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do, with which section; ``sure``: the heading names it. The first rule is LEAVE:
    a title or a sub-heading, text like other text."""

    do: Do
    section: int = 0
    sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A heading where it stands: the words before it, and whether a paragraph ends there.

    opens: it is the very first line of the answer. trust_total: its total is taken as it is.
    """

    heading: Heading
    words: int
    parted: bool
    opens: bool
    trust_total: bool


def judge(met: Met, place: Place, course: Course) -> Verdict:
    """The verdict on a heading of the model's."""
    number = course.find(met.heading, place.section)
    if _is_part(met, place, number, titled=course.names(met.heading)):
        return Verdict(do=Do.LEAVE)
    if not course.count:
        return _without_outline(met, place, course)
    if met.heading.closes:
        return _closing(met, place, course)
    if place.section >= course.count:
        return _beyond(met, course)
    following = place.section + 1
    wrong = _is_repeat(number, place) or _leaps(number, met, place, course)
    if wrong or _miscounts(met.heading, place):
        return Verdict(do=Do.BRING_ON, section=following)
    section = number if number is not None and number <= course.count else following
    return _expected(met, place, course, Verdict(do=Do.ENTER, section=section, sure=bool(number)))


def _is_part(met: Met, place: Place, number: int | None, *, titled: bool) -> bool:
    """A title over the whole, a heading within a section, or a list item that looks like one."""
    heading, form = met.heading, place.form
    if heading.level == 8 and (heading.label is None or not heading.label.named):
        alike = form is not None and form.level == 8
        if not (alike or heading.closes or number == place.section + 1 and form is None):
            return True
    if form is not None:
        return heading.level > form.level or (heading.level < form.level and not titled)
    return met.opens and heading.label is None and not titled


def _without_outline(met: Met, place: Place, course: Course) -> Verdict:
    label = met.heading.label
    if met.heading.closes and met.words < course.low_words:
        if label is not None and label.total is not None and label.number < label.total:
            return Verdict(do=Do.BRING_ON, section=label.number)
        return Verdict(do=Do.LEAVE)
    if met.parted and met.words >= course.middle_words and not met.heading.closes:
        return Verdict(do=Do.END)
    return Verdict(do=Do.ENTER, section=label.number if label else place.section + 1)


def _closing(met: Met, place: Place, course: Course) -> Verdict:
    """A closing heading: in its place, or once the rest has room for nothing else."""
    following = place.section + 1
    if course.falls_short(course.count, met.words):
        planned = course.title(following) if following < course.count else None
        if following < course.count and (planned or met.heading.label):
            return Verdict(do=Do.BRING_ON, section=following)
        return Verdict(do=Do.CARRY_ON, section=max(following, course.count))
    return _totalled(
        met, course, Verdict(do=Do.ENTER, section=max(following, course.count), sure=True)
    )


def _beyond(met: Met, course: Course) -> Verdict:
    """One section more than the outline has."""
    if met.words >= course.low_words:
        return Verdict(do=Do.END)
    return Verdict(do=Do.ENTER, section=course.count + 1)


def _is_repeat(number: int | None, place: Place) -> bool:
    return number is not None and number <= place.matched


def _miscounts(heading: Heading, place: Place) -> bool:
    """Whether its number does not follow the one before: the next section's is written instead.

    A book of 100,000 words had 80, 20, 21 among its headings, each under the right title.
    """
    counted = place.form is not None and place.form.label is not None
    if heading.label is None or not counted:
        return False
    return heading.label.number + place.shift != place.section + 1


def _leaps(number: int | None, met: Met, place: Place, course: Course) -> bool:
    """Whether it passes over sections that the text needs for its length."""
    if number is None or number <= place.section + 1:
        return False
    return number > course.count or course.falls_short(number, met.words)


def _expected(met: Met, place: Place, course: Course, enter: Verdict) -> Verdict:
    """The next section, unless the last one is due, the one before is scanty, or N is wrong."""
    if met.parted and course.closing_due(enter.section, met.words, place.usual_words):
        return Verdict(do=Do.BRING_ON, section=course.count)
    own_words = met.words - place.start_words
    if 0 < place.section < enter.section and own_words < _SCANTY * place.share and met.parted:
        planned = course.planned(1) - course.planned(place.section + 1)
        likely = course.middle_words * met.words / max(1, planned)
        if likely < course.low_words:
            return Verdict(do=Do.CARRY_ON, section=enter.section)
    return _totalled(met, course, enter)


def _totalled(met: Met, course: Course, enter: Verdict) -> Verdict:
    label = met.heading.label
    wrong = label is not None and label.total not in (None, course.count)
    if wrong and not met.trust_total and course.title(enter.section) is not None:
        return Verdict(do=Do.BRING_ON, section=enter.section)
    return enter


def next_heading(
    number: int, form: Heading, place: Place, course: Course, title: str | None
) -> str | None:
    """The heading of a section, like another one; the beginning of one that has no title.

    title: where the plan has none, "" for none at all. None: no such heading can be written.
    """
    if course.count and number > course.count:
        return None
    planned, label = course.title(number), form.label
    title = title if planned is None else planned
    total = None if label is None or label.total is None else course.count or label.total
    if title is None and (label is None or number > (total or number)):
        return None
    line = form.like(number - place.shift, total, title)
    return line if title is None else line + "\n\n"
