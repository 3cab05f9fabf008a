"""A quality model in this process, on small random checkpoints."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rewards.base import Draft
from rewards.quality.reading import CannotJudge, Reading

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]
ANSWERS = (
    "The keeper wrote a letter.",
    "A good stew begins with patience, and it is left alone. " * 12,
    "一封长信 about the ships.",
    "Onions.",
)


@pytest.fixture(scope="module")
def folder(checkpoint: Callable[..., Path]) -> Path:
    return checkpoint("SequenceClassification")


def drafts(*answers: str) -> list[Draft]:
    return [Draft(prompt="Write.", answer=answer) for answer in answers]


def alone(folder: Path, text: str) -> float:
    """The logit as transformers' own example computes it: one text, no padding, no windows."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        return float(model.eval()(**ids).logits[0, 0])


async def test_drafts_scored_together_score_as_each_would_alone(folder: Path) -> None:
    from rewards.quality.classifier import open_classifier

    judge = open_classifier(folder)
    scores = await judge.score(drafts(*ANSWERS))
    expected = [alone(folder, f"Write.\n\n{answer}") for answer in ANSWERS]
    assert [score.value for score in scores] == pytest.approx(expected, abs=1e-4)
    assert len({round(value, 3) for value in expected}) == len(ANSWERS)
    assert judge.name == "quality"
    judge.close()


async def test_a_batch_limit_changes_no_score(folder: Path) -> None:
    from rewards.quality.classifier import open_classifier

    together, apart = open_classifier(folder), open_classifier(folder, batch_tokens=1)
    one, other = [await judge.score(drafts(*ANSWERS)) for judge in (together, apart)]
    assert [s.value for s in one] == pytest.approx([s.value for s in other], abs=1e-4)


async def test_a_long_draft_scores_the_mean_of_its_windows(folder: Path) -> None:
    from rewards.quality.classifier import open_classifier

    reading = Reading(template="{answer}", window_tokens=128, prompt_tokens=8)
    judge = open_classifier(folder, reading=reading)
    (score,) = await judge.score(drafts(ANSWERS[1]))
    passages = reading.passages("Write.", ANSWERS[1], judge.network.count)
    parts = [alone(folder, passage.answer) * passage.tokens for passage in passages]
    assert score.parts["windows"] == len(passages) > 2
    assert score.value == pytest.approx(sum(parts) / score.parts["tokens"], abs=1e-4)


async def test_a_long_draft_can_be_read_by_its_ends(folder: Path) -> None:
    from rewards.quality.classifier import open_classifier

    reading = Reading(template="{answer}", window_tokens=128, prompt_tokens=8, rule="head_tail")
    (score,) = await open_classifier(folder, reading=reading).score(drafts(ANSWERS[1]))
    assert score.parts["windows"] == 1
    assert score.parts["tokens"] <= 128


async def test_a_chat_template_forms_the_messages(checkpoint: Callable[..., Path]) -> None:
    from rewards.quality.classifier import open_classifier

    folder = checkpoint("SequenceClassification", chat=True)
    judge = open_classifier(folder)
    assert judge.reading.template is None
    (score,) = await judge.score(drafts("Tea is hot."))
    expected = alone(folder, "<|user|>Write.\n<|assistant|>Tea is hot.\n")
    assert score.value == pytest.approx(expected, abs=1e-4)


async def test_the_event_loop_goes_on_while_the_model_computes(folder: Path) -> None:
    from rewards.quality.classifier import Classifier, open_classifier

    network = open_classifier(folder).network
    running, go = threading.Event(), threading.Event()

    class Held:
        reading = network.reading
        count = staticmethod(network.count)
        token_ids = staticmethod(network.token_ids)

        def score(self, inputs: Any, batch_tokens: int) -> list[float]:
            running.set()
            assert go.wait(20)
            return network.score(inputs, batch_tokens)

    judge = Classifier(Held())
    async with asyncio.timeout(30):
        task = asyncio.create_task(judge.score(drafts("Tea.")))
        await asyncio.to_thread(running.wait, 20)
        # The loop is here, and the model is not done.
        assert not task.done()
        go.set()
        (score,) = await task
    assert score.value is not None


async def test_a_draft_without_an_answer_abstains_and_others_are_scored(folder: Path) -> None:
    from rewards.quality.classifier import open_classifier

    empty, full = await open_classifier(folder).score(drafts("", "Tea."))
    assert (empty.value, empty.failed) == (None, False)
    assert full.value is not None


async def test_a_model_that_fails_gives_failed_scores_and_raises_nothing(folder: Path) -> None:
    from rewards.quality.classifier import open_classifier

    judge = open_classifier(folder)
    judge.network.model.score = None
    scores = await judge.score(drafts("Tea.", "Onions."))
    assert [(score.value, score.failed) for score in scores] == [(None, True)] * 2


async def test_weights_that_are_no_numbers_give_failed_scores(folder: Path) -> None:
    import torch

    from rewards.quality.classifier import open_classifier

    judge = open_classifier(folder)
    torch.nn.init.constant_(judge.network.model.score.weight, float("nan"))
    (score,) = await judge.score(drafts("Tea."))
    assert (score.value, score.failed) == (None, True)


def test_what_is_no_classifier_with_one_logit_is_refused(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    from rewards.quality.classifier import open_classifier

    with pytest.raises(CannotJudge, match="is no classifier but Qwen2ForCausalLM"):
        open_classifier(checkpoint("CausalLM"))
    with pytest.raises(CannotJudge, match="has 3 logits"):
        open_classifier(checkpoint("SequenceClassification", num_labels=3))
    with pytest.raises(CannotJudge, match="cannot be read"):
        open_classifier(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "unheard"}', encoding="utf-8")
    with pytest.raises(CannotJudge, match="cannot be loaded"):
        open_classifier(tmp_path)


def test_a_chat_form_without_a_template_is_refused(folder: Path) -> None:
    from rewards.quality.classifier import open_classifier

    with pytest.raises(CannotJudge, match="no chat template"):
        open_classifier(folder, reading=Reading(template=None))
