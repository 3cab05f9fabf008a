"""What somebody wants written, as a chat request. No I/O, no async."""

from dataclasses import dataclass
from typing import Any

from server.pen.client import Served
from server.pen.outcomes import Misused


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A draft to be written. words: None leaves the length to the prompt. stores: whether the
    server is to keep the draft, where it can."""

    prompt: str
    words: int | None = None
    best_of: int | None = None
    model: str | None = None
    stores: bool = True

    def body(self, served: Served) -> dict[str, Any]:
        """The request for one server. One that is no Longhand is sent nothing but what OpenAI's
        API has, for many refuse the rest; it is asked for the length in words of the prompt.

        Raises:
            Misused: it cannot choose between drafts.
        """
        if not served.is_longhand:
            if self.best_of is not None:
                raise Misused("--best-of needs a Longhand server, and this one is none")
            return self._body(served, f"{self.prompt}{self._plea()}")
        options = {"words": self.words, "best_of": self.best_of, "progress": True}
        body = self._body(served, self.prompt)
        body["writing"] = {name: value for name, value in options.items() if value is not None}
        return {**body, "store": True} if self.stores else body

    def _plea(self) -> str:
        return "" if self.words is None else f"\n\nLength: about {self.words} words."

    def _body(self, served: Served, prompt: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": prompt}]
        return {"model": served.model, "messages": messages, "stream": True}
