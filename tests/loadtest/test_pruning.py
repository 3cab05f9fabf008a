"""Recorded drafts replayed under a policy: who would have been stopped, and what that saves."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from loadtest.intervals import mean_of, ratio_of, share_of
from loadtest.pruning import Group, Judges, Replay, contest, policy
from loadtest.recorded import Recorded, read
from rewards.base import Draft, Score
from rewards.partial import Pruning

BEGIN = "<think>\nA plan of 2 sections.\n</think>\n<answer>\n"
_LETTERS = str.maketrans("0123456789", "abcdefghij")


def words(count: int, start: int = 0) -> str:
    """Words of letters, no one like another."""
    return " ".join(f"{n:06d}".translate(_LETTERS) for n in range(start, start + count))


def recorded(candidate: int, sections: int, length: int = 200, start: int = 0) -> Recorded:
    """A draft that counts its sections, all of one length; asked are 360 to 440 words."""
    answer = "".join(
        f"## {at} of {sections}: Mills\n{words(length, start + 1_000 * at)}\n"
        for at in range(1, sections + 1)
    )
    raw = BEGIN + answer
    return Recorded(
        group=0,
        candidate=candidate,
        task="On mills.",
        low_words=360,
        high_words=440,
        raw=raw,
        tokens=len(raw.split()),
        ended=True,
    )


class Taste:
    """A judge of quality that likes words that begin with "aj": those from 90,000 on."""

    def __init__(self) -> None:
        self.asked = 0

    def score_here(self, drafts: Sequence[Draft]) -> list[Score]:
        self.asked += len(drafts)
        return [Score(value=float(" aj" in draft.answer)) for draft in drafts]


def judges() -> Judges:
    taste: Any = Taste()
    return Judges(quality=taste)


def group(*drafts: Recorded) -> list[Replay]:
    return [Replay(recorded=one) for one in drafts]


def test_a_draft_is_replayed_to_any_of_its_tokens() -> None:
    one = Replay(recorded=recorded(0, 2))
    assert one.tokens_at(0) == 0
    tokens = one.tokens_at(100)
    assert 100 <= tokens < 130
    assert len(one.at(tokens).answer.split()) < 120
    assert (one.at(tokens).ended, one.at(math.inf).ended) == (False, True)
    assert one.at(20).reasoning.startswith("A plan")
    assert one.tokens_at(1_000) == math.inf


def test_drafts_on_their_way_past_the_range_end_at_the_first_comparison() -> None:
    drafts = group(recorded(0, 5), recorded(1, 2), recorded(2, 4), recorded(3, 2, start=90_000))
    full = contest(drafts, judges(), None)
    pruned = contest(drafts, judges(), Pruning(checks=(0.6,), keep_share=0.5))
    assert full.winner == pruned.winner == 3
    assert pruned.reward == full.reward
    kept = sum(drafts[at].recorded.tokens for at in (1, 3))
    check = drafts[0].tokens_at(240)
    assert pruned.tokens == pytest.approx(kept + 2 * check, abs=12)
    assert full.tokens == sum(one.recorded.tokens for one in drafts)


def test_one_that_loops_ends_when_it_is_looked_at_and_is_not_shown() -> None:
    loop = recorded(0, 2)
    loop = Recorded(**{**asdict(loop), "raw": BEGIN + (words(60) + "\n\n") * 40, "tokens": 2_400})
    drafts = group(loop, recorded(1, 2))
    found = contest(drafts, judges(), Pruning(checks=()))
    assert found.winner == 1
    assert found.tokens < 400 + drafts[1].recorded.tokens


def test_a_prompt_whose_drafts_all_were_hopeless_shows_the_longest() -> None:
    loops = [
        Recorded(**{**asdict(recorded(at, 2)), "raw": BEGIN + (words(60) + "\n\n") * 40})
        for at in range(2)
    ]
    found = contest(group(*loops), judges(), Pruning())
    assert found.winner in (0, 1)


def test_the_same_is_not_judged_twice() -> None:
    drafts, known = group(recorded(0, 2), recorded(1, 3)), judges()
    first = contest(drafts, known, Pruning())
    taste: Any = known.quality
    asked = taste.asked
    assert contest(drafts, known, Pruning()) == first
    assert taste.asked == asked


def test_one_draft_alone_is_compared_with_nobody() -> None:
    alone = Group(replays=group(recorded(0, 2)), judges=judges())
    alone.prune(Pruning())
    assert alone.outcome().tokens == alone.replays[0].recorded.tokens


def test_what_was_recorded_is_read_by_prompts(tmp_path: Path) -> None:
    drafts = [recorded(1, 2), recorded(0, 3)]
    path = tmp_path / "drafts.jsonl"
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in drafts), encoding="utf-8")
    assert [*read(path)] == [[drafts[1], drafts[0]]]


def test_a_policy_is_named_by_its_checks_and_its_share() -> None:
    assert policy("0.2,0.4:0.75") == Pruning(checks=(0.2, 0.4), keep_share=0.75)
    assert policy("0.3") == Pruning(checks=(0.3,))


def test_intervals_are_those_of_the_books() -> None:
    assert str(mean_of([1, 2, 3])) == "2.000 (0.868 to 3.132)"
    assert mean_of([1]).high == math.inf
    assert share_of([True] * 18 + [False] * 2).per_cent == "90.0 % (69.9 to 97.2)"
    assert share_of([True] * 20).high == pytest.approx(1)
    assert ratio_of([(1, 2), (2, 4), (3, 6)]).per_cent == "50.0 % (50.0 to 50.0)"
    assert ratio_of([(1, 2), (3, 4)]).low < 4 / 6 < ratio_of([(1, 2), (3, 4)]).high
