"""A channel of one draft as its policies see it: what may be sent, what is held, how it turns.

Text goes in as the model writes it and comes out when no policy can take it back any more. It must
not know tags, engines or the log; positions are characters of the channel.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from planner.words import WordCounter
from server.events import Channel, Fragment, TokenLogprob
from server.policies.policy import Policy, Turn


@dataclass(slots=True)
class Page:
    """Sent text is final; ``turn`` and ``ended`` speak of what is still held."""

    policies: Sequence[Policy] = ()
    channel: Channel = Channel.ANSWER
    words: WordCounter = field(default_factory=WordCounter)
    num_chars: int = 0
    sent_chars: int = 0
    _held: str = ""
    # Log-probabilities of held text, with the character behind each token.
    _logprobs: deque[tuple[int, TokenLogprob]] = field(default_factory=deque)

    def feed(self, text: str, logprobs: Sequence[TokenLogprob] = ()) -> list[Fragment]:
        """The fragment that is safe to send now, if any."""
        self.num_chars += len(text)
        self._held += text
        self._logprobs.extend((self.num_chars, one) for one in logprobs)
        for policy in self.policies:
            policy.feed(text)
        safe_chars = min((p.safe_chars for p in self.policies), default=self.num_chars)
        return self._send(safe_chars)

    @property
    def turn(self) -> Turn | None:
        """The turn that is due now; of several the one that goes back furthest."""
        turns = [policy.turn for policy in self.policies]
        due = [turn for turn in turns if turn is not None]
        return min(due, key=lambda turn: turn.back_to_chars) if due else None

    def ended(self) -> Turn | None:
        """The model has ended the answer: the first policy that would go on decides how."""
        for policy in self.policies:
            turn = policy.ended()
            if turn is not None:
                return turn
        return None

    def cut(self, num_chars: int) -> None:
        """Takes back what lies behind ``num_chars``; none of it was sent."""
        assert num_chars >= self.sent_chars
        self._held = self._held[: num_chars - self.sent_chars]
        self.num_chars = num_chars
        while self._logprobs and self._logprobs[-1][0] > num_chars:
            self._logprobs.pop()
        for policy in self.policies:
            policy.rewind(num_chars)

    def finish(self) -> list[Fragment]:
        """All that is held, now that nothing turns any more."""
        return self._send(self.num_chars)

    def _send(self, safe_chars: int) -> list[Fragment]:
        length = safe_chars - self.sent_chars
        if length <= 0:
            return []
        text, self._held = self._held[:length], self._held[length:]
        self.sent_chars = safe_chars
        self.words.feed(text)
        told: list[TokenLogprob] = []
        while self._logprobs and self._logprobs[0][0] <= safe_chars:
            told.append(self._logprobs.popleft()[1])
        return [Fragment(channel=self.channel, text=text, logprobs=tuple(told))]
