"""Every row of docs/channels.md, however the text is cut up."""

import re
from dataclasses import dataclass
from itertools import combinations, groupby, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.channels import Span, Splitter, State
from server.events import Channel
from server.marks import FAULTS

DOCUMENT = Path(__file__).parents[2] / "docs" / "channels.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: what the model wrote, what the reader gets, what is counted, where it ends."""

    case: str
    text: str
    state: State
    reasoning: str = ""
    answer: str = ""
    faults: tuple[str, ...] = ()
    thinking: bool = True


DONE, LOOSE, THINK, ANSWER = State.DONE, State.LOOSE, State.THINK, State.ANSWER
SHAPE = "<think>\nPlan.\n</think>\n<answer>\nStory.\n</answer>"

ROWS = (
    Row(case="expected shape", text=SHAPE, reasoning="Plan.", answer="Story.", state=DONE),
    Row(
        case="expected shape",
        text="<think>a\n\n b</think><answer>c \n\n\td</answer>",
        reasoning="a\n\n b",
        answer="c \n\n\td",
        state=DONE,
    ),
    Row(
        case="no end tag",
        text="<think>Plan.</think>\n<answer>\nStory.\n",
        reasoning="Plan.",
        answer="Story.",
        state=ANSWER,
    ),
    Row(
        case="no tags at all",
        text="\nOnce upon a time.\n\nThe end.\n",
        answer="Once upon a time.\n\nThe end.",
        faults=("no_think",),
        state=LOOSE,
    ),
    Row(case="nothing at all", text="", state=State.START),
    Row(case="nothing at all", text=" \n", state=State.START),
    Row(
        case="missing `<think>`",
        text="Plan.\n</think>\n<answer>\nStory.\n</answer>",
        answer="Plan.\n\nStory.",
        faults=("no_think", "stray_tag"),
        state=DONE,
    ),
    Row(
        case="`</think>` first",
        text="\n</think>\n<answer>Story.</answer>",
        answer="Story.",
        faults=("no_think",),
        state=DONE,
    ),
    Row(
        case="answer without thinking",
        text="<answer>Story.</answer>",
        answer="Story.",
        faults=("no_think",),
        state=DONE,
    ),
    Row(
        case="answer first",
        text="<answer>Story.</answer>\n<think>Plan.</think>",
        answer="Story.",
        faults=("no_think", "text_after_end"),
        state=DONE,
    ),
    Row(
        case="introduction without thinking",
        text="Here it is: <answer> Story.</answer>",
        answer="Here it is:\n\nStory.",
        faults=("no_think",),
        state=DONE,
    ),
    Row(
        case="late `<think>`",
        text="Well.\n<think>Plan.</think><answer>Story.</answer>",
        reasoning="Plan.",
        answer="Well.\n\nStory.",
        faults=("no_think", "stray_tag"),
        state=DONE,
    ),
    Row(
        case="thinking that never closes",
        text="<think>\nPlan. Plan.\n",
        reasoning="Plan. Plan.",
        state=THINK,
    ),
    Row(
        case="missing `</think>` before `<answer>`",
        text="<think>\nPlan.\n<answer>\nStory.\n</answer>",
        reasoning="Plan.",
        answer="Story.",
        faults=("no_think_end",),
        state=DONE,
    ),
    Row(
        case="missing `</think>` before `<answer>`",
        text="<think> <answer>Story.</answer>",
        answer="Story.",
        faults=("no_think_end",),
        state=DONE,
    ),
    Row(
        case="missing `<answer>`",
        text="<think>Plan.</think>\n\nStory.\n",
        reasoning="Plan.",
        answer="Story.",
        faults=("no_answer_tag",),
        state=LOOSE,
    ),
    Row(
        case="missing `<answer>`, but `</answer>`",
        text="<think>Plan.</think>\nStory.\n</answer>",
        reasoning="Plan.",
        answer="Story.",
        faults=("no_answer_tag",),
        state=DONE,
    ),
    Row(
        case="text between",
        text="<think>Plan.</think>\nHere it is:\n<answer>\nStory.</answer>",
        reasoning="Plan.",
        answer="Here it is:\n\nStory.",
        faults=("no_answer_tag",),
        state=DONE,
    ),
    Row(
        case="`</answer>` for `<answer>`",
        text="<think>Plan.</think>\n</answer>",
        reasoning="Plan.",
        faults=("no_answer_tag",),
        state=DONE,
    ),
    Row(
        case="thinking without an answer",
        text="<think>Plan.</think>\n",
        reasoning="Plan.",
        state=State.BETWEEN,
    ),
    Row(
        case="empty answer",
        text="<think>Plan.</think><answer>\n</answer>",
        reasoning="Plan.",
        state=DONE,
    ),
    Row(case="`</answer>` first", text="</answer>", faults=("stray_tag",), state=DONE),
    *(
        Row(
            case="quoted tags in thinking",
            text=f"<think>End by {left}</think>{right}, {left}<answer>{right}.</think><answer>S.",
            reasoning=f"End by {left}</think>{right}, {left}<answer>{right}.",
            answer="S.",
            faults=("quoted_tag",),
            state=ANSWER,
        )
        for left, right in ("``", '""', "''", "“”", "‘’", "「」", "『』", "《》")
    ),
    Row(
        case="quoted tags in thinking",
        text="<think>A quotation mark “</think>\n<answer>S.",
        reasoning="A quotation mark “",
        answer="S.",
        state=ANSWER,
    ),
    Row(
        case="tags named in thinking",
        text="<think>The <answer> and <think> parts.</think><answer>S.",
        reasoning="The <answer> and <think> parts.",
        answer="S.",
        state=ANSWER,
    ),
    Row(
        case="`</answer>` inside thinking",
        text="<think>I end with </answer> then, or\n</answer>.</think><answer>S.",
        reasoning="I end with </answer> then, or\n</answer>.",
        answer="S.",
        state=ANSWER,
    ),
    Row(
        case="`</answer>` inside thinking",
        text="<think>I end with `</answer>`.</think><answer>S.",
        reasoning="I end with `</answer>`.",
        answer="S.",
        faults=("quoted_tag",),
        state=ANSWER,
    ),
    Row(
        case="second `<think>`",
        text="<think>One.</think>\n<think>\nTwo.</think><answer>S.",
        reasoning="One.\n\nTwo.",
        answer="S.",
        faults=("stray_tag",),
        state=ANSWER,
    ),
    Row(
        case="second `</think>`",
        text="<think>Plan.</think></think><answer>S.",
        reasoning="Plan.",
        answer="S.",
        faults=("stray_tag",),
        state=ANSWER,
    ),
    Row(
        case="quoted tags in untagged text",
        text="Write `<answer>`, '<think>', “</think>” now.",
        answer="Write `<answer>`, '<think>', “</think>” now.",
        faults=("no_think", "quoted_tag"),
        state=LOOSE,
    ),
    Row(
        case="quoted tags in untagged text",
        text="The end is `</answer>`",
        answer="The end is `",
        faults=("no_think", "text_after_end"),
        state=DONE,
    ),
    Row(
        case="`<think>` named in untagged text",
        text="Use <think> here.",
        answer="Use <think> here.",
        faults=("no_think",),
        state=LOOSE,
    ),
    Row(
        case="direct speech before the end",
        text='<think>P.</think><answer>"Go!"</answer>',
        reasoning="P.",
        answer='"Go!"',
        state=DONE,
    ),
    Row(
        case="direct speech before the end",
        text='"Go!"</answer>',
        answer='"Go!"',
        faults=("no_think",),
        state=DONE,
    ),
    Row(
        case="tags inside the answer",
        text="<think>P.</think><answer>A <think>,\n</think> and <answer>.</answer>",
        reasoning="P.",
        answer="A <think>,\n</think> and <answer>.",
        state=DONE,
    ),
    Row(
        case="tag cut in thinking",
        text="<think>\nPlan.\n</thi",
        reasoning="Plan.",
        faults=("cut_tag",),
        state=THINK,
    ),
    Row(
        case="tag cut in the answer",
        text="<think>P.</think><answer>Story.\n</answer",
        reasoning="P.",
        answer="Story.",
        faults=("cut_tag",),
        state=ANSWER,
    ),
    Row(
        case="text after the end",
        text="<think>P.</think><answer>S.</answer>\nBye.",
        reasoning="P.",
        answer="S.",
        faults=("text_after_end",),
        state=DONE,
    ),
    Row(
        case="second answer",
        text="<think>P.</think><answer>S.</answer><answer>",
        reasoning="P.",
        answer="S.",
        faults=("text_after_end",),
        state=DONE,
    ),
    *(
        Row(
            case="role marker in the answer",
            text=f"<think>P.</think><answer>S.\n{mark}",
            reasoning="P.",
            answer="S.",
            faults=("role_mark",),
            state=DONE,
        )
        for mark in ("<|user|>", "<|用户|>", "<|assistant|>", "<|助手|>", "<|endoftext|>")
    ),
    Row(
        case="role marker in the answer",
        text="<think>P.</think><answer>S.<|user|>: More. <|assistant|>: <th",
        reasoning="P.",
        answer="S.",
        faults=("role_mark", "text_after_end"),
        state=DONE,
    ),
    Row(
        case="role marker in the answer",
        text="<think>P.</think><answer>S.</answer><|user|>",
        reasoning="P.",
        answer="S.",
        state=DONE,
    ),
    Row(
        case="role marker in thinking",
        text="<think>Plan.<|user|>",
        reasoning="Plan.",
        faults=("role_mark",),
        state=DONE,
    ),
    Row(
        case="role marker in thinking",
        text="<think>Plan `<|user|>`",
        reasoning="Plan `",
        faults=("role_mark", "text_after_end"),
        state=DONE,
    ),
    Row(
        case="lone `<`",
        text="<think>a < b</think><answer>1 << 2, <b>bold</b>, <an apple>, x<",
        reasoning="a < b",
        answer="1 << 2, <b>bold</b>, <an apple>, x<",
        state=ANSWER,
    ),
    Row(
        case="begun answer",
        text=" <answer>\nStory.\n</answer>",
        answer="Story.",
        thinking=False,
        state=DONE,
    ),
    Row(
        case="answer in its tags, not asked to think",
        text="<answer>Story.</answer>",
        answer="Story.",
        thinking=False,
        state=DONE,
    ),
    Row(
        case="no tags, not asked to think",
        text="Story.",
        answer="Story.",
        faults=("no_answer_tag",),
        thinking=False,
        state=LOOSE,
    ),
    Row(
        case="thinking nobody asked for",
        text="<think>Plan.</think><answer>Story.</answer>",
        reasoning="Plan.",
        answer="Story.",
        thinking=False,
        state=DONE,
    ),
)


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader has at the end."""

    spans: tuple[tuple[Channel, str], ...]
    faults: tuple[str, ...]
    state: State

    def text(self, channel: Channel) -> str:
        return "".join(text for of, text in self.spans if of is channel)


def read(pieces: list[str], *, thinking: bool) -> Read:
    splitter = Splitter(thinking=thinking)
    spans: list[Span] = []
    for piece in pieces:
        new = splitter.feed(piece)
        assert all(one.channel is not other.channel for one, other in pairwise(new))
        spans += new
    spans += splitter.finish()
    assert not splitter.is_holding
    merged = tuple(
        (channel, "".join(span.text for span in run))
        for channel, run in groupby(spans, key=lambda span: span.channel)
    )
    return Read(merged, tuple(sorted(splitter.faults)), splitter.state)


def cut(text: str, *at: int) -> list[str]:
    edges = [0, *at, len(text)]
    return [text[one:other] for one, other in pairwise(edges)]


by_case = pytest.mark.parametrize("row", ROWS, ids=[f"{row.case}: {row.text}" for row in ROWS])


@by_case
def test_a_row_of_the_table_holds(row: Row) -> None:
    found = read([row.text], thinking=row.thinking)
    assert found.text(Channel.REASONING) == row.reasoning
    assert found.text(Channel.ANSWER) == row.answer
    assert found.faults == tuple(sorted(row.faults))
    assert found.state is row.state


@by_case
def test_a_row_holds_character_by_character_and_cut_anywhere(row: Row) -> None:
    whole = read([row.text], thinking=row.thinking)
    assert read(list(row.text), thinking=row.thinking) == whole
    places = range(len(row.text) + 1)
    for at in places:
        assert read(cut(row.text, at), thinking=row.thinking) == whole
    if len(row.text) <= 40:
        for pair in combinations(places, 2):
            assert read(cut(row.text, *pair), thinking=row.thinking) == whole


def test_the_table_and_the_tests_have_the_same_rows_and_count_the_same_faults() -> None:
    table = {
        cells[1].strip(): set(re.findall(r"`([a-z_]+)`", cells[5]))
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| Case ")
        for cells in [re.split(r"(?<!\\)\|", line)]
    }
    assert set(table) == {row.case for row in ROWS}
    first = {row.case: row for row in reversed(ROWS)}
    assert {case: set(first[case].faults) for case in table if case != DIRECT_SPEECH} == {
        case: faults for case, faults in table.items() if case != DIRECT_SPEECH
    }
    assert {fault for row in ROWS for fault in row.faults} == set(FAULTS)


DIRECT_SPEECH = "direct speech before the end"

PARTS = (
    "<think>", "</think>", "<answer>", "</answer>", "<|user|>", "<|助手|>", "<|endoftext|>",
    "<", ">", "</", "`", '"', "「", "」", "'", "\n", " ", "\n\n", "word", "春天", "<b>", "<answe",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=st.data(), parts=st.lists(st.sampled_from(PARTS), max_size=14), thinking=st.booleans())
def test_any_mixture_reads_the_same_however_it_is_cut(
    data: st.DataObject, parts: list[str], thinking: bool
) -> None:
    text = "".join(parts)
    whole = read([text], thinking=thinking)
    places = st.lists(st.integers(0, len(text)), max_size=8).map(sorted)
    assert read(cut(text, *data.draw(places)), thinking=thinking) == whole
    assert read(list(text), thinking=thinking) == whole


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="<>/abc \n", max_size=60))
def test_a_text_without_tags_comes_out_as_it_went_in(text: str) -> None:
    # What is cut off is the start of a tag at the very end; this alphabet can spell "</a" there.
    found = read([text], thinking=False)
    kept = text
    if "cut_tag" in found.faults:
        kept = text[: text.rindex("<")]
    assert found.text(Channel.ANSWER) == kept.strip()


class Counting(Splitter):
    """Counts the characters that are looked at, put and emitted."""

    work = 0

    def _scan(self, text: str, *, final: bool) -> None:
        self.work += len(text)
        super()._scan(text, final=final)

    def _put(self, text: str) -> None:
        self.work += len(text)
        super()._put(text)

    def _emit(self, text: str) -> None:
        self.work += len(text)
        super()._emit(text)


@pytest.mark.parametrize(
    "pattern",
    ["<", " ", "\n", "</think", "`</think>", "a <b> ", "<think>", "<|user|>", "</answer>"],
)
@pytest.mark.parametrize("piece_chars", [1, 7, 4_000])
def test_the_work_is_linear_in_the_text(pattern: str, piece_chars: int) -> None:
    text = "<think>" + (pattern * 4_000)[:4_000]
    splitter = Counting()
    for at in range(0, len(text), piece_chars):
        splitter.feed(text[at : at + piece_chars])
    splitter.finish()
    # Each character: scanned again at most while a tag's length is held back, put once, sent once.
    assert splitter.work <= 12 * len(text)


def test_what_is_certain_is_not_held_back() -> None:
    splitter = Splitter()
    assert splitter.feed("<think>One") == [Span(Channel.REASONING, "One")]
    assert splitter.feed(" two \n") == [Span(Channel.REASONING, " two")]
    assert splitter.feed("three <") == [Span(Channel.REASONING, " \nthree")]
    assert splitter.is_holding
    assert splitter.feed("b> </think> <answer> Four") == [
        Span(Channel.REASONING, " <b>"),
        Span(Channel.ANSWER, "Four"),
    ]
    assert not splitter.is_holding


def test_a_token_counts_for_the_channel_it_arrives_in() -> None:
    splitter = Splitter()
    assert splitter.channel is Channel.REASONING
    splitter.feed("<think>")
    assert (splitter.channel, splitter.tag_seen) == (Channel.REASONING, True)
    splitter.feed("Plan.")
    assert (splitter.channel, splitter.tag_seen) == (Channel.REASONING, False)
    splitter.feed("</think>")
    assert splitter.channel is Channel.ANSWER
    assert Splitter(thinking=False).channel is Channel.ANSWER


def test_an_end_can_be_taken_back_to_where_its_mark_stood() -> None:
    splitter = Splitter()
    text = "<think>I end with </answer> once.<|user|>: And <|assistant|>: <ans"
    splitter.feed(text[:40])
    splitter.feed(text[40:])
    assert splitter.state is State.DONE
    assert text[: splitter.reopen()] == "<think>I end with </answer> once."
    assert splitter.state is State.THINK
    assert splitter.feed(" More.</think><answer>Story.<|endoftext|>") == [
        Span(Channel.REASONING, "\n\nMore."),
        Span(Channel.ANSWER, "Story."),
    ]
    assert splitter.reopen() == len("<think>I end with </answer> once. More.</think><answer>Story.")
