"""The candidates of one request as a contest: how far each is, which stop, what is said of them.

Pure: it must not start, stop or await anything; ``best_of`` does, as this says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from planner.length import Asked
from rewards import base
from rewards.panel import Panel
from rewards.partial import (
    FIRST_LOOK_TOKENS,
    Pruning,
    hopeless,
    next_look_tokens,
    num_kept,
    words_left,
)
from rewards.verdict import Verdict
from server.draft import Draft
from server.events import Candidate, Channel, Ended, Event, Fate, Fragment, Judged, Usage
from server.rules import Rules

_PRUNING = Pruning()
_BEHIND = "behind the others when they were compared"
_UNASKED_WORDS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOf:
    """What a request wants: how many candidates, judged by which weights, pruned or not, and how
    often it is told how they are getting on."""

    drafts: int
    weights: Mapping[str, float]
    prune: bool = True
    progress_s: float = 30.0


@dataclass(slots=True, kw_only=True)
class Entry:
    """One candidate while it is written. ``error`` is what it failed of; ``scores`` what the
    rewards said of it when they were last asked."""

    index: int
    draft: Draft
    fate: Fate = Fate.WRITING
    why: str = ""
    error: Exception | None = None
    score: float | None = None
    ended: Ended | None = None
    events: list[Event] = field(default_factory=list)
    texts: dict[Channel, list[str]] = field(default_factory=lambda: {each: [] for each in Channel})
    next_look_tokens: float = FIRST_LOOK_TOKENS
    num_passed: int = 0
    scores: Mapping[str, base.Score] = field(default_factory=dict)

    @property
    def words(self) -> int:
        """Words of the answer so far."""
        return self.draft.page.words.words if self.draft.page else 0

    @property
    def competes(self) -> bool:
        return self.fate in (Fate.WRITING, Fate.FINISHED)

    def take(self, event: Event) -> None:
        """Keeps an event for the case that this candidate is shown."""
        if isinstance(event, Ended):
            self.ended, self.fate = event, Fate.FINISHED
            return
        self.events.append(event)
        if isinstance(event, Fragment):
            self.texts[event.channel].append(event.text)

    def drop(self, why: str) -> None:
        """It stops here; its text is of no more use."""
        self.fate, self.why = Fate.PRUNED, why
        self._forget()

    def fail(self, error: Exception) -> None:
        """Its stream broke, unless it was over. Only the kind of error is told: a message may hold
        text."""
        if self.fate is Fate.WRITING:
            self.fate, self.why, self.error = Fate.FAILED, type(error).__name__, error
            self._forget()

    def _forget(self) -> None:
        self.events.clear()
        self.texts.clear()

    def told(self) -> Candidate:
        """As the caller is told of it."""
        return Candidate(
            index=self.index,
            fate=self.fate,
            words=self.words,
            reasoning_tokens=self.draft.reasoning_tokens,
            answer_tokens=self.draft.answer_tokens,
            score=self.score,
            why=self.why,
        )


@dataclass(slots=True, kw_only=True)
class Contest:
    """All candidates of a request. ``kept``: how many will be shown, so never fewer go on."""

    prompt: str
    rules: Rules
    wish: BestOf
    kept: int = 1
    entries: tuple[Entry, ...] = field(init=False)
    _check_words: tuple[float, ...] = field(init=False)
    _num_compared: int = 0

    def __post_init__(self) -> None:
        drafts = range(self.wish.drafts)
        self.entries = tuple(Entry(index=at, draft=Draft(self.rules)) for at in drafts)
        asked = self.rules.asked.range
        target_words = sum(asked) / 2 if asked else _UNASKED_WORDS
        shares = _PRUNING.checks if self.wish.prune else ()
        self._check_words = tuple(target_words * share for share in shares)

    @property
    def writing(self) -> bool:
        """Whether any candidate is still being written."""
        return any(entry.fate is Fate.WRITING for entry in self.entries)

    @property
    def enough(self) -> bool:
        """Whether as many are left as are to be shown."""
        return sum(entry.competes for entry in self.entries) >= self.kept

    @property
    def finished(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.fate is Fate.FINISHED)

    def standings(self) -> tuple[Candidate, ...]:
        return tuple(entry.told() for entry in self.entries)

    def draft_of(self, entry: Entry) -> base.Draft:
        """What the rewards are given of a candidate."""
        return base.Draft(
            prompt=self.prompt,
            reasoning="".join(entry.texts[Channel.REASONING]),
            answer="".join(entry.texts[Channel.ANSWER]),
            raw="".join(entry.draft.log.parts),
            ended=entry.ended is not None and entry.ended.finish_reason == "stop",
            thinking=self.rules.thinking,
            asked=_range(self.rules.asked),
        )

    def hopeless(self, entry: Entry) -> str | None:
        """Why nothing can become of a candidate any more; looked at now and then."""
        tokens = entry.draft.num_tokens
        over = entry.fate is not Fate.WRITING
        if over or not self.wish.prune or tokens < entry.next_look_tokens:
            return None
        entry.next_look_tokens = next_look_tokens(tokens)
        others = sum(one.competes for one in self.entries if one is not entry)
        if others < self.kept:
            return None
        draft = self.draft_of(entry)
        one = entry.draft
        left = words_left(entry.words, one.answer_tokens, one.tokens_left)
        return hopeless(draft, draft.asked, words_max_left=left)

    def passes(self, entry: Entry) -> bool:
        """Whether a candidate has just come as far as the next comparison."""
        checks = self._check_words
        if entry.num_passed == len(checks) or entry.words < checks[entry.num_passed]:
            return False
        entry.num_passed += 1
        return True

    def due(self) -> tuple[Entry, ...]:
        """The candidates to compare now: those that are written, once most have come as far. One
        that has finished costs nothing more, and stays."""
        writing = tuple(entry for entry in self.entries if entry.fate is Fate.WRITING)
        if self._num_compared == len(self._check_words) or not writing:
            return ()
        passed = sum(entry.num_passed > self._num_compared for entry in writing)
        if not _PRUNING.is_due(passed, len(writing)):
            return ()
        self._num_compared += 1
        return writing if len(writing) > self.kept else ()

    def judged(
        self, group: Sequence[Entry], scores: Sequence[Mapping[str, base.Score]], panel: Panel
    ) -> Verdict:
        """The verdict on a group, by a scale that the candidates stopped before it belong to."""
        for entry, told in zip(group, scores, strict=True):
            entry.scores = told
        ours = {entry.index for entry in group}
        others = [entry.scores for entry in self.entries if entry.index not in ours]
        return panel.judge_beside(scores, [told for told in others if told])

    def losers(
        self, group: Sequence[Entry], verdict: Verdict, *, crowded: bool = False
    ) -> list[tuple[Entry, str]]:
        """Of a group that was compared: those to stop, and why. Nobody is, where no reward had a
        say; and who has ended meanwhile is no longer of the group.

        Worked number: of 8, to show 1: the last 4; crowded, the last 6.
        """
        for entry, judged in zip(group, verdict.candidates, strict=True):
            entry.score = judged.total
        ranked = [at for at in verdict.ranking if group[at].fate is Fate.WRITING]
        if not verdict.judged:
            return []
        keep_share = _PRUNING.crowded_keep_share if crowded else _PRUNING.keep_share
        behind = ranked[max(self.kept, num_kept(len(ranked), keep_share)) :]
        return [(group[at], f"{_BEHIND}: {verdict.candidates[at].reason}") for at in behind]


def winners(contest: Contest, verdict: Verdict) -> tuple[tuple[Entry, Judged], ...]:
    """The finished candidates in the panel's order, as many as are kept, each with why it won."""
    finished = contest.finished
    told = {entry.index: entry.told() for entry in contest.entries}
    for entry, judged in zip(finished, verdict.candidates, strict=True):
        entry.score = judged.total
        told[entry.index] = replace(
            entry.told(),
            raw={name: score.value for name, score in judged.raw.items()},
            normalised=judged.normalised,
            place=judged.place,
            why="; ".join(filter(None, (judged.reason, _silence(judged.raw)))),
        )
    shown = verdict.ranking[: contest.kept]
    return tuple(
        (
            finished[at],
            Judged(
                candidate=finished[at].index,
                judged_by="panel" if verdict.judged else "first",
                candidates=tuple(told.values()),
                num_shown=len(shown),
            ),
        )
        for at in shown
    )


def _silence(raw: Mapping[str, base.Score]) -> str:
    """Which rewards said nothing, and why not."""
    return "; ".join(
        f"{name} {'failed' if score.failed else 'abstained'}: {score.why}"
        for name, score in raw.items()
        if score.value is None
    )


def _range(asked: Asked) -> base.Asked | None:
    if asked.range is None:
        return None
    return base.Asked(low_words=asked.range[0], high_words=asked.range[1])


def all_told(contest: Contest, shown: Sequence[Entry]) -> Usage:
    """The usage of the first of the drafts shown, the tokens of those not shown added to it: the
    shown ones add up to all that was written.

    Worked number: 8 candidates of 100 tokens, the first shown: 800.
    """
    usage = _ended(shown[0]).usage
    seen = {entry.index for entry in shown}
    unseen = [entry.draft for entry in contest.entries if entry.index not in seen]
    return replace(
        usage,
        reasoning_tokens=usage.reasoning_tokens + sum(d.reasoning_tokens for d in unseen),
        answer_tokens=usage.answer_tokens + sum(d.answer_tokens for d in unseen),
    )


def endings(contest: Contest, verdict: Verdict) -> list[tuple[Entry, Ended]]:
    """The winners, best first, each with the end that it is shown with."""
    chosen = winners(contest, verdict)
    usage = all_told(contest, [entry for entry, _ in chosen])
    shown = [(entry, replace(_ended(entry), judged=judged)) for entry, judged in chosen]
    first, end = shown[0]
    return [(first, replace(end, usage=usage)), *shown[1:]]


def _ended(entry: Entry) -> Ended:
    assert entry.ended is not None
    return entry.ended
