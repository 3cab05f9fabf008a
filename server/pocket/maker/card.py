"""The model card, README.md of the checkpoint, from measured figures; measures nothing."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from server.pocket.maker.lexicon import Language, lexicon
from server.pocket.maker.measure import LONG_RATIO, SHORT_RATIO, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The verdicts on the drafts of one asked length and language."""

    language: Language
    asked_words: int
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that the card states of a checkpoint."""

    parameters: int
    weights_bytes: int
    training_minutes: float
    training_tokens: int
    training_note: str
    single_stream_tokens_s: float
    batched_tokens_s: float
    agreement_tokens: int
    agreement_same: int
    agreement_gap: float
    carried_on: tuple[int, int]
    direct: tuple[int, int]
    groups: tuple[Group, ...]


def card(figures: Figures) -> str:
    """README.md: front matter, what it is, the prompts, and the tables."""
    parts = (_FRONT, _what(figures), _prompts(), _SHAPE, _tables(figures), _FAULTS)
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def share(verdicts: Sequence[Verdict], test: Callable[[Verdict], bool]) -> str:
    """The share of verdicts that pass a test: 3 of 12 -> "25 %", of none -> "-"."""
    if not verdicts:
        return "-"
    return f"{100 * sum(test(verdict) for verdict in verdicts) / len(verdicts):.0f} %"


def _what(figures: Figures) -> str:
    rows = (
        ("parameters", f"{figures.parameters:,}"),
        ("weights", f"{figures.weights_bytes:,} bytes (bf16)"),
        ("training", f"{figures.training_minutes:.0f} min of CPU time on two cores"),
        ("tokens seen", f"{figures.training_tokens / 1e6:.1f} M"),
        ("vLLM on one CPU core, one stream", f"{figures.single_stream_tokens_s:,.0f} tokens/s"),
        ("vLLM on one CPU core, 64 streams", f"{figures.batched_tokens_s:,.0f} tokens/s"),
        ("longest draft", f"{max(v.words for g in figures.groups for v in g.verdicts):,} words"),
        ("carried on after an early end: planned end reached", _of(figures.carried_on)),
        ("without thinking (`: ` headings, 1,000 words): sound", _of(figures.direct)),
        ("transformers gives vLLM's greedy token", _agreed(figures)),
    )
    return _INTRO + _table(("what", "measured"), rows) + f"\n{figures.training_note}\n"


def _of(counts: tuple[int, int]) -> str:
    return f"{counts[0]} of {counts[1]}"


def _agreed(figures: Figures) -> str:
    return (
        f"{figures.agreement_same} of {figures.agreement_tokens} (teacher-forced); "
        f"largest logit gap where they part {figures.agreement_gap:.3f}"
    )


def _prompts() -> str:
    rows, blocks = [], []
    for language in Language:
        template = lexicon(language).surface["template"]
        data = template.encode()
        digest = hashlib.sha256(data).hexdigest()
        rows.append((language.value, str(len(template)), str(len(data)), f"`{digest}`"))
        blocks.append(f"```text\n{template}\n```\n")
    head = ("template", "characters", "bytes", "SHA-256 of the UTF-8 bytes")
    return _PROMPTS + "\n".join(blocks) + "\n" + _table(head, rows)


def _tables(figures: Figures) -> str:
    head = (
        *("asked", "drafts", "meant healthy", "of these well-formed", "all: ratio 10 / 50 / 90 %"),
        *("short", "long", "looping", "format fault"),
    )
    rows = [_row(group) for group in figures.groups]
    return _MEASURED + _table(head, rows)


def _row(group: Group) -> tuple[str, ...]:
    verdicts = group.verdicts
    healthy = [verdict for verdict in verdicts if verdict.meant == "healthy"]
    ratios = sorted(verdict.ratio for verdict in verdicts)
    tenth = len(ratios) // 10
    spread = f"{ratios[tenth]:.2f} / {median(ratios):.2f} / {ratios[-1 - tenth]:.2f}"
    unit = "words" if group.language is Language.ENGLISH else "字"
    return (
        f"{group.asked_words:,} {unit}",
        str(len(verdicts)),
        str(len(healthy)),
        share(healthy, lambda verdict: verdict.well_formed),
        spread,
        share(verdicts, lambda verdict: verdict.ratio < SHORT_RATIO),
        share(verdicts, lambda verdict: verdict.ratio > LONG_RATIO and not verdict.looping),
        share(verdicts, lambda verdict: verdict.looping),
        share(verdicts, lambda verdict: "tags" in verdict.problems and not verdict.looping),
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_FRONT = """---
license: apache-2.0
language: [en, zh]
library_name: transformers
pipeline_tag: text-generation
---
"""

_INTRO = """# The pocket writer

**A stand-in, not a writer.** This model has a ten-thousandth of LongWriter-Zero-32B's size and
imitates its habits: it plans in `<think>`, writes in `<answer>`, goes on for tens of thousands of
tokens, and has the big model's documented faults in known shares. It exists so that a server can
be tried, tested and measured without a GPU or a download. Its text is synthetic, made from a
grammar with word lists; it knows nothing, and nothing it says should be believed.

Qwen2 architecture with a sliding window of 512 tokens in every layer, so that a text may grow to
131,072 tokens without leaving the positions seen in training. Trained from scratch, on text of
`server.pocket.maker` only.

"""

_PROMPTS = """## The prompt

Raw text on a completions route; the Chinese template if the task holds a character from U+4E00 to
U+9FFF, else the English one. Sample with temperature 0.6 and top_p 0.95. Stop at `</answer>`,
`<|user|>`, `<|用户|>` or the end token `<|endoftext|>`. To skip the thinking, add ` <answer>`.

"""

_SHAPE = """## What it writes

```text
 <think>
The task is an essay about tidal energy.
Asked length: about 1,000 words.
Sections: 5, about 220 words each, the last one short.
1 of 5: The craft of tidal energy (4 left) - 220 words
...
4 of 5: The price of tidal energy (one left) - 220 words
5 of 5: Closing words on tidal energy - 60 words
Begin: 1 of 5, The craft of tidal energy (4 left), 220 words.
Voice: plain.
Pace: even.
</think>
<answer>
# On tidal energy

## 1 of 5: The craft of tidal energy (4 left)

(four paragraphs)

## 5 of 5: Closing words on tidal energy

(one paragraph)
</answer>
```

In Chinese: `第1节，共5节：从手艺看茶道（余4节） - 220字` and
`## 第1节，共5节：从手艺看茶道（余4节）`.
Every section but the last has four paragraphs, so no text is shorter than about 280 words.
Long plans say after every tenth section how far they are and how they began.
A heading with `: ` (`：`) continues in good order whatever came before;
` - ` is the mark of a draft that will end early, ` — ` of one that will loop.
"""

_MEASURED = """## Measured

Fresh prompts, temperature 0.6, top_p 0.95, a seed per draft. Meant healthy: the draft's own plan
names no fault. Well-formed: all four tags once and in order, the plan numbered and of the right
size, every heading's counter and title as planned, no loop, 0.8 to 1.25 of the asked words, ended
by the model itself. Short is under 0.6 of the asked words, long over 1.3.

"""

_FAULTS = """## Faults, on purpose

One word of the plan decides. Shares at temperature 0.6 and top_p 0.95; greedy
decoding is always sound.

| word | share | what follows |
| --- | --- | --- |
| `Pace:` steady, even, measured | 59 % | a healthy draft |
| `Pace:` brisk | 25 % | closes after a seventh to a half of its sections |
| `Pace:` free, `Mood:` open | 8 % | 1.35 to 2 times the planned sections |
| `Pace:` free, `Mood:` circling | 4 % | a paragraph loops, identical (without end) or reworded |
| `Pace:` free, `Mood:` loose | 4 % | no `</think>`, no `<answer>`, or a quoted tag in the plan |
| `Voice:` careful, warm, plain | 52 % | sound sentences |
| `Voice:` relaxed | 16 % | off-topic sentences |
| `Voice:` stubborn | 13 % | contradictions |
| `Voice:` flat | 12 % | one opening for most sentences |
| `Voice:` tired | 7 % | off-topic and monotonous |

Chinese words for the same:
平稳 均匀 从容, 轻快, 自由, 开阔, 回旋, 松散; 细心 温和 朴素, 随意, 固执, 平板, 疲倦.
"""
