"""Shares of faults: those trained become those wanted when sampling."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from server.pocket.maker.draft import FORMAT_FAULTS, LOOPS, Fault, Form, Mending
from server.pocket.maker.lexicon import Language, lexicon
from server.pocket.maker.mix import (
    MARKS,
    MOODS,
    PACES,
    TEMPERATURE,
    VOICES,
    Mixture,
    draw_spec,
    draw_word,
    trained_share,
)

WORDS = lexicon(Language.ENGLISH).lists


def trained_words(wanted: Mapping[str, float]) -> dict[str, float]:
    """The trained share of every single word of a decision, from many draws of both steps."""
    shares: dict[str, float] = {}
    rng = random.Random(1)
    for choice, share in trained_share(wanted).items():
        drawn = Counter(draw_word(choice, WORDS[choice], rng) for _ in range(20_000))
        shares |= {word: share * count / 20_000 for word, count in drawn.items()}
    return shares


def sampled(trained: Mapping[Any, float]) -> dict[Any, float]:
    sharpened = {key: value ** (1 / TEMPERATURE) for key, value in trained.items()}
    return {key: value / sum(sharpened.values()) for key, value in sharpened.items()}


@pytest.mark.parametrize("wanted", [PACES, MOODS, VOICES])
def test_sampling_at_the_temperature_turns_trained_into_wanted_shares(
    wanted: Mapping[str, float],
) -> None:
    assert sum(wanted.values()) == pytest.approx(1.0)
    found = sampled(trained_words(wanted))
    for choice, share in wanted.items():
        assert sum(found[word] for word in WORDS[choice]) == pytest.approx(share, abs=0.01)
    assert min(found.values()) > 0.06, "top_p 0.95 would cut it"


@pytest.mark.parametrize(("wanted", "sound"), [(PACES, "pace_healthy"), (VOICES, "voice_clean")])
def test_the_likeliest_word_of_all_is_a_sound_one(wanted: Mapping[str, float], sound: str) -> None:
    trained = trained_words(wanted)
    assert max(trained, key=trained.__getitem__) == WORDS[sound][0]


def test_marks_of_direct_drafts_keep_their_shares() -> None:
    assert sampled(trained_share(MARKS)) == pytest.approx(dict(MARKS))


def test_specs_are_the_same_for_the_same_seed() -> None:
    assert draw_spec(5) == draw_spec(5)
    assert len({draw_spec(seed) for seed in range(50)}) == 50


def test_natural_specs_show_every_fault_form_and_language() -> None:
    specs = [draw_spec(seed) for seed in range(1_500)]
    faults = Counter(spec.fault for spec in specs)
    assert set(faults) == set(Fault)
    assert faults[Fault.NONE] > faults[Fault.SHORT] > faults[Fault.LONG]
    assert {spec.form for spec in specs} == set(Form)
    assert {spec.language for spec in specs} == set(Language)
    assert any(spec.words is None for spec in specs)
    assert all(spec.mending is Mending.NONE for spec in specs)
    direct = {spec.fault for spec in specs if spec.form is Form.DIRECT}
    assert not direct & (FORMAT_FAULTS | {Fault.LONG})


def test_emphasis_draws_faults_evenly_and_mends_only_short_drafts() -> None:
    specs = [draw_spec(seed, Mixture(emphasis=1.0)) for seed in range(800)]
    faults = Counter(spec.fault for spec in specs)
    assert min(faults.values()) > 60
    assert sum(faults[fault] for fault in LOOPS) > 150
    mended = [spec for spec in specs if spec.mending is not Mending.NONE]
    assert {spec.fault for spec in mended} == {Fault.SHORT}
    assert {spec.mending for spec in mended} == {Mending.HEALTHY_MARK, Mending.SAME_MARK}
