"""Phrases from the word lists."""

import random
import re

import pytest

from server.pocket.maker.lexicon import Language, capitalise, coined_word, lexicon

LANGUAGES = list(Language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_pattern_of_the_lists_can_be_filled(language: Language) -> None:
    words = lexicon(language)
    bound = dict.fromkeys(("topic", "aspect", "thing", "other", "n", "low", "high", "tag"), "x")
    for name, patterns in words.lists.items():
        if name == "cycle":
            continue
        for pattern in patterns:
            filled = words.fill(pattern, random.Random(1), **bound)
            assert filled.strip(), (name, pattern)
            assert not re.search(r"[{}]", filled), (name, pattern)


def test_a_slot_with_a_capital_initial_gives_the_phrase_capitalised() -> None:
    words = lexicon(Language.ENGLISH)
    assert words.fill("{Topic} and {topic}", random.Random(1), topic="tea") == "Tea and tea"
    first = words.fill("{Who}", random.Random(3))
    assert first == capitalise(words.fill("{who}", random.Random(3)))


def test_a_bound_slot_wins_over_the_list_of_that_name() -> None:
    words = lexicon(Language.ENGLISH)
    assert words.fill("{place}", random.Random(1), place="here") == "here"


def test_an_unknown_list_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        lexicon(Language.ENGLISH).phrase("nothing", random.Random(1))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_cycle_of_themes_has_no_theme_twice_and_each_has_things(language: Language) -> None:
    aspects = lexicon(language).aspects
    assert len({aspect.name for aspect in aspects}) == len(aspects) > 81
    assert all(len(set(aspect.things)) >= 2 for aspect in aspects)


def test_coined_words_fit_their_language() -> None:
    assert re.fullmatch(r"[A-Z][a-z]+", coined_word(Language.ENGLISH, random.Random(1)))
    assert re.fullmatch(r"[\u4e00-\u9fff]{2}", coined_word(Language.CHINESE, random.Random(1)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_template_is_one_line_with_one_question_and_no_other_braces(language: Language) -> None:
    surface = lexicon(language).surface
    template = surface["template"]
    assert template.count("{") == template.count("}") == template.count("{question}") == 1
    assert "\n" not in template
    ending = f"{surface['user_marker']} {{question}} {surface['assistant_marker']}"
    assert template.endswith(ending)
    assert all(template.count(tag) == 2 for tag in ("<think>", "</think>", "<answer>", "</answer>"))
