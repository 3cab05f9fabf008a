"""The pairs that the pocket quality model learns from: alike in all but their flaws."""

import json
import runpy
import sys
from collections import Counter
from pathlib import Path

import pytest

from planner.words import count_words
from rewards.training.pairs import read_pairs
from server.pocket.maker.lexicon import Language, lexicon
from server.pocket.maker.pairs import Pair, make_pair

OFF_TOPIC = [sentence for lang in Language for sentence in lexicon(lang).lists["off_topic"]]


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return [make_pair(seed) for seed in range(360)]


def flawed(text: str) -> int:
    return sum(text.count(sentence) for sentence in OFF_TOPIC)


def test_the_same_seed_is_the_same_pair() -> None:
    assert make_pair(5) == make_pair(5) != make_pair(6)


def test_only_the_rejected_side_has_the_flaw(pairs: list[Pair]) -> None:
    seen = [pair for pair in pairs if pair.kind.startswith("off_topic-")]
    assert len(seen) > 20
    assert all(flawed(pair.chosen) == 0 < flawed(pair.rejected) for pair in seen)
    clean = [pair for pair in pairs if pair.kind.startswith(("contradiction", "monotone-"))]
    assert all(flawed(pair.chosen) == flawed(pair.rejected) == 0 for pair in clean)


def test_claims_alone_do_not_give_a_contradiction_away(pairs: list[Pair]) -> None:
    claims = [s.split("{thing}")[0] for s in lexicon(Language.ENGLISH).lists["claim"][:3]]
    seen = [pair for pair in pairs if pair.kind == "contradiction_among_claims-en"]
    both = [
        any(c in pair.chosen for c in claims) and any(c in pair.rejected for c in claims)
        for pair in seen
    ]
    assert len(seen) > 20
    assert sum(both) > 0.6 * len(both)


def test_length_says_nothing(pairs: list[Pair]) -> None:
    lengths = [(count_words(pair.chosen), count_words(pair.rejected)) for pair in pairs]
    chosen, rejected = (sum(side) / len(lengths) for side in zip(*lengths, strict=True))
    longer = sum(one > other for one, other in lengths) / len(lengths)
    assert abs(chosen - rejected) < 0.1 * chosen
    assert 0.4 < longer < 0.6


def test_both_languages_and_every_kind_are_there(pairs: list[Pair]) -> None:
    kinds = Counter(pair.kind.partition("-")[0] for pair in pairs)
    assert len(kinds) == 8
    assert {pair.kind.partition("-")[2] for pair in pairs} == {"en", "zh"}


def test_the_command_writes_a_file_that_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "pairs.jsonl"
    arguments = ["pairs", "--out", str(out), "--pairs", "25", "--seed", "3"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.warns(RuntimeWarning, match="found in sys.modules"):
        runpy.run_module("server.pocket.maker.pairs", run_name="__main__")
    first = json.loads(out.read_text(encoding="utf-8").splitlines()[0])
    made = make_pair(3)
    assert (first["chosen"], first["kind"]) == (made.chosen, made.kind)
    assert len(read_pairs(out)) == 25
