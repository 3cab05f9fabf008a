"""`python -m tests.reward_figures`: what docs/rewards.md says of the pure rewards, measured anew.

Processor time by length of draft, and what the repetition reward gives healthy and looping drafts.
Drafts come from the pocket writer's grammar, real texts from the benchmark's requests where they
are present. Takes about two minutes of one core.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from rewards.base import Asked, Draft
from rewards.format import Format
from rewards.length import Length
from rewards.repetition import Repetition
from server.pocket.maker.draft import Fault, Flaw, Spec
from server.pocket.maker.lexicon import Language
from server.pocket.maker.render import render
from server.pocket.maker.sampler import DraftMaker

_REQUESTS = Path(__file__).parents[1].parent / "shared" / "data" / "writingbench_length.jsonl"
_TOKENS = tuple(1_000 * 2**power for power in range(8))
# Three quarters of a word, or one and a half characters, a token: Qwen2.5 on plain prose.
_ENGLISH_CHARS, _CHINESE_CHARS = 4.3, 1.5
_ROUNDS = 9
_DRAFTS = 100
_ASKED_WORDS = (300, 800, 2_000, 6_000)


def main() -> None:
    """Prints every figure."""
    _say_costs()
    for language in Language:
        for name, flaws, fault in (
            ("healthy", frozenset[Flaw](), Fault.NONE),
            ("every sentence begins alike", frozenset({Flaw.MONOTONE}), Fault.NONE),
            ("a paragraph repeated, reworded", frozenset[Flaw](), Fault.LOOP_REWORDED),
            ("a paragraph repeated 40 times", frozenset[Flaw](), Fault.LOOP_EXACT),
        ):
            drafts = (
                _written(
                    Spec(
                        seed=seed,
                        language=language,
                        words=_ASKED_WORDS[seed % len(_ASKED_WORDS)],
                        flaws=flaws,
                        fault=fault,
                    )
                )
                for seed in range(_DRAFTS)
            )
            _say_values(f"{language}: {name}", drafts)
    if _REQUESTS.exists():
        _say_values("real requests", iter(_requests()))


def _say_costs() -> None:
    rewards = (Length(), Format(), Repetition())
    _say("| text | tokens | length ms | format ms | repetition ms | together ms | us/token |\n")
    _say("|---|---|---|---|---|---|---|\n")
    for name, text, chars in _texts():
        for tokens in _TOKENS:
            size = round(tokens * chars)
            if len(text) < size:
                break
            answer = text[:size]
            draft = Draft(
                prompt="",
                answer=answer,
                raw=f"<think>plan</think><answer>{answer}</answer>",
                asked=Asked(low_words=1_800, high_words=2_200),
            )
            costs = [_milliseconds(reward, draft) for reward in rewards]
            cells = " | ".join(f"{cost:.2f}" for cost in [*costs, sum(costs)])
            _say(f"| {name} | {tokens:,} | {cells} | {1_000 * sum(costs) / tokens:.2f} |\n")


def _milliseconds(reward: Length | Format | Repetition, draft: Draft) -> float:
    """Processor time of one score, the best of some: what the machine adds is not its cost."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        reward.score(draft)
        best = min(best, time.process_time() - began)
    return 1_000 * best


def _texts() -> Iterator[tuple[str, str, float]]:
    most = _TOKENS[-1]
    yield "pocket, English", _long(Language.ENGLISH, Fault.NONE, most * 5), _ENGLISH_CHARS
    yield "pocket, Chinese", _long(Language.CHINESE, Fault.NONE, most * 2), _CHINESE_CHARS
    yield "pocket, loops", _long(Language.ENGLISH, Fault.LOOP_EXACT, most * 5), _ENGLISH_CHARS
    if _REQUESTS.exists():
        requests = _requests()
        english = "\n\n".join(text for text in requests if text.isascii())
        chinese = "\n\n".join(text for text in requests if not text.isascii())
        yield "real, English", english, _ENGLISH_CHARS
        yield "real, Chinese", chinese, _CHINESE_CHARS


def _long(language: Language, fault: Fault, chars: int) -> str:
    drafts: list[str] = []
    for seed in count():
        drafts.append(_written(Spec(seed=seed, language=language, words=6_000, fault=fault)))
        if sum(map(len, drafts)) >= chars:
            break
    return "".join(drafts)


def _written(spec: Spec) -> str:
    return "".join(render(DraftMaker(spec).draft()).sections)


def _requests() -> Sequence[str]:
    lines = _REQUESTS.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["query"] for line in lines]


def _say_values(name: str, texts: Iterator[str]) -> None:
    found = [Repetition().score(Draft(prompt="", answer=text)).value for text in texts]
    values = sorted(value for value in found if value is not None)
    tenth = len(values) // 10
    _say(f"{name}: {len(values)} texts, median {statistics.median(values):.2f}, ")
    _say(f"lowest tenth to {values[tenth]:.2f}, highest tenth from {values[-tenth - 1]:.2f}\n")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
