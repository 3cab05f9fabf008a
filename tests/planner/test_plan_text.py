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
