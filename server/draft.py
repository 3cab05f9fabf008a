"""One draft as a log of tokens, and the decision how it goes on. No I/O, no async, no engine.

Pieces go in, fragments come out, and when an engine's stream is over ``step`` says whether the
draft is finished or carries on from its log, and with which words put into the model's mouth.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from server.channels import Span, Splitter, State
from server.engine.base import End, Passage, Text
from server.engine.log import Log
from server.events import Channel, Ended, FinishReason, Fragment, TokenLogprob, Usage
from server.marks import ANSWER_END
from server.page import Page
from server.policies.policy import Turn
from server.rules import NO_ANSWER, REASONING_BUDGET, STOP_IN_REASONING, WINDOW, Carry, Rules
from server.stops import StopFinder
from server.token_share import reasoning_share
from server.window import Window

_TO_ANSWER = {
    State.START: "<think>\n</think>\n<answer>\n",
    State.THINK: "\n</think>\n<answer>\n",
    State.BETWEEN: "\n<answer>\n",
}
# A model that ends twice without an answer, although one was begun for it, will do so again.
_MAX_NO_ANSWER = 2
# Turns in a row without a word of the model's between them: it has nothing more to say.
_MAX_IDLE_TURNS = 4


@dataclass(slots=True)
class Draft:
    """The log of one draft and everything known about it. ``raw`` rules switch the tags off."""

    rules: Rules
    log: Log = field(default_factory=Log)
    splitter: Splitter = field(init=False)
    stop_finder: StopFinder | None = field(init=False)
    page: Page | None = None
    window: Window | None = None
    num_windows: int = 1
    carried: Counter[str] = field(default_factory=Counter)
    reasoning_tokens: int = 0
    answer_tokens: int = 0
    cached_tokens: int | None = None
    _end: End | None = None
    _over: bool = False
    _idle_turns: int = 0
    _put_chars: int = 0
    _resampled: int = 0
    # Characters of the log before each run of the answer: (answer characters behind it, these).
    _shifts: list[tuple[int, int]] = field(default_factory=list)
    _split_chars: int = 0
    # Tokens that may still turn out to be a tag.
    _pending: list[TokenLogprob] = field(default_factory=list)

    def __post_init__(self) -> None:
        state = State.ANSWER if self.rules.raw else State.START
        self.splitter = Splitter(thinking=self.rules.thinking, state=state)
        self.stop_finder = StopFinder(self.rules.stops) if self.rules.stops else None

    @property
    def answer_begun(self) -> bool:
        return self.page is not None

    @property
    def num_tokens(self) -> int:
        """Tokens the engine generated for this draft so far."""
        return self.reasoning_tokens + self.answer_tokens

    @property
    def tokens_left(self) -> int:
        return self.rules.max_tokens - self.num_tokens

    def put(self, words: Passage, *, rest_chars: int = 0) -> list[Fragment]:
        """Words that the gateway, not the model, writes into the log, the first ``rest_chars`` of
        them on the page already; returns the fragments they complete."""
        self.log.append(words.text, words.token_ids, words.num_tokens)
        fragments = self._fragments(self._split(words.text[rest_chars:]))
        self._put_chars = self._split_chars
        return fragments

    def take(self, piece: Text) -> list[Fragment]:
        """Appends a piece to the log and returns the fragments it completes.

        Where the text of each token is known they are taken one by one, so that tokens that
        arrive together are counted and reported as if they had come singly.
        """
        tokens = piece.logprobs
        if len(tokens) < 2 or "".join(one.token for one in tokens) != piece.text:
            return self._take(piece)
        singly = (Text(text=t.token, token_ids=(t.token_id,), logprobs=(t,)) for t in tokens)
        return [fragment for one in singly for fragment in self._take(one)]

    def _take(self, piece: Text) -> list[Fragment]:
        self.log.append(piece.text, piece.token_ids, len(piece.token_ids))
        before = self.splitter.channel
        spans = self._split(piece.text)
        num_reasoning = reasoning_share(piece, spans, before=before, after=self.splitter.channel)
        self.reasoning_tokens += num_reasoning
        self.answer_tokens += len(piece.token_ids) - num_reasoning
        self._keep_logprobs(piece)
        return self._fragments(spans)

    def script(self) -> Passage:
        """What stands on the page of the present window."""
        return self.log.script() if self.window is None else self.window.script(self.log)

    @property
    def answer_from_chars(self) -> int:
        """Where in the log the answer begins; for a draft whose answer has begun."""
        return self._log_chars(0)

    def close(self, end: End | None) -> list[Fragment]:
        """The engine's stream is over (``end``) or was closed by us (None).

        Returns what was held back as a possible tag, if the model itself has ended there.
        """
        self._end = end
        if end is None:
            return []
        if end.end_token:
            self.log.drop_last_id()
        if self.cached_tokens is None:
            self.cached_tokens = end.cached_tokens
        return self._fragments(self.splitter.finish()) if end.stop is None else []

    @property
    def met_end_mark(self) -> bool:
        """Whether the text itself has ended: the engine stops at these marks by itself, and its
        End, with what it knows of the prefix cache, is the next thing to come."""
        return self.splitter.state is State.DONE

    @property
    def must_pause(self) -> bool:
        """Whether the engine's stream is to be closed now."""
        turning = self.page is not None and self.page.turn is not None
        return turning or self._finished or self._over_reasoning

    @property
    def _hit_stop(self) -> bool:
        return self.stop_finder is not None and self.stop_finder.hit is not None

    @property
    def _finished(self) -> bool:
        return self._over or self._hit_stop or self.splitter.state is State.DONE

    @property
    def _over_reasoning(self) -> bool:
        planning = self.splitter.state is State.START and self.rules.thinking
        thinking = planning or self.splitter.state is State.THINK
        if self.splitter.is_holding:
            # It may be closing by itself; half a tag on the log would confuse the model.
            return False
        return thinking and self.reasoning_tokens >= self.rules.reasoning_tokens

    def step(self) -> Carry | None:
        """How the draft goes on now that the stream is closed; None if it is finished."""
        carry = self._next()
        if carry is not None:
            self.carried[carry.why] += 1
        return carry

    def _next(self) -> Carry | None:
        if self.tokens_left <= 0 or self.rules.raw:
            return None
        turn = self._due_turn()
        if turn is not None:
            return self._take_turn(turn)
        if self._finished:
            return None if self.answer_begun else self._repair()
        if self._over_reasoning:
            return Carry(why=REASONING_BUDGET, words=_TO_ANSWER[self.splitter.state])
        if self._end is not None and self._end.reason == "length":
            return Carry(why=WINDOW, words="") if self.answer_begun and self.rules.paged else None
        if self._end is not None and self._end.stop == ANSWER_END and not self.answer_begun:
            return Carry(why=STOP_IN_REASONING, words="")
        return None if self.answer_begun else self._repair()

    def _due_turn(self) -> Turn | None:
        """What the policies want: at once, or now that the model has ended the answer."""
        if self.page is None or self._hit_stop:
            return None
        if self.page.turn is not None:
            return self.page.turn
        cut_off = self._end is not None and self._end.reason == "length"
        return None if cut_off and self.splitter.state is not State.DONE else self.page.ended()

    def _take_turn(self, turn: Turn) -> Carry | None:
        assert self.page is not None
        self._idle_turns = self._idle_turns + 1 if self._split_chars <= self._put_chars else 0
        if self._idle_turns >= _MAX_IDLE_TURNS:
            return None
        at_chars = self._log_chars(turn.back_to_chars)
        rest = self.log.cut(at_chars)
        self.splitter.rewind(at_chars)
        self._split_chars = self._put_chars = turn.back_to_chars
        self._pending.clear()
        self.page.cut(turn.back_to_chars)
        if self.stop_finder is not None:
            self.stop_finder.finish()
        if turn.over:
            self._over = True
            return None
        self._resampled += turn.other_sampling
        return Carry(
            why=turn.why,
            words=turn.words,
            rest=rest,
            other_sampling=self._resampled if turn.other_sampling else 0,
        )

    def _log_chars(self, answer_chars: int) -> int:
        """Where in the log a position of the answer lies."""
        runs = self._shifts
        behind = next((shift for end, shift in runs if end >= answer_chars), runs[-1][1])
        return answer_chars + behind

    def _repair(self) -> Carry | None:
        """An ended draft without an answer: its answer is begun for it."""
        if self.carried[NO_ANSWER] >= _MAX_NO_ANSWER:
            return None
        # The mark that ended the text is taken off the log.
        done = self.splitter.state is State.DONE
        rest = self.log.cut(self.splitter.reopen()) if done else ""
        return Carry(why=NO_ANSWER, words=_TO_ANSWER.get(self.splitter.state, ""), rest=rest)

    def finish(self) -> list[Fragment]:
        """The last fragments, when ``step`` has said that nothing follows."""
        fragments = self._fragments(self.splitter.finish())
        if self.page is None:
            return fragments
        if self.stop_finder is not None and self.stop_finder.hit is None:
            fragments += self.page.feed(self.stop_finder.finish())
        return fragments + self.page.finish()

    def ended(self, prompt_tokens: int) -> Ended:
        return Ended(
            finish_reason=self._finish_reason(),
            usage=Usage(
                prompt_tokens=prompt_tokens,
                cached_tokens=self.cached_tokens or 0,
                reasoning_tokens=self.reasoning_tokens,
                answer_tokens=self.answer_tokens,
            ),
            answer_words=0 if self.page is None else self.page.words.words,
            faults=tuple(sorted(self.splitter.faults)),
            asked=self.rules.asked,
            carried=tuple(sorted(self.carried.items())),
            num_windows=self.num_windows,
        )

    def _finish_reason(self) -> FinishReason:
        if self._finished:
            return "stop"
        cut = self._end is None or self._end.reason == "length"
        return "length" if cut else "stop"

    def _split(self, text: str) -> list[Span]:
        if self.rules.raw:
            return [Span(Channel.ANSWER, text)] if text else []
        return self.splitter.feed(text)

    def _keep_logprobs(self, piece: Text) -> None:
        """Keeps what goes out with the next answer text: answer tokens, tag tokens left out."""
        if self.splitter.tag_seen and len(piece.logprobs) <= 1:
            self._pending.clear()
        elif self.splitter.channel is Channel.ANSWER:
            self._pending.extend(piece.logprobs)

    def _fragments(self, spans: Sequence[Span]) -> list[Fragment]:
        fragments = []
        for span in spans:
            if span.channel is Channel.REASONING:
                fragments.append(Fragment(channel=span.channel, text=span.text))
            else:
                fragments += self._answer(span.text)
        if spans and spans[-1].channel is Channel.ANSWER:
            self._note_shift()
        return fragments

    def _answer(self, text: str) -> list[Fragment]:
        if self.page is None:
            thinking = "".join(self.log.parts) if self.rules.thinking else ""
            self.page = Page(policies=self.rules.policies(thinking))
        self._split_chars += len(text)
        shown = self.stop_finder.feed(text) if self.stop_finder else text
        logprobs, self._pending = self._pending, []
        return self.page.feed(shown, logprobs)

    def _note_shift(self) -> None:
        shift = self.splitter.written_chars - self._split_chars
        if self._shifts and self._shifts[-1][1] == shift:
            self._shifts.pop()
        self._shifts.append((self._split_chars, shift))
