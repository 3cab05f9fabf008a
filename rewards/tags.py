"""Where the segments of a completion begin and end, and what is wrong with them; gives no marks.

States: START -> THINK -> BETWEEN -> ANSWER -> DONE, and LOOSE for an answer outside its tags, as
the server's splitter of channels has them; tests/rewards/test_tags.py holds the two together.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto

NO_THINK = "no_think"
NO_THINK_END = "no_think_end"
NO_ANSWER_TAG = "no_answer_tag"
NO_ANSWER_END = "no_answer_end"
STRAY_TAG = "stray_tag"
CUT_TAG = "cut_tag"
TEXT_AFTER_END = "text_after_end"
ROLE_MARK = "role_mark"

_THINK, _THINK_END, _ANSWER, _ANSWER_END = "<think>", "</think>", "<answer>", "</answer>"
_ROLE_MARKS = ("<|user|>", "<|用户|>", "<|assistant|>", "<|助手|>", "<|endoftext|>")
_MARKS = (_THINK, _THINK_END, _ANSWER, _ANSWER_END, *_ROLE_MARKS)
_MARK = re.compile("|".join(map(re.escape, _MARKS)))
_LONGEST_MARK = max(map(len, _MARKS))
# A tag between a pair of these is being talked about.
_QUOTES = {"`": "`", '"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』", "《": "》"}


class State(Enum):
    """Where in the expected shape a text is."""

    START = auto()
    THINK = auto()
    BETWEEN = auto()
    ANSWER = auto()
    LOOSE = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """A completion by its tags.

    faults: by name, those that more text cannot mend. state: where its text ends. has_answer:
    some answer is there. half_tag: it ends in what may become a tag.
    """

    faults: frozenset[str]
    state: State
    has_answer: bool
    half_tag: bool


def read_tags(raw: str, *, thinking: bool) -> Segments:
    """The segments of a completion, in time linear in it. thinking: it is to begin with a plan.

    "<think>a</think><answer>b</answer>c" -> DONE with an answer, {text_after_end}.
    """
    reader = _Reader(raw=raw, thinking=thinking)
    half = _half_tag_chars(raw)
    at = 0
    for mark in _MARK.finditer(raw):
        reader.put(raw[at : mark.start()])
        reader.meet(mark)
        at = mark.end()
    reader.put(raw[at : len(raw) - half])
    return Segments(
        faults=frozenset(reader.faults),
        state=reader.state,
        has_answer=reader.has_answer,
        half_tag=half > 1 and reader.state is not State.DONE,
    )


def _half_tag_chars(raw: str) -> int:
    """How many characters at the end may become a tag: "it ends </ans" -> 5."""
    at = raw.rfind("<", max(0, len(raw) - _LONGEST_MARK + 1))
    if at < 0 or not any(mark.startswith(raw[at:]) and mark != raw[at:] for mark in _MARKS):
        return 0
    return len(raw) - at


@dataclass(slots=True, kw_only=True)
class _Reader:
    raw: str
    thinking: bool
    state: State = State.START
    faults: set[str] = field(default_factory=set)
    has_answer: bool = False
    _before: str = "\n"
    _at_line_start: bool = True

    def put(self, text: str) -> None:
        """Text that is no used tag."""
        if not text:
            return
        self._before = text[-1]
        body = text.strip()
        if not body:
            self._at_line_start |= "\n" in text
            return
        self._at_line_start = "\n" in text[len(text.rstrip()) :]
        if self.state is State.DONE:
            self.faults.add(TEXT_AFTER_END)
            return
        if self.state in (State.START, State.BETWEEN):
            planned = self.thinking and self.state is State.START
            self.faults.add(NO_THINK if planned else NO_ANSWER_TAG)
            self.state = State.LOOSE
        self.has_answer |= self.state in (State.ANSWER, State.LOOSE)

    def meet(self, found: re.Match[str]) -> None:
        """A whole mark stands here: used, or talked about."""
        mark, after = found[0], self.raw[found.end() : found.end() + 1]
        if mark in _ROLE_MARKS:
            self._use(State.DONE, None if self.state is State.DONE else ROLE_MARK)
        elif self.state is State.DONE:
            self.faults.add(TEXT_AFTER_END)
        elif self._may_be_quoted(mark) and _QUOTES[self._before] == after:
            self.put(mark)
        else:
            _RULES[self.state](self, mark)

    def _may_be_quoted(self, mark: str) -> bool:
        """Not in an answer, where direct speech often ends right before ``</answer>``."""
        if self._before not in _QUOTES:
            return False
        return self.state is State.THINK or (self.state is State.LOOSE and mark != _ANSWER_END)

    def _use(self, state: State, fault: str | None = None) -> None:
        if fault is not None:
            self.faults.add(fault)
        self.state = state
        self._before, self._at_line_start = "\n", True

    def _at_start(self, mark: str) -> None:
        if mark == _THINK:
            self._use(State.THINK)
        elif mark == _ANSWER:
            self._use(State.ANSWER, NO_THINK if self.thinking else None)
        elif mark == _THINK_END:
            self._use(State.BETWEEN, NO_THINK)
        else:
            self._use(State.DONE, STRAY_TAG)

    def _in_thinking(self, mark: str) -> None:
        if mark == _THINK_END:
            self._use(State.BETWEEN)
        elif mark == _ANSWER and self._at_line_start:
            self._use(State.ANSWER, NO_THINK_END)
        else:
            # Tags named in passing: the prompt itself shows the pair.
            self.put(mark)

    def _in_between(self, mark: str) -> None:
        if mark == _ANSWER:
            self._use(State.ANSWER)
        elif mark == _ANSWER_END:
            self._use(State.DONE, NO_ANSWER_TAG)
        else:
            self._use(State.THINK if mark == _THINK else State.BETWEEN, STRAY_TAG)

    def _in_answer(self, mark: str) -> None:
        if mark == _ANSWER_END:
            self._use(State.DONE)
            return
        if self._at_line_start:
            # To a reader this is text; to the format a segment too many.
            self.faults.add(STRAY_TAG)
        self.put(mark)

    def _in_loose(self, mark: str) -> None:
        if mark == _ANSWER_END:
            self._use(State.DONE)
        elif mark == _ANSWER:
            self._use(State.ANSWER)
        elif mark == _THINK and self._at_line_start:
            self._use(State.THINK, STRAY_TAG)
        elif mark == _THINK_END:
            self._use(State.BETWEEN, STRAY_TAG)
        else:
            self.put(mark)


_RULES = {
    State.START: _Reader._at_start,
    State.THINK: _Reader._in_thinking,
    State.BETWEEN: _Reader._in_between,
    State.ANSWER: _Reader._in_answer,
    State.LOOSE: _Reader._in_loose,
}
