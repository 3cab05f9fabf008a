"""The live display of a draft in a terminal. It must not decide anything, nor touch the answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from server.pen.events import Candidate, Channel
from server.pen.progress import Progress
from server.pen.wording import counted, duration, printable

ReasoningShown = Literal["dim", "hide"]

REFRESH_S: Final = 0.125
_BAR_CELLS = 30
_LEAST_BAR_CELLS = 8
# Of the line that is being written, so many rows are shown under the lines that are done.
_TAIL_ROWS = 6
_DIM = "dim"
_REMARK = "yellow"


class Display(Protocol):
    """What is told of a draft while it is written."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def refresh(self) -> None: ...
    def said(self, channel: Channel, text: str) -> None: ...
    def stands(self, candidates: tuple[Candidate, ...]) -> None: ...
    def waits(self, why: str, wait_s: float) -> None: ...
    def connects(self) -> None: ...
    def remarks(self, sentence: str) -> None: ...


class Blank:
    """Nothing, where nobody looks."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def refresh(self) -> None: ...
    def said(self, channel: Channel, text: str) -> None: ...
    def stands(self, candidates: tuple[Candidate, ...]) -> None: ...
    def waits(self, why: str, wait_s: float) -> None: ...
    def connects(self) -> None: ...
    def remarks(self, sentence: str) -> None: ...


@dataclass(slots=True, kw_only=True)
class Screen:
    """Lines that are done scroll by; below them the line being written, and how far the draft is.

    shows_text: False where the answer goes elsewhere and only progress is shown here.
    """

    console: Console
    progress: Progress
    shows_text: bool = True
    reasoning: ReasoningShown = "dim"
    clock: Callable[[], float] = time.monotonic
    _live: Live | None = None
    _began_s: float | None = None
    _channel: Channel | None = None
    _tail: str = ""
    _done: list[Text] = field(default_factory=list)
    _reasoning_words: int = 0
    _candidates: tuple[Candidate, ...] = ()
    _wait: tuple[str, float] | None = None
    _styles: dict[Channel, str] = field(
        default_factory=lambda: {Channel.REASONING: f"{_DIM} italic", Channel.ANSWER: ""}
    )

    def start(self) -> None:
        if self._began_s is None:
            self._began_s = self.clock()
        # Refreshed by whoever runs the draft: no thread looks at half-made changes.
        self._live = Live(
            console=self.console,
            get_renderable=self._render,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)

    def stop(self) -> None:
        """Takes the progress away; the text so far stays."""
        if self._live is not None:
            self._end_line()
            self.refresh()
            self._live.stop()
            self._live = None

    def refresh(self) -> None:
        self.progress.pace.observe(self.clock(), self.progress.tally.words)
        if self._live is None:
            return
        # Both in one write: what is shown between them is out of date.
        with self.console:
            if self._done:
                # Soft-wrapped: the terminal breaks a line, and a paragraph is copied as one.
                self.console.print(Text("\n").join(self._done), soft_wrap=True)
                self._done.clear()
            self._live.refresh()

    def said(self, channel: Channel, text: str) -> None:
        self._wait = None
        if channel is not self._channel:
            self._turn_to(channel)
        if channel is Channel.REASONING:
            self._reasoning_words += len(text.split())
        if self._shows(channel):
            *lines, self._tail = (self._tail + printable(text)).split("\n")
            self._done.extend(Text(line, self._style()) for line in lines)

    def stands(self, candidates: tuple[Candidate, ...]) -> None:
        self._candidates = candidates

    def waits(self, why: str, wait_s: float) -> None:
        self._wait = (printable(why), self.clock() + wait_s)
        self.refresh()

    def connects(self) -> None:
        self._wait = None

    def remarks(self, sentence: str) -> None:
        self._end_line()
        self._done.append(Text(printable(sentence), _REMARK))
        self.refresh()

    def _turn_to(self, channel: Channel) -> None:
        self._end_line()
        if self._channel is not None and self._shows(self._channel):
            self._done.append(Text(""))
        self._channel = channel
        self._candidates = ()

    def _shows(self, channel: Channel) -> bool:
        return self.shows_text and (channel is Channel.ANSWER or self.reasoning == "dim")

    def _end_line(self) -> None:
        if self._tail:
            self._done.append(Text(self._tail, self._style()))
            self._tail = ""

    def _style(self) -> str:
        return "" if self._channel is None else self._styles[self._channel]

    def _render(self) -> RenderableType:
        rows: list[RenderableType] = []
        if self._tail:
            # A line may be a whole chapter; only its end is laid out.
            last = self._tail[-2 * _TAIL_ROWS * self.console.width :]
            wrapped = Text(last, self._style()).wrap(self.console, self.console.width)
            rows.extend(wrapped[-_TAIL_ROWS:])
        rows.append(self._headline())
        rows.extend(_candidate_row(each) for each in self._candidates)
        rows.append(self._bar())
        return Group(*rows)

    def _headline(self) -> Text:
        if self._wait is not None:
            why, until_s = self._wait
            left_s = max(0.0, until_s - self.clock())
            return Text(
                f"{why}; again in {left_s:.0f} s", _REMARK, overflow="ellipsis", no_wrap=True
            )
        if self._candidates:
            return Text(f"{counted(len(self._candidates), 'candidate')}, the best to be shown")
        if self._channel is None:
            return Text("waiting for the first words", _DIM)
        if self._channel is Channel.REASONING:
            return Text(f"planning: {counted(self._reasoning_words, 'word')} of thought", _DIM)
        title = printable(self.progress.sections.title)
        headline = Text("writing", overflow="ellipsis", no_wrap=True)
        return headline.append(f": {title}", "bold") if title else headline

    def _bar(self) -> RenderableType:
        figures = self._figures()
        target = self.progress.target_words
        if target is None:
            return Text(figures, no_wrap=True, overflow="ellipsis")
        cells = min(_BAR_CELLS, self.console.width - len(figures) - 2)
        if cells < _LEAST_BAR_CELLS:
            return Text(figures, no_wrap=True, overflow="ellipsis")
        row = Table.grid(padding=(0, 1))
        done = min(self.progress.tally.words, target)
        row.add_row(ProgressBar(total=target, completed=done, width=cells), figures)
        return row

    def _figures(self) -> str:
        progress = self.progress
        words, target = progress.tally.words, progress.target_words
        pace, left_s = progress.pace.words_per_s, progress.left_s()
        told = [f"{words:,} of {counted(target, 'word')}" if target else counted(words, "word")]
        if pace is not None:
            told.append(f"{pace:.1f} words/s" if pace < 10 else f"{pace:.0f} words/s")
        if left_s is not None:
            told.append(f"{duration(left_s)} left")
        told.append(duration(self.clock() - (self._began_s or self.clock())))
        return " · ".join(told)


def _candidate_row(candidate: Candidate) -> Text:
    score = "" if candidate.score is None else f", score {candidate.score:.2f}"
    words = counted(candidate.words, "word")
    return Text(f"  {candidate.index + 1}: {printable(candidate.state)}, {words}{score}", _DIM)
