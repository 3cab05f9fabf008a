"""What a request takes of the engine while it is written, in drafts and in tokens of the KV cache.

It must not know the engine: what a draft holds is an expectation, corrected as it is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one draft is expected to write, and the most that it can hold of a window, in tokens."""

    expected_tokens: int
    most_tokens: int


@dataclass(slots=True)
class Claim:
    """``prompt_tokens`` once, as vLLM keeps a prefix that drafts share once, and a share a draft.

    is_guess: whether the shares stand for a length that nobody stated.
    Worked number: a prompt of 800 tokens, four drafts of 3,000: 12,800.
    """

    prompt_tokens: int
    shares: Sequence[Share]
    is_guess: bool = False
    _held: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._held = {at: share.expected_tokens for at, share in enumerate(self.shares)}

    @property
    def drafts(self) -> int:
        """How many are still to be written to their end."""
        return len(self._held)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + sum(self._held.values())

    def wrote(self, index: int, tokens: int) -> int:
        """Corrects the share of a draft that has now ``tokens``; returns by how much it grew.

        It grows a quarter ahead of the draft, so that this is seldom, and never over a window.
        Worked number: expected 3,000, written 3,001: 3,751.
        """
        held = self._held.get(index, tokens)
        if tokens <= held:
            return 0
        grown = max(held, min(tokens + tokens // 4, self.shares[index].most_tokens))
        self._held[index] = grown
        return grown - held

    def stop(self, index: int) -> int:
        """A draft has stopped; returns the tokens that it held. The last one's stay to the end."""
        return self._held.pop(index, 0) if len(self._held) > 1 else 0
