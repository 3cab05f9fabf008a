"""A brief is a plain value."""

from dataclasses import FrozenInstanceError

import pytest

from planner.brief import Brief, Message


def test_a_brief_thinks_and_takes_all_the_room_unless_told_otherwise() -> None:
    brief = Brief(messages=(Message(role="user", content="Write."),))
    assert (brief.thinking, brief.max_tokens, brief.reasoning_tokens) == (True, None, None)


def test_a_brief_cannot_be_changed() -> None:
    for name in ("messages", "thinking", "max_tokens", "reasoning_tokens"):
        with pytest.raises(FrozenInstanceError):
            setattr(Brief(messages=()), name, None)
