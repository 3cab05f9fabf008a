"""Where an engine stream broke off and another carries it on, as one text. Pure: no engine, no I/O.

What was heard of a stream gives the job that goes on behind it; stop strings that begin before the
seam and end behind it are found here, for an engine looks at its own text only.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from server.engine.base import End, Job, Passage, Sampling, Text

# Seeds of a stream's parts; see ``seeded``.
_SEED_STRIDE = 7_368_787
_MAX_SEED = 2**63


@dataclass(slots=True)
class Heard:
    """What an engine stream has said so far: text as it came, token ids in order; None once a
    piece came without ids, and the text alone counts."""

    parts: list[str] = field(default_factory=list)
    token_ids: list[int] | None = field(default_factory=list)
    num_tokens: int = 0

    def add(self, piece: Text) -> None:
        self.parts.append(piece.text)
        self.num_tokens += piece.num_tokens
        if piece.token_ids is None:
            self.token_ids = None
        elif self.token_ids is not None:
            self.token_ids.extend(piece.token_ids)

    def following(self, job: Job) -> Job | End:
        """The job that carries on behind what was heard of ``job``; or the end that the engine
        would have told next.

        Worked number: 100 tokens allowed, 30 heard: 70 are left.
        """
        left_tokens = job.max_tokens - self.num_tokens
        stop = self.stop_met(job.stop)
        if stop is not None:
            return End(reason="stop", stop=stop)
        if left_tokens < 1:
            return End(reason="length")
        after = job.after(self._behind(job.written), max_tokens=left_tokens)
        return replace(after, sampling=seeded(job.sampling, self.num_tokens))

    def tail(self, stops: Iterable[str]) -> str:
        """The end of the text, as far as a stop string that has begun may reach back into it."""
        return _end_of(self.parts, max(map(len, stops), default=1) - 1)

    def stop_met(self, stops: tuple[str, ...]) -> str | None:
        """The stop string that the last part completes; an engine ends its stream there."""
        if not self.parts:
            return None
        reach_chars = max(map(len, stops), default=1) - 1
        recent = _end_of(self.parts[:-1], reach_chars) + self.parts[-1]
        return next((stop for stop in stops if stop in recent), None)

    def _behind(self, written: Passage) -> Passage:
        known = written.token_ids is not None and self.token_ids is not None
        return Passage(
            text=written.text + "".join(self.parts),
            token_ids=(*(written.token_ids or ()), *(self.token_ids or ())) if known else None,
            num_tokens=written.num_tokens + self.num_tokens,
        )


def _end_of(parts: list[str], num_chars: int) -> str:
    text = ""
    for part in reversed(parts):
        if len(text) >= num_chars:
            break
        text = part + text
    return text[-num_chars:] if num_chars else ""


def seeded(sampling: Sampling, heard_tokens: int) -> Sampling:
    """The sampling of a stream that is carried on behind ``heard_tokens`` tokens of it.

    An engine begins each stream anew with its seed, and would draw the same numbers again. A floor
    of tokens counts from the stream's own start.
    """
    least_tokens = max(0, sampling.min_tokens - heard_tokens)
    seed = sampling.seed
    if seed is not None:
        seed = (seed + heard_tokens * _SEED_STRIDE) % _MAX_SEED
    return replace(sampling, min_tokens=least_tokens, seed=seed)


@dataclass(slots=True)
class Seam:
    """Finds a stop string that begins before the place where a stream was carried on, and ends
    behind it. tail: what ``Heard.tail`` says of the text before."""

    stops: tuple[str, ...]
    tail: str
    _after: str = ""

    def pass_on(self, piece: Text) -> tuple[Text, End | None]:
        """The piece, cut where a stop ends, and then the end."""
        if not self.tail:
            return piece, None
        before_chars = len(self.tail) + len(self._after)
        self._after += piece.text
        whole = self.tail + self._after
        for stop in self.stops:
            at = whole.find(stop)
            if 0 <= at < len(self.tail):
                kept = piece.text[: at + len(stop) - before_chars]
                return replace(piece, text=kept), End(reason="stop", stop=stop)
        if len(self._after) >= max(map(len, self.stops)) - 1:
            self.tail = ""
        return piece, None
