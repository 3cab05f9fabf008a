"""The judge of written drafts, tried on drafts whose faults are known."""

import pytest

from server.pocket.maker.draft import FORMAT_FAULTS, Fault, Form, Spec
from server.pocket.maker.lexicon import Language
from server.pocket.maker.measure import (
    Verdict,
    Written,
    counts_soundly,
    judge,
    without_early_end,
)
from server.pocket.maker.render import render
from server.pocket.maker.sampler import compose

LANGUAGES = list(Language)


def verdict_on(spec: Spec, *, ended: bool = True, cut: int | None = None) -> Verdict:
    text = render(compose(spec)).completion[:cut]
    return judge(
        Written(
            text=text, language=spec.language, asked_words=spec.words or 800, ended=ended, tokens=1
        )
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("asked", [500, 2_000, 6_000])
def test_sound_drafts_are_well_formed(language: Language, asked: int) -> None:
    for seed in range(5):
        verdict = verdict_on(Spec(seed=seed, language=language, words=asked))
        assert verdict.well_formed, verdict
        assert verdict.meant == "healthy"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("fault", "meant", "problem"),
    [
        (Fault.SHORT, "short", "length"),
        (Fault.LONG, "long", "length"),
        (Fault.LOOP_EXACT, "loop", "loop"),
        (Fault.LOOP_REWORDED, "loop", "loop"),
        *((fault, "format", "tags") for fault in sorted(FORMAT_FAULTS)),
    ],
)
def test_each_fault_is_named(language: Language, fault: Fault, meant: str, problem: str) -> None:
    verdict = verdict_on(Spec(seed=11, language=language, words=2_000, fault=fault))
    assert verdict.meant == meant
    assert problem in verdict.problems


def test_a_draft_without_its_end_or_its_answer_is_not_well_formed() -> None:
    spec = Spec(seed=1, words=500)
    assert "end" in verdict_on(spec, ended=False).problems
    assert {"end", "tags", "length"} <= set(verdict_on(spec, cut=-12).problems) | {"length"}
    plan_only = verdict_on(spec, cut=200)
    assert plan_only.words == 0
    assert plan_only.meant == "unknown"


def test_titles_that_leave_the_plan_are_seen() -> None:
    text = render(compose(Spec(seed=1, words=500))).completion
    before, after = text.split("<answer>")
    changed = before + "<answer>" + after.replace(": ", ": More on ", 1)
    written = Written(
        text=changed, language=Language.ENGLISH, asked_words=500, ended=True, tokens=1
    )
    assert "titles" in judge(written).problems


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sound_draft_without_a_plan_counts_soundly_and_others_do_not(language: Language) -> None:
    def counts(fault: Fault, words: int = 2_000) -> bool:
        spec = Spec(seed=3, language=language, words=2_000, fault=fault, form=Form.DIRECT)
        return counts_soundly(render(compose(spec)).completion, language, words)

    assert counts(Fault.NONE)
    assert not counts(Fault.NONE, words=5_000)
    assert not counts(Fault.SHORT)
    assert not counts(Fault.LOOP_EXACT)
    assert not counts_soundly("nothing", language, 2_000)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_early_end_is_replaced_by_the_planned_heading(language: Language) -> None:
    spec = Spec(seed=3, language=language, words=3_000, fault=Fault.SHORT)
    draft = compose(spec)
    mended = without_early_end(render(draft).completion, language)
    assert mended is not None
    number = len(draft.sections)
    assert mended.rstrip().endswith(draft.planned[number - 1])
    assert mended.endswith("\n\n")
    assert mended.count("## ") == number


def test_only_drafts_that_closed_early_after_a_plan_are_mended() -> None:
    english = Language.ENGLISH
    sound = render(compose(Spec(seed=3, words=3_000))).completion
    assert without_early_end(sound, english) is None
    short = render(compose(Spec(seed=3, words=3_000, fault=Fault.SHORT))).completion
    assert without_early_end(short[:-12], english) is None
    assert without_early_end("no headings", english) is None
    without_plan = short[short.index("<answer>") :]
    assert without_early_end(without_plan, english) is None
