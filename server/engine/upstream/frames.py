"""Bytes of a streamed answer to its payloads, wherever they are split. No I/O.

Our own and not httpx-sse: httpx decodes with U+FFFD in the place of invalid bytes
(``httpx.Response.aiter_text``, 0.28), which would be wrong text; here bytes stay bytes.
"""

from collections.abc import Iterator

from server.engine.upstream.faults import Broken

DONE = b"[DONE]"
# vLLM's first chunk repeats the prompt's ids: a million of them take 8 MB.
MAX_LINE_BYTES = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class Lines:
    """Newline-delimited JSON: every line that is not empty is a payload."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._after_cr = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that ``data`` completes.

        Raises:
            Broken: a line, or an event of several, is longer than MAX_LINE_BYTES.
        """
        for line in self._lines(data):
            yield from self._take(line)

    def _lines(self, data: bytes) -> list[bytes]:
        """Whole lines without their ends, which are LF, CR LF or CR."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        lines = data.splitlines()
        open_end = lines.pop() if lines and not data.endswith((b"\n", b"\r")) else b""
        if lines:
            lines[0] = b"".join((*self._held, lines[0]))
            self._held, self._held_bytes = [], 0
        self._held.append(open_end)
        self._held_bytes += len(open_end)
        if max(self._held_bytes, len(lines[0]) if lines else 0) > MAX_LINE_BYTES:
            raise Broken("sent a line without an end")
        return lines

    def _take(self, line: bytes) -> Iterator[bytes]:
        if line:
            yield line


class Events(Lines):
    """Server-sent events (WHATWG HTML, 9.2.6): the data of each, joined over its lines."""

    def __init__(self) -> None:
        super().__init__()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._is_first = True

    def _take(self, line: bytes) -> Iterator[bytes]:
        if self._is_first:
            self._is_first, line = False, line.removeprefix(_BOM)
        if not line:
            if self._data:
                yield b"\n".join(self._data)
            self._data, self._data_bytes = [], 0
        elif line.startswith(b"data:"):
            self._add(line[5:])
        elif line.startswith(b"error:"):
            # llama.cpp's server before December 2025 (tools/server, "error: {...}").
            self._add(b'{"error":' + line[6:] + b"}")

    def _add(self, value: bytes) -> None:
        self._data.append(value.removeprefix(b" "))
        self._data_bytes += len(value)
        if self._data_bytes > MAX_LINE_BYTES:
            raise Broken("sent an event without an end")
