"""Stop strings: the text before the first one, however it is cut up."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.stops import StopFinder, partial_suffix


def read(stops: tuple[str, ...], pieces: list[str]) -> tuple[str, str | None]:
    finder = StopFinder(stops)
    text = "".join(finder.feed(piece) for piece in pieces) + finder.finish()
    return text, finder.hit


@pytest.mark.parametrize(
    ("text", "marks", "length"),
    [
        ("it ends </ans", ["</answer>"], 5),
        ("it ends </answer>", ["</answer>"], 0),
        ("", ["</answer>"], 0),
        ("<", ["<"], 0),
        ("a", [], 0),
        ("<<", ["<think>"], 1),
        ("aab", ["aabaabc", "bx"], 3),
        ("xab", ["b1", "ab2"], 2),
    ],
)
def test_the_longest_end_that_may_become_a_mark_is_measured(
    text: str, marks: list[str], length: int
) -> None:
    assert partial_suffix(text, marks) == length


@pytest.mark.parametrize(
    ("text", "stops", "before", "hit"),
    [
        ("one END two", ("END",), "one ", "END"),
        ("one two", ("END",), "one two", None),
        ("one EN", ("END",), "one EN", None),
        ("one ENEND", ("END",), "one EN", "END"),
        ("END", ("END",), "", "END"),
        ("a\n\nb\n\nc", ("\n\n",), "a", "\n\n"),
        ("one two three", ("three", "two"), "one ", "two"),
        # Complete first counts, however the text comes.
        ("abcde", ("abcde", "bcd"), "a", "bcd"),
        ("abc", ("abc", "ab"), "", "ab"),
        # Complete at once: the longest.
        ("abcd", ("cd", "bcd"), "a", "bcd"),
        ("aab", ("aab", "ab"), "", "aab"),
        ("四季，春。", ("，",), "四季", "，"),
        ("anything", (), "anything", None),
    ],
)
def test_a_text_is_cut_at_the_first_stop_cut_up_anywhere(
    text: str, stops: tuple[str, ...], before: str, hit: str | None
) -> None:
    assert read(stops, [text]) == (before, hit)
    assert read(stops, list(text)) == (before, hit)
    for one, other in combinations(range(len(text) + 1), 2):
        assert read(stops, [text[:one], text[one:other], text[other:]]) == (before, hit)


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    text=st.text(alphabet="ab\n", max_size=20),
    stops=st.lists(st.text(alphabet="ab\n", min_size=1, max_size=4), max_size=4).map(tuple),
)
def test_any_text_is_cut_at_the_same_place_however_it_comes(
    data: st.DataObject, text: str, stops: tuple[str, ...]
) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    edges = [0, *places, len(text)]
    pieces = [text[edges[at] : edges[at + 1]] for at in range(len(edges) - 1)]
    assert read(stops, pieces) == read(stops, [text])


def test_no_more_is_held_back_than_may_become_a_stop() -> None:
    finder = StopFinder(("END", "\n\n"))
    assert finder.feed("one E") == "one "
    assert finder.feed("N") == ""
    assert finder.feed("T two\n") == "ENT two"
    assert finder.feed("three") == "\nthree"


def test_after_a_stop_nothing_comes_any_more() -> None:
    finder = StopFinder(("END",))
    assert finder.feed("one END two") == "one "
    assert finder.feed("three") == ""
    assert finder.finish() == ""
    assert finder.hit == "END"


def test_what_is_held_back_at_the_end_comes_once() -> None:
    finder = StopFinder(("END",))
    assert finder.feed("one EN") == "one "
    assert finder.finish() == "EN"
    assert finder.finish() == ""
