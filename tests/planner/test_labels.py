"""Numbers and labels before titles."""

import pytest

from planner.labels import read_label
from planner.ordinals import Style, read_numeral, write_numeral


@pytest.mark.parametrize("style", list(Style))
def test_a_number_reads_as_it_was_written(style: Style) -> None:
    for number in [*range(1, 130), 200, 399, 400, 999, 1_000]:
        read = read_numeral(write_numeral(number, style))
        assert read is not None and read[0] == number


def test_numbers_are_written_as_people_write_them() -> None:
    written = [write_numeral(n, Style.HAN) for n in (2, 10, 12, 20, 23, 101, 110, 115)]
    assert written == ["二", "十", "十二", "二十", "二十三", "一百零一", "一百一十", "一百一十五"]
    assert write_numeral(44, Style.ROMAN) == "XLIV"
    assert write_numeral(4, Style.WORD) == "Four"
    assert write_numeral(21, Style.WORD) == "21"


@pytest.mark.parametrize("text", ["IIII", "mix", "二二", "twenty-one", "", "1a"])
def test_what_is_no_number_is_not_read(text: str) -> None:
    assert read_numeral(text) is None


@pytest.mark.parametrize(
    ("line", "number", "total", "title", "following"),
    [
        ("3 of 12: Roads", 3, 12, "Roads", "4 of 9"),
        ("Part 3 of 12 - Roads", 3, 12, "Roads", "Part 4 of 9"),
        ("3/12 Roads", 3, 12, "Roads", "4/9"),
        ("第3节，共12节：路", 3, 12, "路", "第4节，共9节"),
        ("第三章 路", 3, None, "路", "第四章"),
        ("Chapter III: Roads", 3, None, "Roads", "Chapter IV"),
        ("CHAPTER THREE", 3, None, "", "CHAPTER Four"),
        ("Section 3 – Roads", 3, None, "Roads", "Section 4"),
        ("3. Roads", 3, None, "Roads", "4"),
        ("三、路", 3, None, "路", "四"),
        ("（三）路", 3, None, "路", "（四）"),
        ("III. Roads", 3, None, "Roads", "IV"),
    ],
)
def test_a_label_is_read_and_its_like_is_written(
    line: str, number: int, total: int | None, title: str, following: str
) -> None:
    found = read_label(line)
    assert found is not None
    label, rest = found
    assert (label.number, label.total, rest) == (number, total, title)
    assert label.write(4, 9) == following


@pytest.mark.parametrize(
    "line",
    ["Roads", "3.5 miles", "1.1 Roads", "Chapters", "Part of it", "IIII. Roads", "一个人", "2024"],
)
def test_a_line_without_a_label(line: str) -> None:
    assert read_label(line) is None
