"""A few GRPO steps on the pocket writer, on a CPU, with the rewards that serve it.

    pip install -e '.[train]'
    python examples/grpo_pocket.py --steps 24 --minutes 10

Prints each reward's mean on prompts it was not trained on, before and after, with 95 % intervals,
and by how much all together rose. Some minutes on two cores; the training ends at its last step or
when its minutes are over. It shows the wiring, not a way to train a good writer: so few steps only
teach this model to pick the words of its plan that mean a sound draft of the asked length.
"""

import argparse
import asyncio
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
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
# The shortest texts that the pocket writer plans as it was taught: one section and two.
WORDS = (300, 500)
COMPLETION_TOKENS = 1_000
BATCH = 32
# The paper's thirds: length, writing, and format with repetition (arXiv 2506.18841).
WEIGHTS = {"length": 1.0, "format": 0.5, "repetition": 0.5, "quality": 1.0}
# 95 % of a normal distribution.
Z = 1.96


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
    drafts: list[Draft] = []
    for first in range(0, len(prompts), BATCH):
        batch = prompts[first : first + BATCH]
        texts = [row["prompt"] for row in batch]
        asked = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left")
        with torch.inference_mode():
            ids = model.generate(
                **asked,
                do_sample=True,
                temperature=0.6,
                top_p=0.95,
                max_new_tokens=COMPLETION_TOKENS,
            )
        written = ids[:, asked["input_ids"].shape[1] :]
        completions = tokenizer.batch_decode(written, skip_special_tokens=True)
        columns = {name: [row[name] for row in batch] for name in batch[0] if name != "prompt"}
        drafts += drafts_of(texts, completions, columns)
    return drafts


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean, and how far off it may be to either side (95 %)."""

    value: float
    half: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.half:.3f}"


def mean_of(values: Sequence[float]) -> Mean:
    """Worked number: 1, 2, 3 -> 2 ± 1.96 * 1 / sqrt(3) = 2 ± 1.13."""
    half = Z * statistics.stdev(values) / math.sqrt(len(values))
    return Mean(value=statistics.fmean(values), half=half)


def together(scores: dict[str, list[Score]]) -> list[float]:
    """One figure for each draft: the weighted mean of its rewards, quality's logit as a
    probability, what abstained left out."""
    totals = []
    for at in range(len(scores["format"])):
        values = {name: told[at].value for name, told in scores.items()}
        known = {
            name: 1 / (1 + math.exp(-value)) if name == "quality" else value
            for name, value in values.items()
            if value is not None
        }
        weight = sum(WEIGHTS[name] for name in known)
        totals.append(sum(WEIGHTS[name] * value for name, value in known.items()) / weight)
    return totals


def told(before: dict[str, list[Score]], after: dict[str, list[Score]]) -> dict[str, list[Mean]]:
    """Before, after and the difference, of each reward and of all together. The drafts of the two
    are independent samples, so their variances add up."""
    found = {}
    for name in (*before, "together"):
        pair = []
        for scores in (before, after):
            values = together(scores) if name == "together" else _values(scores[name])
            pair.append(mean_of(values))
        rise, half = pair[1].value - pair[0].value, math.hypot(pair[0].half, pair[1].half)
        found[name] = [*pair, Mean(value=rise, half=half)]
    return found


def _values(scores: Sequence[Score]) -> list[float]:
    return [score.value for score in scores if score.value is not None]


class Until(TrainerCallback):
    """Ends a training when its time is over: steps are bounded by their number, not their time."""

    def __init__(self, minutes: float) -> None:
        self.ends_s = time.monotonic() + 60 * minutes

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if time.monotonic() > self.ends_s:
            control.should_training_stop = True


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
    tokenizer = AutoTokenizer.from_pretrained(options.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    judges = Judges(
        pure=(Length(), Format(), Repetition()), quality=open_classifier(options.quality)
    )
    subjects = random.Random(options.seed).sample(SUBJECTS, len(SUBJECTS))
    asked = rows(tokenizer, subjects[:HELD_OUT])
    held_out = (asked * (options.drafts // len(asked) + 1))[: options.drafts]
    before = judges.scores(write(model, tokenizer, held_out, options.seed))
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=judges.functions({tokenizer.eos_token_id}),
        args=config(options),
        train_dataset=Dataset.from_list(rows(tokenizer, subjects[HELD_OUT:])),
        processing_class=tokenizer,
        callbacks=[Until(options.minutes)],
    )
    trainer.train()
    model.eval()
    after = judges.scores(write(model, tokenizer, held_out, options.seed + 1))
    found = told(before, after)
    sys.stdout.write(f"{trainer.state.global_step} steps; {len(held_out)} drafts each\n")
    sys.stdout.write(f"{'reward':<12}{'before':>18}{'after':>18}{'rise':>18}\n")
    for name, means in found.items():
        sys.stdout.write(f"{name:<12}" + "".join(f"{mean!s:>18}" for mean in means) + "\n")
    if options.json:
        told_json = {name: [asdict(mean) for mean in means] for name, means in found.items()}
        options.json.write_text(json.dumps(told_json), encoding="utf-8")
    judges.quality.close()


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--minutes", type=float, default=10.0, help="at most, for the training")
    parser.add_argument("--drafts", type=int, default=128, help="written before and after")
    parser.add_argument("--group", type=int, default=8, help="drafts a prompt")
    parser.add_argument("--prompts", type=int, default=2, help="prompts a step")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=Path, default=server.pocket.checkpoint())
    parser.add_argument("--quality", type=Path, default=rewards.pocket.checkpoint())
    parser.add_argument("--out", type=Path, default=Path("grpo-pocket"))
    parser.add_argument("--json", type=Path, help="where to leave the means")
    return parser.parse_args()


if __name__ == "__main__":
    main()
