"""The reward functions in TRL's own trainer, for one step; skipped where TRL is not installed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rewards.base import Draft, Score, abstained, broke
from rewards.trl import JudgeFunction, RewardFunction

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),
]


@dataclass(frozen=True)
class Letters:
    """Counts letters; has no opinion on every other draft."""

    seen: list[Draft]
    name: str = "letters"
    range: tuple[float, float] = (0.0, 1_000.0)

    def score(self, draft: Draft) -> Score:
        self.seen.append(draft)
        return abstained("?") if len(self.seen) % 2 else Score(value=float(len(draft.answer)))


class Broken:
    name = "quality"

    async def score(self, drafts: Sequence[Draft]) -> Sequence[Score]:
        return [broke("it fell over") for _ in drafts]


def test_a_step_is_trained_on_what_the_rewards_say(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("trl")
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    folder = checkpoint("CausalLM")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
    rows = [{"prompt": "Write.", "task": f"Task {at}.", "low_words": 1, "high_words": 5}
            for at in range(4)]  # fmt: skip
    letters = Letters(seen=[])
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder),
        reward_funcs=[RewardFunction(letters, {0}), JudgeFunction(Broken(), {0})],
        args=GRPOConfig(
            output_dir=str(tmp_path),
            max_steps=1,
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=8,
            multi_objective_aggregation="normalize_then_sum",
            bf16=False,
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            logging_steps=1,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    trainer.train()
    log = trainer.state.log_history[0]
    assert log["rewards/letters/mean"] > 0
    assert log["letters/abstained"] == 0.5
    assert log["quality/failed"] == 1.0
    assert len(letters.seen) == 4
    assert letters.seen[0].prompt.startswith("Task ")
    assert letters.seen[0].asked is not None
