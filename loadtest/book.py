"""A book as one stream through a small window: order, repeats, memory (``make bench-book``).

Black box: it starts the server with a window far too small for the book, streams the whole of it,
and reads what was delivered. It must not import the server.
"""

import argparse
import json
import re
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from loadtest.lengths import POCKET, count_words, loops
from loadtest.process import Running, server

_HEADING = re.compile(r"^## (\d+) of (\d+)(?:: | - | — ).*$", re.MULTILINE)
_SAMPLE_EVERY_CHUNKS = 10_000
_READ_S = 3_600.0


@dataclass(slots=True)
class Book:
    """What came of the stream. ``memory_mib``: chunks so far, front end, the whole tree."""

    text: str = ""
    finish_reason: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    memory_mib: list[tuple[int, float, float]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def numbers(self) -> list[int]:
        """The numbers of its headings, in the order in which they came."""
        return [int(number) for number, _ in _HEADING.findall(self.text)]

    @property
    def repeated_sections(self) -> int:
        """Sections that say word for word what an earlier one says."""
        sections = (part.strip() for part in _HEADING.split(self.text)[::3][1:])
        return sum(times - 1 for text, times in Counter(sections).items() if text)

    def out_of_order(self) -> list[tuple[int, int]]:
        """Neighbouring headings that do not count on: [(12, 22)]."""
        pairs = zip(self.numbers, self.numbers[1:], strict=False)
        return [(one, other) for one, other in pairs if other != one + 1]

    def lines(self, asked_words: int) -> Iterator[str]:
        """The report that ``main`` prints."""
        words = count_words(self.text)
        ratio = words / asked_words
        yield f"words {words:,} of {asked_words:,} ({ratio:.3f}), {self.finish_reason}"
        yield f"seconds {self.seconds:.0f}, windows {self.report.get('windows', 1)}"
        yield f"headings {len(self.numbers)}, not counting on {self.out_of_order()}"
        yield f"sections that came before {self.repeated_sections}, loops {loops(self.text)}"
        first, last = self.memory_mib[0], self.memory_mib[-1]
        yield f"front end {first[1]:.0f} MiB at first, {last[1]:.0f} MiB at last"
        yield f"with the engine {first[2]:.0f} MiB at first, {last[2]:.0f} MiB at last"


def read(running: Running, asked_words: int, seed: int) -> Book:
    """The whole book, as it streams.

    Raises:
        RuntimeError: the stream carried an error event.
    """
    prompt = f"Write a {asked_words:,}-word book about glassblowing."
    body = {
        "model": "pocket",
        "stream": True,
        "seed": seed,
        "messages": [{"role": "user", "content": prompt}],
    }
    request = urllib.request.Request(
        f"{running.url}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    book, parts = Book(), []
    began = time.monotonic()
    with urllib.request.urlopen(request, timeout=_READ_S) as answer:
        for number, chunk in enumerate(_chunks(answer)):
            if number % _SAMPLE_EVERY_CHUNKS == 0:
                book.memory_mib.append((number, *running.memory_mib()))
            book.report = chunk.get("writing") or book.report
            for choice in chunk.get("choices", ()):
                parts.append(choice["delta"].get("content") or "")
                book.finish_reason = choice.get("finish_reason") or book.finish_reason
    book.memory_mib.append((number, *running.memory_mib()))
    book.seconds = time.monotonic() - began
    book.text = "".join(parts)
    return book


def _chunks(answer: Any) -> Iterator[dict[str, Any]]:
    for line in answer:
        if not line.startswith(b"data: {"):
            continue
        chunk = json.loads(line[6:])
        if "error" in chunk:
            raise RuntimeError(f"the stream broke off: {chunk['error']}")
        yield chunk


def main() -> None:
    """Writes the book and prints what it is like; exits 1 where it is not as it should be."""
    parser = argparse.ArgumentParser(prog="loadtest.book", description=__doc__)
    parser.add_argument("--words", type=int, default=100_000)
    parser.add_argument("--window", type=int, default=32_768, help="tokens")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--port", type=int, default=8_932)
    parser.add_argument("--text", help="where to leave the book")
    options = parser.parse_args()
    serve = ["server", "serve", "--model", str(POCKET), "--port", str(options.port)]
    environment = {
        "LONGHAND_SERVED_MODEL_NAME": "pocket",
        "LONGHAND_LOG_LEVEL": "warning",
        "LONGHAND_MAX_MODEL_LEN": str(options.window),
    }
    with server(
        "longhand", serve, port=options.port, health="/health/ready", environment=environment
    ) as running:
        book = read(running, options.words, options.seed)
    if options.text:
        with open(options.text, "w", encoding="utf-8") as file:
            file.write(book.text)
    print("\n".join(book.lines(options.words)))
    ratio = count_words(book.text) / options.words
    sys.exit(0 if 0.9 <= ratio <= 1.1 and not book.out_of_order() else 1)


if __name__ == "__main__":
    main()
