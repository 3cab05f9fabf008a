"""What choosing among drafts is worth, and what stopping the worse early costs (``make
bench-best-of``).

Black box: it starts the server with the pocket writer, asks for the same drafts with more and more
candidates, and reads the scores that the answers carry. It must not import the server.
"""

import argparse
import asyncio
import json
import math
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from loadtest.lengths import POCKET
from loadtest.process import server
from loadtest.together import together

_FIELDS = (
    *("beekeeping", "glassblowing", "bookbinding", "gardening", "map making", "tidal energy"),
    *("clock repair", "bread baking", "rail travel", "river trade", "kite flying", "soil science"),
    *("boat building", "choir singing", "cheese making", "paper folding", "bird watching"),
    *("street music", "wool spinning", "weather study"),
)
# 95 % of a normal distribution.
_Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: which prompt, how many candidates, pruned or not."""

    number: int
    words: int
    best_of: int
    prune: bool

    def body(self) -> dict[str, Any]:
        topic = _FIELDS[self.number % len(_FIELDS)]
        return {
            "model": "pocket",
            "messages": [
                {"role": "user", "content": f"Write a {self.words}-word essay about {topic}."}
            ],
            # Far apart: candidates have seeds one apart.
            "seed": 1_000 * self.number,
            "writing": {
                "best_of": self.best_of,
                "prune": self.prune,
                "length_control": "off",
                "loop_guard": False,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it. reward: of the draft shown, see ``reward_of``. tokens: of all candidates."""

    ask: Ask
    winner: int
    reward: float
    inside: bool
    tokens: int
    seconds: float
    candidates: Sequence[dict[str, Any]]

    def alone(self) -> "Answer":
        """What the first candidate would have been worth, had it been the only one.

        Raises:
            ValueError: it was not judged to its end, as where candidates are pruned.
        """
        first = self.candidates[0]
        if first["place"] is None:
            raise ValueError("the first candidate was stopped")
        return replace(
            self,
            winner=0,
            reward=reward_of(first["scores"]),
            inside=first["scores"]["length"] == 1,
            tokens=first["reasoning_tokens"] + first["answer_tokens"],
            candidates=[first],
        )


def reward_of(scores: dict[str, float | None]) -> float:
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


async def _ask(client: httpx.AsyncClient, ask: Ask) -> Answer:
    loop = asyncio.get_running_loop()
    began = loop.time()
    response = await client.post("/v1/chat/completions", json=ask.body())
    if response.is_error:
        raise RuntimeError(f"{response.status_code}: {response.text[:300]}")
    body = response.json()
    report = body["writing"]
    shown = next(c for c in report["candidates"] if c["candidate"] == report["candidate"])
    low, high = report["asked"]
    return Answer(
        ask=ask,
        winner=report["candidate"],
        reward=reward_of(shown["scores"]),
        inside=low <= report["words"] <= high,
        tokens=body["usage"]["completion_tokens"],
        seconds=loop.time() - began,
        candidates=report["candidates"],
    )


async def answered(url: str, asks: Sequence[Ask], streams: int) -> list[Answer]:
    """Every request's answer, so many at a time that ``streams`` candidates are written."""
    at_once = max(1, streams // max(ask.best_of for ask in asks))
    return await together(url, asks, _ask, at_once=at_once, named="requests")


def line(name: str, answers: Sequence[Answer]) -> str:
    """A row of the table that ``main`` prints."""
    rewards = [answer.reward for answer in answers]
    spread = _Z * statistics.stdev(rewards) / math.sqrt(len(rewards))
    inside = sum(answer.inside for answer in answers) / len(answers)
    tokens = statistics.mean(answer.tokens for answer in answers)
    return (
        f"| {name} | {len(answers)} | {statistics.mean(rewards):.3f} ± {spread:.3f} "
        f"| {100 * inside:.0f} % | {tokens:,.0f} |"
    )


HEAD = (
    "| candidates | prompts | reward of the draft shown (95 %) | in the asked range "
    "| tokens a request |\n|---|---|---|---|---|"
)


def compared(full: Sequence[Answer], pruned: Sequence[Answer]) -> str:
    """What pruning saves and what it costs, on the same prompts and seeds."""
    tokens = sum(a.tokens for a in pruned) / sum(a.tokens for a in full)
    reward = sum(a.reward for a in pruned) / sum(a.reward for a in full)
    pairs = zip(full, pruned, strict=True)
    same = sum(one.winner == other.winner for one, other in pairs) / len(full)
    return (
        f"pruned against full: {100 * tokens:.0f} % of the tokens, {100 * reward:.1f} % of the "
        f"reward, the same winner in {100 * same:.0f} %"
    )


def _asks(options: argparse.Namespace, best_of: int, *, prune: bool) -> list[Ask]:
    numbers: Iterable[int] = range(options.prompts)
    return [Ask(number=n, words=options.words, best_of=best_of, prune=prune) for n in numbers]


async def _run(url: str, options: argparse.Namespace) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    for best_of in options.best_of:
        asks = _asks(options, best_of, prune=False)
        found[str(best_of)] = await answered(url, asks, options.streams)
        if "1" not in found:
            found["1"] = [answer.alone() for answer in found[str(best_of)]]
            print(line("1", found["1"]), flush=True)
        print(line(str(best_of), found[str(best_of)]), flush=True)
    asks = _asks(options, options.pruned, prune=True)
    found["pruned"] = await answered(url, asks, options.streams)
    print(line(f"{options.pruned}, pruned", found["pruned"]), flush=True)
    return found


def main() -> None:
    """Prints the table, then the comparison of pruned with full."""
    parser = argparse.ArgumentParser(prog="loadtest.best_of", description=__doc__)
    parser.add_argument("--best-of", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--pruned", type=int, default=8, help="candidates of the pruned run")
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--port", type=int, default=8_933)
    parser.add_argument("--json", type=Path, help="where to leave what was measured")
    options = parser.parse_args()
    serve = ["server", "serve", "--model", str(POCKET), "--port", str(options.port)]
    environment = {
        "LONGHAND_SERVED_MODEL_NAME": "pocket",
        "LONGHAND_LOG_LEVEL": "warning",
        "LONGHAND_QUALITY_MODEL": "pocket",
    }
    print(HEAD, flush=True)
    with server(
        "longhand", serve, port=options.port, health="/health/ready", environment=environment
    ) as running:
        found = asyncio.run(_run(running.url, options))
    print(compared(found[str(options.pruned)], found["pruned"]))
    if options.json:
        told = {name: [a.reward for a in answers] for name, answers in found.items()}
        options.json.write_text(json.dumps(told), encoding="utf-8")
    sys.exit(0)


if __name__ == "__main__":
    main()
