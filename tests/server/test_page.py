"""The page: what is sent, what is held, what a cut takes back."""

import pytest

from server.events import Channel, Fragment, TokenLogprob
from server.page import Page
from server.policies.policy import Turn


class Reins:
    """A policy held by the test."""

    def __init__(self, safe_chars: int = 10**9, turn: Turn | None = None) -> None:
        self.limit, self.turn, self.seen = safe_chars, turn, ""

    def feed(self, text: str) -> None:
        self.seen += text

    @property
    def safe_chars(self) -> int:
        return min(self.limit, len(self.seen))

    def ended(self) -> Turn | None:
        return self.turn

    def rewind(self, chars: int) -> None:
        self.seen = self.seen[:chars]


def told(token: str) -> TokenLogprob:
    return TokenLogprob(token=token, token_id=0, logprob=-0.5)


def answer(text: str, *tokens: str) -> list[Fragment]:
    logprobs = tuple(told(token) for token in tokens)
    return [Fragment(channel=Channel.ANSWER, text=text, logprobs=logprobs)]


def test_without_policies_text_goes_out_as_it_comes() -> None:
    page = Page()
    assert page.feed("Once", [told("Once")]) == answer("Once", "Once")
    assert page.turn is None
    assert page.ended() is None
    assert page.finish() == []
    assert page.words.words == 1


def test_text_is_sent_as_far_as_every_policy_calls_it_safe() -> None:
    page = Page(policies=(Reins(8), Reins(5)))
    assert page.feed("Once ", [told("Once"), told(" ")]) == answer("Once ", "Once", " ")
    assert page.feed("upon a", [told("upon a")]) == []
    assert page.finish() == answer("upon a", "upon a")


def test_a_cut_takes_back_held_text_with_its_log_probabilities() -> None:
    reins = Reins(2)
    page = Page(policies=(reins,))
    page.feed("On", [told("On")])
    page.feed("ce", [told("ce")])
    page.feed(" upon", [told(" upon")])
    page.cut(4)
    assert reins.seen == "Once"
    assert page.feed(" more", [told(" more")]) == []
    assert page.finish() == answer("ce more", "ce", " more")


def test_sent_text_is_never_taken_back() -> None:
    page = Page()
    page.feed("Once")
    with pytest.raises(AssertionError):
        page.cut(3)


def test_of_two_turns_the_one_that_goes_back_furthest_is_taken() -> None:
    near, far = Turn(why="pace", back_to_chars=9), Turn(why="loop", back_to_chars=4)
    page = Page(policies=(Reins(turn=near), Reins(turn=far), Reins()))
    assert page.turn == far
    assert page.ended() == near
