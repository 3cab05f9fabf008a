"""Long texts in windows, and the ends of a text around a mark."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.quality.windows import (
    MARK,
    estimate_tokens,
    head_tail,
    mean_by_tokens,
    windows,
)


def words(text: str) -> int:
    return len(text.split())


def section(number: int, size: int) -> str:
    return f"## Section {number}\n\n" + "word " * (size - 3) + "\n\n"


def test_neighbouring_sections_share_a_window_where_they_fit_and_none_is_cut() -> None:
    text = section(1, 300) + section(2, 300) + section(3, 60)
    made = windows(text, 400, words)
    assert [window.tokens for window in made] == [300, 360]
    assert [window.text.count("##") for window in made] == [1, 2]


def test_a_text_that_fits_is_one_window() -> None:
    assert [window.text for window in windows("A line.", 400, words)] == ["A line."]


def test_an_empty_text_has_no_window() -> None:
    assert windows("", 10, words) == ()


def test_a_section_too_long_is_cut_behind_a_paragraph() -> None:
    text = "## One\n\n" + "a " * 50 + "\n\n" + "b " * 50
    made = windows(text, 60, words)
    assert [window.text[-2:] for window in made] == ["\n\n", "b "]
    assert [window.tokens for window in made] == [52, 50]


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("One two. Three four. Five six.", 4, ["One two. Three four. ", "Five six."]),
        ("one two three four five", 2, ["one two ", "three four ", "five"]),
    ],
)
def test_a_paragraph_too_long_is_cut_behind_a_sentence_or_a_word(
    text: str, limit: int, cut: list[str]
) -> None:
    assert [window.text for window in windows(text, limit, words)] == cut


def test_chinese_sentences_are_cut_behind_their_stops() -> None:
    made = windows("茶很好。水很清。山很高。", 8, len)
    assert [window.text for window in made] == ["茶很好。水很清。", "山很高。"]


def test_a_run_without_any_border_is_halved() -> None:
    assert [window.text for window in windows("x" * 10, 3, len)] == ["xx", "xxx", "xx", "xxx"]


def test_one_character_of_many_tokens_is_a_window_of_its_own() -> None:
    made = windows("ab", 2, lambda text: 3 * len(text))
    assert [(window.text, window.tokens) for window in made] == [("a", 3), ("b", 3)]


@given(st.text(alphabet="ab .\n#茶。", max_size=200), st.integers(1, 40))
def test_windows_joined_are_the_text_and_keep_the_limit(text: str, limit: int) -> None:
    made = windows(text, limit, len)
    assert "".join(window.text for window in made) == text
    assert all(window.tokens == len(window.text) <= limit for window in made)


def test_a_text_that_fits_has_no_mark() -> None:
    assert head_tail("one two three", 3, words).text == "one two three"


def test_the_ends_of_a_long_text_stay_around_a_mark() -> None:
    text = " ".join(f"w{number}" for number in range(1_000))
    kept = head_tail(text, 401, words)
    head, tail = kept.text.split(MARK)
    assert head.startswith("w0 w1 ")
    assert tail.endswith(" w998 w999")
    assert 170 <= words(head) <= 200
    assert 170 <= words(tail) <= 230
    assert kept.tokens <= 401


def test_the_share_of_the_head_can_be_chosen() -> None:
    text = " ".join(f"w{number}" for number in range(1_000))
    only_tail = head_tail(text, 101, words, head_share=0.0)
    assert only_tail.text.startswith(MARK)
    assert only_tail.text.endswith("w999")


def test_a_limit_below_the_mark_leaves_the_mark() -> None:
    assert head_tail("a b c d e f", 1, lambda text: 3 * words(text)).text == MARK


def test_parts_that_fit_apart_though_not_together_all_stay() -> None:
    kept = head_tail("a. b. c.", 20, lambda text: len(text) + 20 * (len(text) == 8))
    assert kept.text.replace(MARK, "") == "a. b. c."


@given(st.text(alphabet="ab .\n", max_size=300), st.integers(12, 60))
def test_head_and_tail_never_overlap(text: str, limit: int) -> None:
    kept = head_tail(text, limit, len)
    assert kept.tokens <= max(limit, len(MARK))
    if len(text) > limit:
        head, tail = kept.text.split(MARK, 1)
        assert text.startswith(head)
        assert text.endswith(tail)
        assert len(head) + len(tail) <= len(text)


def test_the_mean_goes_by_tokens() -> None:
    assert mean_by_tokens([1.0, -1.0], [400, 100]) == pytest.approx(0.6)


def test_no_token_has_no_mean() -> None:
    with pytest.raises(ZeroDivisionError):
        mean_by_tokens([], [])


def test_tokens_are_estimated_by_script() -> None:
    assert estimate_tokens("A cup of 茶") == 4
    assert estimate_tokens("茶道") == 2
