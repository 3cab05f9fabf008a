"""The candidates of one request: who stops, who is compared when, what is said of them."""

from collections.abc import Sequence

import pytest

from planner.length import NOTHING, Asked
from rewards.base import Score, abstained
from rewards.panel import Panel
from rewards.partial import Pruning
from rewards.verdict import Verdict
from server.contest import BestOf, Contest, Entry, all_told, endings, winners
from server.engine.base import End, Text
from server.events import CarriedOn, Channel, Fate, Fragment
from server.rules import Rules

ASKED = Asked(low_words=900, high_words=1_100, source="field")
# Of the middle of that range, and of the thousand words that stand for none.
CHECKS = [round(1_000 * share) for share in Pruning().checks]
_LETTERS = str.maketrans("0123456789", "abcdefghij")
BEGIN = "<think>\nA plan.\n</think>\n<answer>\n"


def contest(
    drafts: int = 4,
    *,
    kept: int = 1,
    prune: bool = True,
    asked: Asked = ASKED,
    max_tokens: int = 5_000,
) -> Contest:
    rules = Rules(max_tokens=max_tokens, reasoning_tokens=100, thinking=True, asked=asked)
    wish = BestOf(drafts=drafts, weights={}, prune=prune)
    return Contest(prompt="On roads.", rules=rules, wish=wish, kept=kept)


def write(entry: Entry, text: str) -> None:
    """Has a candidate write a text, a token a word."""
    for word in text.split(" "):
        for fragment in entry.draft.take(Text(text=f" {word}", token_ids=(1,))):
            entry.take(fragment)


def words(count: int, start: int = 0) -> str:
    """Words of letters, no one like another."""
    return " ".join(f"{n:06d}".translate(_LETTERS) for n in range(start, start + count))


def finish(entry: Entry, text: str = f"{BEGIN}Done.") -> None:
    write(entry, text)
    for fragment in [*entry.draft.close(End(reason="stop")), *entry.draft.finish()]:
        entry.take(fragment)
    entry.take(entry.draft.ended(prompt_tokens=7))


def verdict(*totals: float | None) -> Verdict:
    scores = [
        {"r": abstained("no idea") if total is None else Score(value=total)} for total in totals
    ]
    return Panel(weights={"r": 1.0}).judge(scores)


def stopped(losers: Sequence[tuple[Entry, str]]) -> list[int]:
    return [entry.index for entry, _ in losers]


def indices(entries: Sequence[Entry]) -> list[int]:
    return [entry.index for entry in entries]


# Comparing.


def test_candidates_are_compared_once_most_that_are_written_have_come_as_far() -> None:
    group = contest(3)
    first, second, third = group.entries
    for entry in (first, second):
        write(entry, BEGIN + words(CHECKS[0] - 1))
        assert not group.passes(entry)
        write(entry, words(1, CHECKS[0] - 1))
        assert group.passes(entry)
        assert not group.passes(entry)
        assert group.due() == ()
    # One that has finished is not waited for, and costs nothing more.
    finish(third)
    assert indices(group.due()) == [0, 1]
    assert group.due() == ()


def test_one_that_thinks_without_end_keeps_nobody_waiting() -> None:
    group = contest(4)
    for entry in group.entries[:3]:
        assert group.due() == ()
        write(entry, BEGIN + words(CHECKS[0]))
        assert group.passes(entry)
    assert indices(group.due()) == [0, 1, 2, 3]
    assert group.due() == ()


@pytest.mark.parametrize("asked", [ASKED, NOTHING])
def test_they_are_compared_at_shares_of_what_was_asked_or_of_a_thousand_words(
    asked: Asked,
) -> None:
    group = contest(2, asked=asked)
    passed = []
    for entry in group.entries:
        write(entry, BEGIN.rstrip())
        for count in range(1_000):
            write(entry, words(1, count))
            if group.passes(entry):
                passed.append(entry.words)
    assert passed == CHECKS * 2


def test_nobody_is_compared_with_nobody_or_where_all_will_be_shown() -> None:
    group = contest(2, kept=2)
    for entry in group.entries:
        write(entry, BEGIN + words(CHECKS[0]))
        assert group.passes(entry)
    assert group.due() == ()
    for entry in group.entries:
        finish(entry, words(300))
    assert group.due() == ()
    assert contest(2, prune=False).due() == ()


def test_the_worst_lose_and_in_a_crowd_three_of_four() -> None:
    group = contest(8)
    found = verdict(3, 1, 4, 1.5, 9, 2, 6, 5)
    losers = group.losers(group.entries, found)
    # Of 8 six tenths go on, rounded up.
    assert stopped(losers) == [5, 3, 1]
    assert losers[0][1] == "behind the others when they were compared: r 7 below the winner's"
    assert stopped(group.losers(group.entries, found, crowded=True)) == [7, 2, 0, 5, 3, 1]
    assert group.entries[4].score == found.candidates[4].total


def test_those_that_are_left_are_judged_beside_those_that_were_stopped() -> None:
    group, panel = contest(4), Panel(weights={"r": 1.0, "s": 2.0})
    told = [{"r": Score(value=r), "s": Score(value=s)} for r, s in ((10, 2), (9, 2.1), (2, -30))]
    first, second, third, _ = group.entries
    assert group.judged([first, second, third], told, panel).ranking == (0, 1, 2)
    third.drop("behind")
    # Alone the second would win: any difference is as good as any other between two.
    assert panel.judge(told[:2]).best == 1
    verdict = group.judged([first, second], told[:2], panel)
    assert (verdict.ranking, len(verdict.candidates)) == ((0, 1), 2)


def test_as_many_stay_as_are_shown() -> None:
    group = contest(4, kept=3)
    found = verdict(3, 1, 4, 2)
    assert stopped(group.losers(group.entries, found, crowded=True)) == [1]


def test_nobody_loses_where_no_reward_has_an_opinion() -> None:
    group = contest(4)
    assert group.losers(group.entries, verdict(None, None, None, None)) == []


def test_who_ended_while_the_judges_thought_leaves_the_others_their_places() -> None:
    group = contest(5)
    found = verdict(5, 4, 3, 2, 1)
    group.entries[0].fail(ValueError())
    group.entries[1].fail(ValueError())
    # Of the three that are left, the better two go on.
    assert stopped(group.losers(group.entries, found)) == [4]


# Stopping at once.


def test_a_candidate_is_looked_at_now_and_then_while_others_can_be_shown() -> None:
    group = contest(2)
    first, second = group.entries
    write(first, BEGIN + words(100))
    assert group.hopeless(first) is None
    assert first.next_look_tokens == 150
    # Far too long: nothing that follows can mend it.
    write(first, words(2_200, 100))
    assert str(group.hopeless(first)).startswith("longer than asked")
    # The next look is due a fifth later, and at most 1,000 tokens.
    assert group.hopeless(first) is None
    assert first.next_look_tokens == pytest.approx(1.2 * first.draft.num_tokens)
    write(first, words(10_000))
    group.hopeless(first)
    assert first.next_look_tokens == first.draft.num_tokens + 1_000
    second.fail(ValueError())
    write(first, words(2_000))
    assert group.hopeless(first) is None


def test_one_that_has_ended_is_not_hopeless_any_more() -> None:
    group = contest(2)
    finish(group.entries[0], BEGIN + words(3_000))
    assert group.hopeless(group.entries[0]) is None


def test_what_it_cannot_reach_is_reckoned_by_its_tokens_so_far() -> None:
    group = contest(2, max_tokens=800)
    first = group.entries[0]
    # A word a token; 200 words, about 600 tokens left: 600 * 1.5 = 900 more at the most.
    write(first, BEGIN + words(200))
    assert group.hopeless(first) is None
    # 600 words, about 200 left: 300 more, and 900 just in reach; with 20 words more it is not.
    write(first, words(395, 200))
    assert group.hopeless(first) is None
    first.next_look_tokens = 0
    write(first, words(25, 595))
    assert group.hopeless(first) == "cannot reach 900 words any more"


@pytest.mark.parametrize("begun", ["<think>\n", "<think>\n" + words(100) + "</think><answer>a "])
def test_the_first_words_tell_nothing_of_what_can_be_reached(begun: str) -> None:
    group = contest(2, max_tokens=200)
    first = group.entries[0]
    write(first, begun + words(90))
    first.next_look_tokens = 0
    assert group.hopeless(first) is None


def test_a_candidate_that_was_stopped_stays_so_and_is_forgotten() -> None:
    group = contest(2)
    first = group.entries[0]
    write(first, BEGIN + "Once upon a time.")
    first.drop("behind")
    # Closing its stream may break.
    first.fail(ValueError())
    told = first.told()
    assert (told.fate, told.why, told.words) == (Fate.PRUNED, "behind", 4)
    assert (first.events, first.error) == ([], None)


def test_a_candidate_that_failed_is_told_by_the_kind_of_error() -> None:
    first = contest(2).entries[0]
    first.take(CarriedOn(why="loop"))
    first.take(Fragment(channel=Channel.ANSWER, text="Once"))
    assert len(first.events) == 2
    first.fail(ValueError("Once upon a time"))
    assert (first.told().fate, first.told().why, first.events) == (Fate.FAILED, "ValueError", [])
    assert not first.competes


def test_there_are_enough_while_as_many_are_left_as_are_shown() -> None:
    group = contest(3, kept=2)
    finish(group.entries[0])
    group.entries[1].fail(ValueError())
    before = group.enough
    group.entries[2].fail(ValueError())
    assert (before, group.enough, group.writing) == (True, False, False)


# What is said.


def test_the_shown_drafts_add_up_to_all_that_was_written() -> None:
    group = contest(4, kept=2)
    for entry, count in zip(group.entries, (10, 20, 30, 40), strict=True):
        write(entry, BEGIN + words(count))
    for entry in group.entries[:3]:
        finish(entry, "end")
    group.entries[3].drop("behind")
    ends = endings(group, verdict(1, 3, 2))
    assert [entry.index for entry, _ in ends] == [1, 2]
    answers = [ended.usage.answer_tokens for _, ended in ends]
    drafts = [entry.draft.answer_tokens for entry in group.entries]
    assert sum(answers) == sum(drafts)
    assert answers[1] == drafts[2]
    assert ends[0][1].usage.prompt_tokens == 7
    everything = all_told(group, [group.entries[0]])
    assert everything.completion_tokens == sum(e.draft.num_tokens for e in group.entries)


def test_the_winners_tell_of_all_candidates_and_why() -> None:
    group = contest(3)
    finish(group.entries[0])
    group.entries[1].fail(ValueError())
    finish(group.entries[2])
    [(entry, judged)] = winners(group, verdict(1, None))
    assert (entry.index, judged.candidate, judged.num_shown) == (0, 0, 1)
    first, failed, mute = judged.candidates
    assert (first.place, first.why, first.raw) == (1, "", {"r": 1})
    assert (failed.place, failed.why) == (None, "ValueError")
    assert (mute.place, mute.score, mute.raw) == (2, None, {"r": None})
    assert mute.why == "no reward had an opinion on it; r abstained: no idea"
    assert group.standings()[0].score == first.score
