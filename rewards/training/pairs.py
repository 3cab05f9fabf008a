"""Preference pairs: their file, checked line by line, and their split; it must not know models.

A line is a JSON object: ``prompt``, ``chosen`` and ``rejected`` are texts; ``margin`` (a number, 0
by default) says by how much the chosen one is better; ``kind`` is a label to report by.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TEXTS = ("prompt", "chosen", "rejected")
_FIELDS = (*_TEXTS, "margin", "kind")
_BUCKETS = 10**6


class BadPairs(ValueError):
    """A pairs file that cannot be trained on. Names the file, the line and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two texts for one prompt."""

    prompt: str
    chosen: str
    rejected: str
    margin: float = 0.0
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Pairs to learn from and pairs to be tested on; no prompt is in both."""

    train: tuple[Pair, ...]
    held_out: tuple[Pair, ...]


def read_pairs(path: Path) -> list[Pair]:
    """Every pair of the file, in order; empty lines are passed over.

    Raises:
        BadPairs: the file cannot be read, has no pair, or has a line that is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadPairs(f"{path} cannot be read: {type(error).__name__}") from error
    # Not splitlines: a text may hold U+2028 and its like.
    lines = enumerate(text.split("\n"), start=1)
    pairs = [_pair(line, f"{path}, line {number}") for number, line in lines if line.strip()]
    if not pairs:
        raise BadPairs(f"{path} holds no pair")
    return pairs


def split_by_prompt(pairs: Iterable[Pair], held_out_share: float, seed: int) -> Split:
    """About ``held_out_share`` of the prompts, with all their pairs, to be tested on.

    By a hash of prompt and seed, so that a prompt stays on its side when the file grows.

    Raises:
        BadPairs: one side is empty.
    """
    train: list[Pair] = []
    held_out: list[Pair] = []
    for pair in pairs:
        digest = hashlib.sha256(f"{seed}/{pair.prompt}".encode()).digest()
        bucket = int.from_bytes(digest[:8], "big") % _BUCKETS
        (held_out if bucket < held_out_share * _BUCKETS else train).append(pair)
    if not train or not held_out:
        raise BadPairs(
            f"too few prompts to hold {held_out_share:.0%} of them out: {len(train)} pairs to "
            f"train on, {len(held_out)} held out"
        )
    return Split(train=tuple(train), held_out=tuple(held_out))


def _pair(line: str, where: str) -> Pair:
    try:
        held = json.loads(line)
    except ValueError as error:
        raise BadPairs(f"{where}: no JSON ({error})") from None
    if not isinstance(held, dict):
        raise BadPairs(f"{where}: a pair is a JSON object, not {type(held).__name__}")
    unknown = sorted(set(held) - set(_FIELDS))
    if unknown:
        raise BadPairs(
            f"{where}: {', '.join(unknown)} is not known; known are {', '.join(_FIELDS)}"
        )
    texts = {name: _text(held, name, where) for name in _TEXTS}
    if texts["chosen"] == texts["rejected"]:
        raise BadPairs(f"{where}: rejected is the same text as chosen")
    kind = held.get("kind", "")
    if not isinstance(kind, str):
        raise BadPairs(f"{where}: kind must be a text, not {type(kind).__name__}")
    return Pair(**texts, margin=_margin(held, where), kind=kind)


def _text(held: dict[str, Any], name: str, where: str) -> str:
    if name not in held:
        raise BadPairs(f"{where}: {name} is missing")
    value = held[name]
    if not isinstance(value, str):
        raise BadPairs(f"{where}: {name} must be a text, not {type(value).__name__}")
    if not value.strip():
        raise BadPairs(f"{where}: {name} is empty")
    return value


def _margin(held: dict[str, Any], where: str) -> float:
    value = held.get("margin", 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadPairs(f"{where}: margin must be a number, not {type(value).__name__}")
    if not math.isfinite(value) or value < 0:
        raise BadPairs(f"{where}: margin must be 0 or more, not {value}")
    return float(value)
