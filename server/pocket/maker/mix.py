"""The shares of faults and flaws: those wanted when sampling, and those to train so as to get them.

A decision is one token of the plan: the word after "Voice:", "Pace:" or "Mood:". Sampling at
temperature t raises its probabilities to the power 1/t, so training uses wanted ** t, normalised.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from server.pocket.maker.draft import Fault, Flaw, Form, Mending, Spec
from server.pocket.maker.length import sample_words, spread_words
from server.pocket.maker.lexicon import Language

_Choice = TypeVar("_Choice")
TEMPERATURE = 0.6
CHINESE_SHARE = 0.45
_UNSTATED_SHARE = 0.08
_FORMS = MappingProxyType({Form.PLANNED: 0.88, Form.DIRECT: 0.08, Form.CUT: 0.04})
# Wanted shares. Short drafts: 25 %. The rest of the faults share the word `pace_other`.
PACES = MappingProxyType({"pace_healthy": 0.59, "pace_short": 0.25, "pace_other": 0.16})
MOODS = MappingProxyType({"mood_long": 0.50, "mood_loop": 0.26, "mood_format": 0.24})
VOICES = MappingProxyType(
    {
        "voice_clean": 0.52,
        "voice_off_topic": 0.16,
        "voice_contradiction": 0.13,
        "voice_monotone": 0.12,
        "voice_tired": 0.07,
    }
)
# Without a plan the mark of the first heading decides.
MARKS = MappingProxyType({Fault.NONE: 0.69, Fault.SHORT: 0.25, Fault.LOOP_EXACT: 0.06})
# Sound choices have three words; the first leads, so that greedy decoding is always sound.
_THREE_WORDS = (0.60, 0.22, 0.18)
_WORDS = MappingProxyType({"pace_healthy": _THREE_WORDS, "voice_clean": _THREE_WORDS})
_LOOPS = (Fault.LOOP_EXACT, Fault.LOOP_REWORDED)
_FORMAT_FAULTS = (Fault.NO_THINK_END, Fault.NO_ANSWER, Fault.QUOTED_TAG)
FLAWS_OF_VOICE: Mapping[str, frozenset[Flaw]] = MappingProxyType(
    {
        "voice_clean": frozenset(),
        "voice_off_topic": frozenset({Flaw.OFF_TOPIC}),
        "voice_contradiction": frozenset({Flaw.CONTRADICTION}),
        "voice_monotone": frozenset({Flaw.MONOTONE}),
        "voice_tired": frozenset({Flaw.OFF_TOPIC, Flaw.MONOTONE}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """How training drafts are drawn: `emphasis` is the share of drafts with a fault picked evenly.

    Emphasis belongs only to text behind the decision, which must not change the learnt shares.
    `spread` is the share of drafts whose number of sections is drawn evenly, so that high counters
    are read as often as low ones.
    """

    emphasis: float = 0.0
    spread: float = 0.0


def trained_share(wanted: Mapping[_Choice, float]) -> dict[_Choice, float]:
    """The shares to train. {a: .75, b: .25} -> {a: .659, b: .341}.

    A choice that is spread over several words weighs as much as its words together.
    """
    powers = {
        choice: sum((share * part) ** TEMPERATURE for part in _parts(choice))
        for choice, share in wanted.items()
    }
    total = sum(powers.values())
    return {choice: power / total for choice, power in powers.items()}


def draw_word(choice: str, words: Sequence[str], rng: random.Random) -> str:
    """The word that stands for a choice in the plan, drawn with the shares to train."""
    return rng.choices(words, weights=[part**TEMPERATURE for part in _parts(choice)])[0]


def draw_spec(seed: int, mixture: Mixture | None = None) -> Spec:
    """The spec of training draft `seed`."""
    rng = random.Random(f"spec/{seed}")
    chinese = rng.random() < CHINESE_SHARE
    form = _pick(_FORMS, rng)
    words = None if rng.random() < _UNSTATED_SHARE else sample_words(rng)
    if mixture is not None and rng.random() < mixture.spread:
        words = spread_words(rng)
    even = mixture is not None and rng.random() < mixture.emphasis
    fault = rng.choice(tuple(Fault)) if even else _draw_fault(form, rng)
    voice = _pick(trained_share(VOICES), rng)
    return Spec(
        seed=seed,
        language=Language.CHINESE if chinese else Language.ENGLISH,
        words=words,
        fault=fault,
        flaws=FLAWS_OF_VOICE[voice],
        form=form,
        mending=_draw_mending(fault, rng) if even else Mending.NONE,
    )


def _draw_fault(form: Form, rng: random.Random) -> Fault:
    if form is not Form.PLANNED:
        return _pick(trained_share(MARKS), rng)
    pace = _pick(trained_share(PACES), rng)
    if pace != "pace_other":
        return Fault.NONE if pace == "pace_healthy" else Fault.SHORT
    mood = _pick(trained_share(MOODS), rng)
    if mood == "mood_long":
        return Fault.LONG
    return rng.choice(_LOOPS if mood == "mood_loop" else _FORMAT_FAULTS)


def _draw_mending(fault: Fault, rng: random.Random) -> Mending:
    return rng.choice(tuple(Mending)) if fault is Fault.SHORT else Mending.NONE


def _parts(choice: object) -> tuple[float, ...]:
    return _WORDS.get(choice, (1.0,)) if isinstance(choice, str) else (1.0,)


def _pick(shares: Mapping[_Choice, float], rng: random.Random) -> _Choice:
    return rng.choices(tuple(shares), weights=tuple(shares.values()))[0]
