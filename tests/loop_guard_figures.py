"""`python -m tests.loop_guard_figures`: what docs/loops.md says of the loop guard, measured anew.

Loops and healthy drafts come from the pocket writer's grammar, real texts from the benchmark's
requests where they are present. Takes some two minutes of one core.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from server.pocket.maker.draft import Fault, Flaw, Section, Spec
from server.pocket.maker.lexicon import Language, lexicon
from server.pocket.maker.render import render, render_section
from server.pocket.maker.sampler import DraftMaker
from server.policies.loop_guard import LoopGuard

ROOT = Path(__file__).parents[1]
_REQUESTS = ROOT.parent / "shared" / "data" / "writingbench_length.jsonl"
_LOOPS, _HEALTHY = 500, 300
_ASKED_WORDS = (100, 300, 500, 800, 1_500, 3_000, 6_000)
_VOICES = (
    frozenset[Flaw](),
    frozenset({Flaw.MONOTONE}),
    frozenset({Flaw.OFF_TOPIC}),
    frozenset({Flaw.OFF_TOPIC, Flaw.MONOTONE}),
    frozenset({Flaw.CONTRADICTION}),
)
_FEED_CHARS = 5
_BLOCK_FEEDS = 1_000
_ROUNDS = 7


def main() -> None:
    """Prints every figure."""
    _say_loops()
    drafts = (_answer(spec) for spec in _specs(_HEALTHY, (Fault.NONE, Fault.LONG, Fault.SHORT)))
    _say_alarms("healthy drafts", drafts)
    if _REQUESTS.exists():
        lines = _REQUESTS.read_text(encoding="utf-8").splitlines()
        _say_alarms("real requests", (json.loads(line)["query"] for line in lines))
    files = sorted(path for path in ROOT.rglob("*.py") if ".venv" not in path.parts)
    _say_alarms("source files", (path.read_text(encoding="utf-8") for path in files))
    for name, language, chars, voice in (
        ("English, 5 characters a token", Language.ENGLISH, 5, _VOICES[0]),
        ("English, every sentence alike", Language.ENGLISH, 5, _VOICES[1]),
        ("Chinese, 2 characters a token", Language.CHINESE, 2, _VOICES[0]),
    ):
        _say_cost(name, language, chars, voice)


def looping_draft(spec: Spec) -> tuple[str, str]:
    """A looping draft's answer, and that answer up to the end of what its loop repeats."""
    draft = DraftMaker(spec).draft()
    looping = max(draft.sections, key=lambda section: len(section.paragraphs))
    paragraphs = looping.paragraphs
    if spec.fault is Fault.LOOP_REWORDED:
        lead_ins = tuple(lexicon(spec.language).lists["reworded"])
        last = [paragraph[0].startswith(lead_ins) for paragraph in paragraphs].index(True)
    else:
        last = paragraphs.index(paragraphs[-1]) + 1
    kept = Section(
        number=looping.number, heading=looping.heading, paragraphs=paragraphs[:last], flaws=()
    )
    before = "".join(render_section(one) for one in draft.sections[: looping.number - 1])
    behind = "".join(render_section(one) for one in draft.sections[looping.number :])
    seen = (before + render_section(kept)).rstrip()
    return before + render_section(looping) + behind, seen


def _specs(count: int, faults: tuple[Fault, ...]) -> Iterator[Spec]:
    for seed in range(count):
        yield Spec(
            seed=seed,
            language=list(Language)[seed % 2],
            words=_ASKED_WORDS[seed // 2 % len(_ASKED_WORDS)],
            fault=faults[seed // 3 % len(faults)],
            flaws=_VOICES[seed % len(_VOICES)],
        )


def _answer(spec: Spec) -> str:
    return "".join(render(DraftMaker(spec).draft()).sections)


def _say_loops() -> None:
    confirmed = leaked = spent = 0
    for spec in _specs(_LOOPS, (Fault.LOOP_EXACT, Fault.LOOP_REWORDED)):
        text, seen = looping_draft(spec)
        guard, fed = _run(text)
        confirmed += guard.turn is not None
        leaked += guard.turn is None or guard.turn.back_to_chars > len(seen)
        spent += fed - len(seen)
    _say(f"looping drafts: {confirmed} of {_LOOPS} turned, a repeat was safe in {leaked}, ")
    _say(f"{spent / _LOOPS:.0f} characters read behind the first on average\n")


def _say_alarms(name: str, texts: Iterable[str]) -> None:
    count = alarms = 0
    for text in texts:
        count += 1
        alarms += _run(text)[0].turn is not None
    _say(f"{name}: {alarms} false alarms in {count}\n")


def _run(text: str) -> tuple[LoopGuard, int]:
    guard = LoopGuard()
    for at in range(0, len(text), _FEED_CHARS):
        guard.feed(text[at : at + _FEED_CHARS])
        if guard.turn is not None:
            return guard, at
    return guard, len(text)


def _say_cost(name: str, language: Language, chars: int, voice: frozenset[Flaw]) -> None:
    """Processor time a token in the first 1,000 and in the last 1,000 of 30,000, at best."""
    answers = (
        _answer(Spec(seed=s, language=language, words=20_000, flaws=voice)) for s in range(9)
    )
    text = "".join(answers)[: 30_000 * chars]
    pieces = [text[at : at + chars] for at in range(0, len(text), chars)]
    blocks = [pieces[at : at + _BLOCK_FEEDS] for at in range(0, len(pieces), _BLOCK_FEEDS)]
    best = [1.0] * len(blocks)
    for _ in range(_ROUNDS):
        guard = LoopGuard()
        for number, block in enumerate(blocks):
            best[number] = min(best[number], _time(guard, block))
    first, last, all_s = best[0], best[-1], sum(best) / len(best)
    scale = 1e6 / _BLOCK_FEEDS
    _say(f"{name}: {first * scale:.2f} us at first, {last * scale:.2f} us at the end of ")
    _say(f"{len(pieces):,} tokens, {all_s * scale:.2f} us on average\n")


def _time(guard: LoopGuard, pieces: list[str]) -> float:
    began = time.process_time()
    for piece in pieces:
        guard.feed(piece)
        _ = guard.safe_chars, guard.turn
    return time.process_time() - began


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
