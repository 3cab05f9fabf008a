"""The report on a draft, as callers read it."""

import json

import orjson

from planner.length import Asked
from server.events import Ended, Usage
from server.wire.encode_writing import writing_object

MENDED = Ended(
    finish_reason="stop",
    usage=Usage(),
    answer_words=2_100,
    faults=("no_answer_tag",),
    asked=Asked(low_words=1_800, high_words=2_200, source="prompt"),
    carried=(
        *(("extend", 2), ("loop", 1), ("no_answer", 1), ("pace", 3)),
        *(("reasoning_budget", 1), ("stop_in_reasoning", 1), ("window", 4)),
    ),
    num_windows=5,
    moves=2,
)


def test_the_report_says_what_was_asked_what_was_written_and_what_was_mended() -> None:
    assert writing_object(MENDED) == {
        "words": 2_100,
        "asked": [1_800, 2_200],
        "source": "prompt",
        "ratio": 1.05,
        "extensions": 2,
        "sections_brought_on": 3,
        "loops_repaired": 1,
        "thinking_loops_repaired": 0,
        "outlines_asked": 0,
        "format_repairs": 3,
        "format_faults": ["no_answer_tag"],
        "windows": 5,
        "moves": 2,
    }
    assert json.loads(orjson.dumps(writing_object(MENDED))) == writing_object(MENDED)


def test_without_an_asked_length_there_is_no_ratio() -> None:
    plain = Ended(finish_reason="stop", usage=Usage(), answer_words=5)
    report = writing_object(plain)
    assert (report["asked"], report["source"], report["ratio"]) == (None, "none", None)
