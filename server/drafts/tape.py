"""What engines said to one draft, stream by stream, as values. It must not ask an engine.

Writing is deterministic: given the pieces of its engine streams, ``server.draft`` decides all else.
So the tape of a draft is all that is needed to write it again, and to carry it on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from server.engine.base import End, Job, Passage, Piece, Sampling, Text

# Seeds of a draft's streams; see ``seeded``.
_SEED_STRIDE = 7_368_787
_MAX_SEED = 2**63


@dataclass(slots=True)
class Stretch:
    """One engine stream as far as it was heard; ``end`` None: it broke off, or was closed."""

    pieces: list[Text] = field(default_factory=list)
    end: End | None = None

    def add(self, piece: Piece) -> None:
        if isinstance(piece, End):
            self.end = piece
        else:
            self.pieces.append(piece)

    def following(self, job: Job) -> Job | End:
        """The job that carries on from the job of this stretch, behind its last piece; or the end
        that the engine would have told next.

        Worked number: 100 tokens allowed, 30 heard: 70 are left.
        """
        heard = [token_id for piece in self.pieces for token_id in piece.token_ids]
        left_tokens = job.max_tokens - len(heard)
        stop = self._stop_met(job.stop)
        if stop is not None:
            return End(reason="stop", stop=stop)
        if left_tokens < 1:
            return End(reason="length")
        after = job.after(_joined(job.written, self.text, heard), max_tokens=left_tokens)
        return replace(after, sampling=seeded(job.sampling, len(heard)))

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def tail(self, stops: Iterable[str]) -> str:
        """The end of the text, as far as a stop string that has begun may reach back into it."""
        reach_chars = max(map(len, stops), default=1) - 1
        text = ""
        for piece in reversed(self.pieces):
            if len(text) >= reach_chars:
                break
            text = piece.text + text
        return text[-reach_chars:] if reach_chars else ""

    def _stop_met(self, stops: tuple[str, ...]) -> str | None:
        """The stop string that the last piece completes; an engine ends its stream there."""
        if not self.pieces:
            return None
        last = self.pieces[-1].text
        recent = Stretch(self.pieces[:-1]).tail(stops) + last
        return next((stop for stop in stops if stop in recent), None)


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


def _joined(written: Passage, text: str, heard: list[int]) -> Passage:
    ids = None if written.token_ids is None else (*written.token_ids, *heard)
    return Passage(
        text=written.text + text, token_ids=ids, num_tokens=written.num_tokens + len(heard)
    )


@dataclass(slots=True)
class Tape:
    """The stretches of every draft of a request, by the draft's index, in order.

    idle_resumes: how often it was carried on since an engine last said anything.
    """

    stretches: dict[int, list[Stretch]] = field(default_factory=dict)
    idle_resumes: int = 0

    def open(self, index: int) -> None:
        """A new engine stream begins for a draft."""
        self.stretches.setdefault(index, []).append(Stretch())

    def add(self, index: int, piece: Piece) -> None:
        self.stretches[index][-1].add(piece)
        self.idle_resumes = 0

    def resume(self) -> None:
        """The last stretch of a draft is carried on by another stream."""
        self.idle_resumes += 1


NO_TAPE: Mapping[int, list[Stretch]] = {}
