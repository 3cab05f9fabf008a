"""The format reward: one plan, then one answer, graded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.base import Draft
from rewards.format import Format, format_so_far
from server.channels import Splitter
from server.marks import FAULTS, MARKS, QUOTED_TAG

GOOD = "<think>a plan</think>\n<answer>a text</answer>"


def draft(raw: str, *, ended: bool = True, thinking: bool = True) -> Draft:
    return Draft(prompt="", answer="", raw=raw, ended=ended, thinking=thinking)


def judged(raw: str, *, ended: bool = True, thinking: bool = True) -> tuple[float | None, str]:
    found = Format().score(draft(raw, ended=ended, thinking=thinking))
    return found.value, found.why


@pytest.mark.parametrize(
    ("raw", "value", "why"),
    [
        (GOOD, 1.0, ""),
        ("<think>a plan</think><answer>a text", 1.0, ""),
        ("<answer>a text</answer>", 0.5, "no_think"),
        ("a plan</think><answer>a text</answer>", 0.25, "no_think, stray_tag"),
        ("</think><answer>a text</answer>", 0.5, "no_think"),
        ("<think>a plan\n<answer>a text</answer>", 0.5, "no_think_end"),
        ("<think>a plan</think>a text</answer>", 0.5, "no_answer_tag"),
        ("a text", 0.5, "no_think"),
        ("a text<answer>more</answer>", 0.5, "no_think"),
        ("<think>a</think><think>b</think><answer>c</answer>", 0.75, "stray_tag"),
        ("<think>a</think></think><answer>c</answer>", 0.75, "stray_tag"),
        ("<think>a</think><answer>b\n<answer>c</answer>", 0.75, "stray_tag"),
        ("<think>a</think><answer>b<think> in a line</answer>", 1.0, ""),
        ("<think>a</think>b\n<think>c</think><answer>d", 0.25, "no_answer_tag, stray_tag"),
        ("<think>a</think>b</think><answer>d", 0.25, "no_answer_tag, stray_tag"),
        ("<think>a</think>b <think> c", 0.5, "no_answer_tag"),
        (f"{GOOD} and more", 0.75, "text_after_end"),
        (f"{GOOD}<answer>again</answer>", 0.75, "text_after_end"),
        (f"{GOOD}<|user|>", 1.0, ""),
        ("<think>a</think><answer>b<|user|>", 0.75, "role_mark"),
        ("<think>a plan</think><answer>a text</ans", 0.75, "cut_tag"),
        (f"{GOOD}</ans", 1.0, ""),
        ("", 0.0, "no answer, no_answer_tag"),
        ("</answer>", 0.0, "no answer, no_answer_tag, stray_tag"),
        ("<think>a plan", 0.0, "no answer, no_think_end"),
        ("<think>a plan</think>", 0.0, "no answer, no_answer_tag"),
        ("<think>a plan</think></answer>", 0.0, "no answer, no_answer_tag"),
        ("<think>a plan</think><answer> </answer>", 0.0, "no answer, no_answer_tag"),
        ("<think>`<answer>`</think><answer>b", 1.0, ""),
        ("<think>say “<think>” and 「</think>」</think><answer>b", 1.0, ""),
        ("<think>then <answer> comes</think><answer>b", 1.0, ""),
        ("a `<think>` b", 0.5, "no_think"),
    ],
)
def test_each_fault_is_named_and_costs_its_share(raw: str, value: float, why: str) -> None:
    found, named = judged(raw)
    assert (found, named) == (value, why)


def test_the_stop_string_may_be_missing_where_the_model_ended_and_not_where_it_was_cut() -> None:
    raw = "<think>a plan</think><answer>a text"
    assert judged(raw) == (1.0, "")
    assert judged(raw, ended=False) == (0.75, "no_answer_end")
    assert judged(GOOD, ended=False) == (1.0, "")


def test_a_draft_that_was_asked_for_no_plan_needs_none() -> None:
    assert judged("<answer>a text</answer>", thinking=False) == (1.0, "")
    assert judged(GOOD, thinking=False) == (1.0, "")
    assert judged("a text", thinking=False) == (0.5, "no_answer_tag")


@pytest.mark.parametrize(
    ("reasoning", "answer", "ended", "thinking", "value", "why"),
    [
        ("a plan", "a text", True, True, 1.0, ""),
        ("", "a text", True, True, 0.5, "no_think"),
        ("", "a text", True, False, 1.0, ""),
        ("a plan", " ", True, True, 0.0, "no answer, no_think_end"),
        ("a plan", "a text", False, True, 0.75, "no_answer_end"),
    ],
)
def test_without_the_tags_it_judges_by_what_is_there(
    reasoning: str, answer: str, ended: bool, thinking: bool, value: float, why: str
) -> None:
    found = Format().score(
        Draft(prompt="", reasoning=reasoning, answer=answer, ended=ended, thinking=thinking)
    )
    assert (found.value, found.why) == (value, why)


def test_the_costs_are_the_parts_of_the_score_and_end_at_zero() -> None:
    assert Format().score(draft("<answer>b<|user|>c</answer>")).parts == {
        "no_think": 0.5,
        "text_after_end": 0.25,
        "role_mark": 0.25,
    }
    assert judged("<|user|>c")[0] == 0.0


@pytest.mark.parametrize("cut", range(len(GOOD) + 1))
def test_a_good_draft_so_far_has_nothing_against_it_wherever_it_stands(cut: int) -> None:
    found = format_so_far(draft(GOOD[:cut], ended=False))
    assert (found.value, found.why) == (1.0, "")


def test_what_cannot_be_mended_shows_in_the_draft_so_far() -> None:
    found = format_so_far(draft("My plan", ended=False))
    assert (found.value, found.why) == (0.5, "no_think")
    assert format_so_far(Draft(prompt="", answer="", reasoning="a", ended=False)).value == 1.0


_PIECES = st.sampled_from([*MARKS, "text", " ", "\n", "`", '"', "“", "”", "a < b", "</ans", "<th"])


@given(pieces=st.lists(_PIECES, max_size=12), thinking=st.booleans())
def test_its_faults_are_those_that_the_server_names(pieces: list[str], thinking: bool) -> None:
    """Two are its own: an answer that was cut, and a tag on a line of the answer."""
    raw = "".join(pieces) + "."
    splitter = Splitter(thinking=thinking)
    splitter.feed(raw)
    splitter.finish()
    found = set(format_so_far(draft(raw, thinking=thinking)).parts)
    assert found <= set(FAULTS)
    assert found - {"stray_tag"} == splitter.faults - {"stray_tag", QUOTED_TAG}
    assert "stray_tag" in found or "stray_tag" not in splitter.faults


@given(pieces=st.lists(_PIECES, max_size=12), ended=st.booleans(), thinking=st.booleans())
def test_its_value_is_in_its_range_and_never_above_what_was_still_possible(
    pieces: list[str], ended: bool, thinking: bool
) -> None:
    given_draft = draft("".join(pieces), ended=ended, thinking=thinking)
    value, possible = Format().score(given_draft).value, format_so_far(given_draft).value
    assert value is not None
    assert possible is not None
    assert 0 <= value <= possible <= 1
