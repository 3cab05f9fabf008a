"""Plans as models think them, and the outlines that are read out of them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from planner.outline import Outline, Section, fit
from planner.plan_line import read_item, read_share
from planner.plan_text import read_outline
from server.pocket.maker.draft import Spec
from server.pocket.maker.lexicon import Language
from server.pocket.maker.render import plan_text
from server.pocket.maker.sampler import DraftMaker

DATA = Path(__file__).parents[1] / "data" / "plans.toml"
PLANS: list[dict[str, Any]] = tomllib.loads(DATA.read_text(encoding="utf-8"))["plan"]


def outline_of(sections: list[str]) -> Outline | None:
    rows = [[cell.strip() for cell in section.split("|")] for section in sections]
    found = [
        Section(title=title or None, words=int(words) if words else None, level=int(level))
        for title, words, level in rows
    ]
    return Outline(sections=tuple(found)) if found else None


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: str(plan["name"]))
def test_the_outline_of_a_plan_is_read_as_a_reader_would(plan: dict[str, Any]) -> None:
    assert read_outline(plan["text"], *plan["range"]) == outline_of(plan["sections"])


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("asked", [300, 1_000, 5_000, 20_000])
def test_every_plan_of_the_pocket_writer_is_read(language: Language, asked: int) -> None:
    draft = DraftMaker(Spec(seed=asked, language=language, words=asked)).draft(last=0)
    outline = read_outline(plan_text(draft), round(0.9 * asked), round(1.1 * asked))
    assert outline is not None
    assert tuple(section.title for section in outline.sections) == draft.planned
    assert {section.words for section in outline.sections[:-1]} == {draft.outline.section_words}
    assert outline.sections[-1].words == draft.outline.closing_words
    assert outline.sections[-1].closes
    assert fit(outline, round(0.9 * asked), round(1.1 * asked)).words == asked


@pytest.mark.parametrize(
    ("line", "title", "words", "per_cent"),
    [
        ("Introduction (300 words)", "Introduction", 300, None),
        ("Background: ~400-600 words", "Background", 500, None),
        ("The long road, 1-2k words", "The long road", 1500, None),
        ("The long road, 1.5k words", "The long road", 1500, None),
        ("A 500-word opening", "A  opening", 500, None),
        ("结语（约200字左右）", "结语", 200, None),
        ("正文 1千至2千字", "正文", 1500, None),
        ("Call to the hall - 15%", "Call to the hall", None, 15.0),
        ("字数：300", "", 300, None),
        ("In 1984 they met", "In 1984 they met", None, None),
        ("Nothing (0 words)", "Nothing", None, None),
    ],
)
def test_a_share_is_read_in_words_or_per_cent(
    line: str, title: str, words: int | None, per_cent: float | None
) -> None:
    assert read_share(line) == (title, words, per_cent)


def test_sums_prose_and_blanks_are_no_items() -> None:
    for line in ("- Total: 2,000 words", "", "Now the third part.", "**Bold prose** goes on"):
        assert read_item(line) is None


def test_a_subtitle_stays_and_a_description_goes() -> None:
    kept = read_item("2. Rivers: a history")
    cut = read_item("2. Rivers: how they rise in the hills and where they meet the sea at last")
    assert kept is not None and kept.title == "Rivers: a history"
    assert cut is not None and cut.title == "Rivers"


def test_shares_of_an_outer_list_are_the_sums_of_the_inner_ones() -> None:
    sea = "1. Sea\n   - salt (100 words)\n   - fish (200 words)\n"
    text = f"Outline:\n{sea}2. Land\n   - oak (300 words)\nDone."
    outline = read_outline(text, 500, 700)
    assert outline is not None
    assert [(s.title, s.words) for s in outline.sections] == [("Sea", 300), ("Land", 300)]


def test_a_list_that_follows_the_last_heading_lies_below_it() -> None:
    text = "# One\n# Two\n- a\n- b\n- c\n"
    assert read_outline("Structure:\n" + text, 500, 700) == Outline(
        sections=(Section(title="One"), Section(title="Two"))
    )


def test_a_higher_heading_ends_a_list_of_lower_ones() -> None:
    text = "Structure:\n## A\n## B\n# C\n## D\n# E\n"
    outline = read_outline(text, 500, 700)
    assert outline is not None
    assert [section.title for section in outline.sections] == ["C", "E"]


def test_numbers_that_do_not_begin_with_one_are_no_list() -> None:
    assert read_outline("3. three\n4. four\n5. five\n", 500, 700) is None


def test_thinking_that_lists_without_end_is_read_in_linear_time() -> None:
    outline = read_outline("1. Sea\n2. Land\n3. Air\n\n" * 1_000, 500, 700)
    assert outline is not None
    assert len(outline.sections) == 3


def counted(*numbers: int, total: int = 9) -> str:
    lines = (f"{k} of {total}: The use of tea, {k} ({total - k} left) - 220 words" for k in numbers)
    return f"Sections: {total}\n" + "\n".join(lines)


@pytest.mark.parametrize(
    ("numbers", "titled"),
    [
        ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 5, 6, 7, 8, 9)),
        ((1, 2, 3, 5, 6, 9), (1, 2, 3, 5, 6, 9)),
        ((1, 2, 3, 3, 4, 2, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7)),
        ((1, 2, 3, 12, 4, 5), (1, 2, 3, 4, 5)),
    ],
)
def test_a_slip_in_a_counted_plan_costs_no_titles_but_its_own(
    numbers: tuple[int, ...], titled: tuple[int, ...]
) -> None:
    outline = read_outline(counted(*numbers), 1_800, 2_200)
    assert outline is not None
    assert len(outline.sections) == 9
    titles = [section.title for section in outline.sections]
    assert [k for k, title in enumerate(titles, 1) if title] == list(titled)
    assert titles[0] == "The use of tea, 1 (8 left)"


def test_a_plan_without_totals_may_leave_nothing_out() -> None:
    assert read_outline("1. Tea\n2. Water\n3. Cups\n5. Milk", 900, 1_100) == Outline(
        sections=(Section(title="Tea"), Section(title="Water"), Section(title="Cups"))
    )


@pytest.mark.parametrize(("titles", "complete"), [(8, False), (9, True)])
def test_an_outline_is_complete_that_says_something_of_most_sections(
    titles: int, complete: bool
) -> None:
    told = tuple(Section(title="Tea") for _ in range(titles))
    missing = tuple(Section() for _ in range(12 - titles))
    assert Outline(sections=told + missing).is_complete is complete


@pytest.mark.parametrize(
    ("line", "title", "number", "total"),
    [
        (
            "12 of 53: The tools of tidal energy (41 left) - 220 words",
            "The tools of tidal energy (41 left)",
            *(12, 53),
        ),
        ("52 of 53: The cost of it (one left) - 220 words", "The cost of it (one left)", 52, 53),
        (
            "53 of 53: Closing words on tidal energy - 60 words",
            "Closing words on tidal energy",
            53,
            53,
        ),
        ("第12节，共53节：从工具看茶道（余41节） - 220字", "从工具看茶道（余41节）", 12, 53),
        ("第52节，共53节：从代价看茶道（余一节） - 220字", "从代价看茶道（余一节）", 52, 53),
        ("第53节，共53节：茶道结语 - 60字", "茶道结语", 53, 53),
    ],
)
def test_how_many_sections_are_left_belongs_to_the_title(
    line: str, title: str, number: int, total: int
) -> None:
    item = read_item(line)
    assert item is not None
    assert (item.title, item.number, item.total) == (title, number, total)
    assert item.words == (60 if number == total else 220)
    assert Section(title=item.title).closes == (number == total)
