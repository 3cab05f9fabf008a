"""How near drafts come to the asked length, with length control on and off (``make bench-length``).

Black box: it starts the server with the model, asks for drafts of every length, and counts what is
delivered. It must not import the server; it counts words by LongBench-Write's rule on its own.
"""

import argparse
import asyncio
import json
import re
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import httpx

from loadtest.process import server
from loadtest.together import together

POCKET = Path(__file__).parent.parent / "server" / "pocket" / "checkpoint"
_HAN, _LATIN = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"\b[a-zA-Z]+\b")
_TOPICS = ("glassblowing", "rail travel in Elden", "the night market", "soil science", "the mill")
_THEMES = ("茶道", "铁路旅行", "北港的灯塔", "造船", "土壤研究")
_ALIKE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One draft to be written: its length, language, seed, and how it is controlled.

    control: "extend" or "pace" (the loop guard on as well), "guard" alone, or "off": neither.
    also: further fields of the request.
    """

    words: int
    chinese: bool
    seed: int
    control: str
    also: Mapping[str, Any] = field(default_factory=dict)

    def body(self, model: str) -> dict[str, Any]:
        topic = (_THEMES if self.chinese else _TOPICS)[self.seed % 5]
        text = f"Write a {self.words}-word essay about {topic}."
        if self.chinese:
            text = f"请写一篇关于{topic}的{self.words}字文章。"
        control = "off" if self.control == "guard" else self.control
        return {
            "model": model,
            "messages": [{"role": "user", "content": text}],
            "seed": self.seed,
            "max_tokens": 4 * self.words + 4_000 + 8 * (self.words // 25),
            "writing": {"length_control": control, "loop_guard": self.control != "off"},
            **self.also,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What came of an ask. ``loops``: how often a paragraph comes the third time in a row."""

    ask: Ask
    words: int
    tokens: int
    finish_reason: str
    loops: int
    report: dict[str, Any]

    @property
    def ratio(self) -> float:
        """Words delivered for each word asked."""
        return self.words / self.ask.words


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The drafts of one length under one control."""

    words: int
    chinese: bool
    control: str
    drafts: Sequence[Draft]

    def share(self, low: float, high: float) -> float:
        """The share of drafts whose ratio is at least ``low`` and at most ``high``."""
        return sum(low <= draft.ratio <= high for draft in self.drafts) / len(self.drafts)

    @property
    def tokens_per_word(self) -> float:
        return sum(d.tokens for d in self.drafts) / max(1, sum(d.words for d in self.drafts))

    def line(self) -> str:
        """As a row of the table that ``main`` prints."""
        ratios = sorted(draft.ratio for draft in self.drafts)
        unit = "字" if self.chinese else "words"
        return (
            f"| {self.words:,} {unit} | {self.control} | {len(ratios)} | "
            f"{100 * self.share(0.9, 1.1):.0f} % | {100 * self.share(0, 0.9 - 1e-9):.0f} % | "
            f"{100 * self.share(1.1 + 1e-9, 1e9):.0f} % | {ratios[0]:.2f} / "
            f"{statistics.median(ratios):.2f} / {ratios[-1]:.2f} | {self.tokens_per_word:.2f} | "
            f"{sum(d.loops > 0 for d in self.drafts)} |"
        )


HEAD = (
    "| asked | control | drafts | within ±10 % | short | long | ratio least / median / most "
    "| tokens per word | with a loop |\n|---|---|---|---|---|---|---|---|---|"
)


def count_words(text: str) -> int:
    """Han characters and runs of ASCII letters (THUDM/LongWriter, evaluation/): "茶 a1 b" is 2."""
    return len(_HAN.findall(text)) + len(_LATIN.findall(text))


def loops(text: str) -> int:
    """Paragraphs that say, word for word or nearly, what both of the two before them say."""
    paragraphs = [p for p in text.split("\n\n") if p.strip() and not p.lstrip().startswith("#")]
    alike = [_alike(one, other) for one, other in zip(paragraphs, paragraphs[1:], strict=False)]
    return sum(one and other for one, other in zip(alike, alike[1:], strict=False))


def _alike(one: str, other: str) -> bool:
    parts = [text.split() if " " in text else list(text) for text in (one, other)]
    return SequenceMatcher(None, parts[0], parts[1], autojunk=False).ratio() > _ALIKE


async def _write(client: httpx.AsyncClient, ask: Ask) -> Draft:
    answer = await client.post("/v1/chat/completions", json=ask.body("pocket"))
    if answer.is_error:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")
    body = answer.json()
    text = body["choices"][0]["message"]["content"]
    return Draft(
        ask=ask,
        words=count_words(text),
        tokens=body["usage"]["completion_tokens"],
        finish_reason=body["choices"][0]["finish_reason"],
        loops=loops(text),
        report=body.get("writing") or {},
    )


async def written(url: str, asks: Sequence[Ask], streams: int) -> list[Draft]:
    """Every ask's draft, ``streams`` at a time, longest first so that none is left for the end."""
    ordered = sorted(asks, key=lambda ask: -ask.words)
    return await together(url, ordered, _write, at_once=streams, named="drafts")


def rows(drafts: Iterable[Draft]) -> list[Row]:
    """The drafts by language, length and control."""
    groups: dict[tuple[bool, int, str], list[Draft]] = {}
    for draft in drafts:
        key = (draft.ask.chinese, draft.ask.words, draft.ask.control)
        groups.setdefault(key, []).append(draft)
    return [
        Row(words=words, chinese=chinese, control=control, drafts=found)
        for (chinese, words, control), found in sorted(groups.items())
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(POCKET))
    parser.add_argument("--words", default="500,1000,2000,5000,10000,20000")
    parser.add_argument("--chinese-words", default="2000")
    parser.add_argument("--controls", default="off,pace")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--port", type=int, default=8913)
    parser.add_argument("--also", type=json.loads, default={}, help="further fields, as JSON")
    parser.add_argument("--json", type=Path, help="also write every draft's figures here")
    options = parser.parse_args(argv)
    asks = [
        Ask(words=int(words), chinese=chinese, seed=seed, control=control, also=options.also)
        for chinese, lengths in ((False, options.words), (True, options.chinese_words))
        for words in filter(None, lengths.split(","))
        for control in options.controls.split(",")
        for seed in range(options.seeds)
    ]
    serve = ["server", "serve", "--model", options.model, "--engine", "vllm"]
    serve += ["--port", str(options.port)]
    environment = {"LONGHAND_SERVED_MODEL_NAME": "pocket", "LONGHAND_LOG_LEVEL": "warning"}
    with server(
        "Longhand", serve, port=options.port, health="/health/ready", environment=environment
    ) as running:
        drafts = asyncio.run(written(running.url, asks, options.streams))
    print(HEAD)
    for row in rows(drafts):
        print(row.line())
    if options.json:
        lines = (json.dumps(asdict(draft), ensure_ascii=False) + "\n" for draft in drafts)
        options.json.write_text("".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
