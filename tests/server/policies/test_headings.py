"""What the lines of an answer are, and how the like of a heading is written."""

import pytest

from server.policies.endings import MAX_OPENING_CHARS, is_closing_opening
from server.policies.headings import MAX_HEADING_CHARS, Kind, kind_of, read_heading


@pytest.mark.parametrize(
    "opening",
    [
        "In conclusion, the tide", "In conclusion the tide", "in conclusion: ", "*To sum up*, we",
        "**In summary,** it", "To conclude — ", "总之，路还长",
        "综上所述", "  总的来说", "In closing, ",
    ],
)  # fmt: skip
def test_a_closing_phrase_opens_an_ending(opening: str) -> None:
    assert is_closing_opening(opening, complete=False) is True


@pytest.mark.parametrize(
    "opening",
    [
        "In closing the door, she", "The conclusion of peace", "To conclude the treaty, he",
        "In conclusions drawn", "In conclusion's shadow", "In conclusion hall", "总共三人",
        "Insects",
        "Conclusion of the tale", "x" * MAX_OPENING_CHARS,
    ],
)  # fmt: skip
def test_words_that_only_begin_like_one_do_not(opening: str) -> None:
    assert is_closing_opening(opening, complete=False) is False


@pytest.mark.parametrize(
    "opening", ["", "I", "In concl", "In conclusion", "In conclusion th", "总", "*"]
)
def test_a_short_opening_is_waited_for_until_it_ends(opening: str) -> None:
    assert is_closing_opening(opening, complete=False) is None
    assert is_closing_opening(opening, complete=True) is False


def test_an_opening_of_nothing_but_marks_is_not_waited_for_for_ever() -> None:
    assert is_closing_opening("*" * MAX_OPENING_CHARS, complete=False) is False


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", Kind.BLANK), ("  ", Kind.BLANK), ("## 3 of 12 - Roads", Kind.HEADING),
        ("# Title #", Kind.HEADING), ("**Roads**", Kind.HEADING), ("__Roads__:", Kind.HEADING),
        ("Chapter IV: The Storm", Kind.HEADING), ("第一章 风雨", Kind.HEADING),
        ("一、引言", Kind.HEADING), ("3. Roads", Kind.HEADING), ("Conclusion", Kind.HEADING),
        ("结语", Kind.HEADING), ("3. Roads are made of stone.", Kind.ITEM), ("- item", Kind.ITEM),
        ("| a | b |", Kind.ITEM), ("---", Kind.ITEM), ("```python", Kind.FENCE),
        ("**Note** that it rains", Kind.TEXT), ("#hashtag", Kind.TEXT),
        ("1984 was cold", Kind.TEXT), ("3 of 12: Roads", Kind.HEADING),
        ("12 of the men", Kind.TEXT), ("12 old men", Kind.TEXT),
        ("Part of the story", Kind.TEXT), ("Part I of the story was told.", Kind.TEXT),
        ("一个人走", Kind.TEXT), ("第一次看到", Kind.TEXT), ("I went", Kind.TEXT),
        ("In conclusion, we", Kind.CLOSING), ("总之，路还长。", Kind.CLOSING), ("#", Kind.TEXT),
        ("Chapter 1 " + "x" * MAX_HEADING_CHARS, Kind.TEXT), ("Act", Kind.TEXT),
        ("结语 " + "路" * MAX_HEADING_CHARS, Kind.TEXT),
    ],
)  # fmt: skip
def test_the_kind_of_a_line_and_what_is_decided_early_stays(line: str, kind: Kind) -> None:
    assert kind_of(line, complete=True) is kind
    early = [kind_of(line[:size], complete=False) for size in range(len(line) + 1)]
    assert {one for one in early if one is not None} <= {kind}


@pytest.mark.parametrize("line", ["It rained", "The mill", "他走了", "- x", "Participants met"])
def test_text_is_told_within_a_few_characters(line: str) -> None:
    assert kind_of(line[:6], complete=False) is not None


@pytest.mark.parametrize(
    ("line", "fourth", "cue"),
    [
        ("## 3 of 12 - Roads", "## 4 of 9: Mills", "## 4 of 9:"),
        ("## 第3节，共12节 — 路", "## 第4节，共9节：Mills", "## 第4节，共9节："),
        ("### Chapter III – Roads", "### Chapter IV – Mills", "### Chapter IV –"),
        ("## Roads", "## Mills", "##"),
        ("**3. Roads**", "**4. Mills**", "**4."),
        ("第三章 路", "第四章 Mills", "第四章"),
        ("## Chapter 3", "## Chapter 4 Mills", "## Chapter 4"),
    ],
)
def test_headings_that_are_written_look_like_those_of_the_model(
    line: str, fourth: str, cue: str
) -> None:
    heading = read_heading(line)
    assert heading is not None
    assert heading.like(4, 9, "Mills") == fourth
    assert heading.like(4, 9, None) == cue


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("## 108 of 401:88 of 401", ""),
        ("## 108 of 401: 88 of 401: 3 of 401 - Roads", "Roads"),
        ("## 第12节，共53节：第8节，共53节：从工具看茶道", "从工具看茶道"),
        ("## Chapter 3: Chapter 4: Roads", "Roads"),
        ("## 3/12: 2/12 Roads", "Roads"),
        ("## 3/12: 24/7 service", "24/7 service"),
        ("## 3 of 12: Part 2 of the story", "Part 2 of the story"),
        ("## 3. 4. Roads", "4. Roads"),
        ("## Roads", "Roads"),
    ],
)
def test_a_counter_within_a_title_is_told_from_a_title(line: str, bare: str) -> None:
    heading = read_heading(line)
    assert heading is not None
    assert heading.bare_title == bare
    assert heading.is_doubled == (bare != heading.title)


def test_a_heading_without_a_title_ends_with_its_number() -> None:
    heading = read_heading("**3 of 12: Roads**")
    assert heading is not None
    assert heading.like(4, 9, "") == "**4 of 9**"


def test_a_line_of_text_is_no_heading() -> None:
    assert read_heading("3. Roads are made of stone.") is None
    assert read_heading("It rained") is None
    assert read_heading("") is None
