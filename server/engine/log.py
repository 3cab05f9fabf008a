"""A draft so far, as text and token ids, that grows and can be cut. It must not know channels."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from server.engine.base import Passage


@dataclass(slots=True)
class Log:
    """Text and token ids, appended to as pieces arrive.

    Once a text without ids was appended the ids are gone for good and the text alone counts.
    """

    parts: list[str] = field(default_factory=list)
    token_ids: list[int] | None = field(default_factory=list)
    num_tokens: int = 0
    # Characters and tokens up to the end of each part.
    _ends_chars: list[int] = field(default_factory=list)
    _ends_tokens: list[int] = field(default_factory=list)

    @property
    def num_chars(self) -> int:
        return self._ends_chars[-1] if self._ends_chars else 0

    def append(self, text: str, token_ids: tuple[int, ...] | None, num_tokens: int) -> None:
        self._ends_chars.append(self.num_chars + len(text))
        self.parts.append(text)
        self.num_tokens += num_tokens
        self._ends_tokens.append(self.num_tokens)
        if token_ids is None:
            self.token_ids = None
        elif self.token_ids is not None:
            self.token_ids.extend(token_ids)

    def drop_last_id(self) -> None:
        """Takes the last token id off; the text it stood for was empty."""
        if self.token_ids:
            self.token_ids.pop()
            self.num_tokens -= 1
            self._ends_tokens[-1] = self.num_tokens

    def cut(self, num_chars: int) -> str:
        """Keeps the first ``num_chars`` characters, as far as whole parts go; returns the rest of
        them, whose token was cut through: append it again once it has ids of its own.

        Worked number: parts "On", "ce up", cut at 4: "On" is kept, "ce" returned.
        """
        kept = bisect_right(self._ends_chars, num_chars)
        while kept and not self.parts[kept - 1]:
            # A part without text may be the first bytes of a character that was cut off.
            kept -= 1
        start_chars = self._ends_chars[kept - 1] if kept else 0
        rest = "".join(self.parts[kept:])[: num_chars - start_chars]
        del self.parts[kept:], self._ends_chars[kept:], self._ends_tokens[kept:]
        self.num_tokens = self._ends_tokens[-1] if kept else 0
        if self.token_ids is not None:
            del self.token_ids[self.num_tokens :]
        return rest

    def latest(self, max_tokens: int) -> int:
        """Where, in characters, the latest pages of at most ``max_tokens`` begin: at the start of
        a line if there is one in their first quarter.

        Worked number: parts "A.\\n", "B", " b", "." of a token each, 3 tokens: at 3, before "B".
        """
        if self.num_tokens <= max_tokens:
            return 0
        first = bisect_left(self._ends_tokens, self.num_tokens - max_tokens) + 1
        lines = range(first, first + (len(self.parts) - first) // 4 + 1)
        at = next((i for i in lines if self._line_begins(i)), first)
        return self._ends_chars[at - 1]

    def _line_begins(self, at: int) -> bool:
        """Whether a line ends right before part ``at`` or at its start."""
        return self.parts[at - 1].endswith("\n") or "".join(self.parts[at : at + 1])[:1] == "\n"

    def since(self, num_chars: int) -> Passage:
        """What follows the first ``num_chars`` characters, which end with a part."""
        first = bisect_left(self._ends_chars, num_chars) + 1 if num_chars else 0
        before_tokens = self._ends_tokens[first - 1] if first else 0
        ids = None if self.token_ids is None else tuple(self.token_ids[before_tokens:])
        return Passage(
            text="".join(self.parts[first:]),
            token_ids=ids,
            num_tokens=self.num_tokens - before_tokens,
        )

    def script(self) -> Passage:
        ids = None if self.token_ids is None else tuple(self.token_ids)
        return Passage(text="".join(self.parts), token_ids=ids, num_tokens=self.num_tokens)
