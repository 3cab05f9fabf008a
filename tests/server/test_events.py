"""Events are plain values; usage adds up."""

from dataclasses import FrozenInstanceError

import pytest

from server.events import CarriedOn, Channel, Ended, Fragment, TokenLogprob, Usage


def test_completion_tokens_are_reasoning_and_answer() -> None:
    assert Usage(reasoning_tokens=3, answer_tokens=4).completion_tokens == 7
    assert Usage().completion_tokens == 0


def test_an_event_cannot_be_changed() -> None:
    for event, name in (
        (Fragment(channel=Channel.ANSWER, text="a"), "text"),
        (CarriedOn(why="no_answer"), "why"),
        (Ended(finish_reason="stop", usage=Usage(), answer_words=0), "answer_words"),
        (TokenLogprob(token="a", token_id=1, logprob=0.0), "token"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(event, name, "other")


def test_channels_have_the_names_that_metrics_show() -> None:
    assert [str(channel) for channel in Channel] == ["reasoning", "answer"]
