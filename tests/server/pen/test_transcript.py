"""What a reader keeps of a draft: every character once, however the deltas are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pen.events import Channel, Delta
from server.pen.transcript import Gap, Transcript


def answer(text: str, position: int | None = None, index: int = 0) -> Delta:
    return Delta(channel=Channel.ANSWER, text=text, position=position, index=index)


def test_text_that_follows_is_kept_in_its_channel() -> None:
    transcript = Transcript()
    plan = Delta(channel=Channel.REASONING, text="Plan.", position=5)
    assert [transcript.receive(plan), transcript.receive(answer("Once", 9))] == ["Plan.", "Once"]
    assert (transcript.reasoning, transcript.answer, transcript.position) == ("Plan.", "Once", 9)


@pytest.mark.parametrize("begin", range(6))
def test_what_comes_again_is_left_out_wherever_it_begins(begin: int) -> None:
    transcript = Transcript()
    transcript.receive(answer("春天 of", 5))
    transcript.receive(answer("春天 of it"[begin:], 8))
    assert (transcript.answer, transcript.position) == ("春天 of it"[:8], 8)


def test_what_is_known_altogether_is_nothing_new() -> None:
    transcript = Transcript()
    transcript.receive(answer("Once upon", 9))
    assert transcript.receive(answer("Once", 4)) == ""
    assert (transcript.answer, transcript.position) == ("Once upon", 9)


@pytest.mark.parametrize("text", ["time", ""])
def test_a_gap_is_told_and_nothing_behind_it_is_kept(text: str) -> None:
    transcript = Transcript()
    transcript.receive(answer("Once", 4))
    with pytest.raises(Gap, match="2 characters are missing"):
        transcript.receive(answer(text, 6 + len(text)))
    assert (transcript.answer, transcript.position) == ("Once", 4)


def test_text_of_other_choices_counts_and_is_not_kept() -> None:
    transcript = Transcript()
    transcript.receive(answer("Once", 4))
    assert transcript.receive(answer("Another", 11, index=1)) == ""
    transcript.receive(answer(" upon", 16))
    assert (transcript.answer, transcript.position) == ("Once upon", 16)


def test_text_without_positions_is_taken_as_it_comes() -> None:
    transcript = Transcript()
    transcript.receive(answer("ha"))
    transcript.receive(answer("ha"))
    assert (transcript.answer, transcript.position) == ("haha", 4)


@given(st.text(min_size=1), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50))))
def test_any_replay_from_any_known_place_leaves_the_text_as_it_is(
    text: str, replays: list[tuple[int, int]]
) -> None:
    transcript = Transcript()
    for begin, end in replays:
        begin, end = min(begin, transcript.position), min(end, len(text))
        if begin <= end:
            transcript.receive(answer(text[begin:end], end))
    transcript.receive(answer(text[transcript.position :], len(text)))
    assert transcript.answer == text
