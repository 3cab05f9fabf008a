"""Deltas that depend on the text alone."""

import pytest

from server.wire.response_deltas import LONGEST_CHARS, Cutter

TEXTS = [
    "Once upon a midsummer night's dream, said she.",
    "  \n\n\t  ten blanks:           .",
    "从前有一座山山里有一座庙，庙里有个老和尚。",
    "x",
    " ",
    "😀" * 9,
    "a\u2028b\u00a0c\u3000d",
]


def deltas(*pieces: str) -> list[str]:
    cutter = Cutter()
    found = [delta for piece in pieces for delta in cutter.add(piece)]
    return found + cutter.rest()


def test_the_worked_example() -> None:
    cutter = Cutter()
    assert cutter.add("Once upon") == ["Once"]
    assert cutter.add(" a midsummer") == [" upon", " a", " midsumm"]
    assert cutter.rest() == ["er"]
    assert cutter.rest() == []


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_has_the_same_deltas_however_it_is_split(text: str) -> None:
    whole = deltas(text)
    assert "".join(whole) == text
    assert all(0 < len(delta) <= LONGEST_CHARS for delta in whole)
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            assert deltas(text[:first], text[first:second], text[second:]) == whole


@pytest.mark.parametrize("text", TEXTS)
def test_no_more_is_held_than_the_beginning_of_one_delta(text: str) -> None:
    cutter, sent = Cutter(), ""
    for at, char in enumerate(text):
        sent += "".join(cutter.add(char))
        assert at + 1 - len(sent) < LONGEST_CHARS
