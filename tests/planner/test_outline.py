"""Outlines, and how they are fitted to a range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.closing import BARE, is_closing_title
from planner.outline import MIN_SECTION_WORDS, Outline, Section, even_outline, fit


def words_of(outline: Outline) -> list[int | None]:
    return [section.words for section in outline.sections]


def test_sections_without_a_share_get_the_mean_and_a_closing_one_less() -> None:
    outline = Outline(
        sections=(Section(title="A", words=100), Section(title="B"), Section(title="Conclusion"))
    )
    assert words_of(fit(outline, 900, 1_100)) == [417, 416, 167]


@given(
    st.lists(st.integers(min_value=1, max_value=5_000) | st.none(), min_size=1, max_size=40),
    st.integers(min_value=1_000, max_value=50_000),
)
def test_fitted_shares_add_up_to_the_middle_of_the_range(
    shares: list[int | None], low_words: int
) -> None:
    outline = Outline(sections=tuple(Section(title="T", words=share) for share in shares))
    fitted = fit(outline, low_words, low_words + 200)
    assert fitted.words == low_words + 100
    assert min(words or 0 for words in words_of(fitted)) >= 1


def test_a_plan_with_too_many_sections_is_replaced_by_an_even_one() -> None:
    crowd = Outline(sections=tuple(Section(title=str(n)) for n in range(30)))
    assert fit(crowd, 500, 600) == even_outline(500, 600)
    assert not fit(crowd, 500, 600).titled
    assert fit(crowd, 30 * MIN_SECTION_WORDS, 30 * MIN_SECTION_WORDS).titled
    assert fit(Outline(sections=()), 500, 600) == even_outline(500, 600)


def test_without_a_plan_sections_are_even_and_the_last_is_short() -> None:
    assert words_of(even_outline(1_800, 2_200)) == [455, 454, 455, 454, 182]
    assert words_of(even_outline(10, 20)) == [15]
    assert len(even_outline(900, 1_100, count=6).sections) == 6
    assert len(even_outline(90, 110, count=60).sections) == 4


@pytest.mark.parametrize(
    "title",
    [
        *BARE, "Closing words on tidal energy", "Conclusion: what remains",
        "Conclusion and outlook",
        "Summary and Conclusions", "Final Thoughts", "Epilogue – ten years on", "In conclusion",
        "茶道结语", "总结与展望", "结论：路还长", "写在最后", "Conclusion.", "The End",
    ],
)  # fmt: skip
def test_titles_that_close(title: str) -> None:
    assert is_closing_title(title)


@pytest.mark.parametrize(
    "title",
    [
        "Closing the border", "The conclusion of peace", "The end of the road", "Summary judgment",
        "Endings", "总结经验的方法", "年度工作总结", "结论性证据", "Introduction", "",
    ],
)  # fmt: skip
def test_titles_that_only_sound_like_closing(title: str) -> None:
    assert not is_closing_title(title)
