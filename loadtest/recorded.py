"""Whole drafts of many prompts, recorded over HTTP from a model, to be replayed under any policy.

    python -m loadtest.recorded --out drafts.jsonl --prompts 60 --drafts 8 --words 500

One line a draft: its raw text, tags and all, and its tokens. Black box; it must not judge a draft.
"""

import argparse
import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from loadtest.lengths import POCKET
from loadtest.process import server
from loadtest.together import together

# The prompt of the pocket writer and of LongWriter-Zero (their model cards).
_TEMPLATE = (
    "A user asks for a piece of writing and a writer delivers it. The writer first plans inside "
    "<think> </think>, then gives the finished work inside <answer> </answer>, that is: <think> "
    "plan </think> <answer> work </answer>. <|user|>: {question} <|assistant|>:"
)
TOPICS = (
    *("beekeeping", "glassblowing", "bookbinding", "gardening", "map making", "tidal energy"),
    *("clock repair", "bread baking", "rail travel", "river trade", "kite flying", "soil science"),
    *("boat building", "choir singing", "cheese making", "paper folding", "bird watching"),
    *("street music", "wool spinning", "weather study"),
)
_SLACK = 0.1
# A draft that loops without end is cut here; no sound one is as long.
_MOST_TOKENS_PER_WORD, _PLAN_TOKENS = 6, 1_000


def task_of(number: int, words: int) -> str:
    """What a prompt asks for; two numbers 20 apart ask for the same."""
    return f"Write a {words}-word essay about {TOPICS[number % len(TOPICS)]}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One whole draft. ``group``: the prompt it was written for; ``candidate``: its number there;
    ``raw``: as the model wrote it; ``ended``: by itself."""

    group: int
    candidate: int
    task: str
    low_words: int
    high_words: int
    raw: str
    tokens: int
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One draft to be recorded. Candidates of one prompt have seeds one apart, as the server's."""

    group: int
    candidate: int
    words: int

    @property
    def seed(self) -> int:
        return 1_000 * self.group + self.candidate

    def body(self) -> dict[str, Any]:
        return {
            "model": "pocket",
            "prompt": _TEMPLATE.format(question=task_of(self.group, self.words)),
            "seed": self.seed,
            "temperature": 0.6,
            "top_p": 0.95,
            "max_tokens": _MOST_TOKENS_PER_WORD * self.words + _PLAN_TOKENS,
            "stop": ["</answer>", "<|user|>"],
        }


def read(path: Path) -> Iterator[Sequence[Recorded]]:
    """The drafts of each prompt together, in the order of their numbers."""
    groups: dict[int, list[Recorded]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        draft = Recorded(**json.loads(line))
        groups.setdefault(draft.group, []).append(draft)
    for _, drafts in sorted(groups.items()):
        yield sorted(drafts, key=lambda draft: draft.candidate)


async def _record(client: httpx.AsyncClient, ask: Ask) -> Recorded:
    response = await client.post("/v1/completions", json=ask.body())
    if response.is_error:
        raise RuntimeError(f"{response.status_code}: {response.text[:300]}")
    body = response.json()
    return Recorded(
        group=ask.group,
        candidate=ask.candidate,
        task=task_of(ask.group, ask.words),
        low_words=round(ask.words * (1 - _SLACK)),
        high_words=round(ask.words * (1 + _SLACK)),
        raw=body["choices"][0]["text"],
        tokens=body["usage"]["completion_tokens"],
        ended=body["choices"][0]["finish_reason"] == "stop",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Records, a progress bar meanwhile, and writes the file at the end."""
    parser = argparse.ArgumentParser(prog="loadtest.recorded", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default=str(POCKET))
    parser.add_argument("--url", help="a server that runs already; else one is started")
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--drafts", type=int, default=8, help="of each prompt")
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--port", type=int, default=8_934)
    options = parser.parse_args(argv)
    asks = [
        Ask(group=group, candidate=candidate, words=options.words)
        for group in range(options.prompts)
        for candidate in range(options.drafts)
    ]

    def record(url: str) -> list[Recorded]:
        return asyncio.run(together(url, asks, _record, at_once=options.streams, named="drafts"))

    if options.url:
        drafts = record(options.url)
    else:
        serve = ["server", "serve", "--model", options.model, "--port", str(options.port)]
        environment = {"LONGHAND_SERVED_MODEL_NAME": "pocket", "LONGHAND_LOG_LEVEL": "warning"}
        with server(
            "longhand", serve, port=options.port, health="/health/ready", environment=environment
        ) as running:
            drafts = record(running.url)
    lines = (json.dumps(asdict(draft), ensure_ascii=False) + "\n" for draft in drafts)
    options.out.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
