"""Which replica has the beginning of a job in its prefix cache. Pure: a memory of past picks.

It is a guess from what was sent where: no replica is asked, and what one has dropped is not known.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from server.engine.base import Job, Passage

# A shared beginning of so many tokens counts in full. Less counts in proportion, so that a template
# that all prompts begin with does not gather them in one place.
_FULL_TOKENS = 512
# vLLM's cache keeps whole blocks of 16 tokens; coarser marks are cheaper and lose little.
_BLOCK_TOKENS = 64
# A character is about a quarter of a token.
_CHARS_PER_TOKEN = 4
# What a replica is worth that wrote this very draft, and so has all of it, and one that has all of
# the prompt: as much as the full beginning, twice.
_DRAFT, _PROMPT = 2.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """A job's beginning as hashes: of its draft, its whole prompt, its prompt's first blocks."""

    draft: int
    prompt: int
    blocks: tuple[int, ...]

    def all(self) -> Iterator[int]:
        yield self.draft
        yield self.prompt
        yield from self.blocks


def marks_of(job: Job) -> Marks:
    """All continuations of one draft have its id and its prompt; all drafts of one request its
    prompt; the turns of a conversation their first blocks."""
    prompt = _units(job.prompt)
    whole = hash(prompt)
    return Marks(draft=hash((job.id, whole)), prompt=whole, blocks=tuple(_blocks(prompt)))


def _units(passage: Passage) -> tuple[int, ...] | str:
    return passage.text if passage.token_ids is None else passage.token_ids


def _blocks(units: tuple[int, ...] | str) -> Iterator[int]:
    """Each block's hash holds those before it, as vLLM's do (vllm/v1/core/kv_cache_utils.py)."""
    step = _BLOCK_TOKENS * (_CHARS_PER_TOKEN if isinstance(units, str) else 1)
    before = 0
    for end in range(step, min(len(units), step * (_FULL_TOKENS // _BLOCK_TOKENS)) + 1, step):
        before = hash((before, units[end - step : end]))
        yield before


@dataclass(slots=True, kw_only=True)
class Prefixes:
    """Who was sent what. max_marks: the longest unused are forgotten beyond (100 B each)."""

    max_marks: int = 65_536
    _holders: "OrderedDict[int, set[str]]" = field(default_factory=OrderedDict)

    def sent(self, marks: Marks, replica: str) -> None:
        """A job was given to a replica. A draft lies where it was last."""
        self._holders[marks.draft] = {replica}
        for mark in (marks.prompt, *marks.blocks):
            self._holders.setdefault(mark, set()).add(replica)
        for mark in marks.all():
            self._holders.move_to_end(mark)
        while len(self._holders) > self.max_marks:
            self._holders.popitem(last=False)

    def forget(self, replica: str) -> None:
        """A replica that has gone, or came back with an empty cache."""
        for mark in [mark for mark, holders in self._holders.items() if replica in holders]:
            self._holders[mark].discard(replica)
            if not self._holders[mark]:
                del self._holders[mark]

    def worth(self, marks: Marks) -> Mapping[str, float]:
        """How much each replica's cache is worth to a job: 2 for its own draft, 1 for its prompt,
        up to 1 for the beginning of it, 0 for nothing.

        Worked number: 2 of its blocks of 64 tokens, of the 512 that count in full: 0.25.
        """
        worth: dict[str, float] = {}
        for at, mark in enumerate(marks.blocks, start=1):
            _raise(worth, self._holders.get(mark, ()), at * _BLOCK_TOKENS / _FULL_TOKENS)
        _raise(worth, self._holders.get(marks.prompt, ()), _PROMPT)
        _raise(worth, self._holders.get(marks.draft, ()), _DRAFT)
        return worth


def _raise(worth: dict[str, float], replicas: Iterable[str], to: float) -> None:
    for replica in replicas:
        worth[replica] = max(worth.get(replica, 0.0), to)
