"""What engines said to one draft, stream by stream, as values. It must not ask an engine.

Writing is deterministic: given the pieces of its engine streams, ``server.draft`` decides all else.
So the tape of a draft is all that is needed to write it again, and to carry it on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.engine.base import End, Job, Piece, Text
from server.engine.seam import Heard


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
        that the engine would have told next."""
        return self.heard.following(job)

    @property
    def heard(self) -> Heard:
        said = Heard()
        for piece in self.pieces:
            said.add(piece)
        return said


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
