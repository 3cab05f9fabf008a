"""Training on small random checkpoints: it learns, it resumes, and its figures are the model's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rewards.base import Draft
from rewards.training import command
from rewards.training.figures import Scored, log_loss

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]
SMALL = ["--threads", "1", "--batch", "4", "--rate", "0.003", "--window-tokens", "64",
         "--prompt-tokens", "8", "--save-every", "3", "--held-out-share", "0.3"]  # fmt: skip


@pytest.fixture(scope="module")
def base(checkpoint: Callable[..., Path]) -> Path:
    return checkpoint("CausalLM", attention_dropout=0.1)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """The better text speaks of letters, the worse one of onions; a third of them are long."""
    lines = []
    for at in range(60):
        again = 12 if at % 3 == 0 else 1
        good, bad = ("The keeper wrote a letter. ", "Brown the onions slowly. ")
        line = {
            "prompt": f"Task {at}",
            "chosen": good * again,
            "rejected": bad * again,
            "kind": "long" if again > 1 else "short",
            "margin": 0.5,
        }
        lines.append(json.dumps(line))
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def same(one: Path, other: Path) -> bool:
    import torch

    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def run(base: Path, pairs: Path, out: Path, *more: str, on_step: Any = None) -> int:
    from rewards.training.run import run as train

    named = ["--base", str(base), "--pairs", str(pairs), "--out", str(out)]
    return train(command.plan([*named, *SMALL, *more]), on_step)


def test_it_learns_what_the_pairs_prefer_and_says_how_well(
    base: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rewards.quality.classifier import open_classifier

    out = tmp_path / "out"
    losses: list[float] = []
    assert run(base, pairs, out, "--steps", "30", on_step=lambda _, loss: losses.append(loss)) == 0
    assert losses[-1] < 0.2 < losses[0]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["figures"]["overall"]["accuracy"] == 1.0
    assert set(report["figures"]["by_kind"]) == {"long", "short"}
    assert "| accuracy | 100.0% of" in (out / "README.md").read_text(encoding="utf-8")
    assert "accuracy on held-out pairs: 100.0%" in capsys.readouterr().out
    assert not (out / "resume").exists()
    judge = open_classifier(out)
    assert judge.reading.window_tokens == 64
    good, bad = judge.score_here(
        [Draft(prompt="Task 99", answer=text) for text in ("A letter.", "Onions slowly.")]
    )
    assert good.value is not None
    assert bad.value is not None
    assert good.value > bad.value


def test_a_run_that_was_stopped_ends_in_the_same_weights(
    base: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(step: int, _loss: float) -> None:
        if step == 5:
            raise KeyboardInterrupt

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert run(base, pairs, whole, "--steps", "8") == 0
    assert run(base, pairs, resumed, "--steps", "8", on_step=stop) == 130
    assert (resumed / "resume" / "state.pt").is_file()
    seen: list[int] = []
    assert run(base, pairs, resumed, "--steps", "8", on_step=lambda n, _: seen.append(n)) == 0
    # From the state after step 3 on.
    assert seen == [4, 5, 6, 7, 8]
    assert "going on from step 3 of 8" in capsys.readouterr().out
    assert same(whole, resumed)


def test_a_state_of_another_training_is_refused(
    base: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(step: int, _loss: float) -> None:
        if step == 4:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    assert run(base, pairs, out, "--steps", "8", on_step=stop) == 130
    assert run(base, pairs, out, "--steps", "8", "--seed", "9") == 2
    assert "another seed" in capsys.readouterr().err


def test_it_learns_in_bfloat16(base: Path, pairs: Path, tmp_path: Path) -> None:
    losses: list[float] = []
    more = ("--steps", "20", "--precision", "bfloat16")
    assert run(base, pairs, tmp_path / "out", *more, on_step=lambda _, x: losses.append(x)) == 0
    assert losses[-1] < 0.4 < losses[0]


def test_another_seed_is_another_head(base: Path, pairs: Path, tmp_path: Path) -> None:
    for seed in ("1", "2"):
        assert run(base, pairs, tmp_path / seed, "--steps", "1", "--seed", seed) == 0
    assert not same(tmp_path / "1", tmp_path / "2")


def test_a_classifier_is_a_base_as_well(
    checkpoint: Callable[..., Path], pairs: Path, tmp_path: Path
) -> None:
    base = checkpoint("SequenceClassification", num_labels=3)
    assert run(base, pairs, tmp_path / "out", "--steps", "1") == 0


def test_the_loss_is_the_worked_one() -> None:
    import torch

    from rewards.training.trainer import bradley_terry_loss

    def loss(margin: float, center: float) -> float:
        told = [torch.tensor([value]) for value in (2.0, 1.0, margin)]
        return float(bradley_terry_loss(told[0], told[1], told[2], center))

    assert loss(0.0, 0.0) == pytest.approx(0.3133, abs=1e-4)
    assert loss(0.5, 0.0) == pytest.approx(0.4741, abs=1e-4)
    assert loss(0.0, 0.01) == pytest.approx(0.4033, abs=1e-4)
    pair = Scored(chosen=2.0, rejected=1.0, chosen_words=1, rejected_words=1)
    assert loss(0.0, 0.0) == pytest.approx(log_loss([pair]))


def test_a_batch_in_parts_learns_as_a_whole_one(base: Path, pairs: Path, tmp_path: Path) -> None:
    import torch

    for name, tokens in (("parts", "64"), ("whole", "100000")):
        assert run(base, pairs, tmp_path / name, "--steps", "1", "--batch-tokens", tokens) == 0
    one, other = weights(tmp_path / "parts"), weights(tmp_path / "whole")
    assert all(torch.allclose(one[k].float(), other[k].float(), atol=1e-2) for k in one)
