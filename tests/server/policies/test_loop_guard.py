"""The loop guard on drafts that loop: what it holds, where and how often it cuts, rewinds."""

import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest

from server.pocket.maker.draft import Draft, Fault, Flaw, Section, Spec
from server.pocket.maker.lexicon import Language, lexicon
from server.pocket.maker.render import render_section
from server.pocket.maker.sampler import DraftMaker
from server.policies.loop_guard import LOOP, LoopGuard
from server.policies.policy import Turn

OPENING = "# The harbour\n\nThe boats came home in the evening, one behind the other."
PARAGRAPH = (
    "The keeper of the tower counted every sail. He wrote the number into a long book. "
    "Nobody has ever asked him for it. So the book grew, page by page, and year by year."
)
CHINESE = (
    "守塔人数着每一片帆。他把数目写进一本长长的账簿。从来没有人向他要过。于是账簿一年一年地变厚。"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A text that loops: what the client may see, and what comes again behind it."""

    seen: str
    again: str

    @property
    def text(self) -> str:
        return self.seen + self.again


def case(first: str, repeats: Iterable[str]) -> Case:
    """``first`` behind an opening paragraph, then its repeats, white space included."""
    return Case(seen=f"{OPENING}\n\n{first}", again="".join(repeats))


def reworded(paragraph: str, words: Iterable[tuple[str, str]]) -> list[str]:
    """The paragraph again for each pair, one word of it replaced."""
    return ["\n\n" + paragraph.replace(old, new) for old, new in words]


CASES = {
    "paragraph": case(PARAGRAPH, ["\n\n" + PARAGRAPH] * 4),
    "chinese paragraph": case(CHINESE, ["\n\n" + CHINESE] * 4),
    "two paragraphs": case(f"{PARAGRAPH}\n\n{CHINESE}", [f"\n\n{PARAGRAPH}\n\n{CHINESE}"] * 3),
    "sentence": case("The sea was calm that night.", [" The sea was calm that night."] * 9),
    "chinese sentence": case("那天夜里海面很平静。", ["那天夜里海面很平静。"] * 9),
    "quoted sentence": case('"The sea is calm." ', ['"The sea is calm." '] * 14),
    "line": case("Then came the rain", ["\nThen came the rain"] * 14),
    "short line": case("Rain", ["\nRain"] * 20),
    "numbers alone": case("100", ["\n100"] * 50),
    "numbered": case(f"1. {PARAGRAPH}", [f"\n{number}. {PARAGRAPH}" for number in range(2, 7)]),
    "lead-ins": case(
        PARAGRAPH, [f"\n\n{word}: {PARAGRAPH}" for word in ("Indeed", "Again", "Truly", "Also")]
    ),
    "chinese lead-ins": case(
        CHINESE, [f"\n\n{word}：{CHINESE}" for word in ("再说", "的确", "其实", "总之")]
    ),
    "a word changed": case(
        PARAGRAPH,
        reworded(
            PARAGRAPH, [("long", "heavy"), ("ever", "yet"), ("sail", "mast"), ("long", "old")]
        ),
    ),
    "two words changed in a sentence": case(
        PARAGRAPH,
        [
            "\n\n" + PARAGRAPH.replace("tower", where).replace("sail", what)
            for where, what in (("light", "boat"), ("house", "flag"), ("isle", "mast"), ("x", "y"))
        ],
    ),
    "chinese words changed": case(
        CHINESE,
        reworded(CHINESE, [("长长", "厚厚"), ("变厚", "变重"), ("长长", "旧旧"), ("帆", "桅")]),
    ),
    "no sentence ends": case(
        "and " + "the wind went round the tower, and the sea went round the wind, " * 4,
        ["the wind went round the tower, and the sea went round the wind, "] * 60,
    ),
    "blank lines": case("", ["\n"] * 1_300),
}


def fed(text: str, chars: int = 3) -> LoopGuard:
    """A guard that has had the text in equal pieces."""
    guard = LoopGuard()
    for at in range(0, len(text), chars):
        guard.feed(text[at : at + chars])
    return guard


@pytest.mark.parametrize("name", [name for name in CASES if name != "no sentence ends"])
def test_a_loop_is_turned_back_to_the_end_of_what_it_repeats(name: str) -> None:
    one = CASES[name]
    guard = fed(one.text)
    seen = one.seen.rstrip()
    assert guard.turn == Turn(why=LOOP, back_to_chars=len(seen), other_sampling=True)
    assert guard.safe_chars == len(seen)


@pytest.mark.parametrize("stretch", ["ha ", "的", "a b c ", "and on, ", "不是，"])
def test_a_stretch_that_comes_again_in_one_endless_line_is_a_loop(stretch: str) -> None:
    text = f"{OPENING} Then: " + stretch * 300
    guard = fed(text)
    assert guard.turn is not None
    assert guard.turn.back_to_chars < len(OPENING) + 200
    assert text[: guard.turn.back_to_chars].endswith(tuple(stretch.split()))


def test_a_long_clause_that_comes_again_in_one_endless_line_is_a_loop() -> None:
    one = CASES["no sentence ends"]
    guard = fed(one.text)
    assert guard.turn is not None
    assert guard.turn.back_to_chars <= len(one.seen) + 400


def test_rules_and_empty_cells_are_a_loop_only_when_they_never_end() -> None:
    assert fed("=" * 1_000).turn is None
    assert fed("| yes " * 60).turn is None
    assert fed("=" * 1_400).turn is not None
    assert fed("| yes " * 300).turn is not None


@pytest.mark.parametrize("name", CASES)
def test_the_outcome_is_the_same_however_the_text_is_split(name: str) -> None:
    text = CASES[name].text + "\n\nThen it was over."
    singly = LoopGuard()
    wanted = {}
    for at, letter in enumerate(text, start=1):
        before = singly.safe_chars
        singly.feed(letter)
        assert before <= singly.safe_chars <= at
        wanted[at] = (singly.safe_chars, singly.turn)
    rng = random.Random(name)
    splits = [[len(text)], range(5, len(text), 5), range(70, len(text), 70)]
    splits += [sorted(rng.sample(range(len(text)), 20)) for _ in range(3)]
    for places in splits:
        guard, last = LoopGuard(), 0
        for place in places:
            guard.feed(text[last:place])
            last = place
            assert (guard.safe_chars, guard.turn) == wanted.get(place, (0, None))


def test_a_repeat_is_held_from_its_first_letter_and_released_whole_when_it_departs() -> None:
    guard = fed(f"{OPENING}\n\n{PARAGRAPH}")
    assert guard.held_chars == 0
    again = "\n\n" + PARAGRAPH[:90]
    guard.feed(again)
    assert guard.held_chars == len(again)
    guard.feed(" no book at all, of course.")
    assert guard.held_chars == 0


def test_a_changed_word_does_not_let_a_repeat_go() -> None:
    guard = fed(f"{OPENING}\n\n{PARAGRAPH}\n\nThe keeper of the tower ")
    guard.feed("noted")
    assert guard.held_chars == len("\n\nThe keeper of the tower noted")
    guard.feed(" every sail. He")
    assert guard.held_chars > 40
    guard.feed(" swam.")
    assert guard.held_chars > 40
    guard.feed(" Then he laughed at the whole of the island.")
    assert guard.held_chars == 0


def test_a_lead_in_is_held_until_it_is_clear_what_follows() -> None:
    guard = fed(f"{OPENING}\n\n{PARAGRAPH}\n\nIndeed: ")
    assert guard.held_chars == len("\n\nIndeed: ")
    guard.feed("M")
    assert guard.held_chars == 0


STRAYED = PARAGRAPH.replace("Nobody has ever asked him for it.", "It rained on the stairs.")
FAR_STRAYED = STRAYED.replace("He wrote the number into", "It snowed on")


def test_one_sentence_said_wholly_anew_does_not_end_a_loop() -> None:
    seen = f"{OPENING}\n\n{PARAGRAPH}"
    guard = fed("\n\n".join([seen, PARAGRAPH, STRAYED, PARAGRAPH, PARAGRAPH]))
    assert guard.turn is not None
    assert guard.turn.back_to_chars == len(seen)


def test_two_sentences_said_wholly_anew_end_a_repeat() -> None:
    guard = fed("\n\n".join([OPENING, PARAGRAPH, PARAGRAPH, FAR_STRAYED, PARAGRAPH, "Well."]))
    assert guard.turn is None


def test_a_loop_whose_sentences_begin_anew_is_found_though_part_of_it_was_sent() -> None:
    begins = ("Our old", "That same", "This other", "Yonder", "Every", "Another")
    repeats = [PARAGRAPH.replace("The", begin) for begin in begins]
    text = "\n\n".join([OPENING, PARAGRAPH, *repeats])
    guard = fed(text)
    assert guard.turn is not None
    assert text[: guard.turn.back_to_chars].endswith("counted every sail.")


def test_figures_that_change_make_another_sentence() -> None:
    lines = (
        f"{year} was the year in which the tower was painted white and the book bound anew in "
        f"leather, at a cost of {year - 1700} crowns, as the keeper wrote."
        for year in range(1801, 1812)
    )
    assert fed(" ".join(lines)).turn is None


def test_the_turns_are_counted_and_one_more_ends_the_draft() -> None:
    one = CASES["paragraph"]
    guard = LoopGuard(max_turns=2)
    guard.feed(one.text)
    for loops in (1, 2):
        assert guard.turn is not None
        assert not guard.turn.over
        guard.rewind(guard.turn.back_to_chars)
        assert guard.loops == loops
        assert guard.turn is None
        assert guard.held_chars == 0
        guard.feed(one.again)
    assert guard.turn == Turn(why=LOOP, back_to_chars=len(one.seen), other_sampling=True, over=True)
    guard.rewind(guard.turn.back_to_chars)
    assert guard.loops == 2


def test_what_comes_while_a_turn_is_due_is_not_read() -> None:
    guard = fed(CASES["paragraph"].text)
    due = guard.turn
    guard.feed("Something wholly new. And more.")
    assert guard.turn is due
    assert guard.ended() is due
    assert guard.held_chars == len(CASES["paragraph"].again + "Something wholly new. And more.")


def test_a_turn_stays_due_when_another_policy_cuts_behind_the_loop() -> None:
    text = CASES["paragraph"].text
    guard = fed(text)
    due = guard.turn
    guard.feed("More. And more.")
    guard.rewind(len(text) + 5)
    assert guard.turn is due
    guard.rewind(len(CASES["paragraph"].seen) + 20)
    assert guard.turn is None
    assert guard.loops == 0


def test_a_repeat_that_is_no_loop_yet_is_let_go_at_the_end() -> None:
    guard = fed(f"{OPENING}\n\n{PARAGRAPH}\n\n{PARAGRAPH}")
    assert guard.held_chars == len(PARAGRAPH) + 2
    assert guard.ended() is None
    assert guard.held_chars == 0


@pytest.mark.parametrize("name", ["paragraph", "a word changed", "line", "lead-ins", "numbered"])
def test_a_rewind_to_any_place_leaves_it_as_if_nothing_else_had_come(name: str) -> None:
    text = CASES[name].text
    rng = random.Random(name)
    for place in range(0, len(text), 41):
        guard = fed(text[: min(len(text), place + rng.randrange(200))], chars=5)
        before = guard.safe_chars
        guard.rewind(place)
        assert min(before, place) <= guard.safe_chars <= place
        fresh = fed(text[:place])
        for rest in ("\n\nNothing", " of that comes again."):
            guard.feed(rest)
            fresh.feed(rest)
        assert guard.turn == fresh.turn
        assert guard.safe_chars == fresh.safe_chars


def test_a_rewind_behind_what_is_remembered_starts_afresh() -> None:
    lines = "".join(f"Line {number} of a very long list.\n" for number in range(400))
    guard = fed(lines + CASES["paragraph"].seen, chars=50)
    guard.rewind(100)
    assert guard.safe_chars == 100
    guard.feed("\n" + CASES["paragraph"].text)
    assert guard.turn is not None
    assert guard.turn.back_to_chars == 101 + len(CASES["paragraph"].seen)


def test_a_rewind_into_a_stutter_lets_it_go() -> None:
    text = f"{OPENING} Then: " + "ha " * 40
    guard = fed(text)
    assert guard.held_chars > 0
    guard.rewind(len(text) - 30)
    guard.feed("and then silence fell on the whole company.")
    assert guard.held_chars == 0


def test_a_stutter_that_departs_is_released_whole() -> None:
    guard = fed(f"{OPENING} Then: " + "ha " * 40)
    held = guard.held_chars
    guard.feed("ha")
    assert guard.held_chars == held + 2
    guard.feed("ppy")
    assert guard.held_chars == 0


def grammar_loop(seed: int, language: Language, fault: Fault) -> tuple[str, str]:
    """A looping draft's answer up to the end of the looping section, and up to its first repeat."""
    flaws = frozenset({Flaw.MONOTONE}) if seed % 2 else frozenset[Flaw]()
    spec = Spec(seed=seed, language=language, words=1_500, fault=fault, flaws=flaws)
    draft = DraftMaker(spec).draft()
    most = max(draft.sections, key=lambda section: len(section.paragraphs))
    original = _first_of_the_loop(draft, most)
    before = "".join(render_section(one) for one in draft.sections[: most.number - 1])
    kept = Section(
        number=most.number,
        heading=most.heading,
        paragraphs=most.paragraphs[: original + 1],
        flaws=(),
    )
    return before + render_section(most), (before + render_section(kept)).rstrip()


def _first_of_the_loop(draft: Draft, section: Section) -> int:
    lead_ins = lexicon(draft.spec.language).lists["reworded"]
    if draft.spec.fault is Fault.LOOP_REWORDED:
        starts = [one[0].startswith(tuple(lead_ins)) for one in section.paragraphs]
        return starts.index(True) - 1
    return section.paragraphs.index(section.paragraphs[-1])


@pytest.mark.parametrize("fault", [Fault.LOOP_EXACT, Fault.LOOP_REWORDED])
@pytest.mark.parametrize("language", Language)
def test_no_repeat_of_a_looping_draft_is_ever_safe(language: Language, fault: Fault) -> None:
    for seed in range(5):
        text, seen = grammar_loop(seed, language, fault)
        guard = fed(text, chars=6)
        assert guard.turn is not None
        assert guard.turn.back_to_chars == guard.safe_chars == len(seen)


def test_the_work_per_character_does_not_grow_with_the_text() -> None:
    spec = Spec(seed=1, words=12_000, flaws=frozenset({Flaw.MONOTONE}))
    text = "".join(render_section(one) for one in DraftMaker(spec).draft().sections)
    guard = LoopGuard()
    calls = [count_calls(guard, text[at : at + 5_000]) for at in range(0, 30_000, 5_000)]
    assert max(calls) < 1.25 * min(calls[1:])


def count_calls(guard: LoopGuard, text: str) -> int:
    """How many functions are called while the text is fed, five characters at a time."""
    count = 0

    def on_event(_frame: FrameType, event: str, _value: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(on_event)
    try:
        for at in range(0, len(text), 5):
            guard.feed(text[at : at + 5])
    finally:
        sys.setprofile(None)
    return count
