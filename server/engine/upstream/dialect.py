"""The contract between an upstream engine and the dialects of its servers. No I/O."""

from typing import Any, Protocol

from server.engine.base import End, Job, Text
from server.engine.upstream.frames import Lines


class Hearing(Protocol):
    """One stream, payload by payload."""

    def take(self, payload: bytes) -> list[Text]:
        """The pieces that a payload holds.

        Raises:
            Broken: it is not what a correct server sends. LonghandError: the request is wrong.
        """
        ...

    @property
    def end(self) -> End | None:
        """How the text ended; None as long as it has not. What it tells of the prefix cache may
        still come."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the server need not say more."""
        ...


class Dialect(Protocol):
    """How one kind of server is asked to carry a text on."""

    @property
    def path(self) -> str: ...

    @property
    def content_type(self) -> str: ...

    def frames(self) -> Lines:
        """A reader of one stream's bytes."""
        ...

    def body(self, job: Job) -> dict[str, Any]:
        """The request.

        Raises:
            BadRequest: the server cannot do it; names the field.
        """
        ...

    def hear(self, job: Job) -> Hearing: ...
