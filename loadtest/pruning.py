"""What stopping the worse drafts early would have saved and cost, on drafts recorded whole.

    python -m loadtest.recorded --out drafts.jsonl
    python -m loadtest.pruning drafts.jsonl --policy 0.3,0.55:0.5 --policy 0.2,0.4,0.6:0.75

Offline: no server, no model but the quality model, so policies are chosen by numbers. All drafts of
a prompt are taken to be written at one speed; what is compared when, and who stops, is decided by
``rewards.partial``, as the server has it decided. It must not import the server.
"""

import argparse
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.progress import track

import rewards.pocket
from loadtest.best_of import reward_of
from loadtest.intervals import mean_of, ratio_of, share_of
from loadtest.lengths import count_words
from loadtest.recorded import Recorded, read
from rewards.base import Asked, Draft, Score
from rewards.format import Format
from rewards.length import Length
from rewards.panel import Panel
from rewards.partial import (
    FIRST_LOOK_TOKENS,
    Pruning,
    hopeless,
    next_look_tokens,
    num_kept,
    running_scores,
    words_left,
)
from rewards.quality.classifier import Classifier, open_classifier
from rewards.repetition import Repetition
from rewards.training.completion import draft_of
from rewards.verdict import Verdict

# The server's, where there is a quality model (docs/best-of.md).
WEIGHTS = {"length": 1.0, "quality": 1.0, "format": 0.5, "repetition": 0.5}
Scores = Mapping[str, Score]


@dataclass(slots=True, kw_only=True)
class Replay:
    """One recorded draft, to any of its tokens. Tokens lie evenly over its characters."""

    recorded: Recorded
    _hopeless_tokens: float | None = None

    @property
    def asked(self) -> Asked:
        return Asked(low_words=self.recorded.low_words, high_words=self.recorded.high_words)

    def at(self, tokens: float) -> Draft:
        """The draft with its first tokens, still being written; with all of them, at its end."""
        one = self.recorded
        over = tokens >= one.tokens
        raw = one.raw if over else one.raw[: int(len(one.raw) * tokens / one.tokens)]
        draft = draft_of("", raw, asked=self.asked, task=one.task)
        return replace(draft, ended=over and one.ended)

    def tokens_at(self, words: float) -> float:
        """How many tokens it has when its answer has so many words; infinite if it never has."""
        if count_words(self.at(self.recorded.tokens).answer) < words:
            return math.inf
        low, high = 0, self.recorded.tokens
        while low < high:
            middle = (low + high) // 2
            reached = count_words(self.at(middle).answer) >= words
            low, high = (low, middle) if reached else (middle + 1, high)
        return low

    def hopeless_tokens(self, max_tokens: int) -> float:
        """With how many tokens it is found hopeless; infinite if it never is."""
        if self._hopeless_tokens is None:
            self._hopeless_tokens = next(self._lost(max_tokens), math.inf)
        return self._hopeless_tokens

    def _lost(self, max_tokens: int) -> Iterator[float]:
        tokens = float(FIRST_LOOK_TOKENS)
        while tokens < self.recorded.tokens:
            draft = self.at(tokens)
            words = count_words(draft.answer)
            share = len(draft.answer) / max(1, len(draft.raw or ""))
            left = words_left(words, max(1, round(tokens * share)), round(max_tokens - tokens))
            if hopeless(draft, draft.asked, words_max_left=left):
                yield tokens
            tokens = next_look_tokens(round(tokens))


@dataclass(slots=True, kw_only=True)
class Judges:
    """The rewards, each asked once for what it is asked again under another policy."""

    quality: Classifier
    panel: Panel = field(default_factory=lambda: Panel.of(WEIGHTS, WEIGHTS))
    _told: dict[tuple[int, int, float], Scores] = field(default_factory=dict)

    def scores(self, replays: Sequence[Replay], tokens: float) -> list[Scores]:
        """Of each draft with so many tokens, or whole where it has no more."""
        keys = [self._key(replay, tokens) for replay in replays]
        new = [at for at, key in enumerate(keys) if key not in self._told]
        drafts = [replays[at].at(tokens) for at in new]
        for at, draft, judged in zip(new, drafts, self.quality.score_here(drafts), strict=True):
            over = tokens >= replays[at].recorded.tokens
            pure = _whole(draft) if over else running_scores(draft)
            self._told[keys[at]] = {**pure, "quality": judged}
        return [self._told[key] for key in keys]

    def _key(self, replay: Replay, tokens: float) -> tuple[int, int, float]:
        one = replay.recorded
        return one.group, one.candidate, min(tokens, one.tokens)


def _whole(draft: Draft) -> Scores:
    return {reward.name: reward.score(draft) for reward in (Length(), Format(), Repetition())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One prompt under one policy. ``tokens`` of all drafts; ``winner``: which draft is shown."""

    winner: int
    reward: float
    tokens: float


@dataclass(slots=True, kw_only=True)
class Group:
    """One prompt's drafts while they are replayed. ``ends``: with how many tokens each ends;
    ``scores``: what was last said of it."""

    replays: Sequence[Replay]
    judges: Judges
    ends: list[float] = field(init=False)
    scores: dict[int, Scores] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.ends = [float(replay.recorded.tokens) for replay in self.replays]

    def prune(self, pruning: Pruning) -> None:
        """Has drafts end where they would have been stopped."""
        longest = round(max(self.ends))
        for at, replay in enumerate(self.replays):
            self.ends[at] = min(self.ends[at], replay.hopeless_tokens(longest))
        for check in pruning.checks:
            self._compare(check, pruning)

    def outcome(self) -> Outcome:
        """What is shown: the best of those that were finished, or else the longest."""
        whole = [at for at, one in enumerate(self.replays) if self.ends[at] >= one.recorded.tokens]
        left = whole or [max(range(len(self.ends)), key=self.ends.__getitem__)]
        best = left[self._judged(left, math.inf).best]
        values = {name: score.value for name, score in self.scores[best].items()}
        return Outcome(winner=best, reward=reward_of(values), tokens=sum(self.ends))

    def _compare(self, check: float, pruning: Pruning) -> None:
        """Once enough of those that are being written have come as far, the worse end."""
        now = self._due_tokens(check, pruning)
        writing = [at for at, end in enumerate(self.ends) if end > now]
        if len(writing) < 2:
            return
        verdict = self._judged(writing, now)
        for rank in verdict.ranking[num_kept(len(writing), pruning.keep_share) :]:
            self.ends[writing[rank]] = now

    def _due_tokens(self, check: float, pruning: Pruning) -> float:
        asked = self.replays[0].asked
        words = check * (asked.low_words + asked.high_words) / 2
        passed = [replay.tokens_at(words) for replay in self.replays]
        # No comparison comes before the last one.
        moments = {max(self.now, min(pair)) for pair in zip(passed, self.ends, strict=True)}
        for self.now in sorted(moments):
            writing = [at for at, end in enumerate(self.ends) if end > self.now]
            if pruning.is_due(sum(passed[at] <= self.now for at in writing), len(writing)):
                break
        return self.now

    def _judged(self, group: Sequence[int], tokens: float) -> Verdict:
        told = self.judges.scores([self.replays[at] for at in group], tokens)
        self.scores.update(zip(group, told, strict=True))
        others = [scores for at, scores in self.scores.items() if at not in group]
        return self.judges.panel.judge_beside(told, others)


def contest(replays: Sequence[Replay], judges: Judges, pruning: Pruning | None) -> Outcome:
    """One prompt's drafts as the server would have had them written; None: all to their end."""
    group = Group(replays=replays, judges=judges)
    if pruning is not None:
        group.prune(pruning)
    return group.outcome()


def line(name: str, full: Sequence[Outcome], pruned: Sequence[Outcome]) -> str:
    """A row of the table that ``main`` prints."""
    pairs = [*zip(full, pruned, strict=True)]
    tokens = ratio_of([(two.tokens, one.tokens) for one, two in pairs])
    reward = ratio_of([(two.reward, one.reward) for one, two in pairs])
    same = share_of([one.winner == two.winner for one, two in pairs])
    shown = mean_of([two.reward for two in pruned])
    return f"| {name} | {tokens.per_cent} | {shown} | {reward.per_cent} | {same.per_cent} |"


HEAD = (
    "| checks: kept | tokens of all | reward of the draft shown | of the full one's "
    "| same winner |\n|---|---|---|---|---|"
)


def policy(text: str) -> Pruning:
    """``0.3,0.55:0.5``: compared at 0.3 and 0.55 of the asked words, half of them kept."""
    checks, _, keep = text.partition(":")
    shares = tuple(float(check) for check in checks.split(",") if check)
    return Pruning(checks=shares, keep_share=float(keep or Pruning().keep_share))


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a line a policy, the server's own first."""
    parser = argparse.ArgumentParser(prog="loadtest.pruning", description=__doc__)
    parser.add_argument("recorded", type=Path)
    parser.add_argument("--policy", action="append", default=[], help="0.3,0.55:0.5")
    parser.add_argument("--quality", type=Path, default=rewards.pocket.checkpoint())
    options = parser.parse_args(argv)
    groups = [[Replay(recorded=one) for one in drafts] for drafts in read(options.recorded)]
    judges = Judges(quality=open_classifier(options.quality))
    full = [contest(group, judges, None) for group in track(groups, "judging whole drafts")]
    drafts = statistics.mean(len(group) for group in groups)
    print(f"{len(groups)} prompts, {drafts:g} drafts each\n{HEAD}", flush=True)
    for pruning in [Pruning(), *map(policy, options.policy)]:
        found = [contest(group, judges, pruning) for group in groups]
        shares = ", ".join(map(str, pruning.checks))
        print(line(f"{shares}: {pruning.keep_share:g}", full, found), flush=True)
    judges.quality.close()


if __name__ == "__main__":
    main()
