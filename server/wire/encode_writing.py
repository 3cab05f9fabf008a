"""The ``writing`` object of a response: what was asked, what came of it, what was mended."""

from typing import Any, Final

from server.events import Candidate, Ended, Judged, Progress
from server.policies.policy import EXTEND, LOOP, PACE
from server.rules import (
    NO_ANSWER,
    OUTLINE,
    REASONING_BUDGET,
    STOP_IN_REASONING,
    THINKING_LOOP,
)

_FORMAT_REPAIRS: Final = (NO_ANSWER, REASONING_BUDGET, STOP_IN_REASONING)


def writing_object(ended: Ended) -> dict[str, Any]:
    """The report on one draft; README.md says what each field means."""
    carried = dict(ended.carried)
    ratio = ended.ratio
    return {
        "words": ended.answer_words,
        "asked": ended.asked.range and list(ended.asked.range),
        "source": ended.asked.source,
        "ratio": None if ratio is None else round(ratio, 3),
        "extensions": carried.get(EXTEND, 0),
        "sections_brought_on": carried.get(PACE, 0),
        "loops_repaired": carried.get(LOOP, 0),
        "thinking_loops_repaired": carried.get(THINKING_LOOP, 0),
        "outlines_asked": carried.get(OUTLINE, 0),
        "format_repairs": sum(carried.get(why, 0) for why in _FORMAT_REPAIRS),
        "format_faults": list(ended.faults),
        "windows": ended.num_windows,
        "moves": ended.moves,
        **({} if ended.stored else {"stored": False}),
        **({} if ended.judged is None else _judged_object(ended.judged)),
    }


def progress_object(progress: Progress) -> dict[str, Any]:
    """The ``writing`` object of a chunk that tells how the candidates are getting on."""
    return {"progress": [_standing(candidate) for candidate in progress.candidates]}


def kept_object(draft_id: str, position: int) -> dict[str, Any]:
    """The ``writing`` object of the first chunk of a draft that is kept."""
    return {"draft_id": draft_id, **position_object(position)}


def position_object(position: int | None) -> dict[str, Any]:
    """Where a kept draft is, in characters of all its text; nothing for one that is not kept."""
    return {} if position is None else {"position": position}


def _judged_object(judged: Judged) -> dict[str, Any]:
    return {
        "best_of": len(judged.candidates),
        "candidate": judged.candidate,
        "judged_by": judged.judged_by,
        "candidates": [
            {
                **_standing(candidate),
                "place": candidate.place,
                "scores": {name: _rounded(value) for name, value in candidate.raw.items()},
                "normalised": {
                    name: _rounded(value) for name, value in candidate.normalised.items()
                },
                "why": candidate.why,
            }
            for candidate in judged.candidates
        ],
    }


def _standing(candidate: Candidate) -> dict[str, Any]:
    return {
        "candidate": candidate.index,
        "state": candidate.fate.value,
        "words": candidate.words,
        "reasoning_tokens": candidate.reasoning_tokens,
        "answer_tokens": candidate.answer_tokens,
        "score": _rounded(candidate.score),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
