"""Word counting: the benchmarks' rule, and the same number however the text arrives."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.words import WordCounter, count_words, has_han


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Chapter 1: 春天 don't", 5),
        ("don't", 2),
        ("word2", 0),
        ("2word", 0),
        ("snake_case", 0),
        ("1,234.5", 0),
        ("well-known", 2),
        ("naïve café", 0),
        ("привет мир", 0),
        ("春天来了。", 4),
        ("一\u4e00\u9fff", 3),
        ("\u3400\ua000ひらがな", 0),
        ("春天spring", 2),
        ("春 spring 天", 3),
    ],
)
def test_han_characters_and_lone_runs_of_ascii_letters_are_words(text: str, words: int) -> None:
    assert count_words(text) == words


@pytest.mark.parametrize(
    ("text", "has"),
    [("spring", False), ("春", True), ("\u4e00", True), ("\u9fff", True), ("\u4dff", False),
     ("\ua000", False), ("ひらがな", False), ("。", False)],
)  # fmt: skip
def test_a_han_character_lies_between_4e00_and_9fff(text: str, has: bool) -> None:
    assert has_han(text) is has


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(st.text(alphabet="ab1_é春 ,'\n", max_size=6), max_size=12))
def test_a_text_in_pieces_counts_as_the_whole_at_every_step(pieces: list[str]) -> None:
    counter = WordCounter()
    for at, piece in enumerate(pieces):
        counter.feed(piece)
        assert counter.words == count_words("".join(pieces[: at + 1]))


@pytest.mark.parametrize("text", ["spring 春天 don't word2 end", "an_other, 春spring"])
def test_a_text_counts_the_same_cut_at_every_pair_of_places(text: str) -> None:
    for one in range(len(text) + 1):
        for other in range(one, len(text) + 1):
            counter = WordCounter()
            for piece in (text[:one], text[one:other], text[other:]):
                counter.feed(piece)
            assert counter.words == count_words(text)


def test_a_very_long_word_is_fed_in_linear_work() -> None:
    # At work that grows with the square this would run into the time limit of a test.
    counter = WordCounter()
    for text in ("a" * 300_000 + " ", "春" * 300_000 + "，", "b" * 300_000):
        counter.feed(text)
    assert counter.words == 1 + 300_000 + 1
