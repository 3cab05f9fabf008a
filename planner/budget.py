"""Splits the context window between prompt, reasoning and answer. It must not count tokens."""

from dataclasses import dataclass


class DoesNotFit(ValueError):
    """The prompt leaves no room in the window."""

    def __init__(self, *, prompt_tokens: int, window_tokens: int) -> None:
        self.prompt_tokens = prompt_tokens
        self.window_tokens = window_tokens
        # One token of output is the least that makes a request worth starting.
        self.over_tokens = prompt_tokens + 1 - window_tokens
        super().__init__(
            f"the prompt is {prompt_tokens} tokens and the context window {window_tokens}: "
            f"{self.over_tokens} tokens too many, one kept for the answer"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Tokens: the prompt's, the most the model may write, the most of these for reasoning."""

    prompt_tokens: int
    max_tokens: int
    reasoning_tokens: int


def split_window(
    *,
    window_tokens: int,
    prompt_tokens: int,
    max_tokens: int | None,
    reasoning_tokens: int | None,
) -> Budget:
    """Budget of one draft.

    ``max_tokens`` is an upper bound, so one that the window cannot hold is lowered, not refused.
    Reasoning never takes more than half of the allowance: LongWriter-Zero's thinking settles at
    2,000-3,000 tokens by itself (arXiv 2506.18841), so this is a guard against thinking that never
    closes and would leave an empty answer.
    Worked number: window 32,768, prompt 768, nothing else asked: 32,000 to write, 16,000 of them
    for reasoning at most.

    Raises:
        DoesNotFit: the prompt leaves no room for a single token.
    """
    room_tokens = window_tokens - prompt_tokens
    if room_tokens < 1:
        raise DoesNotFit(prompt_tokens=prompt_tokens, window_tokens=window_tokens)
    allowed_tokens = room_tokens if max_tokens is None else min(max_tokens, room_tokens)
    half_tokens = allowed_tokens // 2
    capped_tokens = half_tokens if reasoning_tokens is None else min(reasoning_tokens, half_tokens)
    return Budget(
        prompt_tokens=prompt_tokens, max_tokens=allowed_tokens, reasoning_tokens=capped_tokens
    )
