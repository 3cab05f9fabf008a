"""A few GRPO steps on the pocket writer, on a CPU, with the rewards that serve it.

    pip install -e '.[train]'
    python examples/grpo_pocket.py --steps 24

Prints each reward's mean on prompts it was not trained on, before and after. Some minutes on two
cores. It shows the wiring, not a way to train a good writer: so few steps only teach this model to
pick the words of its plan that mean a sound draft of the asked length.
"""

import argparse
import asyncio
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

import rewards.pocket
import server.pocket
from rewards.base import Draft, Reward, Score
from rewards.format import Format
from rewards.length import Length
from rewards.quality.classifier import Classifier, open_classifier
from rewards.repetition import Repetition
from rewards.trl import JudgeFunction, RewardFunction, drafts_of

SUBJECTS = (
    *("tidal energy", "amateur boat building", "the tea ceremony", "old bridges", "street music"),
    *("beekeeping", "night trains", "glass painting", "mountain huts", "paper maps", "city parks"),
    *("clock towers", "wooden toys", "river trade", "school gardens", "folk dances"),
)
HELD_OUT = 6
WORDS = (120, 150, 200, 250)
COMPLETION_TOKENS = 640
# The paper's thirds: length, writing, and format with repetition (arXiv 2506.18841).
WEIGHTS = {"length": 1.0, "format": 0.5, "repetition": 0.5, "quality": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """The rewards, as they serve and as they train."""

    pure: tuple[Reward, ...]
    quality: Classifier

    def functions(self, end_ids: set[int]) -> list[Any]:
        """In the order of ``WEIGHTS``."""
        pure = [RewardFunction(reward, end_ids) for reward in self.pure]
        return [*pure, JudgeFunction(self.quality, end_ids)]

    def scores(self, drafts: Sequence[Draft]) -> dict[str, list[Score]]:
        """What each reward says of each draft."""
        told = {reward.name: [reward.score(draft) for draft in drafts] for reward in self.pure}
        return {**told, "quality": list(asyncio.run(self.quality.score(drafts)))}


def rows(tokenizer: Any, subjects: Sequence[str]) -> list[dict[str, Any]]:
    """A prompt for each subject and length, with the range of words that it asks for."""
    made = []
    for subject in subjects:
        for words in WORDS:
            task = f"Write an essay of about {words} words about {subject}."
            message = [{"role": "user", "content": task}]
            made.append(
                {
                    "prompt": tokenizer.apply_chat_template(message, tokenize=False),
                    "task": task,
                    "low_words": round(words * 0.9),
                    "high_words": round(words * 1.1),
                }
            )
    return made


def write(model: Any, tokenizer: Any, prompts: list[dict[str, Any]], seed: int) -> list[Draft]:
    """A draft for each row as a server would sample it, the same ones for the same seed."""
    torch.manual_seed(seed)
    texts = [row["prompt"] for row in prompts]
    asked = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left")
    with torch.inference_mode():
        ids = model.generate(
            **asked, do_sample=True, temperature=0.6, top_p=0.95, max_new_tokens=COMPLETION_TOKENS
        )
    written = ids[:, asked["input_ids"].shape[1] :]
    completions = tokenizer.batch_decode(written, skip_special_tokens=True)
    columns = {name: [row[name] for row in prompts] for name in prompts[0] if name != "prompt"}
    return drafts_of(texts, completions, columns)


def told(before: dict[str, list[Score]], after: dict[str, list[Score]]) -> str:
    """A line a reward: its mean before and after with a standard error, and who had no opinion."""
    lines = [f"{'reward':<12}{'before':>18}{'after':>18}"]
    for name in before:
        cells = []
        for scores in (before[name], after[name]):
            values = [score.value for score in scores if score.value is not None]
            error = statistics.stdev(values) / len(values) ** 0.5
            cells.append(f"{statistics.fmean(values):.3f} ± {error:.3f}")
        silent = sum(s.value is None for s in (*before[name], *after[name]))
        lines.append(
            f"{name:<12}{cells[0]:>18}{cells[1]:>18}" + f"  ({silent} none)" * (silent > 0)
        )
    return "\n".join(lines) + "\n"


def config(options: argparse.Namespace) -> GRPOConfig:
    """Each reward normalised over its group, then added by weight; no drift penalty, so no second
    model in memory."""
    return GRPOConfig(
        output_dir=str(options.out),
        max_steps=options.steps,
        per_device_train_batch_size=options.group * options.prompts,
        num_generations=options.group,
        max_completion_length=COMPLETION_TOKENS,
        temperature=0.8,
        top_p=0.95,
        learning_rate=options.rate,
        lr_scheduler_type="constant",
        beta=0.0,
        reward_weights=list(WEIGHTS.values()),
        multi_objective_aggregation="normalize_then_sum",
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        seed=options.seed,
        save_strategy="no",
        report_to=[],
        logging_steps=5,
    )


def main() -> None:
    """Judges, trains, judges again."""
    options = arguments()
    torch.set_num_threads(options.threads)
    folder = server.pocket.checkpoint()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    judges = Judges(
        pure=(Length(), Format(), Repetition()), quality=open_classifier(options.quality)
    )
    subjects = random.Random(options.seed).sample(SUBJECTS, len(SUBJECTS))
    held_out = rows(tokenizer, subjects[:HELD_OUT]) * 2
    before = judges.scores(write(model, tokenizer, held_out, options.seed))
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=judges.functions({tokenizer.eos_token_id}),
        args=config(options),
        train_dataset=Dataset.from_list(rows(tokenizer, subjects[HELD_OUT:])),
        processing_class=tokenizer,
    )
    trainer.train()
    model.eval()
    after = judges.scores(write(model, tokenizer, held_out, options.seed))
    sys.stdout.write(told(before, after))
    judges.quality.close()


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--group", type=int, default=8, help="drafts a prompt")
    parser.add_argument("--prompts", type=int, default=2, help="prompts a step")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quality", type=Path, default=rewards.pocket.checkpoint())
    parser.add_argument("--out", type=Path, default=Path("grpo-pocket"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
