"""One stream as several replicas write it, one after the other. Pure: it must not pick or ask."""

from dataclasses import dataclass, field, replace

from server.engine.base import End, Job, Text
from server.engine.seam import Heard, Seam
from server.errors import EngineUnavailable

# What a failure may be told as, by its code; anything else is "other".
_WHYS = frozenset(
    {
        *("engine_died", "engine_unavailable", "connection_lost", "stalled", "server_error"),
        *("bad_stream", "wrong_model"),
    }
)
BUSY = "upstream_busy"


@dataclass(slots=True, kw_only=True)
class Relay:
    """What was written of ``job`` so far, and how it goes on elsewhere.

    max_moves: how often it may. moves: how often it did. Each is told with the next piece, once.
    """

    job: Job
    max_moves: int
    moves: int = 0
    heard: Heard = field(default_factory=Heard)
    _seam: Seam | None = None
    _untold: int = 0

    def next_job(self) -> Job | End:
        """What the next replica is asked for; an End where the text is whole but for being told
        so. Its id is new: a server may still be writing under the old one."""
        if not self.moves:
            return self.job
        id_ = f"{self.job.id}-m{self.moves}"
        if not self.heard.parts:
            return replace(self.job, id=id_)
        following = self.heard.following(self.job)
        if isinstance(following, End):
            return self._told(following)
        self._seam = Seam(self.job.stop, self.heard.tail(self.job.stop))
        return replace(following, id=id_)

    def take(self, piece: Text) -> tuple[Text, End | None]:
        """A replica's piece as the reader gets it, and the end if a stop string ends there."""
        end = None
        if self._seam is not None:
            piece, end = self._seam.pass_on(piece)
        self.heard.add(piece)
        if self._untold:
            piece = replace(piece, moves=self._untold)
            self._untold = 0
        return piece, end

    def end(self, end: End) -> End:
        """A replica's end as the reader gets it. What a later replica finds in its cache of text
        that was written, not asked, is none of the prompt's."""
        if not self.moves:
            return end
        asked_tokens = self.job.prompt.num_tokens + self.job.written.num_tokens
        return self._told(replace(end, cached_tokens=min(end.cached_tokens, asked_tokens)))

    def _told(self, end: End) -> End:
        untold, self._untold = self._untold, 0
        return replace(end, moves=untold)

    def is_busy(self, error: EngineUnavailable) -> bool:
        """Whether a server only has no room now: it says when to come again, or that it is full."""
        return not self.heard.parts and (error.code == BUSY or error.retry_after_s is not None)

    def move(self) -> bool:
        """The replica failed; whether another may be asked."""
        if self.moves >= self.max_moves:
            return False
        self.moves += 1
        self._untold += 1
        return True


def why_of(error: EngineUnavailable) -> str:
    """A failure in a word, for a metric: none of what a server said."""
    return error.code if error.code in _WHYS else "other"
