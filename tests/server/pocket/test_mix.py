"""Shares of faults: those trained become those wanted when sampling."""

from collections import Counter

import pytest

from server.pocket.maker.draft import FORMAT_FAULTS, LOOPS, Fault, Form, Mending
from server.pocket.maker.lexicon import Language
from server.pocket.maker.mix import (
    MARKS,
    MOODS,
    PACES,
    TEMPERATURE,
    VOICES,
    Mixture,
    draw_spec,
    trained_share,
)


@pytest.mark.parametrize("wanted", [PACES, MOODS, VOICES, MARKS])
def test_sampling_at_the_temperature_turns_trained_into_wanted_shares(
    wanted: dict[object, float],
) -> None:
    assert sum(wanted.values()) == pytest.approx(1.0)
    sharpened = {key: value ** (1 / TEMPERATURE) for key, value in trained_share(wanted).items()}
    total = sum(sharpened.values())
    assert {key: value / total for key, value in sharpened.items()} == pytest.approx(wanted)


@pytest.mark.parametrize("wanted", [PACES, MOODS, VOICES, MARKS])
def test_top_p_cuts_no_choice(wanted: dict[object, float]) -> None:
    assert min(wanted.values()) > 0.05


def test_a_choice_spread_over_words_keeps_its_share() -> None:
    trained = trained_share({"a": 0.75, "b": 0.25}, {"a": 3})
    each = (trained["a"] / 3) ** (1 / TEMPERATURE)
    other = trained["b"] ** (1 / TEMPERATURE)
    assert 3 * each / (3 * each + other) == pytest.approx(0.75)


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
