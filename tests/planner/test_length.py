"""The asked length, read as people write it, and not from what only looks like it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.asked import (
    distractors,
    figures,
    parts,
    paste,
    plainness,
    quantities,
    sources,
    surroundings,
)
from planner.length import NOTHING, Asked, from_field, read_conversation, read_length

DATA = Path(__file__).parents[1] / "data"


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def words(text: str) -> list[int] | None:
    asked = read_length(text)
    if asked.low_words is None or asked.high_words is None:
        assert asked == NOTHING
        return None
    assert asked.source == "prompt"
    return [asked.low_words, asked.high_words]


@pytest.mark.parametrize("row", rows("longwrite_ruler.jsonl"), ids=lambda row: row["prompt"][:40])
def test_every_prompt_of_the_longwrite_ruler_is_read_within_a_tenth(row: dict[str, Any]) -> None:
    assert words(row["prompt"]) == [round(0.9 * row["length"]), round(1.1 * row["length"])]


@pytest.mark.parametrize("row", rows("asked_lengths.jsonl"), ids=lambda row: row["prompt"][:60])
def test_prompts_labelled_by_hand_are_read_as_labelled(row: dict[str, Any]) -> None:
    assert words(row["prompt"]) == row["words"]


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("2,000", 2_000),
        ("2，000", 2_000),
        ("３０００", 3_000),
        ("1.5k", 1_500),
        ("2 thousand", 2_000),
        ("1.5万", 15_000),
        ("2w", 20_000),
        ("5千", 5_000),
        ("两千五", 2_500),
        ("两千零五", 2_005),
        ("一万两千五", 12_500),
        ("十五", 15),
        ("二〇二三", 2_023),
        ("万", 10_000),
        ("twenty-five hundred", 2_500),
        ("twelve hundred and fifty", 1_250),
        ("three thousand five hundred", 3_500),
        ("two hundred thousand", 200_000),
        ("a couple of thousand", 2_000),
        ("a hundred", 100),
        ("half a", 0.5),
    ],
)
def test_numbers_are_read_however_they_are_written(number: str, value: float) -> None:
    assert re.fullmatch(figures.NUMBER, number, re.IGNORECASE)
    assert figures.read_number(number) == value


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [
        ("Write a 900-word story.", "Make it funnier.", [810, 990]),
        ("Write a 900-word story.", "Make it 1,200 words.", [1_080, 1_320]),
        ("写一篇800字的作文", "改成1000字", [900, 1_100]),
        ("Hello.", "Tell me more.", None),
    ],
)
def test_the_last_message_that_states_a_length_counts(
    first: str, last: str, found: list[int] | None
) -> None:
    asked = read_conversation([first, last])
    assert (asked == NOTHING) if found is None else [asked.low_words, asked.high_words] == found


def test_a_field_is_a_tenth_around_a_number_or_the_range_as_it_stands() -> None:
    assert from_field(2_000) == Asked(low_words=1_800, high_words=2_200, source="field")
    assert from_field((800, 1_000)) == Asked(low_words=800, high_words=1_000, source="field")
    assert from_field(1) == Asked(low_words=1, high_words=1, source="field")


def test_amounts_in_a_long_source_do_not_win_over_the_request_before_or_behind_it() -> None:
    source = "The ministry said that a report should be 5,000 words long. " * 400
    assert words(f"Summarise this in 300 words.\n\n{source}") == [270, 330]
    assert words(f"Text:\n{source}\nSummarise it in 300 words.") == [270, 330]


def test_a_prompt_of_hundreds_of_kilobytes_is_read() -> None:
    prose = "The keeper of the lighthouse wrote in his log, and the sea was calm. " * 6_000
    assert words(f"Write a 2,000-word essay on this text:\n{prose}") == [1_800, 2_200]
    assert words(f"{prose}\n请写一篇1500字左右的读后感。") == [1_350, 1_650]


def test_what_says_too_often_how_long_each_of_something_is_asks_for_no_length() -> None:
    assert words("Write 5 letters. " + "Each letter should have 200 words. " * 8) is not None
    assert words("Write 5 letters. " + "Each letter should have 200 words. " * 9) is None


def test_the_middle_of_a_very_long_prompt_is_not_read() -> None:
    source = "The sea was calm. " * 3_000
    assert words(f"{source}Write a 900-word essay.\n{source}") is None
    assert words(f"Write a 900-word essay.\n{source}{source}") == [810, 990]


def test_of_very_many_amounts_the_first_and_the_last_are_weighed() -> None:
    listed = "Size: 12 pages. " * 150
    assert words(f"Write 900 words on paper.\n{listed}") == [810, 990]
    assert words(f"{listed}\nWrite 900 words on this list.") == [810, 990]


def patterns() -> list[tuple[str, re.Pattern[str]]]:
    modules = (
        *(distractors, figures, parts, paste, plainness),
        *(quantities, sources, surroundings),
    )
    return [
        (f"{module.__name__}.{name}", value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    ]


@pytest.mark.parametrize(("name", "pattern"), patterns(), ids=lambda value: str(value)[:48])
def test_no_pattern_has_an_unbounded_quantifier_so_that_reading_is_linear(
    name: str, pattern: re.Pattern[str]
) -> None:
    bare = re.sub(r"\\.", "", pattern.pattern)
    bare = re.sub(r"\[\^?\]?[^\]]*\]", "", bare)
    assert not re.search(r"[*+]|\{\d+,\}", bare), name


@given(st.text(alphabet="1一万千,. -–~至字页分钟words about each第每（(：:\n写Write", max_size=200))
@settings(max_examples=300, deadline=None)
def test_whatever_a_prompt_holds_the_range_is_whole_and_in_order(text: str) -> None:
    found = words(text)
    assert found is None or 1 <= found[0] <= found[1]
