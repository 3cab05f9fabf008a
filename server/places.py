"""Where in a log the characters of one of its channels lie. It must not know what they say."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Places:
    """Runs of a channel's text, each with how far it is shifted in the log.

    Between two runs the log has what the channel does not show: tags, white space around them.
    """

    # (characters of the channel up to a run's end, how many more the log has there).
    _runs: list[tuple[int, int]] = field(default_factory=list)

    def note(self, chars: int, log_chars: int) -> None:
        """The channel's first ``chars`` characters end at ``log_chars`` of the log."""
        shift = log_chars - chars
        if self._runs and self._runs[-1][1] == shift:
            self._runs.pop()
        self._runs.append((chars, shift))

    @property
    def known(self) -> bool:
        """Whether anything was noted."""
        return bool(self._runs)

    def log_chars(self, chars: int) -> int:
        """Where in the log a position of the channel lies, of which something was noted.

        Worked number: 10 characters end at 17, 30 more at 60: 12 lies at 32.
        """
        behind = next((shift for end, shift in self._runs if end >= chars), self._runs[-1][1])
        return chars + behind
