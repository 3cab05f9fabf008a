"""Who is told of a draft's entries as they are stored. It must not read or write a store."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable

Line = asyncio.Queue[bytes | None]


class Followers:
    """Lines by draft. ``call`` runs a function on the event loop, from whatever thread tells."""

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call
        self._lines: dict[str, list[Line]] = {}

    def join(self, draft_id: str, line: Line, stored: Iterable[bytes]) -> None:
        """Tells ``line`` what is stored, and from now on what comes after it. Nothing may be
        stored between the reading of ``stored`` and this."""
        for body in stored:
            self._call(line.put_nowait, body)
        self._lines.setdefault(draft_id, []).append(line)

    def leave(self, draft_id: str, line: Line) -> None:
        """Nothing is told to ``line`` any more, if it still was."""
        lines = self._lines.get(draft_id, [])
        if line in lines:
            lines.remove(line)
        if not lines:
            self._lines.pop(draft_id, None)

    def tell(self, draft_id: str, body: bytes) -> None:
        """A new entry is stored."""
        for line in self._lines.get(draft_id, ()):
            self._call(line.put_nowait, body)

    def over(self, draft_id: str) -> None:
        """Nothing will be added to this draft."""
        for line in self._lines.pop(draft_id, ()):
            self._call(line.put_nowait, None)


async def told(line: Line) -> AsyncGenerator[bytes, None]:
    """What a line is told, until its draft is over."""
    while (body := await line.get()) is not None:
        yield body
