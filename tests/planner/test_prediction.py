"""The question for a length, and what counts as an answer to it."""

import pytest

from planner.length import NOTHING, Asked
from planner.prediction import question, read_range


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("800, 1000", (800, 1_000)),
        ("780,1020]}", (800, 1_000)),
        (" 800， 1000", (800, 1_000)),
        ("0, 400", (100, 400)),
        ("2000, 9000", (4_000, 7_000)),
        ("10000, 20000", (10_000, 12_000)),
        ("100, 100", (100, 100)),
    ],
)
def test_a_range_is_held_to_the_rules_of_the_length_reward(
    written: str, words: tuple[int, int]
) -> None:
    assert read_range(written) == Asked(low_words=words[0], high_words=words[1], source="predicted")


@pytest.mark.parametrize(
    "written", ["", "0, 0", "1000, 800", "about 500", "500", "20000, 30000", "5, 50"]
)
def test_what_is_no_range_is_none(written: str) -> None:
    assert read_range(written) == NOTHING


def test_a_question_is_in_the_requests_language_and_leaves_the_middle_of_a_long_one_out() -> None:
    assert question("Write on tea.", "en").endswith("Request:\nWrite on tea.")
    assert question("写茶", "zh").endswith("请求：\n写茶")
    long = question("a" * 3_000 + "b" * 3_000 + "c" * 3_000, "other")
    assert "a" * 3_000 + "\n…\n" + "c" * 3_000 in long
    assert "bb" not in long
