"""What choosing among drafts is worth, and what stopping the worse early costs (``make
bench-best-of``).

Black box: it starts the server with the pocket writer, has it write the most candidates for every
prompt, and works out from the scores in the answers what fewer would have shown. Then it asks for
the same again with pruning, and times one draft beside several. It must not import the server.
"""

import argparse
import asyncio
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from loadtest.intervals import Interval, mean_of, ratio_of, share_of
from loadtest.lengths import POCKET
from loadtest.process import server
from loadtest.recorded import task_of
from loadtest.together import together
from rewards.base import Score
from rewards.panel import Panel

# The server's, where there is a quality model (docs/best-of.md).
WEIGHTS = {"length": 1.0, "quality": 1.0, "format": 0.5, "repetition": 0.5}
_AS_IT_COMES = {"length_control": "off", "loop_guard": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: which prompt, how many candidates, pruned or not; ``guided``: with the server's
    length control and loop guard, else the drafts are left as they come."""

    number: int
    words: int
    best_of: int
    prune: bool = False
    guided: bool = False

    def body(self) -> dict[str, Any]:
        writing = {"best_of": self.best_of, "prune": self.prune}
        return {
            "model": "pocket",
            "messages": [{"role": "user", "content": task_of(self.number, self.words)}],
            # Far apart: candidates have seeds one apart.
            "seed": 1_000 * self.number,
            "writing": writing if self.guided else {**writing, **_AS_IT_COMES},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it: which candidate was shown, the tokens of all, and all that is told of each
    (none where there was but one)."""

    ask: Ask
    winner: int
    tokens: int
    seconds: float
    candidates: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What some of a prompt's candidates would have come to: the one shown, and the tokens."""

    winner: int
    reward: float
    inside: bool
    tokens: int


def reward_of(scores: Mapping[str, float | None]) -> float:
    """One figure for a draft that can be compared between requests: the mean of length, quality
    and the mean of format and repetition, quality's logit as a probability; what abstained left
    out.

    Worked number: length 1.0, quality 0.0, format 1.0, repetition 0.5: (1 + 0.5 + 0.75) / 3 = 0.75.
    """
    quality = scores.get("quality")
    shape = [value for name in ("format", "repetition") if (value := scores.get(name)) is not None]
    parts = [
        scores.get("length"),
        None if quality is None else 1 / (1 + math.exp(-quality)),
        statistics.mean(shape) if shape else None,
    ]
    return statistics.mean(part for part in parts if part is not None)


def choice_of(candidates: Sequence[Mapping[str, Any]], winner: int | None = None) -> Choice:
    """What is shown of these candidates: the one told, else the panel's best of those finished.

    Raises:
        ValueError: none of them was finished.
    """
    finished = [one for one in candidates if one["place"] is not None]
    if not finished:
        raise ValueError("none of the candidates was finished")
    if winner is None:
        names = {name for one in finished for name in one["scores"]}
        panel = Panel.of({name: WEIGHTS[name] for name in sorted(names)}, WEIGHTS)
        scores = [
            {name: Score(value=value) for name, value in one["scores"].items()} for one in finished
        ]
        winner = finished[panel.judge(scores).best]["candidate"]
    shown = next(one for one in finished if one["candidate"] == winner)
    return Choice(
        winner=winner,
        reward=reward_of(shown["scores"]),
        inside=shown["scores"]["length"] == 1,
        tokens=sum(one["reasoning_tokens"] + one["answer_tokens"] for one in candidates),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """So many candidates, over all prompts."""

    candidates: str
    prompts: int
    reward: Interval
    inside: Interval
    tokens: float

    def line(self) -> str:
        return (
            f"| {self.candidates} | {self.prompts} | {self.reward} | {self.inside.per_cent} "
            f"| {self.tokens:,.0f} |"
        )


HEAD = (
    "| candidates | prompts | reward of the draft shown (95 %) | in the asked range (95 %) "
    "| tokens a request |\n|---|---|---|---|---|"
)


def row(name: str, prompts: Sequence[Sequence[Choice]]) -> Row:
    """The mean over the prompts, each of which counts with the mean of its choices."""
    rewards = [statistics.fmean(one.reward for one in choices) for choices in prompts]
    tokens = [one.tokens for choices in prompts for one in choices]
    alone = all(len(choices) == 1 for choices in prompts)
    hits = [statistics.fmean(one.inside for one in choices) for choices in prompts]
    return Row(
        candidates=name,
        prompts=len(prompts),
        reward=mean_of(rewards),
        # Shares of several choices of one prompt are no hits and misses of their own.
        inside=share_of([hit == 1 for hit in hits]) if alone else mean_of(hits),
        tokens=statistics.fmean(tokens),
    )


def blocks(answer: Answer, size: int) -> list[Choice]:
    """What each run of ``size`` candidates would have come to: 16 drafts are 4 requests of 4."""
    told = answer.candidates
    return [choice_of(told[at : at + size]) for at in range(0, len(told) - size + 1, size)]


def compared(full: Sequence[Choice], pruned: Sequence[Choice]) -> dict[str, Interval]:
    """What pruning saves and what it costs, on the same prompts and seeds."""
    pairs = [*zip(full, pruned, strict=True)]
    return {
        "tokens (at most 50 %)": ratio_of([(two.tokens, one.tokens) for one, two in pairs]),
        "reward (at least 98 %)": ratio_of([(two.reward, one.reward) for one, two in pairs]),
        "same winner (at least 85 %)": share_of([one.winner == two.winner for one, two in pairs]),
    }


async def _ask(client: httpx.AsyncClient, ask: Ask) -> Answer:
    loop = asyncio.get_running_loop()
    began = loop.time()
    response = await client.post("/v1/chat/completions", json=ask.body())
    if response.is_error:
        raise RuntimeError(f"{response.status_code}: {response.text[:300]}")
    body = response.json()
    report = body["writing"]
    return Answer(
        ask=ask,
        winner=report.get("candidate", 0),
        tokens=body["usage"]["completion_tokens"],
        seconds=loop.time() - began,
        candidates=report.get("candidates", []),
    )


async def _answered(url: str, asks: Sequence[Ask], streams: int) -> list[Answer]:
    """Every request's answer, so many at a time that ``streams`` candidates are written."""
    at_once = max(1, streams // max(ask.best_of for ask in asks))
    return await together(url, asks, _ask, at_once=at_once, named="requests")


def rows(full: Sequence[Answer], most: int) -> Iterator[Row]:
    """A row each for 1, 2, 4 ... candidates, and for the most."""
    sizes = [2**power for power in range(most.bit_length()) if 2**power < most]
    for size in [*sizes, most]:
        yield row(str(size), [blocks(answer, size) for answer in full])


async def _run(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """All that is measured, printed as it comes."""
    numbers, words, pruned_of = range(options.prompts), options.words, options.pruned
    print(HEAD, flush=True)
    asks = [Ask(number=n, words=words, best_of=options.best_of) for n in numbers]
    full = await _answered(url, asks, options.streams)
    found = [*rows(full, options.best_of)]
    asks = [Ask(number=n, words=words, best_of=pruned_of, prune=True) for n in numbers]
    answers = await _answered(url, asks, options.streams)
    pruned = [choice_of(one.candidates, one.winner) for one in answers]
    found.append(row(f"{pruned_of}, pruned", [[one] for one in pruned]))
    print("\n".join(one.line() for one in found), flush=True)
    cost = compared([choice_of(one.candidates[:pruned_of]) for one in full], pruned)
    # One request at a time, the two in turn: the engine has room.
    asks = [
        Ask(number=n, words=words, best_of=best_of, prune=True, guided=True)
        for n in range(options.timed)
        for best_of in (1, options.beside)
    ]
    timed = await _answered(url, asks, 1)
    seconds = [(two.seconds, one.seconds) for one, two in zip(timed[::2], timed[1::2], strict=True)]
    if seconds:
        cost[f"time of {options.beside} beside 1 (at most 130 %)"] = ratio_of(seconds)
    for name, interval in cost.items():
        print(f"{name}: {interval.per_cent}", flush=True)
    return {
        "rows": [asdict(one) for one in found],
        "pruned": {name: asdict(interval) for name, interval in cost.items()},
        "answers": [asdict(one) for one in (*full, *answers, *timed)],
    }


def main() -> None:
    """Prints the table, then the comparison of pruned with full, then the times."""
    parser = argparse.ArgumentParser(prog="loadtest.best_of", description=__doc__)
    parser.add_argument("--best-of", type=int, default=16, help="the most candidates")
    parser.add_argument("--pruned", type=int, default=8, help="candidates of the pruned run")
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--timed", type=int, default=10, help="prompts that are timed alone")
    parser.add_argument("--beside", type=int, default=4, help="candidates timed beside one")
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--model", default=str(POCKET))
    parser.add_argument("--port", type=int, default=8_933)
    parser.add_argument("--json", type=Path, help="where to leave what was measured")
    options = parser.parse_args()
    if options.pruned > options.best_of:
        parser.error("--pruned cannot be above --best-of: it is compared with the first of those")
    serve = ["server", "serve", "--model", options.model, "--port", str(options.port)]
    environment = {
        "LONGHAND_SERVED_MODEL_NAME": "pocket",
        "LONGHAND_LOG_LEVEL": "warning",
        "LONGHAND_QUALITY_MODEL": "pocket",
        "LONGHAND_MAX_BEST_OF": str(options.best_of),
    }
    with server(
        "longhand", serve, port=options.port, health="/health/ready", environment=environment
    ) as running:
        told = asyncio.run(_run(running.url, options))
    if options.json:
        options.json.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
