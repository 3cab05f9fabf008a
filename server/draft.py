"""One draft as a log of tokens, and the decision how it goes on. No I/O, no async, no engine.

Pieces go in, fragments come out, and when an engine's stream is over ``step`` says whether the
draft is finished or carries on from its log, and with which words put into the model's mouth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from planner.words import WordCounter
from server.channels import ANSWER_END, Span, Splitter, State
from server.engine.base import End, Log, Passage, Text
from server.events import Channel, Ended, FinishReason, Fragment, TokenLogprob, Usage
from server.stops import StopFinder

# LongWriter-Zero's own stops (model card), the Chinese role marker beside the English one. Four is
# all that vLLM takes (VLLM_MAX_STOP_STRINGS). `</answer>` inside the thinking ends the engine's
# stream too; `step` then simply carries on, so it is armed only once the answer has begun.
ENGINE_STOPS = (ANSWER_END, "<|user|>", "<|用户|>", "<|endoftext|>")

REASONING_BUDGET = "reasoning_budget"
NO_ANSWER = "no_answer"
STOP_IN_REASONING = "stop_in_reasoning"
CARRY_REASONS = (REASONING_BUDGET, NO_ANSWER, STOP_IN_REASONING)

_TO_ANSWER = {
    State.START: "<think>\n</think>\n<answer>\n",
    State.THINK: "\n</think>\n<answer>\n",
    State.BETWEEN: "\n<answer>\n",
}
# A model that ends twice without an answer, although one was begun for it, will do so again.
_MAX_NO_ANSWER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one draft is to be written. Token counts bound what the engine generates.

    reasoning_tokens: when they are used up, a tag that is just being written is waited for.
    """

    max_tokens: int
    reasoning_tokens: int
    thinking: bool
    stops: tuple[str, ...] = ()
    raw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """Carry on from the log once ``words`` were appended to it; ``why`` is a CARRY_REASON."""

    why: str
    words: str


@dataclass(slots=True)
class Draft:
    """The log of one draft and everything known about it. ``raw`` rules switch the tags off."""

    rules: Rules
    log: Log = field(default_factory=Log)
    splitter: Splitter = field(init=False)
    stop_finder: StopFinder | None = field(init=False)
    words: WordCounter = field(default_factory=WordCounter)
    reasoning_tokens: int = 0
    answer_tokens: int = 0
    cached_tokens: int | None = None
    no_answer_repairs: int = 0
    answer_begun: bool = False
    _end: End | None = None
    # Tokens that may still turn out to be a tag, and tokens of text that may still be a stop.
    _pending: list[TokenLogprob] = field(default_factory=list)
    _split_off: list[TokenLogprob] = field(default_factory=list)

    def __post_init__(self) -> None:
        state = State.ANSWER if self.rules.raw else State.START
        self.splitter = Splitter(thinking=self.rules.thinking, state=state)
        self.stop_finder = StopFinder(self.rules.stops) if self.rules.stops else None

    @property
    def num_tokens(self) -> int:
        """Tokens the engine generated for this draft so far."""
        return self.reasoning_tokens + self.answer_tokens

    @property
    def tokens_left(self) -> int:
        return self.rules.max_tokens - self.num_tokens

    def put(self, words: Passage) -> None:
        """Words that the gateway, not the model, writes into the log."""
        self.log.append(words.text, words.token_ids, words.num_tokens)
        self.splitter.feed(words.text)

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
        num_reasoning = self._num_reasoning(piece, before, spans)
        self.reasoning_tokens += num_reasoning
        self.answer_tokens += len(piece.token_ids) - num_reasoning
        self._keep_logprobs(piece)
        return self._fragments(spans)

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
        return self._finished or self._over_reasoning

    @property
    def _finished(self) -> bool:
        hit = self.stop_finder is not None and self.stop_finder.hit is not None
        return hit or self.splitter.state is State.DONE

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
        if self.tokens_left <= 0 or self.rules.raw:
            return None
        if self._finished:
            return None if self.answer_begun else self._repair()
        if self._over_reasoning:
            return Carry(why=REASONING_BUDGET, words=_TO_ANSWER[self.splitter.state])
        if self._end is not None and self._end.reason == "length":
            return None
        if self._end is not None and self._end.stop == ANSWER_END:
            return Carry(why=STOP_IN_REASONING, words="")
        return None if self.answer_begun else self._repair()

    def _repair(self) -> Carry | None:
        """An ended draft without an answer: its answer is begun for it."""
        if self.no_answer_repairs >= _MAX_NO_ANSWER:
            return None
        self.no_answer_repairs += 1
        if self.splitter.state is State.DONE:
            self._drop_end_mark()
        return Carry(why=NO_ANSWER, words=_TO_ANSWER.get(self.splitter.state, ""))

    def _drop_end_mark(self) -> None:
        """Takes the mark that ended the text off the log; its token ids go with it."""
        text = "".join(self.log.parts)[: self.splitter.reopen()]
        self.log = Log(parts=[text], token_ids=None, num_tokens=self.log.num_tokens)

    def finish(self) -> list[Fragment]:
        """The last fragments, when ``step`` has said that nothing follows."""
        fragments = self._fragments(self.splitter.finish())
        if self.stop_finder is not None and self.stop_finder.hit is None:
            held = self.stop_finder.finish()
            if held:
                fragments.append(self._answer(held))
        return fragments

    def ended(self, prompt_tokens: int) -> Ended:
        return Ended(
            finish_reason=self._finish_reason(),
            usage=Usage(
                prompt_tokens=prompt_tokens,
                cached_tokens=self.cached_tokens or 0,
                reasoning_tokens=self.reasoning_tokens,
                answer_tokens=self.answer_tokens,
            ),
            answer_words=self.words.words,
            faults=tuple(sorted(self.splitter.faults)),
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

    def _num_reasoning(self, piece: Text, before: Channel, spans: Sequence[Span]) -> int:
        """How many of the piece's tokens are reasoning.

        A single token is counted where it begins, or as answer once it shows some. When several
        arrive together across the border, they are shared out by characters.
        Worked number: 4 tokens, 10 of 20 characters reasoning -> 2.
        """
        num_tokens = len(piece.token_ids)
        if before is Channel.ANSWER and self.splitter.channel is Channel.ANSWER:
            return 0
        shown = {span.channel for span in spans}
        if num_tokens == 1 or shown == {Channel.ANSWER}:
            return num_tokens if before is Channel.REASONING and Channel.ANSWER not in shown else 0
        if before is self.splitter.channel:
            return num_tokens if before is Channel.REASONING else 0
        # A span may begin with white space of earlier pieces, so its length is no bound.
        reasoning_chars = sum(len(s.text) for s in spans if s.channel is Channel.REASONING)
        return min(num_tokens, round(num_tokens * reasoning_chars / max(1, len(piece.text))))

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
                continue
            self.answer_begun = True
            self._split_off += self._pending
            self._pending.clear()
            text = self.stop_finder.feed(span.text) if self.stop_finder else span.text
            if text:
                fragments.append(self._answer(text))
        return fragments

    def _answer(self, text: str) -> Fragment:
        self.words.feed(text)
        logprobs, self._split_off = tuple(self._split_off), []
        return Fragment(channel=Channel.ANSWER, text=text, logprobs=logprobs)
