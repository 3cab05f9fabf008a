"""What a terminal shows while a draft is written."""

import io
import re

import pytest
from rich.console import Console

from server.pen.events import Candidate, Channel
from server.pen.progress import Progress, progress_of
from server.pen.screen import Blank, Screen

_MOVES = re.compile("(\x1b\\[[0-9;?]*[A-Za-z]|\r|\n)")


class Grid:
    """Lines as a terminal would show them, all that have scrolled away included."""

    def __init__(self) -> None:
        self._lines, self._row, self._column = [""], 0, 0

    def feed(self, written: str) -> None:
        for part in _MOVES.split(written):
            self._take(part)

    def _take(self, part: str) -> None:
        match part:
            case "\n":
                self._row, self._column = self._row + 1, 0
                self._lines += [""] * (self._row + 1 - len(self._lines))
            case "\r":
                self._column = 0
            case "\x1b[1A":
                self._row -= 1
            case "\x1b[2K":
                self._lines[self._row] = ""
            case _ if not part.startswith("\x1b"):
                line = self._lines[self._row].ljust(self._column)
                self._column += len(part)
                self._lines[self._row] = line[: self._column - len(part)] + part

    @property
    def lines(self) -> list[str]:
        return "\n".join(line.rstrip() for line in self._lines).rstrip().split("\n")


class Terminal:
    """A screen of 60 columns, a clock that is set by hand, and what was written to it."""

    def __init__(self, progress: Progress | None = None, *, width: int = 60, **given: object):
        self.out, self.grid = io.StringIO(), Grid()
        self.now_s = 100.0
        console = Console(
            file=self.out, force_terminal=True, width=width, height=20, color_system="standard"
        )
        self.progress = progress or progress_of("", 200)
        self.screen = Screen(
            console=console,
            progress=self.progress,
            clock=lambda: self.now_s,
            **given,  # type: ignore[arg-type]  # as the screen names them
        )
        self.screen.start()

    def said(self, text: str, channel: Channel = Channel.ANSWER) -> None:
        if channel is Channel.ANSWER:
            self.progress.feed(text)
        self.screen.said(channel, text)

    def shown(self) -> list[str]:
        """What is on the screen after another look."""
        self.screen.refresh()
        return self._lines()

    def end(self) -> list[str]:
        """What stays."""
        self.screen.stop()
        return self._lines()

    def _lines(self) -> list[str]:
        self.grid.feed(self.out.getvalue())
        self.out.seek(0)
        self.out.truncate()
        return self.grid.lines


def test_before_the_first_word_it_says_so() -> None:
    terminal = Terminal()
    terminal.now_s += 65
    assert terminal.shown()[0] == "waiting for the first words"
    assert terminal.shown()[1].endswith("━ 0 of 200 words · 1:05")
    terminal.screen.stop()


def test_the_plan_is_shown_and_counted() -> None:
    terminal = Terminal()
    terminal.said("One thought.\nAnd ano", Channel.REASONING)
    assert terminal.shown()[:3] == ["One thought.", "And ano", "planning: 4 words of thought"]
    terminal.screen.stop()


def test_a_hidden_plan_is_counted_all_the_same() -> None:
    terminal = Terminal(reasoning="hide")
    terminal.said("One thought.\nAnd ano", Channel.REASONING)
    assert terminal.shown()[0] == "planning: 4 words of thought"
    terminal.said("Once.")
    assert terminal.shown()[0] == "Once."
    terminal.screen.stop()


def test_finished_lines_stay_above_the_one_being_written() -> None:
    terminal = Terminal()
    terminal.said("Plan", Channel.REASONING)
    terminal.said("# One\nOnce up")
    assert terminal.shown()[:5] == ["Plan", "", "# One", "Once up", "writing: One"]
    terminal.said("on a time.\n\nThen")
    text = ["Plan", "", "# One", "Once upon a time.", "", "Then"]
    assert terminal.shown()[:7] == [*text, "writing: One"]
    assert terminal.end() == text


def test_only_the_end_of_a_long_line_is_laid_out() -> None:
    terminal = Terminal()
    terminal.said("word " * 5000 + "end")
    lines = terminal.shown()
    assert len(lines) == 8
    assert lines[5].endswith("end")
    terminal.screen.stop()


def test_where_the_answer_goes_elsewhere_only_progress_is_shown() -> None:
    terminal = Terminal(shows_text=False)
    terminal.said("Plan\n", Channel.REASONING)
    terminal.said("# One\nOnce upon")
    assert terminal.shown()[0] == "writing: One"
    assert terminal.end() == [""]


@pytest.mark.parametrize(
    ("step", "told"), [(20, "20 words/s · 0:05 left"), (2, "2.0 words/s · 1:35 left")]
)
def test_pace_and_time_left_are_told(step: int, told: str) -> None:
    terminal = Terminal(width=80)
    for _ in range(5):
        terminal.said("word " * step)
        terminal.now_s += 1
        terminal.screen.refresh()
    assert f"{5 * step} of 200 words · {told} · 0:05" in terminal.shown()[-1]
    terminal.screen.stop()


@pytest.mark.parametrize(("width", "has_bar"), [(60, True), (35, True), (30, False)])
def test_the_bar_takes_what_room_there_is(width: int, has_bar: bool) -> None:
    terminal = Terminal(width=width)
    line = terminal.shown()[-1]
    assert ("━" in line, len(line) <= width) == (has_bar, True)
    assert line.endswith("0 of 200 words · 0:00")
    terminal.screen.stop()


def test_without_a_target_there_is_no_bar() -> None:
    terminal = Terminal(progress_of("Write.", None))
    terminal.said("word ")
    assert terminal.shown()[-1] == "1 word · 0:00"
    terminal.screen.stop()


def test_candidates_are_listed_until_the_best_is_shown() -> None:
    terminal = Terminal()
    terminal.screen.stands(
        (
            Candidate(index=0, state="writing", words=120, score=None),
            Candidate(index=1, state="pruned", words=90, score=0.254),
        )
    )
    assert terminal.shown()[:3] == [
        "2 candidates, the best to be shown",
        "  1: writing, 120 words",
        "  2: pruned, 90 words, score 0.25",
    ]
    terminal.said("Once")
    assert terminal.shown()[:2] == ["Once", "writing"]
    terminal.screen.stop()


def test_a_lost_connection_is_told_with_the_time_to_the_next_try() -> None:
    terminal = Terminal()
    terminal.said("Once")
    terminal.screen.waits("the connection\x1b[2J broke", 8.0)
    terminal.now_s += 3
    assert terminal.shown()[1] == "the connection[2J broke; again in 5 s"
    terminal.now_s += 30
    assert terminal.shown()[1].endswith("again in 0 s")
    terminal.screen.connects()
    assert terminal.shown()[1] == "writing"
    terminal.screen.waits("again", 1.0)
    terminal.said(" upon")
    assert terminal.shown()[1] == "writing"
    terminal.screen.stop()


def test_a_remark_has_a_line_of_its_own() -> None:
    terminal = Terminal()
    terminal.said("Once")
    terminal.screen.remarks("Mind the gap.")
    assert terminal.shown()[:3] == ["Once", "Mind the gap.", "writing"]
    assert terminal.end() == ["Once", "Mind the gap."]


def test_a_screen_can_be_taken_away_and_put_back() -> None:
    terminal = Terminal()
    terminal.said("Once")
    assert terminal.end() == ["Once"]
    terminal.screen.stop()
    terminal.screen.refresh()
    terminal.now_s += 60
    terminal.screen.start()
    assert terminal.shown()[-1].endswith("1:00")
    terminal.screen.stop()


def test_where_nobody_looks_nothing_happens() -> None:
    blank = Blank()
    blank.start()
    blank.said(Channel.ANSWER, "x")
    blank.stands(())
    blank.waits("x", 1.0)
    blank.connects()
    blank.remarks("x")
    blank.refresh()
    blank.stop()
