"""Generates with vLLM on fresh prompts and judges the drafts; trains nothing.

Teacher-forced scores mislead: 98 % of counters right still ruins one draft in two. So the figures
of the card come from whole drafts, sampled as the card says.
"""

import dataclasses
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from vllm import LLM, CompletionOutput, SamplingParams

from server.pocket.maker.checkpoint import TOP_P
from server.pocket.maker.draft import Spec
from server.pocket.maker.lexicon import Language
from server.pocket.maker.measure import Verdict, Written, counts_soundly, judge, without_early_end
from server.pocket.maker.mix import TEMPERATURE
from server.pocket.maker.render import PREFILL, render
from server.pocket.maker.sampler import DraftMaker

FRESH_SEED = 5 * 10**9
_MAX_MODEL_TOKENS = 65_536
_TOKENS_PER_WORD = 2.5
# By its path: the CPU platform of vLLM 0.32 turns the name "uni" into "mp", a process more that is
# handed every step (vllm/platforms/cpu.py, check_and_update_config).
_ONE_PROCESS = "vllm.v1.executor.uniproc_executor.UniProcExecutor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Drafts of one asked length: how many, and in which language."""

    asked_words: int
    drafts: int
    language: Language = Language.ENGLISH


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The verdicts of one trial, with their texts in the same order."""

    trial: Trial
    verdicts: tuple[Verdict, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """vLLM against transformers over one greedy draft, transformers reading vLLM's tokens."""

    tokens: int
    same: int
    largest_gap: float


def open_model(folder: Path, *, streams: int = 64) -> LLM:
    """The checkpoint in vLLM, in this process; VLLM_CPU_KVCACHE_SPACE must be set outside."""
    return LLM(
        model=str(folder),
        max_model_len=_MAX_MODEL_TOKENS,
        max_num_seqs=streams,
        enforce_eager=True,
        # vLLM 0.32's CPU build dies of a seeded request whose prompt is read in two chunks.
        enable_chunked_prefill=False,
        max_num_batched_tokens=_MAX_MODEL_TOKENS,
        distributed_executor_backend=_ONE_PROCESS,
        disable_log_stats=True,
        seed=0,
    )


def run_trials(model: LLM, trials: Sequence[Trial]) -> tuple[tuple[Result, ...], float]:
    """The results of all trials, sampled together, and the tokens per second over all streams."""
    # The longest first: none of them is left to run alone at the end.
    longest = sorted(trials, key=lambda trial: -trial.asked_words)
    drafts = [(trial, number) for trial in longest for number in range(trial.drafts)]
    prompts = [fresh_prompt(trial, number) for trial, number in drafts]
    params = [_sampling(trial, number) for trial, number in drafts]
    began = time.perf_counter()
    outputs = [output.outputs[0] for output in model.generate(prompts, params)]
    speed = sum(len(output.token_ids) for output in outputs) / (time.perf_counter() - began)
    written: dict[Trial, list[Written]] = {trial: [] for trial in trials}
    for (trial, _), output in zip(drafts, outputs, strict=True):
        written[trial].append(_written(trial, output))
    results = [
        Result(
            trial=trial,
            verdicts=tuple(judge(draft) for draft in written[trial]),
            texts=tuple(draft.text for draft in written[trial]),
        )
        for trial in trials
    ]
    return tuple(results), speed


def _sampling(trial: Trial, number: int) -> SamplingParams:
    wanted = round(trial.asked_words * _TOKENS_PER_WORD) + 2_500
    limit = min(_MAX_MODEL_TOKENS - 2_048, wanted)
    return SamplingParams(temperature=TEMPERATURE, top_p=TOP_P, max_tokens=limit, seed=number + 1)


def _written(trial: Trial, output: CompletionOutput) -> Written:
    return Written(
        text=output.text,
        language=trial.language,
        asked_words=trial.asked_words,
        ended=output.finish_reason == "stop",
        tokens=len(output.token_ids),
    )


def fresh_prompt(trial: Trial, number: int) -> str:
    """A prompt that training never saw: its seed lies far beyond those of the training rows."""
    seed = FRESH_SEED + trial.asked_words * 1_000 + number
    spec = Spec(seed=seed, language=trial.language, words=trial.asked_words)
    return render(DraftMaker(spec).draft(last=0)).prompt


def carry_on(model: LLM, results: Sequence[Result]) -> tuple[int, int]:
    """Of the drafts that closed early: how many reach their planned end when carried on, of all.

    As a gateway does it: the closing is dropped, the plan's next heading appended in sound form.
    """
    prompts, kept = [], []
    for result in results:
        for number, text in enumerate(result.texts):
            mended = without_early_end(text, result.trial.language)
            if mended is not None:
                prompts.append(fresh_prompt(result.trial, number) + mended)
                kept.append((result.trial, mended))
    params = [_sampling(trial, number) for number, (trial, _) in enumerate(kept)]
    outputs = [output.outputs[0] for output in model.generate(prompts, params)]
    reached = 0
    for (trial, mended), output in zip(kept, outputs, strict=True):
        whole = dataclasses.replace(_written(trial, output), text=mended + output.text)
        reached += set(judge(whole).problems) <= {"titles", "length"}
    return reached, len(kept)


def direct_share(model: LLM, trial: Trial) -> tuple[int, int]:
    """Of drafts without a plan: how many count soundly to the end that their length asks for."""
    prompts = [fresh_prompt(trial, number) + PREFILL for number in range(trial.drafts)]
    params = [_sampling(trial, number) for number in range(trial.drafts)]
    outputs = [output.outputs[0] for output in model.generate(prompts, params)]
    sound = sum(
        counts_soundly(output.text, trial.language, trial.asked_words) for output in outputs
    )
    return sound, len(outputs)


def single_stream_speed(model: LLM, tokens: int = 2_000) -> float:
    """Tokens per second of one greedy stream."""
    params = SamplingParams(temperature=0.0, max_tokens=tokens)
    began = time.perf_counter()
    output = model.generate([_speed_prompt()], params)[0].outputs[0]
    return len(output.token_ids) / (time.perf_counter() - began)


def agreement(model: LLM, folder: Path, tokens: int = 2_000) -> Agreement:
    """How far transformers' choice, given vLLM's text so far, is vLLM's next token."""
    params = SamplingParams(temperature=0.0, max_tokens=tokens)
    output = model.generate([_speed_prompt()], params)[0]
    written = list(output.outputs[0].token_ids)
    prompt = list(output.prompt_token_ids or ())
    if AutoTokenizer.from_pretrained(folder)(_speed_prompt())["input_ids"] != prompt:
        raise ValueError("vLLM and transformers read the prompt differently")
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    with torch.no_grad():
        logits = network(torch.tensor([prompt + written])).logits[0, len(prompt) - 1 : -1].float()
    chosen = logits[torch.arange(len(written)), torch.tensor(written)]
    gaps = logits.amax(dim=-1) - chosen
    return Agreement(
        tokens=len(written), same=int((gaps == 0).sum()), largest_gap=float(gaps.max())
    )


def _speed_prompt() -> str:
    return fresh_prompt(Trial(asked_words=5_000, drafts=1), random.Random(1).randrange(100))
