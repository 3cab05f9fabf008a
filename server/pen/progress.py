"""How far a draft is: its words against the target, pace, time left, section. No I/O, no clock."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from planner.length import Asked, from_field, read_length
from planner.words import count_words, count_written_words, language_of

# A pace over less time jumps, one over more is late to tell that a server has slowed down.
_WINDOW_S: Final = 30.0
_LEAST_S: Final = 3.0
_SAMPLE_S: Final = 1.0
_HEADING = re.compile(r"#{1,6}[ \t]+(?P<title>.+?)[ \t#]*|\*\*(?P<bold>[^*]+)\*\*[:：]?")


@dataclass(slots=True)
class Tally:
    """Counts the words of a growing text; a look costs no more than its last line."""

    count: Callable[[str], int]
    _words: int = 0
    _line: list[str] = field(default_factory=list)

    def feed(self, text: str) -> None:
        head, line_end, tail = text.rpartition("\n")
        if line_end:
            self._words += self.count("".join((*self._line, head)))
            self._line.clear()
        self._line.append(tail)

    @property
    def words(self) -> int:
        self._line[:] = ["".join(self._line)]
        return self._words + self.count(self._line[0])


@dataclass(slots=True)
class Pace:
    """Words a second over the last while. What is caught up after a break comes at once and says
    nothing of how fast a server writes: the largest step of the while does not count."""

    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def observe(self, now_s: float, words: int) -> None:
        """At most one sample a second is kept."""
        samples = self._samples
        if samples and now_s - samples[-1][0] < _SAMPLE_S:
            return
        samples.append((now_s, words))
        while now_s - samples[0][0] > _WINDOW_S:
            samples.popleft()

    @property
    def words_per_s(self) -> float | None:
        """None where too little was seen, or nothing moved.

        Worked number: 0, 40, 90, 1,000, 1,040 words a second apart are steps of 40, 50, 910 and
        40; without the largest, 130 words in 3 s = 43.3.
        """
        samples = list(self._samples)
        steps = [
            (later[1] - earlier[1], later[0] - earlier[0])
            for earlier, later in zip(samples, samples[1:], strict=False)
        ]
        steps.sort()
        counted = steps[:-1]
        seconds = sum(step_s for _, step_s in counted)
        words = sum(step_words for step_words, _ in counted)
        return words / seconds if seconds >= _LEAST_S and words > 0 else None


@dataclass(slots=True)
class Sections:
    """The last heading of a growing text."""

    title: str = ""
    _line: str = ""

    def feed(self, text: str) -> None:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            found = _HEADING.fullmatch(line.strip())
            if found is not None:
                self.title = found["title"] or found["bold"]


@dataclass(slots=True, kw_only=True)
class Progress:
    """One draft's progress, fed with its answer and asked at any time."""

    target: Asked
    tally: Tally
    pace: Pace = field(default_factory=Pace)
    sections: Sections = field(default_factory=Sections)

    def feed(self, answer: str) -> None:
        self.tally.feed(answer)
        self.sections.feed(answer)

    @property
    def target_words(self) -> int | None:
        """The middle of the asked range; None where no length is known."""
        return None if self.target.range is None else round(sum(self.target.range) / 2)

    def left_s(self) -> float | None:
        """Seconds until the target is reached at this pace; None where that cannot be said.

        Worked number: 1,900 of 5,000 words at 31 words a second leave 3,100 / 31 = 100 s.
        """
        target, pace = self.target_words, self.pace.words_per_s
        if target is None or pace is None:
            return None
        return max(0.0, (target - self.tally.words) / pace)


def progress_of(prompt: str, words: int | None) -> Progress:
    """Progress towards ``words``, or towards the length that the prompt asks for. Words are counted
    as Longhand counts them, those of other scripts than Latin and Chinese as readers would."""
    other = language_of(prompt) == "other"
    return Progress(
        target=read_length(prompt) if words is None else from_field(words),
        tally=Tally(count_written_words if other else count_words),
    )
