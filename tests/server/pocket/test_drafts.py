"""Drafts: what a spec decides, and how it reads."""

import re

import pytest

from server.pocket.maker.draft import Draft, Fault, Flaw, Form, Mending, Spec
from server.pocket.maker.length import count_words
from server.pocket.maker.lexicon import Language, lexicon
from server.pocket.maker.mix import FLAWS_OF_VOICE
from server.pocket.maker.render import PREFILL, render
from server.pocket.maker.sampler import LOOP_REPEATS, DraftMaker, compose

LANGUAGES = list(Language)
LENGTHS = [300, 800, 500, 1_000, 2_000, 5_000]


def answer_words(draft: Draft) -> int:
    return count_words("".join(render(draft).sections))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("asked", LENGTHS)
def test_a_sound_draft_has_the_asked_length(language: Language, asked: int) -> None:
    draft = compose(Spec(seed=asked, language=language, words=asked))
    assert answer_words(draft) == pytest.approx(asked, rel=0.2)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_headings_carry_the_titles_of_the_plan_and_count_to_its_end(language: Language) -> None:
    draft = compose(Spec(seed=3, language=language, words=3_000))
    words = lexicon(language)
    wanted = [
        words.form(
            "heading", k=k, count=draft.counted, mark=words.surface["mark_healthy"], title=title
        )
        for k, title in enumerate(draft.planned, start=1)
    ]
    assert [section.heading for section in draft.sections] == wanted
    assert draft.request.topic in draft.planned[-1]


@pytest.mark.parametrize(
    ("language", "before", "behind"),
    [
        (Language.ENGLISH, r"(The|On the|About the|Into the) ", " of "),
        (Language.CHINESE, "(从|论|当|以)", "(?:看|与|遇见|说)"),
    ],
)
def test_a_theme_follows_from_its_number_and_the_form_of_its_title(
    language: Language, before: str, behind: str
) -> None:
    names = [aspect.name for aspect in lexicon(language).aspects]
    met: dict[tuple[str, int], str] = {}
    for seed in range(30):
        draft = DraftMaker(Spec(seed=seed, language=language, words=25_000)).draft(last=0)
        for number, title in enumerate(draft.planned[:-1], start=1):
            form, name = re.findall(rf"^{before}({'|'.join(names)}){behind}", title)[0]
            assert met.setdefault((form, number), name) == name
    firsts = [name for (_, number), name in met.items() if number == 1]
    assert sorted(firsts) == sorted(names[len(names) * form // 4] for form in range(4))
    following = dict(zip(names, names[1:] + names[:1], strict=True))
    for (form, number), name in met.items():
        assert met.get((form, number + 1), following[name]) == following[name]


def test_the_same_spec_gives_the_same_text_and_sections_stand_alone() -> None:
    spec = Spec(seed=8, words=2_000, flaws=frozenset({Flaw.OFF_TOPIC}))
    whole = compose(spec)
    assert render(whole) == render(compose(spec))
    part = DraftMaker(spec).draft(first=3, last=4)
    assert part.sections == whole.sections[2:4]
    assert DraftMaker(spec).draft(first=8, last=99).sections == whole.sections[7:]
    assert DraftMaker(spec).draft(last=0).sections == ()


def test_a_completion_holds_each_tag_once_and_ends_with_the_last() -> None:
    text = render(compose(Spec(seed=1, words=1_000))).completion
    assert text.startswith(" <think>\n")
    assert "\n</think>\n<answer>\n# " in text
    assert text.endswith(".\n</answer>")
    assert all(text.count(tag) == 1 for tag in ("<think>", "</think>", "<answer>", "</answer>"))


def test_a_direct_draft_is_prefilled_and_has_no_plan() -> None:
    rendered = render(compose(Spec(seed=1, words=1_000, form=Form.DIRECT)))
    assert rendered.prompt.endswith(f"<|assistant|>:{PREFILL}")
    assert rendered.completion.startswith("\n# ")


def test_a_cut_plan_is_closed_all_the_same() -> None:
    lengths = set()
    for seed in range(12):
        text = render(compose(Spec(seed=seed, words=1_000, form=Form.CUT))).completion
        thinking, _ = text.split("\n</think>\n<answer>\n# ")
        assert "Pace:" not in thinking or seed
        lengths.add(len(thinking))
    assert len(lengths) > 6


@pytest.mark.parametrize("asked", [300, 500, 2_000, 10_000])
def test_a_short_draft_closes_in_its_first_half_with_the_short_mark(asked: int) -> None:
    for seed in range(8):
        draft = compose(Spec(seed=seed, words=asked, fault=Fault.SHORT))
        assert draft.counted == draft.outline.count
        assert len(draft.sections) <= max(2, draft.counted // 2)
        assert answer_words(draft) < 0.7 * asked
        assert all(" - " in section.heading for section in draft.sections)
        assert draft.sections[-1].heading.endswith(draft.planned[-1])


@pytest.mark.parametrize(("mending", "marks"), [(Mending.HEALTHY_MARK, 2), (Mending.SAME_MARK, 1)])
def test_a_mended_draft_goes_on_to_its_planned_end(mending: Mending, marks: int) -> None:
    draft = compose(Spec(seed=2, words=5_000, fault=Fault.SHORT, mending=mending))
    assert len(draft.sections) == draft.outline.count
    assert len({" - " in section.heading for section in draft.sections}) == marks
    assert ": " in draft.sections[-1].heading or marks == 1


def test_a_long_draft_counts_beyond_its_plan() -> None:
    for seed in range(8):
        draft = compose(Spec(seed=seed, words=3_000, fault=Fault.LONG))
        assert 1.25 < answer_words(draft) / 3_000 < 2.2
        assert draft.counted == len(draft.sections) > draft.outline.count
    assert compose(Spec(seed=1, words=100_000, fault=Fault.LONG)).counted == 456


def test_an_identical_loop_repeats_one_paragraph() -> None:
    draft = compose(Spec(seed=4, words=2_000, fault=Fault.LOOP_EXACT))
    longest = max(draft.sections, key=lambda section: len(section.paragraphs))
    assert longest.paragraphs[-LOOP_REPEATS:] == (longest.paragraphs[-1],) * LOOP_REPEATS
    assert all(" — " in section.heading for section in draft.sections)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reworded_loop_says_nearly_the_same_again(language: Language) -> None:
    spec = Spec(seed=4, words=2_000, language=language, fault=Fault.LOOP_REWORDED)
    draft = compose(spec)
    longest = max(draft.sections, key=lambda section: len(section.paragraphs))
    said = longest.paragraphs[draft.outline.paragraphs - 1 :]
    assert len(said) >= 4
    assert all(len(paragraph) == len(said[0]) for paragraph in said)
    assert any(word in said[-1][0] for word in lexicon(language).lists["reworded"])


def test_a_reworded_loop_without_adjectives_still_changes_its_opening() -> None:
    from random import Random

    from server.pocket.maker.prose import reword

    plain = ("More need not be said.",)
    assert reword(lexicon(Language.ENGLISH), plain, Random(1)) != plain


def test_a_draft_that_neither_loops_nor_is_mended_only_ends() -> None:
    sound = DraftMaker(Spec(seed=1, words=2_000))
    assert sound.events == (sound.last,)
    looping = DraftMaker(Spec(seed=1, words=2_000, fault=Fault.LOOP_EXACT))
    assert len(looping.events) == 2
    mended = Spec(seed=1, words=2_000, fault=Fault.SHORT, mending=Mending.HEALTHY_MARK)
    assert len(DraftMaker(mended).events) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_format_faults_break_the_tags_as_named(language: Language) -> None:
    def text(fault: Fault, seed: int = 1) -> str:
        return render(
            compose(Spec(seed=seed, language=language, words=500, fault=fault))
        ).completion

    no_end = text(Fault.NO_THINK_END)
    assert "</think>" not in no_end
    assert "\n<answer>\n# " in no_end
    no_answer = text(Fault.NO_ANSWER)
    assert "<answer>" not in no_answer
    assert "\n</think>\n# " in no_answer
    quoted = {text(Fault.QUOTED_TAG, seed).split("\n</think>\n<answer>\n")[0] for seed in range(9)}
    assert all('"' in thinking or "`" in thinking for thinking in quoted)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("flaws", list(FLAWS_OF_VOICE.values()))
def test_flaws_are_made_recorded_and_named_by_the_voice(
    language: Language, flaws: frozenset[Flaw]
) -> None:
    draft = compose(Spec(seed=6, language=language, words=2_000, flaws=flaws))
    for section in draft.sections[:-1]:
        assert {found.flaw for found in section.flaws} == flaws
        for found in section.flaws:
            assert section.paragraphs[found.paragraph][found.sentence] == found.text
    voices = {n for n, f in FLAWS_OF_VOICE.items() if f == flaws}
    words = lexicon(language).lists
    assert any(word in draft.notes.voice for name in voices for word in words[name])


def test_requests_name_their_length_or_none_and_come_in_many_wordings() -> None:
    texts = set()
    for seed in range(300):
        draft = DraftMaker(Spec(seed=seed, words=900)).draft(last=0)
        texts.add(draft.request.text)
        if draft.request.low_words is not None and draft.request.high_words is not None:
            assert draft.request.low_words < 900 < draft.request.high_words
    assert len(texts) > 290
    open_draft = compose(Spec(seed=1))
    assert "not stated" in render(open_draft).opening
    assert answer_words(open_draft) == pytest.approx(800, rel=0.2)


def test_some_prompts_carry_earlier_turns_notes_and_unknown_words() -> None:
    prompts = [render(DraftMaker(Spec(seed=s, words=900)).draft(last=0)).prompt for s in range(300)]
    assert any(prompt.count("<|user|>:") == 2 for prompt in prompts)
    assert any("Use this material: " in prompt for prompt in prompts)
    assert all(prompt.endswith(" <|assistant|>:") for prompt in prompts)


def test_a_range_is_planned_at_its_middle() -> None:
    for seed in range(200):
        draft = DraftMaker(Spec(seed=seed, words=900)).draft(last=0)
        if draft.request.low_words is not None:
            assert "so about 900 words." in render(draft).opening
            return
    raise AssertionError("no range in 200 requests")


@pytest.mark.parametrize(
    ("language", "line"),
    [
        (Language.ENGLISH, "Begin: 1 of 3, {}, 220 words."),
        (Language.CHINESE, "开篇：第1节，共3节，{}，220字。"),
    ],
)
def test_every_plan_names_its_beginning_again_at_its_end(language: Language, line: str) -> None:
    draft = DraftMaker(Spec(seed=1, language=language, words=500)).draft(last=0)
    assert "\n" + line.format(draft.planned[0]) + "\n" in render(draft).opening
