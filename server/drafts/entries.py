"""The form in which a draft's tape and output are stored. It must not know a store.

An entry is a line of JSON: an array of marks, all that happened to a draft in one tick. Text that
is shown as an engine said it stands there once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from planner.length import Asked
from server.drafts.output import Output
from server.drafts.tape import Tape
from server.engine.base import End, Piece, Text
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
    TokenLogprob,
    Usage,
)

_CHANNELS = {Channel.REASONING: "r", Channel.ANSWER: "a"}
_BY_LETTER = {letter: channel for channel, letter in _CHANNELS.items()}
# The first field of a mark; one that begins with a number is a piece of text of that draft.
_OPENED, _END, _RESUMED, _CARRIED, _ENDED, _SHOWN, _SAME = "o", "e", "r", "c", "z", "s", "="


@dataclass(slots=True)
class Jotter:
    """Collects what happens to one draft until it is taken to be stored."""

    _marks: list[Any] = field(default_factory=list)
    _said: str = ""

    def opened(self, index: int) -> None:
        self._marks.append((_OPENED, index))

    def said(self, index: int, piece: Piece) -> None:
        if isinstance(piece, End):
            self._marks.append(
                (
                    *(_END, index, piece.reason, piece.stop, piece.cached_tokens, piece.end_token),
                    *_more(piece.moves),
                )
            )
            return
        self._said = piece.text
        ids = piece.estimated_tokens if piece.token_ids is None else piece.token_ids
        mark: tuple[Any, ...] = (index, piece.text, ids)
        if piece.logprobs or piece.moves:
            mark = (*mark, _logprobs(piece.logprobs), *_more(piece.moves))
        self._marks.append(mark)

    def resumed(self) -> None:
        self._marks.append((_RESUMED,))

    def shown(self, choice: Choice) -> None:
        mark = _shown(choice, self._said)
        if mark is not None:
            self._marks.append(mark)

    def take(self) -> bytes:
        """The entry of all that came since it was last taken; empty if nothing did."""
        if not self._marks:
            return b""
        marks, self._marks, self._said = self._marks, [], ""
        return orjson.dumps(marks, option=orjson.OPT_APPEND_NEWLINE)


def _shown(choice: Choice, said: str) -> tuple[Any, ...] | None:
    event = choice.event
    if isinstance(event, Fragment):
        letter = _CHANNELS[event.channel]
        if event.logprobs:
            return (_SHOWN, choice.index, letter, event.text, _logprobs(event.logprobs))
        if event.text == said:
            return (_SAME, choice.index, letter)
        return (_SHOWN, choice.index, letter, event.text)
    if isinstance(event, CarriedOn):
        return (_CARRIED, choice.index, event.why)
    return (_ENDED, choice.index, event) if isinstance(event, Ended) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the entries of a draft come to."""

    tape: Tape = field(default_factory=Tape)
    output: Output = field(default_factory=Output)

    def take(self, entries: bytes) -> None:
        """More entries, one or several joined.

        Raises:
            ValueError, LookupError, TypeError: they are none.
        """
        for line in entries.splitlines():
            said = ""
            for mark in orjson.loads(line):
                said = self._take(mark, said)

    def _take(self, mark: list[Any], said: str) -> str:
        """Adds one mark; returns the text said last."""
        kind = mark[0]
        if isinstance(kind, int):
            piece = _piece(mark)
            self.tape.add(kind, piece)
            return piece.text
        if kind == _OPENED:
            self.tape.open(mark[1])
        elif kind == _RESUMED:
            self.tape.resume()
        elif kind == _END:
            self.tape.add(mark[1], _end(mark))
        else:
            self.output.add(Choice(index=mark[1], event=_event(mark, said)))
        return said


def _piece(mark: list[Any]) -> Text:
    """A number stands in the place of token ids where the engine told none."""
    if isinstance(mark[2], int):
        return Text(text=mark[1], token_ids=None, estimated_tokens=mark[2], moves=sum(mark[4:]))
    return Text(
        text=mark[1],
        token_ids=tuple(mark[2]),
        logprobs=_tokens(mark[3:]),
        moves=sum(mark[4:]),
    )


def _more(moves: int) -> tuple[int, ...]:
    """Moves as the last field of a mark, which is not there where there were none."""
    return (moves,) if moves else ()


def _end(mark: list[Any]) -> End:
    return End(
        reason=mark[2],
        stop=mark[3],
        cached_tokens=mark[4],
        end_token=mark[5],
        moves=sum(mark[6:]),
    )


def _event(mark: list[Any], said: str) -> Event:
    kind, _, what, *rest = mark
    if kind == _SAME:
        return Fragment(channel=_BY_LETTER[what], text=said)
    if kind == _SHOWN:
        return Fragment(channel=_BY_LETTER[what], text=rest[0], logprobs=_tokens(rest[1:]))
    if kind == _CARRIED:
        return CarriedOn(why=what)
    if kind == _ENDED:
        return ended_of(what)
    raise ValueError(f"an entry has a mark of no known kind: {kind!r}")


def kept(entries: Iterable[bytes]) -> Kept:
    """The tape and the output of a draft, from all its entries in order."""
    found = Kept()
    for entry in entries:
        found.take(entry)
    return found


def whole(output: Output) -> bytes:
    """All that was shown of a draft, to be stored once it is over."""
    jotter = Jotter()
    for choice in output.choices():
        jotter.shown(choice)
    return jotter.take()


def ended_json(ended: Mapping[int, Ended]) -> list[Any]:
    """The ends of a draft's choices, by index, as plain values for JSON."""
    plain: list[Any] = orjson.loads(orjson.dumps([[at, ended[at]] for at in sorted(ended)]))
    return plain


def ended_of(plain: Mapping[str, Any]) -> Ended:
    """The end of a draft from the plain values that JSON has of it."""
    judged = plain["judged"]
    return Ended(
        **{
            **plain,
            "usage": Usage(**plain["usage"]),
            "asked": Asked(**plain["asked"]),
            "faults": tuple(plain["faults"]),
            "carried": tuple((why, times) for why, times in plain["carried"]),
            "judged": None if judged is None else _judged(judged),
        }
    )


def _judged(plain: Mapping[str, Any]) -> Judged:
    candidates = tuple(
        Candidate(**{**each, "fate": Fate(each["fate"])}) for each in plain["candidates"]
    )
    return Judged(**{**plain, "candidates": candidates})


def _logprobs(tokens: Iterable[TokenLogprob]) -> list[Any]:
    return [(t.token, t.token_id, t.logprob, _logprobs(t.top)) for t in tokens]


def _tokens(rest: list[Any]) -> tuple[TokenLogprob, ...]:
    """Log-probabilities from the end of a mark, where it has some."""
    return tuple(_token(one) for one in rest[0]) if rest else ()


def _token(plain: list[Any]) -> TokenLogprob:
    token, token_id, logprob, top = plain
    return TokenLogprob(
        token=token, token_id=token_id, logprob=logprob, top=tuple(_token(each) for each in top)
    )
