"""The ``writing`` object of a response: what was asked, what came of it, what was mended."""

from typing import Any, Final

from server.events import Ended
from server.policies.policy import EXTEND, LOOP, PACE
from server.rules import NO_ANSWER, REASONING_BUDGET, STOP_IN_REASONING

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
        "format_repairs": sum(carried.get(why, 0) for why in _FORMAT_REPAIRS),
        "format_faults": list(ended.faults),
        "windows": ended.num_windows,
    }
