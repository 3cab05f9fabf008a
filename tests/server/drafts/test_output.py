"""What a reader of a draft gets, from any position, and in what form it is stored."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.length import Asked
from server.drafts.entries import Jotter, Kept, ended_json, ended_of, kept, whole
from server.drafts.output import Cursor, Known, Output
from server.drafts.replay import Diverged
from server.engine.base import End, Text
from server.events import (
    Candidate,
    CarriedOn,
    Channel,
    Choice,
    Ended,
    Event,
    Fate,
    Fragment,
    Judged,
    Progress,
    TokenLogprob,
    Usage,
)

R, A = Channel.REASONING, Channel.ANSWER
ENDED = Ended(finish_reason="stop", usage=Usage(prompt_tokens=3, answer_tokens=5), answer_words=4)
CHOSEN = Ended(
    finish_reason="length",
    usage=Usage(),
    answer_words=0,
    faults=("no_answer_tag",),
    asked=Asked(low_words=90, high_words=110, source="prompt"),
    carried=(("loop", 2), ("window", 1)),
    num_windows=2,
    judged=Judged(
        candidate=0,
        judged_by="panel",
        candidates=(
            Candidate(
                index=0,
                fate=Fate.FINISHED,
                words=7,
                reasoning_tokens=1,
                answer_tokens=2,
                score=0.5,
                raw={"length": None, "format": 1.0},
                normalised={"format": 0.25},
                place=1,
                why="because",
            ),
        ),
        num_shown=1,
    ),
)

texts = st.text(min_size=1, max_size=12)
logprobs = st.lists(
    st.builds(
        TokenLogprob,
        token=st.text(max_size=3),
        token_id=st.integers(0, 200_000),
        logprob=st.floats(-9999, 0),
        top=st.lists(
            st.builds(
                TokenLogprob,
                token=st.text(max_size=3),
                token_id=st.integers(0, 9),
                logprob=st.floats(-9999, 0),
            ),
            max_size=2,
        ).map(tuple),
    ),
    max_size=2,
).map(tuple)
fragments = st.builds(Fragment, channel=st.sampled_from(Channel), text=texts, logprobs=logprobs)
events = st.one_of(fragments, st.just(CarriedOn(why="loop")), st.just(ENDED), st.just(CHOSEN))
choices = st.builds(Choice, index=st.integers(0, 2), event=events)
pieces = st.one_of(
    st.builds(
        Text,
        text=st.text(max_size=8),
        token_ids=st.lists(st.integers(0, 200_000), max_size=4).map(tuple),
        logprobs=logprobs,
    ),
    st.builds(
        End,
        reason=st.sampled_from(["stop", "length"]),
        stop=st.none() | texts,
        cached_tokens=st.integers(0, 10_000),
        end_token=st.booleans(),
    ),
)


def shown(*parts: Any) -> Output:
    output = Output()
    for part in parts:
        output.add(part)
    return output


def say(text: str, channel: Channel = A, index: int = 0, **more: Any) -> Choice:
    return Choice(index=index, event=Fragment(channel=channel, text=text, **more))


def happen(event: Event, index: int = 0) -> Choice:
    return Choice(index=index, event=event)


def flat(found: Sequence[Choice]) -> list[Any]:
    """Characters and events, one by one."""
    parts: list[Any] = []
    for choice in found:
        event = choice.event
        if isinstance(event, Fragment):
            parts.extend((choice.index, event.channel, char) for char in event.text)
        else:
            parts.append(choice)
    return parts


@given(st.lists(choices, max_size=30), st.integers(0, 60))
def test_a_reader_from_any_position_gets_the_characters_behind_it(
    given_choices: list[Choice], after: int
) -> None:
    output = shown(*given_choices)
    everything = flat(given_choices)
    told, _ = output.read(output.cursor(after))
    characters = [part for part in everything if isinstance(part, tuple)]
    rest = [part for part in flat([one.choice for one in told]) if isinstance(part, tuple)]
    assert rest == characters[after:]
    assert output.position == len(characters)
    assert not told or told[-1].position == output.position


@given(st.lists(choices, max_size=20), st.integers(0, 40), st.data())
def test_a_reader_who_looks_at_any_moments_gets_each_event_once(
    given_choices: list[Choice], after: int, data: st.DataObject
) -> None:
    output, found = Output(), []
    cursor = output.cursor(after)
    for choice in given_choices:
        output.add(choice)
        if data.draw(st.booleans()):
            told, cursor = output.read(cursor)
            found += [one.choice for one in told]
    told, cursor = output.read(cursor)
    found += [one.choice for one in told]
    late, _ = output.read(output.cursor(after))
    assert flat(found) == flat([one.choice for one in late])
    assert output.read(cursor)[0] == []


def test_text_that_follows_text_takes_one_item_and_a_long_one_is_not_copied_for_ever() -> None:
    output = shown(*[say("word ") for _ in range(1_000)])
    runs = output.choices()
    assert len(runs) == 5
    assert "".join(c.event.text for c in runs if isinstance(c.event, Fragment)) == "word " * 1_000


def test_progress_is_shown_as_it_happens_and_not_kept() -> None:
    assert shown(happen(Progress(candidates=()))).choices() == []


def test_the_texts_of_each_choice_stand_apart() -> None:
    output = shown(say("a", R), say("b", index=1), say("c"), happen(ENDED, 1), say("d"))
    assert output.texts(0) == {R: "a", A: "cd"}
    assert output.texts(1) == {R: "", A: "b"}
    assert output.ended() == {1: ENDED}


def test_a_part_of_a_text_comes_without_its_log_probabilities() -> None:
    token = TokenLogprob(token="ab", token_id=1, logprob=-0.5)
    output = shown(say("ab", logprobs=(token,)))
    told, cursor = output.read(Cursor())
    assert told[0].choice == say("ab", logprobs=(token,))
    assert output.read(output.cursor(1))[0][0].choice == say("b")
    assert output.read(cursor) == ([], cursor)


@given(st.lists(st.tuples(st.integers(0, 2), pieces | choices | st.none()), max_size=25))
def test_what_is_jotted_is_read_again(happened: list[tuple[int, Any]]) -> None:
    jotter, expected = Jotter(), Kept()
    entries: list[bytes] = []
    for index in range(3):
        jotter.opened(index)
        expected.tape.open(index)
    for index, what in happened:
        if isinstance(what, Choice):
            jotter.shown(what)
            expected.output.add(what)
        elif what is None:
            jotter.resumed()
            expected.tape.resume()
            entries.append(jotter.take())
        else:
            jotter.said(index, what)
            expected.tape.add(index, what)
    entries.append(jotter.take())
    assert kept(entries) == expected
    # A store may join them.
    assert kept([b"".join(entries)]) == expected


@given(fragments, pieces)
def test_text_that_is_shown_as_it_was_said_is_stored_once(event: Fragment, piece: Any) -> None:
    jotter = Jotter()
    jotter.opened(0)
    said = Text(text=event.text, token_ids=(7,))
    jotter.said(0, said)
    jotter.shown(Choice(index=0, event=Fragment(channel=event.channel, text=event.text)))
    entry = jotter.take()
    assert len(entry) < len(b'[["o",0],[0,"",[7]],["=",0,"a"]]\n') + 6 * len(event.text) + 1
    assert kept([entry]).output.texts(0)[event.channel] == event.text


def test_nothing_jotted_is_no_entry() -> None:
    jotter = Jotter()
    jotter.shown(happen(Progress(candidates=())))
    assert jotter.take() == b""


@given(st.lists(choices, max_size=20))
def test_the_whole_of_a_draft_is_all_that_it_showed(given_choices: list[Choice]) -> None:
    output = shown(*given_choices)
    assert kept([whole(output)]).output == output


@pytest.mark.parametrize("ended", [ENDED, CHOSEN])
def test_how_a_draft_ended_is_kept_to_the_last_figure(ended: Ended) -> None:
    [[index, plain]] = ended_json({3: ended})
    assert (index, ended_of(plain)) == (3, ended)


def test_a_mark_of_no_known_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no known kind"):
        kept([b'[["?",0,"x"]]\n'])


@given(st.lists(choices, max_size=20), st.integers(0, 20))
def test_what_was_shown_is_left_out_when_it_is_written_again(
    given_choices: list[Choice], num_known: int
) -> None:
    sound = [c for c in given_choices if not isinstance(c.event, Ended)]
    known = Known.of(shown(*sound[:num_known]).choices())
    new = [found for choice in sound if (found := known.new(choice)) is not None]
    assert flat(new) == flat(sound[num_known:])


@pytest.mark.parametrize(
    "again", [say("Twice"), say("Once", R), happen(ENDED), say("Once upon, a")]
)
def test_what_is_not_what_was_shown_is_another_draft(again: Choice) -> None:
    known = Known.of([say("Once upon a time")])
    with pytest.raises(Diverged):
        known.new(again)


def test_choices_may_come_in_another_order_when_they_are_written_again() -> None:
    known = Known.of([say("a"), say("x", index=1), say("b"), happen(ENDED)])
    assert known.new(say("xy", index=1)) == say("y", index=1)
    assert known.new(say("ab")) is None
    assert known.new(happen(ENDED)) is None
    assert known.new(happen(ENDED, 1)) == happen(ENDED, 1)
    progress = happen(Progress(candidates=()))
    assert known.new(progress) == progress
