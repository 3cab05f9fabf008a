"""The thinking of one draft: what is sent and held of it, what it lacks. It must not carry it on.

Text goes in as the splitter takes it for reasoning; positions are characters of the thinking.
"""

from dataclasses import dataclass, field

from server.events import Channel, Fragment
from server.page import Page
from server.places import Places
from server.policies.policy import Turn
from server.rules import Rules

# An outline of fewer tokens is none.
_LEAST_OUTLINE_TOKENS = 64


@dataclass(slots=True)
class Thinking:
    """What of the thinking may still be taken back; one that was closed and begins again is new.

    end_tokens: the reasoning tokens at which one that was asked for an outline is closed; None
    where nothing was asked.
    """

    rules: Rules
    end_tokens: int | None = None
    _page: Page | None = None
    _places: Places = field(default_factory=Places)

    def feed(self, text: str, log_chars: int | None) -> list[Fragment]:
        """The thinking goes on; ``log_chars``: where the text ends in the log, if that is known."""
        if self._page is None:
            policies = self.rules.planning.guard()
            self._page = Page(policies=policies, channel=Channel.REASONING)
            self._places = Places()
        fragments = self._page.feed(text)
        if log_chars is not None:
            self._places.note(self._page.num_chars, log_chars)
        return fragments

    @property
    def turn(self) -> Turn | None:
        """A loop that is certain by now."""
        return None if self._page is None else self._page.turn

    @property
    def ends_at(self) -> int | None:
        """Where in the log the thinking ends; None where that is not known."""
        if self._page is None or not self._places.known:
            return None
        return self._places.log_chars(self._page.num_chars)

    def cut(self, turn: Turn) -> int:
        """Takes back what lies behind a turn; returns where in the log that is."""
        assert self._page is not None
        self._page.cut(turn.back_to_chars)
        return self._places.log_chars(turn.back_to_chars)

    def suffices(self, text: str) -> bool:
        """Whether the answer can be written from a thinking that was cut before a loop."""
        if not self.rules.planning.is_needed:
            return True
        outline = self.rules.planning.outline_of(text)
        return outline is not None and outline.is_complete

    def lacks_outline(self, text: str, reasoning_tokens: int) -> bool:
        """Whether the thinking is to be asked for an outline: once, and where it has room."""
        if self.is_asked or not self.rules.planning.cue:
            return False
        if reasoning_tokens + _LEAST_OUTLINE_TOKENS > self.rules.reasoning_tokens:
            return False
        return self.rules.planning.outline_of(text) is None

    def ask(self, reasoning_tokens: int) -> str:
        """The words that ask for an outline, after so many tokens of reasoning."""
        self.end_tokens = reasoning_tokens + self.rules.planning.outline_tokens
        return self.rules.planning.cue

    @property
    def is_asked(self) -> bool:
        return self.end_tokens is not None

    def is_over(self, reasoning_tokens: int) -> bool:
        """Whether it has had its tokens: all there are, or those for the outline it was asked."""
        most_tokens = self.rules.reasoning_tokens
        if self.end_tokens is not None:
            most_tokens = min(most_tokens, self.end_tokens)
        return reasoning_tokens >= most_tokens

    def end(self) -> list[Fragment]:
        """The thinking is over: all that is held."""
        if self._page is None:
            return []
        page, self._page = self._page, None
        return page.finish()
