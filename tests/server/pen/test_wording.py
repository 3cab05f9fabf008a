"""Figures and texts as the pen prints them."""

import pytest

from server.pen.wording import counted, duration, printable


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0:00"), (65.4, "1:05"), (3599.6, "1:00:00"), (3700, "1:01:40")]
)
def test_a_duration_is_told_in_minutes_and_hours(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(("number", "told"), [(0, "0 words"), (1, "1 word"), (1200, "1,200 words")])
def test_a_count_has_its_noun(number: int, told: str) -> None:
    assert counted(number, "word") == told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\n\tlines, 春天 é", "two\n\tlines, 春天 é"),
        ("\x1b]0;pwned\x07\x1b[2Jtext", "]0;pwned[2Jtext"),
        ("\x9b2Jcarriage\rreturn\x7f\x00", "2Jcarriagereturn"),
        ("half a pair \ud83d", "half a pair ?"),
    ],
)
def test_nothing_that_a_terminal_would_obey_is_printed(text: str, shown: str) -> None:
    assert printable(text) == shown
