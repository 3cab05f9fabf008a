"""Whether a draft is one ``<think>`` segment and then one ``<answer>``; judges no word inside them.

Why: part of the format reward that LongWriter-Zero was trained by (arXiv 2506.18841), which is met
or not; here it is graded, so that of many drafts with a fault the least broken is known. A draft
begins at 1 and loses for each kind of fault it has, once, down to 0:

| fault | when | costs |
|---|---|---|
| no_think | thinking was asked for and the draft does not begin with ``<think>`` | 0.5 |
| no_think_end | the answer begins, or the draft ends, inside the thinking | 0.5 |
| no_answer_tag | the answer stands outside its tags | 0.5 |
| no_answer_end | the draft was cut inside its answer | 0.25 |
| stray_tag | a tag where none belongs: a second ``<think>``, a tag on a line of the answer | 0.25 |
| cut_tag | the draft ends inside a tag | 0.25 |
| text_after_end | text or a second ``<answer>`` behind the end of the answer | 0.25 |
| role_mark | a mark of the next turn, such as ``<|user|>`` | 0.25 |

A draft without any answer is worth 0. Tags that are quoted in the thinking, or named in its running
text, are being talked about and cost nothing. The names are those of the server's own faults (its
docs/channels.md), and no_answer_end, which there is the finish reason "length".

Worked number: no ``<think>``, and text behind ``</answer>``: 1 - 0.5 - 0.25 = 0.25.
"""

from dataclasses import dataclass
from typing import ClassVar

from rewards.base import Draft, Score
from rewards.tags import (
    CUT_TAG,
    NO_ANSWER_END,
    NO_ANSWER_TAG,
    NO_THINK,
    NO_THINK_END,
    ROLE_MARK,
    STRAY_TAG,
    TEXT_AFTER_END,
    Segments,
    State,
    read_tags,
)

_COSTS = {
    NO_THINK: 0.5,
    NO_THINK_END: 0.5,
    NO_ANSWER_TAG: 0.5,
    NO_ANSWER_END: 0.25,
    STRAY_TAG: 0.25,
    CUT_TAG: 0.25,
    TEXT_AFTER_END: 0.25,
    ROLE_MARK: 0.25,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """The reward, range [0, 1]. Judges ``raw`` where it is known.

    Of a draft that the model ended, an open answer is closed: ``</answer>`` is a stop string, and
    engines leave those out. Where only reasoning and answer are known, so is only whether each is
    there. A draft whose prompt asked for no thinking (``Draft.thinking``) is not asked for any.
    """

    name: ClassVar[str] = "format"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score(self, draft: Draft) -> Score:
        """Judges a draft as it stands: an unfinished one as if it were cut here."""
        segments = segments_of(draft)
        faults = segments.faults | _ending_faults(segments, ended=draft.ended)
        answered = segments.has_answer
        return _scored(faults, value=_left(faults) if answered else 0.0, answered=answered)


def format_so_far(draft: Draft) -> Score:
    """What the format of an unfinished draft can still reach: only what cannot be mended costs.

    No answer yet, an open tag and half a tag cost nothing. Worked number: text before any
    ``<think>`` -> no_think -> 0.5.
    """
    faults = segments_of(draft).faults
    return _scored(faults, value=_left(faults), answered=True)


def segments_of(draft: Draft) -> Segments:
    """The segments of a draft, by its tags or else by what is there."""
    if draft.raw is not None:
        return read_tags(draft.raw, thinking=draft.thinking)
    has_answer = bool(draft.answer.strip())
    lacks_plan = draft.thinking and has_answer and not draft.reasoning.strip()
    return Segments(
        faults=frozenset({NO_THINK} if lacks_plan else ()),
        state=State.ANSWER if has_answer else State.THINK,
        has_answer=has_answer,
        half_tag=False,
    )


def _ending_faults(segments: Segments, *, ended: bool) -> set[str]:
    """What only the end of a draft shows."""
    faults = {CUT_TAG} if segments.half_tag else set()
    if segments.state is State.THINK:
        faults.add(NO_THINK_END)
    elif not segments.has_answer:
        faults.add(NO_ANSWER_TAG)
    elif segments.state is State.ANSWER and not ended:
        faults.add(NO_ANSWER_END)
    return faults


def _left(faults: frozenset[str] | set[str]) -> float:
    return max(0.0, 1 - sum(_COSTS[fault] for fault in faults))


def _scored(faults: frozenset[str] | set[str], *, value: float, answered: bool) -> Score:
    found = [fault for fault in _COSTS if fault in faults]
    why = [*found] if answered else ["no answer", *found]
    return Score(value=value, why=", ".join(why), parts={fault: _COSTS[fault] for fault in found})
