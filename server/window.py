"""How a draft goes on in a new window of the engine's context. It must not decide when.

A window holds the prompt, a recap, the latest pages, and room for as much again.
"""

from dataclasses import dataclass

from planner.budget import PAGES_SHARE, RECAP_SHARE
from server.engine.base import Passage
from server.engine.log import Log
from server.recap import recap


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What stands in place of the log's text before ``from_chars``."""

    head: Passage
    from_chars: int

    def script(self, log: Log) -> Passage:
        """The head and the latest pages; ids only if both have them."""
        pages = log.since(self.from_chars)
        ids = None
        if self.head.token_ids is not None and pages.token_ids is not None:
            ids = self.head.token_ids + pages.token_ids
        return Passage(
            text=self.head.text + pages.text,
            token_ids=ids,
            num_tokens=self.head.num_tokens + pages.num_tokens,
        )


def head_text(log: Log, answer_from_chars: int, window_tokens: int) -> str:
    """The recap of a log whose answer begins at a character of it.

    Its length in characters follows from the log's own tokens: 20,000 characters in 5,000 tokens
    and a window of 32,768 give 0.15 x 32,768 x 4 = 19,660 characters at most.
    """
    text = "".join(log.parts)
    chars_per_token = log.num_chars / max(1, log.num_tokens)
    max_chars = round(RECAP_SHARE * window_tokens * chars_per_token)
    return recap(text[:answer_from_chars], text[answer_from_chars:], max_chars=max_chars)


def pages_from_chars(log: Log, answer_from_chars: int, window_tokens: int) -> int:
    """Where the latest pages begin, at the start of a line if one is near."""
    return max(answer_from_chars, log.latest(round(PAGES_SHARE * window_tokens)))
