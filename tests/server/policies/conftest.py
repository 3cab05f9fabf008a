"""Plays policies on a writer that follows the pocket grammar: no engine, no model, no torch."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from planner.words import count_words
from server.pocket.maker.draft import Fault, Spec
from server.pocket.maker.lexicon import lexicon
from server.pocket.maker.measure import headings
from server.pocket.maker.render import render_section
from server.pocket.maker.sampler import DraftMaker
from server.policies.policy import Policy, Turn

_MAX_TURNS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """An answer as the client got it, and what it cost."""

    text: str
    thrown_chars: int
    turns: tuple[Turn, ...]

    @property
    def words(self) -> int:
        return count_words(self.text)


@dataclass(slots=True)
class PocketWriter:
    """Writes a draft of the grammar, and goes on from any words put in as the pocket would.

    A sound heading is followed by its section and, in good order, by those after it. Where nothing
    but a blank line was put in it writes what it was about to write, or ends again.
    drift: chance that a section has a paragraph more or less than the grammar gives it.
    """

    spec: Spec
    drift: float = 0.0
    _coming: list[str] = field(default_factory=list)
    _written: list[tuple[int, str]] = field(default_factory=list)
    _chars: int = 0

    def __post_init__(self) -> None:
        maker = DraftMaker(self.spec)
        draft = maker.draft()
        self._coming = [f"# {draft.title}\n"]
        for section in draft.sections:
            self._coming += self._parts(render_section(section), section.number)

    def stream(self) -> Iterator[str]:
        while self._coming:
            part = self._coming.pop(0)
            if not self._coming:
                part = part.rstrip("\n")
            self._written.append((self._chars, part))
            self._chars += len(part)
            yield part

    def take(self, turn: Turn, text: str) -> None:
        """The answer was cut and now ends with ``text``, the turn's words included."""
        cut = turn.back_to_chars
        again = [part for start, part in self._written if start >= cut - 2]
        torn = [(s, p) for s, p in self._written if s < cut < s + len(p.rstrip())]
        rest = [part[cut - start :] for start, part in torn]
        self._written = [(start, part) for start, part in self._written if start < cut - 2]
        self._chars = len(text)
        line = text.splitlines()[-1] if not text.endswith("\n\n") else text.splitlines()[-2]
        if not turn.words.strip():
            self._coming = [*rest, *again, *self._coming]
            if self._coming and turn.words:
                self._coming[0] = self._coming[0].lstrip("\n")
        else:
            self._coming = list(self._from_heading(line, cued=not turn.words.endswith("\n")))

    def _from_heading(self, line: str, *, cued: bool) -> Iterator[str]:
        found = headings(line + (" x" if cued else ""), self.spec.language)
        number, total = found[-1][0], found[-1][1]
        sound = DraftMaker(replace(self.spec, fault=Fault.NONE))
        planned = sound.draft().sections
        for following in range(number, total + 1):
            # A total that is not the plan's: its last section closes.
            source = (
                planned[-1] if following == total else planned[(following - 1) % (len(planned) - 1)]
            )
            text = render_section(source)
            head, body = text.lstrip("\n").split("\n", maxsplit=1)
            title = headings(head, self.spec.language)[0][3]
            if following > number:
                words = lexicon(self.spec.language)
                mark = words.surface["mark_healthy"]
                heading = words.form("heading", k=following, count=total, mark=mark, title=title)
                yield from self._parts(f"\n{heading}\n{body}", following)
            elif cued:
                yield from self._parts(f" {title}\n{body}", following)
            else:
                yield from self._parts(body.lstrip("\n"), following)

    def _parts(self, text: str, number: int) -> list[str]:
        """A section's heading and paragraphs, with the drift that this section has."""
        parts = [part + "\n\n" for part in text.rstrip("\n").split("\n\n")]
        parts[-1] = parts[-1][:-1]
        rng = random.Random(f"{self.spec.seed}/{number}/drift")
        if rng.random() < self.drift and len(parts) > 2:
            if rng.random() < 0.5:
                del parts[-2]
            else:
                parts.insert(2, parts[1].replace(".", ", again.", 1))
        return parts


def play(writer: PocketWriter, policies: Sequence[Policy], piece_chars: int = 5) -> Played:
    """The write loop in small: pieces in, turns taken, nothing sent that a policy may take back."""
    text, sent_chars, thrown, turns = "", 0, 0, []
    while True:
        turn = None
        for part in writer.stream():
            for start in range(0, len(part), piece_chars):
                piece = part[start : start + piece_chars]
                text += piece
                for policy in policies:
                    policy.feed(piece)
                turn = next((p.turn for p in policies if p.turn is not None), None)
                if turn is not None:
                    break
                safe = min((p.safe_chars for p in policies), default=len(text))
                assert safe >= sent_chars
                sent_chars = safe
            if turn is not None:
                break
        turn = turn or next((t for p in policies if (t := p.ended()) is not None), None)
        if turn is None:
            return Played(text=text, thrown_chars=thrown, turns=tuple(turns))
        assert sent_chars <= turn.back_to_chars <= len(text)
        thrown += len(text) - turn.back_to_chars
        text = text[: turn.back_to_chars] + turn.words
        turns.append(turn)
        if turn.over:
            return Played(text=text, thrown_chars=thrown, turns=tuple(turns))
        for policy in policies:
            policy.rewind(turn.back_to_chars)
            policy.feed(turn.words)
        writer.take(turn, text)
        assert len(turns) < _MAX_TURNS


@pytest.fixture(name="play")
def _play() -> Callable[..., Played]:
    """``play(writer, policies, piece_chars)``: what the client gets."""
    return play


@pytest.fixture(name="pocket_writer")
def _pocket_writer() -> type[PocketWriter]:
    return PocketWriter
