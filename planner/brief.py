"""What was asked for, as values. It must not know HTTP, engines or prompts."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation: plain text, the assistant's own thinking left out."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """A validated request.

    messages: at least one, the last one from the user.
    thinking: whether the model plans in <think> first (``reasoning_effort`` other than "none").
    max_tokens: upper bound on reasoning and answer together; None for all the room there is.
    reasoning_tokens: upper bound on the reasoning alone; None for the share in ``budget``.
    """

    messages: tuple[Message, ...]
    thinking: bool = True
    max_tokens: int | None = None
    reasoning_tokens: int | None = None
