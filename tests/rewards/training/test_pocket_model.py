"""The bundled quality model: there, small, and right about drafts it has never seen."""

import json

import pytest

import rewards.pocket
from rewards.base import Draft
from rewards.quality.reading import reading_of
from server.pocket.maker.pairs import make_pair

FOLDER = rewards.pocket.checkpoint()
# Far from those that it was trained and measured on.
FRESH = 9 * 10**9
# The flaws that the pocket writer has, against sound text; the other kinds are there to be learnt.
OWN = {"off_topic", "contradiction", "monotone", "tired"}


def test_it_is_bundled_and_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 16 * 2**20


def test_it_says_how_it_is_read() -> None:
    reading = reading_of(FOLDER)
    assert (reading.rule, reading.window_tokens) == ("mean", 512)


def test_its_card_has_the_figures_of_its_report() -> None:
    report = json.loads((FOLDER / "report.json").read_text(encoding="utf-8"))
    overall, kinds = (report["figures"][name] for name in ("overall", "by_kind"))
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"| accuracy | {overall['accuracy']:.1%} of {overall['pairs']:,} pairs |" in card
    own = [share for kind, share in kinds.items() if kind.partition("-")[0] in OWN]
    right = sum(share["accuracy"] * share["pairs"] for share in own)
    assert right / sum(share["pairs"] for share in own) >= 0.95


@pytest.mark.engine
@pytest.mark.timeout(300)
async def test_it_prefers_the_sound_one_of_fresh_pairs() -> None:
    from rewards.quality.classifier import open_classifier

    made = (make_pair(FRESH + number) for number in range(90))
    pairs = [pair for pair in made if pair.kind.partition("-")[0] in OWN]
    judge = open_classifier(FOLDER)
    texts = [text for pair in pairs for text in (pair.chosen, pair.rejected)]
    prompts = [pair.prompt for pair in pairs for _ in range(2)]
    drafts = [Draft(prompt=p, answer=a) for p, a in zip(prompts, texts, strict=True)]
    values = [score.value or 0.0 for score in await judge.score(drafts)]
    right = sum(one > other for one, other in zip(values[::2], values[1::2], strict=True))
    assert right >= 0.9 * len(pairs), (right, len(pairs))
