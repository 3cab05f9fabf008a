"""Where an answer goes: a pipe here, a file in ``manuscript``. It must not change a byte."""

from typing import BinaryIO, Protocol

from server.pen.manuscript import encoded


class Sink(Protocol):
    """Takes an answer as it grows. ``name`` is what people are told of it; ``is_file``: whether a
    resumed draft can go on there."""

    is_file: bool

    @property
    def name(self) -> str: ...

    def write(self, text: str) -> None: ...

    def finish(self, answer: str) -> None: ...

    def close(self) -> None: ...


class Pipe:
    """Standard output that something reads: the answer and not a byte more."""

    name = "standard output"
    is_file = False

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        """
        Raises:
            BrokenPipeError: nobody reads any more.
        """
        self._out.write(encoded(text))
        self._out.flush()

    def finish(self, answer: str) -> None:
        """Nothing is left to do: every byte went out when it came."""

    def close(self) -> None:
        """Standard output is not ours to close."""
