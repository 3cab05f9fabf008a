"""Drafts that are still being written: which to stop, which to let go on."""

import math
import random
from dataclasses import replace

import pytest

from rewards.base import Asked, Draft, Score
from rewards.length import Length
from rewards.panel import Panel
from rewards.partial import (
    Pruning,
    hopeless,
    length_so_far,
    next_look_tokens,
    num_kept,
    running_scores,
    tokens_share,
    words_left,
)

ASKED = Asked(low_words=1_800, high_words=2_200)
_VOCABULARY = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("l", "n", "rt")]


def prose(words: int, seed: int = 0) -> str:
    rng = random.Random(seed)
    return " ".join(
        word + "." * (at % 13 == 0) for at, word in enumerate(rng.choices(_VOCABULARY, k=words), 1)
    )


def chinese(characters: int, seed: int = 0) -> str:
    rng = random.Random(seed)
    return "".join(
        chr(rng.randrange(0x4E00, 0x5200)) + "。" * (at % 20 == 0)
        for at in range(1, characters + 1)
    )


def draft(answer: str, *, raw: str | None = None, reasoning: str = "plan") -> Draft:
    return Draft(prompt="", answer=answer, reasoning=reasoning, raw=raw, ended=False)


def test_a_draft_that_can_still_reach_its_range_goes_on() -> None:
    assert hopeless(draft(prose(812)), ASKED, 988) is None
    assert hopeless(draft(prose(2_000)), ASKED, 0) is None
    assert hopeless(draft(prose(812)), ASKED) is None
    assert hopeless(draft(prose(812)), None, 0) is None
    assert hopeless(draft("", reasoning=""), ASKED, 1_800) is None


def test_a_draft_that_cannot_reach_its_range_any_more_is_hopeless() -> None:
    assert hopeless(draft(prose(812)), ASKED, 987) == "cannot reach 1800 words any more"


def test_a_draft_beyond_where_its_length_is_worth_anything_is_hopeless() -> None:
    assert hopeless(draft(prose(4_399)), ASKED, 500) is None
    told = "longer than asked: 4400 of [1800, 2200] words"
    assert hopeless(draft(prose(4_400)), ASKED, 500) == told
    assert hopeless(draft(prose(4_400)), ASKED, 500, length=Length(max_factor=3)) is None
    exact = Asked(low_words=100, high_words=100, max_words=100)
    assert hopeless(draft(prose(100)), exact) is None
    assert hopeless(draft(prose(101)), exact) == "longer than asked: 101 of [100, 100] words"


def test_a_draft_whose_format_is_worth_less_than_half_is_hopeless() -> None:
    one = draft("a text", raw="a text")
    assert hopeless(one, None) is None
    two = draft("a text", raw="a text\n<think>late")
    assert hopeless(two, None) == "format broken: no_think, stray_tag"


def test_what_the_model_has_ended_is_not_stopped() -> None:
    ended = Draft(prompt="", answer="short", ended=True)
    assert hopeless(ended, ASKED, 0) is None


def test_a_paragraph_that_comes_a_third_time_is_a_loop() -> None:
    one = prose(91, seed=4)
    before = prose(500)
    assert hopeless(draft(f"{before}\n\n{one}\n\n{one}"), None) is None
    told = hopeless(draft(f"{before}\n\n{one}\n\n{one}\n\n{one}"), None)
    assert told == "loops: the last 182 words were said before"


def test_a_loop_with_a_sentence_anew_in_each_round_is_one() -> None:
    one = prose(91, seed=4)
    rounds = "\n\n".join(f"{one} {prose(13, seed=seed)}" for seed in range(10, 16))
    found = hopeless(draft(f"{prose(500)}\n\n{rounds}"), None)
    assert found is not None
    assert found.startswith("loops: the last ")


def test_a_chinese_loop_is_counted_in_characters() -> None:
    one = chinese(100, seed=4)
    assert hopeless(draft(f"{chinese(500)}\n\n{one}\n\n{one}"), None) is None
    told = hopeless(draft("\n\n".join([chinese(500), *[one] * 3])), None)
    assert told == "loops: the last 210 characters were said before"


def test_an_endless_line_is_a_loop_and_so_is_one_in_the_thinking() -> None:
    line = "and the cat saw the dog " * 80
    assert hopeless(draft(prose(300) + "\n\n" + line), None) is not None
    assert hopeless(draft("", reasoning=line), None) is not None
    assert hopeless(draft(prose(300), reasoning=line), None) is None


@pytest.mark.parametrize("row", ["| eggs | toast |", "    return None"])
def test_rows_and_lines_of_code_that_come_without_end_are_a_loop(row: str) -> None:
    fence = "```\n" if row.startswith(" ") else ""
    rows = "\n".join([row] * 30)
    told = hopeless(draft(f"{prose(200)}\n\n{fence}{rows}"), None)
    assert told == "loops: the last 20 lines are 1 different ones"
    assert hopeless(draft(f"{prose(200)}\n\n{fence}{rows[:-1]}x\n"), None) == (
        "loops: the last 20 lines are 2 different ones"
    )
    closing = "\n```" if fence else ""
    assert hopeless(draft(f"{fence}{rows}{closing}\n\n{prose(50)}"), None) is None


def test_a_window_that_begins_inside_code_reads_it_as_code() -> None:
    functions = "\n".join(
        f"def {a}_{b}(self) -> None:\n    check the state of the {b}, then return"
        for a in _VOCABULARY[:9]
        for b in _VOCABULARY[:30]
    )
    assert hopeless(draft(f"```python\n{functions}"), None) is None


def test_a_chorus_and_a_copied_passage_are_no_loops() -> None:
    chorus = "Roll on, roll on, my river wide\nAnd carry me down to the sea\nThe moon and the tide"
    assert hopeless(draft(f"{prose(50)}\n\n" + "\n\n".join([chorus] * 4)), None) is None
    copied = prose(400)
    assert hopeless(draft(f"{copied}\n\n{prose(50, seed=1)}\n\n{copied}"), None) is None


@pytest.mark.parametrize("seed", range(5))
def test_no_prose_is_a_loop_at_any_checkpoint(seed: int) -> None:
    text = prose(1_500, seed)
    assert [hopeless(draft(text[:cut]), None) for cut in range(0, len(text), 500)] == [None] * len(
        range(0, len(text), 500)
    )


def test_the_running_scores_rank_what_is_there() -> None:
    one = prose(91, seed=4)
    good = running_scores(draft(prose(300), raw=f"<think>plan</think><answer>{prose(300)}"))
    looping = running_scores(draft("\n\n".join([one] * 4)))
    early = running_scores(draft("", raw="<think>pl"))
    values = {name: score.value for name, score in good.items()}
    assert values == {"length": None, "format": 1.0, "repetition": 1.0}
    assert early["repetition"].value is None
    verdict = Panel.of(None, ["format", "repetition"]).judge([looping, good, early])
    assert verdict.ranking[0] == 1
    assert verdict.candidates[0].reason == "repeats paragraph 1 3 times"


def on_course(words: int, sections: int) -> Draft:
    """A draft in its second section of so many, the first of ``words`` words."""
    answer = f"## 1 of {sections}: Mills\n{prose(words)}\n## 2 of {sections}: Boats\n"
    return Draft(prompt="", answer=answer, reasoning="plan", ended=False, asked=ASKED)


def test_the_running_length_is_that_of_what_a_draft_will_become() -> None:
    # (398 + "of", "Mills") * (1 + 1 + 1 + 1 + 0.4) = 1,760 words: 40 are missing.
    short, long = length_so_far(on_course(398, 5)), length_so_far(on_course(398, 8))
    assert short.value == pytest.approx(1_760 / 1_800)
    assert short.why == "on its way to 1760 words"
    assert short.parts == {"forecast_words": 1_760}
    # 400 * 7.4 = 2,960.
    assert long.value == pytest.approx((4_400 - 2_960) / 2_200)
    assert length_so_far(on_course(398, 6)) == Score(value=1.0, parts={"forecast_words": 2_160})


def test_the_running_length_is_silent_where_nothing_says_it_or_nobody_asked() -> None:
    asked = replace(draft(prose(2_200)), asked=ASKED)
    assert length_so_far(asked).value is None
    assert length_so_far(draft(prose(300))).why == "no length was asked for"
    # What is too long already becomes no shorter.
    assert length_so_far(replace(asked, answer=prose(3_300))).value == 0.5
    assert length_so_far(replace(asked, answer=prose(3_300), ended=True)).value == 0.5
    assert length_so_far(replace(asked, answer=prose(900), ended=True)).value == 0.5


def test_a_draft_on_its_way_past_the_range_ranks_behind_the_others() -> None:
    group = [running_scores(on_course(398, sections)) for sections in (12, 6, 8)]
    verdict = Panel.of(None, ["length", "format", "repetition"]).judge(group)
    assert verdict.ranking == (1, 2, 0)
    assert verdict.candidates[0].reason == "on its way to 4560 words"


@pytest.mark.parametrize(
    ("number", "share", "kept"),
    [(3, 0.5, 2), (8, 0.5, 4), (8, 0.25, 2), (1, 0.01, 1), (10, 0.1, 1), (2, 1, 2), (0, 0.5, 0)],
)
def test_the_better_share_goes_on_rounded_up(number: int, share: float, kept: int) -> None:
    assert num_kept(number, share) == kept


@pytest.mark.parametrize("share", [0.0, 1.1, -1.0, math.nan])
def test_a_share_that_keeps_none_or_more_than_all_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="keep_share"):
        num_kept(1, share)


@pytest.mark.parametrize("checks", [(0.5, 0.5), (0.5, 0.2), (0.0,), (1.0,)])
def test_checks_that_do_not_rise_within_a_draft_are_refused(checks: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must rise between 0 and 1"):
        Pruning(checks=checks)


@pytest.mark.parametrize(
    ("passed", "writing", "due"), [(8, 8, True), (6, 8, True), (5, 8, False), (1, 1, True)]
)
def test_a_comparison_is_due_once_most_drafts_have_come_as_far(
    passed: int, writing: int, due: bool
) -> None:
    assert Pruning(quorum=0.75).is_due(passed, writing) == due


def test_looks_are_a_fifth_apart_and_at_most_a_thousand_tokens() -> None:
    assert [next_look_tokens(tokens) for tokens in (150, 10_000)] == [180, 11_000]


def test_what_a_draft_can_still_have_is_reckoned_by_its_tokens_so_far() -> None:
    assert words_left(300, 400, 1_000) == 1_125
    assert words_left(99, 120, 1_000) is None


def test_halving_saves_what_the_arithmetic_says() -> None:
    assert tokens_share(8, [0.125, 0.25, 0.5]) == pytest.approx(0.3125)
    assert tokens_share(8, []) == 1.0
    assert tokens_share(1, [0.5]) == 1.0
