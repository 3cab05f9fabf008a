"""One draft: what is counted, what is shown, and how it goes on."""

from dataclasses import replace
from typing import Any

import pytest

from server.draft import Draft
from server.engine.base import End, Passage, Text
from server.events import Channel, Ended, Fragment, TokenLogprob, Usage
from server.rules import (
    CARRY_REASONS,
    ENGINE_STOPS,
    NO_ANSWER,
    REASONING_BUDGET,
    STOP_IN_REASONING,
    Carry,
    Rules,
)

STOP, LENGTH = End(reason="stop"), End(reason="length")
MET_ANSWER_END = End(reason="stop", stop="</answer>")


def rules(**given: Any) -> Rules:
    return replace(Rules(max_tokens=100, reasoning_tokens=50, thinking=True), **given)


def text(words: str, num_tokens: int = 1, *, logprobs: bool = False) -> Text:
    told = (certain(words),) if logprobs else ()
    return Text(text=words, token_ids=tuple(range(num_tokens)), logprobs=told)


def certain(token: str, token_id: int = 0) -> TokenLogprob:
    return TokenLogprob(token=token, token_id=token_id, logprob=-0.5)


def draft_of(*pieces: str, **given: object) -> Draft:
    draft = Draft(rules(**given))
    for piece in pieces:
        draft.take(text(piece))
    return draft


def answers(*pieces: str) -> list[Fragment]:
    return [Fragment(channel=Channel.ANSWER, text=piece) for piece in pieces]


def test_pieces_become_fragments_and_the_log_keeps_every_character() -> None:
    draft = Draft(rules())
    pieces = ["<think>", "Plan", ".\n", "</think>", "\n<answer>", "\nOnce", " upon", "</answer>"]
    fragments = [fragment for piece in pieces for fragment in draft.take(text(piece))]
    assert fragments == [
        Fragment(channel=Channel.REASONING, text="Plan"),
        Fragment(channel=Channel.REASONING, text="."),
        *answers("Once", " upon"),
    ]
    assert draft.log.script() == Passage(
        text="".join(pieces), token_ids=(0,) * len(pieces), num_tokens=len(pieces)
    )


def test_a_draft_that_ends_as_asked_ends() -> None:
    draft = draft_of("<think>", "Plan.", "</think>", "<answer>", "Once", " upon", "</answer>")
    assert draft.must_pause
    draft.close(MET_ANSWER_END)
    assert draft.step() is None
    assert draft.finish() == []
    assert draft.ended(7) == Ended(
        finish_reason="stop",
        usage=Usage(prompt_tokens=7, reasoning_tokens=3, answer_tokens=4),
        answer_words=2,
    )


def test_an_answer_that_ends_in_direct_speech_is_over_at_its_end_tag() -> None:
    draft = draft_of("<think>", "Plan.", "</think>", "<answer>", '"Go!"', "</answer>")
    assert draft.must_pause
    draft.close(MET_ANSWER_END)
    assert draft.step() is None
    assert draft.finish() == []


def test_the_models_own_end_after_an_answer_is_an_end() -> None:
    draft = draft_of("<think>", "Plan.", "</think>", "<answer>", "Once")
    draft.close(STOP)
    assert draft.step() is None
    assert draft.ended(0).finish_reason == "stop"


def test_an_end_for_want_of_tokens_is_a_cut() -> None:
    draft = draft_of("<think>", "Plan.", "</think>", "<answer>", "Once", "</ans", max_tokens=6)
    draft.close(LENGTH)
    assert draft.tokens_left == 0
    assert draft.step() is None
    assert draft.finish() == []
    ended = draft.ended(0)
    assert (ended.finish_reason, ended.faults) == ("length", ("cut_tag",))


def test_an_engine_that_is_out_of_room_ends_the_draft() -> None:
    draft = draft_of("<think>", "Plan.", "</think>")
    draft.close(LENGTH)
    assert draft.step() is None
    assert draft.ended(0).finish_reason == "length"


def test_a_lone_bracket_at_the_end_is_shown_before_the_draft_carries_on() -> None:
    draft = draft_of("<think>", "a <")
    assert draft.close(STOP) == [Fragment(channel=Channel.REASONING, text=" <")]
    step = draft.step()
    assert step == Carry(why=NO_ANSWER, words="\n</think>\n<answer>\n")
    assert draft.finish() == []


# Thinking that does not end.


def test_thinking_that_uses_up_its_budget_is_closed() -> None:
    draft = draft_of("<think>", "One", " two", reasoning_tokens=3)
    assert draft.must_pause
    draft.close(None)
    step = draft.step()
    assert step == Carry(why=REASONING_BUDGET, words="\n</think>\n<answer>\n")
    draft.put(Passage(text=step.words, token_ids=(7, 8), num_tokens=2))
    assert not draft.must_pause
    assert draft.take(text("Once")) == answers("Once")
    assert draft.log.script() == Passage(
        text="<think>One two\n</think>\n<answer>\nOnce", token_ids=(0, 0, 0, 7, 8, 0), num_tokens=6
    )
    assert (draft.reasoning_tokens, draft.answer_tokens, draft.tokens_left) == (3, 1, 96)


def test_thinking_is_not_closed_before_its_budget_is_used_up() -> None:
    assert not draft_of("<think>", "One", reasoning_tokens=3).must_pause


def test_without_a_budget_for_thinking_the_answer_is_begun_at_once() -> None:
    draft = draft_of("\n", reasoning_tokens=0)
    assert draft.must_pause
    draft.close(None)
    assert draft.step() == Carry(why=REASONING_BUDGET, words="<think>\n</think>\n<answer>\n")


def test_the_end_of_the_budget_waits_for_a_tag_that_is_being_written() -> None:
    draft = draft_of("<think>", "One", "\n</", reasoning_tokens=2)
    assert not draft.must_pause
    draft.take(text("think"))
    assert not draft.must_pause
    draft.take(text(">"))
    assert not draft.must_pause
    assert draft.splitter.channel is Channel.ANSWER


def test_the_end_of_the_budget_does_not_wait_for_what_was_no_tag() -> None:
    draft = draft_of("<think>", "One", "\n</", reasoning_tokens=2)
    draft.take(text("b>"))
    assert draft.must_pause


def test_an_answer_outside_its_tags_has_no_reasoning_budget() -> None:
    draft = draft_of("Once", " upon", " a", reasoning_tokens=1)
    assert not draft.must_pause
    assert (draft.reasoning_tokens, draft.answer_tokens) == (0, 3)


def test_an_end_tag_of_the_answer_inside_thinking_is_carried_on_from() -> None:
    draft = draft_of("<think>", "I end with ", "</answer>")
    assert not draft.must_pause
    assert draft.close(MET_ANSWER_END) == []
    assert draft.step() == Carry(why=STOP_IN_REASONING, words="")


def test_a_quoted_end_tag_inside_thinking_is_carried_on_from_and_stays_text() -> None:
    draft = draft_of("<think>", "I end with `", "</answer>")
    assert draft.close(MET_ANSWER_END) == []
    assert draft.step() == Carry(why=STOP_IN_REASONING, words="")
    assert draft.take(text("`.")) == [Fragment(channel=Channel.REASONING, text="</answer>`.")]
    assert draft.splitter.faults == {"quoted_tag"}


# Drafts without an answer.


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([], "<think>\n</think>\n<answer>\n"),
        (["<think>", "Plan."], "\n</think>\n<answer>\n"),
        (["<think>", "Plan.", "</think>"], "\n<answer>\n"),
        (["<think>", "Plan.", "</think>", "<answer>"], ""),
    ],
)
def test_an_end_without_an_answer_begins_one(pieces: list[str], words: str) -> None:
    draft = draft_of(*pieces)
    draft.close(STOP)
    assert draft.step() == Carry(why=NO_ANSWER, words=words)


@pytest.mark.parametrize(
    ("pieces", "mark", "words"),
    [
        ([], "</answer>", "<think>\n</think>\n<answer>\n"),
        (["<think>", "Say </answer>."], "<|user|>", "\n</think>\n<answer>\n"),
        (["<think>", "Say </answer>."], "<|user|>: more <|assistant|>:", "\n</think>\n<answer>\n"),
        (["<think>", "Say `"], "<|user|>", "\n</think>\n<answer>\n"),
        (["<think>", "Plan.", "</think>"], "</answer>", "\n<answer>\n"),
        (["<think>", "Plan.", "</think>", "<answer>\n"], "</answer>", ""),
    ],
)
def test_a_mark_that_ends_a_draft_without_an_answer_is_taken_off_the_log(
    pieces: list[str], mark: str, words: str
) -> None:
    draft = draft_of(*pieces, mark)
    assert draft.must_pause
    draft.close(End(reason="stop", stop=mark))
    assert draft.step() == Carry(why=NO_ANSWER, words=words)
    assert draft.log.script() == Passage(
        text="".join(pieces), token_ids=(0,) * len(pieces), num_tokens=len(pieces)
    )
    draft.put(Passage(text=words, token_ids=(9,), num_tokens=1))
    assert draft.take(text("Once")) == answers("Once")
    draft.close(STOP)
    assert draft.step() is None
    assert draft.ended(0).finish_reason == "stop"


def test_after_two_answers_begun_in_vain_the_draft_ends() -> None:
    draft = draft_of("<think>", "Plan.")
    for _ in range(2):
        draft.close(STOP)
        step = draft.step()
        assert step is not None
        draft.put(Passage(text=step.words, token_ids=(), num_tokens=0))
    draft.close(STOP)
    assert draft.step() is None
    assert draft.finish() == []
    ended = draft.ended(0)
    assert (ended.finish_reason, ended.answer_words) == ("stop", 0)


def test_a_draft_out_of_tokens_does_not_carry_on() -> None:
    draft = draft_of("<think>", "Plan.", max_tokens=2)
    draft.close(STOP)
    assert draft.step() is None


# Without thinking, and raw.


def test_a_begun_answer_stands_in_the_log_but_is_not_shown_or_counted() -> None:
    draft = Draft(rules(thinking=False, reasoning_tokens=0))
    draft.put(Passage(text=" <answer>\n", token_ids=(5, 6), num_tokens=2))
    assert draft.take(text("Once")) == answers("Once")
    assert not draft.must_pause
    draft.take(text("</answer>"))
    draft.close(MET_ANSWER_END)
    assert draft.step() is None
    assert draft.ended(3) == Ended(
        finish_reason="stop", usage=Usage(prompt_tokens=3, answer_tokens=2), answer_words=1
    )


def test_raw_text_is_shown_as_it_is_and_never_carried_on() -> None:
    draft = Draft(rules(raw=True, thinking=False, reasoning_tokens=0))
    assert draft.take(text(" <think> ")) == answers(" <think> ")
    assert draft.take(text("")) == []
    assert draft.take(text("</answer>\n")) == answers("</answer>\n")
    assert not draft.must_pause
    assert draft.close(STOP) == []
    assert draft.step() is None
    assert draft.finish() == []
    assert draft.ended(0).usage == Usage(answer_tokens=3)


# The caller's stop strings.


def test_a_stop_string_cuts_the_answer_across_pieces_and_never_the_thinking() -> None:
    draft = Draft(rules(stops=("THE END",)))
    shown = []
    for piece in ("<think>", "To THE END.", "</think>", "<answer>", "One.", " TH", "E END", " x"):
        if draft.must_pause:
            break
        shown += draft.take(text(piece))
    assert shown == [
        Fragment(channel=Channel.REASONING, text="To THE END."),
        *answers("One.", " "),
    ]
    draft.close(None)
    assert draft.step() is None
    assert draft.finish() == []
    assert draft.ended(0).finish_reason == "stop"


def test_a_stop_string_right_at_the_start_leaves_an_empty_answer_alone() -> None:
    draft = draft_of("<answer>", "STOP", stops=("STOP",))
    assert draft.must_pause
    draft.close(None)
    assert draft.step() is None


def test_a_possible_start_of_a_stop_string_is_shown_at_the_end() -> None:
    draft = draft_of("<answer>", "One. TH", "</answer>", stops=("THE END",))
    draft.close(MET_ANSWER_END)
    assert draft.step() is None
    assert draft.finish() == answers("TH")
    assert draft.ended(0).answer_words == 2


def test_a_stop_string_that_never_came_changes_nothing() -> None:
    draft = draft_of("<answer>", "One.", "</answer>", stops=("THE END",))
    draft.close(MET_ANSWER_END)
    assert draft.step() is None
    assert draft.finish() == []


def test_an_answer_that_is_all_held_back_is_still_an_answer() -> None:
    draft = draft_of("<answer>", "T", "</answer>", stops=("THE END",))
    draft.close(MET_ANSWER_END)
    assert draft.step() is None
    assert draft.finish() == answers("T")


# Tokens.


def test_tokens_that_arrive_together_are_shared_out_by_characters() -> None:
    draft = Draft(rules())
    draft.take(text("<think>"))
    # 10 of 20 characters are reasoning: 2 of 4 tokens.
    piece = "ten chars.</think>\nA"
    assert len(piece) == 20
    draft.take(text(piece, 4))
    assert (draft.reasoning_tokens, draft.answer_tokens) == (1 + 2, 2)


def test_white_space_held_back_does_not_make_more_tokens_than_there_were() -> None:
    draft = Draft(rules())
    draft.take(text("<think>A" + "\n" * 100))
    draft.take(text("B</think>", 2))
    assert draft.num_tokens == 3
    assert (draft.reasoning_tokens, draft.answer_tokens) == (3, 0)


@pytest.mark.parametrize(
    ("pieces", "reasoning_tokens", "answer_tokens"),
    [
        ([("<think>", 1), ("Plan.", 5), ("</think>", 1), ("\n", 1), ("<answer>", 1)], 7, 2),
        ([("Once upon", 2), (" a time", 2)], 0, 4),
        ([("<answer>Once", 3)], 0, 3),
        ([("", 1), ("<think>", 1)], 2, 0),
        ([("A", 1), ("\n<think>\n", 3), ("B", 1)], 1, 4),
        ([("<think>", 0)], 0, 0),
    ],
)
def test_a_token_counts_where_it_begins(
    pieces: list[tuple[str, int]], reasoning_tokens: int, answer_tokens: int
) -> None:
    draft = Draft(rules())
    for words, num_tokens in pieces:
        draft.take(text(words, num_tokens))
    assert (draft.reasoning_tokens, draft.answer_tokens) == (reasoning_tokens, answer_tokens)
    assert draft.num_tokens == sum(num_tokens for _, num_tokens in pieces)


def test_cached_tokens_are_those_of_the_first_stretch() -> None:
    draft = draft_of("<think>")
    assert draft.ended(0).usage.cached_tokens == 0
    draft.close(End(reason="stop", cached_tokens=16))
    draft.close(End(reason="stop", cached_tokens=32))
    assert draft.ended(20).usage.cached_tokens == 16


def test_tokens_without_ids_leave_the_text_alone_in_the_log() -> None:
    draft = draft_of("<think>")
    draft.put(Passage(text="One", token_ids=None, num_tokens=1))
    draft.take(text(" two"))
    assert draft.log.script() == Passage(text="<think>One two", token_ids=None, num_tokens=3)


# Log-probabilities.


def shown_logprobs(draft: Draft, *pieces: Text) -> list[tuple[str, list[str]]]:
    fragments = [fragment for piece in pieces for fragment in draft.take(piece)]
    fragments += draft.finish()
    return [
        (fragment.text, [one.token for one in fragment.logprobs])
        for fragment in fragments
        if fragment.channel is Channel.ANSWER
    ]


def test_log_probabilities_go_out_with_answer_text_and_without_tags() -> None:
    told = [
        text(words, logprobs=True)
        for words in (
            "<think>", "Plan.", "</think>", "\n", "<", "answer", ">", "Once", " upon", "\n", "</",
            "answer", ">",
        )
    ]  # fmt: skip
    assert shown_logprobs(Draft(rules()), *told) == [("Once", ["Once"]), (" upon", [" upon"])]


def test_tokens_that_were_no_tag_keep_their_log_probabilities() -> None:
    told = [text(words, logprobs=True) for words in ("<answer>", "a", " <", "b", ">c")]
    assert shown_logprobs(Draft(rules()), *told) == [
        ("a", ["a"]),
        (" <b", [" <", "b"]),
        (">c", [">c"]),
    ]


def test_tokens_held_back_for_a_stop_string_keep_their_log_probabilities() -> None:
    told = [text(words, logprobs=True) for words in ("<answer>", "a", " T", "H", "is", " T")]
    draft = Draft(rules(stops=("THE END",)))
    assert shown_logprobs(draft, *told, text("</answer>", logprobs=True)) == [
        ("a", ["a"]),
        (" ", [" T"]),
        ("THis", ["H", "is"]),
        (" ", [" T"]),
        ("T", []),
    ]


def test_tokens_that_arrive_together_are_told_as_if_they_had_come_singly() -> None:
    words = ["<think>", "Plan.", "</think>", "<answer>", "Once", " upon", "</answer>"]
    together = Text(
        text="".join(words),
        token_ids=tuple(range(len(words))),
        logprobs=tuple(certain(word, at) for at, word in enumerate(words)),
    )
    draft = Draft(rules())
    assert shown_logprobs(draft, together) == [("Once", ["Once"]), (" upon", [" upon"])]
    assert (draft.reasoning_tokens, draft.answer_tokens) == (3, 4)
    assert draft.log.script().token_ids == tuple(range(len(words)))


def test_tokens_whose_texts_do_not_add_up_stay_together() -> None:
    draft = draft_of("<answer>")
    halves = Text(text="春", token_ids=(1, 2), logprobs=(certain("\ufffd"), certain("\ufffd")))
    assert shown_logprobs(draft, halves) == [("春", ["\ufffd", "\ufffd"])]


def test_raw_text_keeps_every_log_probability() -> None:
    draft = Draft(rules(raw=True, thinking=False))
    told = [text(words, logprobs=True) for words in ("<think>", " a")]
    assert shown_logprobs(draft, *told) == [("<think>", ["<think>"]), (" a", [" a"])]


def test_the_names_of_stops_and_reasons_are_what_the_documents_say() -> None:
    assert ENGINE_STOPS == ("</answer>", "<|user|>", "<|用户|>", "<|endoftext|>")
    assert (
        *("reasoning_budget", "no_answer", "stop_in_reasoning"),
        *("thinking_loop", "outline", "outline_end"),
        *("loop", "extend", "pace", "window"),
    ) == CARRY_REASONS
