"""The policy `extend`: a short answer is carried on, its ending left out."""

from collections.abc import Callable
from typing import Any

import pytest

from planner.words import count_words
from server.pocket.maker.draft import Fault, Spec
from server.pocket.maker.lexicon import Language
from server.policies.extend import EXTEND, LEAST_WORDS, MAX_EXTENSIONS, Extend, closer_words


def words(count: int, word: str = "word") -> str:
    return " ".join([word] * count) + "."


BODY = f"# On roads\n\n{words(60)}\n\n{words(40, 'road')}"


def fed(text: str, low_words: int = 500, size: int = 3) -> Extend:
    policy = Extend(low_words)
    for at in range(0, len(text), size):
        policy.feed(text[at : at + size])
    return policy


def test_an_answer_that_is_long_enough_is_left_alone() -> None:
    policy = fed(BODY, low_words=100)
    assert policy.turn is None
    assert policy.ended() is None
    assert policy.safe_chars == len(BODY)


def test_a_short_answer_goes_on_behind_a_blank_line() -> None:
    turn = fed(BODY).ended()
    assert turn is not None
    assert (turn.why, turn.back_to_chars, turn.words) == (EXTEND, len(BODY), "\n\n")
    assert not turn.over


@pytest.mark.parametrize(
    "ending",
    ["In conclusion, roads matter.", "## Conclusion\n\nRoads matter.\n\nThey do.", "结语\n\n路。"],
)
@pytest.mark.parametrize("size", [1, 4, 1_000])
def test_an_ending_that_comes_too_early_is_held_back_and_left_out(ending: str, size: int) -> None:
    policy = fed(f"{BODY}\n\n{ending}", size=size)
    assert policy.safe_chars == len(BODY)
    turn = policy.ended()
    assert turn is not None
    assert turn.back_to_chars == len(BODY)


def test_what_only_sounds_like_an_ending_is_sent_at_once() -> None:
    text = f"{BODY}\n\nThe conclusion of peace took"
    assert fed(text).safe_chars == len(text)


def test_an_ending_is_let_go_once_the_range_is_reached() -> None:
    text = f"{BODY}\n\nIn conclusion, {words(60)}"
    assert fed(text, low_words=150).safe_chars == len(text)


def test_an_ending_is_let_go_once_more_follows_than_endings_have() -> None:
    held = f"{BODY}\n\nIn conclusion, {words(100)}"
    gone = f"{held} {words(30)}"
    assert fed(held).safe_chars == len(BODY)
    assert fed(gone).safe_chars == len(gone)
    assert [closer_words(low) for low in (500, 2_000, 20_000)] == [120, 200, 400]


def test_an_ending_is_let_go_when_another_section_follows_it() -> None:
    text = f"{BODY}\n\n## Conclusion\n\nRoads matter.\n\n## Appendix\n\nMore"
    assert fed(text).safe_chars == len(text)
    below = f"{BODY}\n\n## Conclusion\n\nRoads matter.\n\n### A word of thanks\n\nMore"
    assert fed(below).safe_chars == len(BODY)


def test_an_ending_behind_one_that_was_let_go_is_held_back_again() -> None:
    gone = f"{BODY}\n\nIn conclusion, {words(130)}"
    policy = fed(f"{gone}\n\nTo sum up, roads matter.")
    assert policy.safe_chars == len(gone)


def test_a_heading_that_closes_nothing_yet_is_no_ending() -> None:
    text = f"# Conclusion\n\n{words(20)}\n\n3. Roads are long.\n"
    assert fed(text).safe_chars == len(text.rstrip())


def test_a_sentence_that_stops_in_the_middle_is_carried_on_as_it_stands() -> None:
    turn = fed(BODY + "\n\nAnd then the").ended()
    assert turn is not None
    assert turn.words == ""


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("## 1 of 4: A\n\nOne.\n\n## 2 of 4: B\n\nTwo.", "\n\n## 3 of 4:"),
        ("## 1 of 2: A\n\nOne.\n\n## 2 of 2: B\n\nTwo.", "\n\n"),
        ("## 1. A\n\nOne.\n\n## 2. B\n\nTwo.", "\n\n## 3."),
        ("## A\n\nOne.\n\n## B\n\nTwo.", "\n\n"),
        ("## 1 of 4: A\n\nOne.", "\n\n"),
        ("## 第1节，共4节 - 甲\n\n一。\n\n## 第2节，共4节 - 乙\n\n二。", "\n\n## 第3节，共4节："),
    ],
)
def test_a_text_that_counts_its_sections_gets_the_next_number(text: str, cue: str) -> None:
    turn = fed(text).ended()
    assert turn is not None
    assert turn.words == cue


def test_an_extension_that_brings_nothing_new_is_the_last() -> None:
    policy = fed(BODY)
    turn = policy.ended()
    assert turn is not None
    policy.rewind(turn.back_to_chars)
    policy.feed(turn.words + words(LEAST_WORDS - 1, "new"))
    assert policy.ended() is None
    assert policy.extensions == 1


def test_an_extension_that_repeats_the_ending_is_the_last() -> None:
    policy = fed(BODY)
    policy.ended()
    policy.rewind(len(BODY))
    policy.feed("\n\n" + words(40, "road"))
    assert policy.ended() is None


def test_there_are_only_so_many_extensions() -> None:
    policy, text = fed(BODY, low_words=2_000), BODY
    for number in range(MAX_EXTENSIONS):
        turn = policy.ended()
        assert turn is not None
        policy.rewind(turn.back_to_chars)
        more = turn.words + words(LEAST_WORDS, f"{'abcdefgh'[number]}x")
        policy.feed(more)
        text += more
    assert policy.ended() is None
    assert policy.extensions == MAX_EXTENSIONS


def test_a_cut_by_another_policy_takes_back_what_was_known_behind_it() -> None:
    policy = fed(f"{BODY}\n\nIn conclusion, roads matter.")
    policy.rewind(len(BODY))
    assert policy.safe_chars == len(BODY)
    policy.feed("\n\nThe road goes")
    assert policy.safe_chars == len(BODY) + len("\n\nThe road goes")
    policy.rewind(20)
    assert policy.safe_chars == 20
    policy.feed(words(5))
    turn = policy.ended()
    assert turn is not None and turn.back_to_chars == 20 + len(words(5))


@pytest.mark.parametrize("language", list(Language))
def test_short_drafts_of_the_pocket_reach_their_range(
    language: Language, play: Callable[..., Any], pocket_writer: Callable[..., Any]
) -> None:
    for seed in range(2):
        spec = Spec(seed=seed, language=language, words=1_000, fault=Fault.SHORT)
        assert play(pocket_writer(spec), []).words < 750
        played = play(pocket_writer(spec), [Extend(900)])
        assert played.words == count_words(played.text) >= 900
