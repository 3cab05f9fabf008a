"""What was asked for, as values. It must not know HTTP, engines or prompts."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]
LengthControl = Literal["off", "extend", "pace"]


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
    words: the length asked for beside the prompt, a number or a range; None to read the prompt.
    length_control: None for ``plan.DEFAULT_CONTROL`` where a length is known, else "off".
    loop_guard: whether repeating passages are taken back and written anew.
    """

    messages: tuple[Message, ...]
    thinking: bool = True
    max_tokens: int | None = None
    reasoning_tokens: int | None = None
    words: int | tuple[int, int] | None = None
    length_control: LengthControl | None = None
    loop_guard: bool = True
