"""The file of an answer: grows with it and is exactly the answer at the end. No network."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from server.pen.outcomes import Misused

# Half a surrogate pair can come in JSON and cannot be in a file.
_LONE_SURROGATES = "replace"


def encoded(text: str) -> bytes:
    """The bytes of a text, wherever an answer goes: UTF-8."""
    return text.encode("utf-8", _LONE_SURROGATES)


class Manuscript:
    """A file that at any moment holds a beginning of the answer.

    What it already holds when a draft is resumed is compared and kept, not written again.
    """

    is_file = True

    def __init__(self, path: Path, *, resumes: bool, replaces: bool) -> None:
        """
        Raises:
            Misused: the file cannot be written, or holds something that must not be lost.
        """
        self._path = path
        self._known = b""
        self._was_there = path.exists()
        held = self._read() if self._was_there and path.is_file() else b""
        if held and not replaces:
            if not resumes:
                raise Misused(f"{path} holds something; --force writes over it")
            self._known = held
        self._replaces = bool(held) and replaces
        try:
            # Kept open while it grows. Appending, so that nothing is lost before there is a text.
            self._file: BinaryIO = path.open("ab", buffering=0)
        except OSError as error:
            raise Misused(f"cannot write {path}: {error.strerror}") from None

    @property
    def name(self) -> str:
        return str(self._path)

    def close(self) -> None:
        """Leaves the file as it is, and no file where there was none and nothing came."""
        self._file.close()
        with suppress(OSError):
            if not self._was_there and self._path.stat().st_size == 0:
                self._path.unlink()

    def write(self, text: str) -> None:
        """
        Raises:
            Misused: no room, or the file of a resumed draft holds another text.
        """
        data = encoded(text)
        known, self._known = self._known[: len(data)], self._known[len(data) :]
        if not data.startswith(known):
            raise Misused(f"{self._path} holds another text; --force writes over it")
        try:
            if self._replaces:
                self._replaces = False
                self._file.truncate(0)
            self._append(data[len(known) :])
        except OSError as error:
            raise Misused(f"cannot write {self._path}: {error.strerror}") from None

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self, answer: str) -> None:
        """Sees to it that the file is the answer and is on the disk.

        Raises:
            Misused: it cannot be, or what a resumed draft found there goes on behind its end.
        """
        if self._known:
            raise Misused(f"{self._path} goes on behind the draft's end; --force writes over it")
        data = encoded(answer)
        try:
            # A pipe or a terminal has neither.
            if not self._path.is_file():
                return
            os.fsync(self._file.fileno())
            if self._path.read_bytes() != data:
                self._put(data)
        except OSError as error:
            raise Misused(f"cannot write {self._path}: {error.strerror}") from None

    def _put(self, data: bytes) -> None:
        """Somebody wrote into the file while it grew: the right text takes its place at once."""
        path = self._path.resolve()
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with beside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(path, beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise Misused(f"cannot read {self._path}: {error.strerror}") from None
