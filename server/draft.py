"""How one draft goes on: the decision, and nothing but it. No I/O, no async, no engine.

Pieces go in, fragments come out, and when an engine's stream is over ``step`` says whether the
draft is finished or carries on from its log, and with which words put into the model's mouth.
"""

from collections import Counter
from dataclasses import dataclass, field

from server.channels import State
from server.engine.base import End
from server.events import Ended, FinishReason, Fragment, Usage
from server.manuscript import Manuscript
from server.marks import ANSWER_END
from server.policies.policy import Turn
from server.rules import (
    NO_ANSWER,
    OUTLINE,
    OUTLINE_END,
    REASONING_BUDGET,
    STOP_IN_REASONING,
    THINKING_LOOP,
    WINDOW,
    Carry,
)

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
class Draft(Manuscript):
    """A manuscript and all that its going on depends on."""

    carried: Counter[str] = field(default_factory=Counter)
    cached_tokens: int | None = None
    _end: End | None = None
    _over: bool = False
    _idle_turns: int = 0
    _resampled: int = 0

    def close(self, end: End | None) -> list[Fragment]:
        """The engine's stream is over (``end``) or was closed by us (None).

        Returns what was held back as a possible tag, if the model itself has ended there.
        """
        self._end = end
        if end is None:
            return []
        self.moves += end.moves
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
        planning = self.ask_at_chars is not None or self._thinking_turn is not None
        return turning or planning or self._finished or self._over_reasoning

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
        return thinking and self.thinking.is_over(self.reasoning_tokens)

    def step(self) -> Carry | None:
        """How the draft goes on now that the stream is closed; None if it is finished."""
        carry = self._next()
        if carry is not None:
            self.carried[carry.why] += 1
        return carry

    def _next(self) -> Carry | None:
        if self.tokens_left <= 0 or self.rules.raw:
            return None
        if self.ask_at_chars is not None:
            return self._ask_outline(self.cut_thinking(self.ask_at_chars))
        if (turn := self._thinking_turn) is not None:
            return self._leave_loop(turn)
        if (turn := self._due_turn()) is not None:
            return self._take_turn(turn)
        if self._finished:
            return None if self.answer_begun else self._repair()
        if self._over_reasoning:
            why = OUTLINE_END if self.thinking.is_asked else REASONING_BUDGET
            return Carry(why=why, words=_TO_ANSWER[self.splitter.state])
        if self._end is not None and self._end.reason == "length":
            return Carry(why=WINDOW, words="") if self.answer_begun and self.rules.paged else None
        if self._end is not None and self._end.stop == ANSWER_END and not self.answer_begun:
            return Carry(why=STOP_IN_REASONING, words="")
        return None if self.answer_begun else self._repair()

    @property
    def _thinking_turn(self) -> Turn | None:
        """A loop in thinking that still goes on: one that the model has closed is over."""
        return self.thinking.turn if self.splitter.state is State.THINK else None

    def _leave_loop(self, turn: Turn) -> Carry:
        """Back to before the loop: on with other sampling, or to the answer if there is a plan."""
        rest = self.cut_thinking(self.thinking.cut(turn))
        if turn.over or self.thinking.suffices("".join(self.log.parts) + rest):
            return self._close_thinking(THINKING_LOOP, rest)
        self._resampled += 1
        return Carry(why=THINKING_LOOP, words="", rest=rest, other_sampling=self._resampled)

    def _close_thinking(self, why: str, rest: str) -> Carry:
        """The answer is begun, unless the thinking lacks an outline and can be asked for it."""
        text = "".join(self.log.parts) + rest
        if self.thinking.lacks_outline(text, self.reasoning_tokens):
            return self._ask_outline(rest)
        return Carry(why=why, words=_TO_ANSWER[State.THINK], rest=rest)

    def _ask_outline(self, rest: str) -> Carry:
        return Carry(why=OUTLINE, words=self.thinking.ask(self.reasoning_tokens), rest=rest)

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
        self._idle_turns = self._idle_turns + 1 if self.brought_nothing else 0
        if self._idle_turns >= _MAX_IDLE_TURNS:
            return None
        rest = self.cut_answer(self.page, turn.back_to_chars)
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

    def _repair(self) -> Carry | None:
        """An ended draft without an answer: its answer is begun for it."""
        if self.carried[NO_ANSWER] >= _MAX_NO_ANSWER:
            return None
        # The mark that ended the text is taken off the log.
        done = self.splitter.state is State.DONE
        rest = self.log.cut(self.splitter.reopen()) if done else ""
        if self.splitter.state is State.THINK:
            return self._close_thinking(NO_ANSWER, rest)
        return Carry(why=NO_ANSWER, words=_TO_ANSWER.get(self.splitter.state, ""), rest=rest)

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
            moves=self.moves,
        )

    def _finish_reason(self) -> FinishReason:
        if self._finished:
            return "stop"
        cut = self._end is None or self._end.reason == "length"
        return "length" if cut else "stop"
