"""Words counted, lengths cut into sections, lengths spelled out."""

import random
from dataclasses import replace

import pytest

from server.pocket.maker.length import count_words, outline, sample_words, spell
from server.pocket.maker.lexicon import Language


def test_words_are_han_characters_and_latin_runs() -> None:
    assert count_words("# 茶 and tea, 2 cups") == 4
    assert count_words("") == 0


@pytest.mark.parametrize("asked", [300, 500, 800, 1_000, 2_000, 5_000, 20_000, 30_000])
def test_sections_add_up_to_the_asked_length(asked: int) -> None:
    plan = outline(asked)
    total = plan.section_words * (plan.count - 1) + plan.closing_words
    assert total == pytest.approx(asked, rel=0.1)
    assert (plan.section_words, plan.closing_words, plan.paragraphs) == (220, 60, 4)


def test_two_thousand_words_are_nine_sections_and_a_closing() -> None:
    assert outline(2_000).count == 10


def test_no_text_is_shorter_than_one_section_and_a_closing() -> None:
    assert outline(100) == replace(outline(300), asked_words=100)
    assert outline(300).count == 2


def test_sampled_lengths_stay_in_range() -> None:
    lengths = [sample_words(random.Random(seed)) for seed in range(500)]
    assert min(lengths) >= 100
    assert max(lengths) == 100_000
    assert any(15_000 < length <= 20_000 for length in lengths)


@pytest.mark.parametrize(
    ("words", "language", "forms"),
    [
        (2_000, Language.ENGLISH, {"2000", "2,000", "2k", "two thousand"}),
        (500, Language.ENGLISH, {"500", "five hundred"}),
        (1_250, Language.ENGLISH, {"1250", "1,250"}),
        (20_000, Language.ENGLISH, {"20000", "20,000"}),
        (2_000, Language.CHINESE, {"2000", "两千"}),
        (20_000, Language.CHINESE, {"20000", "两万"}),
        (500, Language.CHINESE, {"500", "五百"}),
        (1_250, Language.CHINESE, {"1250"}),
    ],
)
def test_lengths_are_spelled_as_people_write_them(
    words: int, language: Language, forms: set[str]
) -> None:
    assert {spell(words, language, random.Random(seed)) for seed in range(80)} == forms
