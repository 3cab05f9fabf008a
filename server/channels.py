"""Splits a model's text into reasoning and answer; knows tags, and must not know engines.

The expected shape is ``<think>plan</think> <answer>text</answer>``. A tag may arrive cut anywhere,
or be missing, quoted, or in the wrong place; docs/channels.md has the policy for each case and
tests/server/test_channels.py has a test for each row of it.

States:   START -> THINK -> BETWEEN -> ANSWER -> DONE, and LOOSE for an answer outside its tags.
Each delta costs time linear in its own length: at most one tag's length, one quote and the white
space before them are ever held back.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from server.events import Channel
from server.marks import (
    ANSWER,
    ANSWER_END,
    CUT_TAG,
    MARKS,
    NO_ANSWER_TAG,
    NO_THINK,
    NO_THINK_END,
    QUOTED_TAG,
    QUOTES,
    ROLE_MARK,
    ROLE_MARKS,
    STRAY_TAG,
    TEXT_AFTER_END,
    THINK,
    THINK_END,
    may_become_mark,
)


class State(Enum):
    """Where in the expected shape the text is."""

    START = auto()
    THINK = auto()
    BETWEEN = auto()
    ANSWER = auto()
    LOOSE = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text of one channel."""

    channel: Channel
    text: str


@dataclass(slots=True)
class Splitter:
    """Text in, spans out. ``thinking`` says whether thinking is expected before the answer.

    Spans never hold a tag that was used as one, nor white space at either end of a channel.
    ``written_chars``: how many of the characters fed lie before the end of the last span.
    """

    thinking: bool = True
    state: State = State.START
    faults: set[str] = field(default_factory=set)
    tag_seen: bool = False
    written_chars: int = 0
    _ended_from: State | None = None
    _ended_at_chars: int = 0
    _num_chars: int = 0
    _put_at_chars: int = 0
    _held: str = ""
    _space: list[str] = field(default_factory=list)
    _after_tag: bool = True
    _begun: set[Channel] = field(default_factory=set)
    _before: str = "\n"
    _spans: list[Span] = field(default_factory=list)

    def feed(self, text: str) -> list[Span]:
        """Spans that are certain by now, in order; at most one per change of channel."""
        self.tag_seen = False
        self._num_chars += len(text)
        self._scan(self._held + text, final=False)
        return self._take()

    def finish(self) -> list[Span]:
        """What was held back, now that nothing follows. A tag cut short is dropped and counted."""
        held, self._held = self._held, ""
        self._scan(held, final=True)
        return self._take()

    @property
    def is_holding(self) -> bool:
        """Whether the text so far ends in what may be, or may not be, a tag."""
        return self._held != ""

    def reopen(self) -> int:
        """Takes back the mark that ended the text; returns how many characters stood before it.

        What was fed after the mark is forgotten with it: feed the text from there on.
        """
        assert self._ended_from is not None
        self.state, self._ended_from = self._ended_from, None
        self._num_chars = self._ended_at_chars
        self._held = ""
        return self._ended_at_chars

    def rewind(self, num_chars: int, *, thinking: bool = False) -> None:
        """The text was cut at ``num_chars``, inside the answer, or inside the thinking; what
        follows goes on there."""
        loose = State.LOOSE in (self.state, self._ended_from)
        answer = State.LOOSE if loose else State.ANSWER
        self.state, self._ended_from = State.THINK if thinking else answer, None
        if thinking:
            # An answer that was begun behind it is taken back with its tag.
            self._begun.discard(Channel.ANSWER)
        self._num_chars = self.written_chars = num_chars
        self._held, self._before, self._after_tag = "", "\n", False
        self._space.clear()

    @property
    def channel(self) -> Channel:
        """Where a token that arrives now is counted."""
        planning = self.state is State.START and self.thinking
        return Channel.REASONING if planning or self.state is State.THINK else Channel.ANSWER

    def _take(self) -> list[Span]:
        spans, self._spans = self._spans, []
        return spans

    def _scan(self, text: str, *, final: bool) -> None:
        self._held = ""
        start_chars = self._num_chars - len(text)
        at = 0
        while at < len(text):
            mark_at = text.find("<", at)
            self._put_at_chars = start_chars + at
            if mark_at < 0:
                self._put(text[at:])
                return
            self._put(text[at:mark_at])
            self._put_at_chars = start_chars + mark_at
            mark = next((m for m in MARKS if text.startswith(m, mark_at)), None)
            if mark is not None:
                after = text[mark_at + len(mark) : mark_at + len(mark) + 1]
                if self._may_be_quoted(mark) and not after and not final:
                    self._held = text[mark_at:]
                    return
                was = self.state
                self._meet(mark, after)
                if self.state is State.DONE and was is not State.DONE:
                    self._ended_from, self._ended_at_chars = was, start_chars + mark_at
                at = mark_at + len(mark)
            elif may_become_mark(text, mark_at):
                self._hold(text[mark_at:], final=final)
                return
            else:
                self._put("<")
                at = mark_at + 1

    def _hold(self, partial: str, *, final: bool) -> None:
        if not final:
            self._held = partial
        elif partial == "<":
            self._put(partial)
        elif self.state is not State.DONE:
            # Cut by the token limit: half a tag is never shown.
            self.faults.add(CUT_TAG)

    def _meet(self, mark: str, after: str) -> None:
        """A whole mark stands here: use it, or let it through as text."""
        if mark in ROLE_MARKS:
            self._use(State.DONE, None if self.state is State.DONE else ROLE_MARK)
        elif self.state is State.DONE:
            self.faults.add(TEXT_AFTER_END)
        elif self._may_be_quoted(mark) and QUOTES[self._before] == after:
            self.faults.add(QUOTED_TAG)
            self._put(mark)
        else:
            _RULES[self.state](self, mark)

    def _may_be_quoted(self, mark: str) -> bool:
        """Whether a quotation mark stands before a tag where tags can be talked about.

        Not in an answer, where direct speech often ends right before ``</answer>``, and no role
        mark: the engine stops at those, so what follows would never come.
        """
        if self._before not in QUOTES or mark in ROLE_MARKS:
            return False
        return self.state is State.THINK or (self.state is State.LOOSE and mark != ANSWER_END)

    def _use(self, state: State, fault: str | None = None) -> None:
        self.tag_seen = True
        if fault is not None:
            self.faults.add(fault)
        self.state = state
        self._before = "\n"
        self._after_tag = True
        self._space.clear()

    def _at_start(self, mark: str) -> None:
        if mark == THINK:
            self._use(State.THINK)
        elif mark == ANSWER:
            self._use(State.ANSWER, NO_THINK if self.thinking else None)
        elif mark == THINK_END:
            self._use(State.BETWEEN, NO_THINK)
        else:
            self._use(State.DONE, STRAY_TAG)

    def _in_thinking(self, mark: str) -> None:
        if mark == THINK_END:
            self._use(State.BETWEEN)
        elif mark == ANSWER and self._at_line_start():
            self._use(State.ANSWER, NO_THINK_END)
        else:
            # Tags named in passing: the prompt itself shows the pair.
            self._put(mark)

    def _in_between(self, mark: str) -> None:
        if mark == ANSWER:
            self._use(State.ANSWER)
        elif mark == THINK:
            self._use(State.THINK, STRAY_TAG)
        elif mark == THINK_END:
            self._use(State.BETWEEN, STRAY_TAG)
        else:
            self._use(State.DONE, NO_ANSWER_TAG)

    def _in_answer(self, mark: str) -> None:
        if mark == ANSWER_END:
            self._use(State.DONE)
        else:
            self._put(mark)

    def _in_loose(self, mark: str) -> None:
        if mark == ANSWER_END:
            self._use(State.DONE)
        elif mark == ANSWER:
            self._use(State.ANSWER)
        elif mark == THINK and self._at_line_start():
            self._use(State.THINK, STRAY_TAG)
        elif mark == THINK_END:
            self._use(State.BETWEEN, STRAY_TAG)
        else:
            self._put(mark)

    def _at_line_start(self) -> bool:
        return self._after_tag or any("\n" in space for space in self._space)

    def _put(self, text: str) -> None:
        """Text that is no used tag: to its channel, white space at the ends held back."""
        if not text:
            return
        self._before = text[-1]
        body = text.strip()
        if not body:
            self._space.append(text)
        elif self.state is State.DONE:
            self.faults.add(TEXT_AFTER_END)
        else:
            self._write(text, body)

    def _write(self, text: str, body: str) -> None:
        if self.state in (State.START, State.BETWEEN):
            self._go_loose()
        start = text.index(body[0])
        end = start + len(body)
        self._emit(self._lead(text[:start]) + body)
        self.written_chars = self._put_at_chars + end
        self._begun.add(self.channel)
        self._after_tag = False
        self._space = [text[end:]]

    def _lead(self, space: str) -> str:
        if self.channel not in self._begun:
            return ""
        if self._after_tag:
            # The channel goes on after a tag: a second <think>, a late <answer>.
            return "\n\n"
        return "".join(self._space) + space

    def _go_loose(self) -> None:
        expected = self.thinking and self.state is State.START
        self.faults.add(NO_THINK if expected else NO_ANSWER_TAG)
        self.state = State.LOOSE

    def _emit(self, text: str) -> None:
        if self._spans and self._spans[-1].channel is self.channel:
            text = self._spans.pop().text + text
        self._spans.append(Span(self.channel, text))


_RULES = {
    State.START: Splitter._at_start,
    State.THINK: Splitter._in_thinking,
    State.BETWEEN: Splitter._in_between,
    State.ANSWER: Splitter._in_answer,
    State.LOOSE: Splitter._in_loose,
}
