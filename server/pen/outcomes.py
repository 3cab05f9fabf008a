"""How a command of the pen ends: exit codes, and the errors behind them. It must print nothing."""

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """The exit codes of ``longhand write`` and ``longhand drafts``; docs/pen.md lists them."""

    WRITTEN = 0
    REFUSED = 1
    MISUSED = 2
    LOST = 3
    CANCELLED = 4
    CUT = 5
    UNFINISHED = 6
    # What shells give a process that SIGINT ended: 128 + 2.
    LEFT = 130


class PenError(Exception):
    """Ends a command; the message is a sentence for the person at the terminal."""

    exit_code: ClassVar[Exit] = Exit.REFUSED


class Misused(PenError):
    """Arguments, a file or an address that cannot be used as they are."""

    exit_code = Exit.MISUSED


class Lost(PenError):
    """There is no connection, and no more hope of one."""

    exit_code = Exit.LOST


class Failed(PenError):
    """The server could not write the draft to its end."""


class Unfinished(PenError):
    """The draft is kept unfinished, and the server carries none on unasked."""

    exit_code = Exit.UNFINISHED


class Refused(PenError):
    """The server answered with an error.

    status: the HTTP status. param: the field it names. may_retry: whether the same request may be
    sent again, with ``retry_after_s`` as the server's advice in seconds.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        param: str | None = None,
        may_retry: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.may_retry = may_retry
        self.retry_after_s = retry_after_s


class Broken(Exception):
    """A connection that broke or was never made. ``sent``: the request may have arrived."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent
