"""The texts that tokenizers are measured by."""

import pytest

from planner.length import NOTHING, read_length
from planner.samples import SAMPLES
from planner.words import Language, count_words, language_of


@pytest.mark.parametrize("language", SAMPLES)
def test_a_sample_is_in_its_language_long_enough_and_asks_for_nothing(language: Language) -> None:
    assert language_of(SAMPLES[language]) == language
    assert count_words(SAMPLES[language]) > 150
    assert read_length(SAMPLES[language]) == NOTHING
