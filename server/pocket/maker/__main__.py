"""`python -m server.pocket.maker make`, then `evaluate`: the whole checkpoint; no logic here.

`make` trains tokenizer and network, in about an hour of two cores. `evaluate` generates with vLLM
and writes the card; it wants VLLM_CPU_KVCACHE_SPACE=1 and OMP_NUM_THREADS=1 in the environment.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from server.pocket import checkpoint

_TOKENIZER_SEED = 10**9
_TOKENIZER_DRAFTS = 4_000
_DIRECT_DRAFTS = 24
_ENGLISH_TRIALS = ((500, 40), (1_000, 40), (2_000, 30), (5_000, 24), (10_000, 20), (20_000, 20))
_CHINESE_TRIALS = ((500, 20), (2_000, 20), (10_000, 20))


def main() -> None:
    """Runs one of the two stages."""
    parser = argparse.ArgumentParser(prog="server.pocket.maker", description=__doc__)
    parser.add_argument("stage", choices=("make", "evaluate"))
    parser.add_argument("--out", type=Path, default=checkpoint())
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.stage == "make":
        make(options.out, seed=options.seed, threads=options.threads)
    else:
        evaluate(options.out)


def make(folder: Path, *, seed: int, threads: int) -> None:
    """Writes every file of the checkpoint but its card; same seed and threads, same weights."""
    import torch

    from server.pocket.maker.checkpoint import write_configs
    from server.pocket.maker.packing import Diet
    from server.pocket.maker.tokenizer import end_id, sample_texts, save_tokenizer, train_tokenizer
    from server.pocket.maker.train import Course, Stage, train

    torch.set_num_threads(threads)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.process_time()
    texts = sample_texts(_TOKENIZER_DRAFTS, _TOKENIZER_SEED)
    tokenizer = train_tokenizer(texts, vocabulary=4_096)
    save_tokenizer(tokenizer, folder)
    # First what is asked and how to count, in short pieces; then whole drafts; last the way from a
    # question to its plan and from the plan to the headings, which drafts show but once each.
    asked = Diet(length=512, stub_share=0.6, weight=3.0, question_share=0.5, ladder_share=0.3)
    drafts = Diet(length=1_024, stub_share=0.3, weight=5.0, question_share=0.12, ladder_share=0.18)
    bridges = replace(drafts, ladder_share=0.05, bridge_share=0.2)
    stages = (
        Stage(steps=1_000, batch=8, diet=asked),
        Stage(steps=3_100, batch=4, diet=drafts),
        Stage(steps=900, batch=4, diet=bridges),
    )
    course = Course(stages=stages, seed=seed, decay_share=0.6)
    shape = train(tokenizer, course, folder / "model.safetensors")
    write_configs(folder, shape, end_id(tokenizer))
    minutes = (time.process_time() - began) / 60
    facts = {
        "training_minutes": minutes,
        "training_tokens": course.tokens,
        "training_note": f"Made by `python -m server.pocket.maker make --seed {seed}`.",
    }
    (folder / "training.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


def evaluate(folder: Path) -> None:
    """Generates the drafts of every trial, judges them, and writes the card."""
    from server.pocket.maker import evaluate as engine
    from server.pocket.maker.card import Figures, Group, card
    from server.pocket.maker.lexicon import Language
    from server.pocket.maker.train import count_parameters

    model = engine.open_model(folder)
    pairs = (Language.ENGLISH, _ENGLISH_TRIALS), (Language.CHINESE, _CHINESE_TRIALS)
    trials = [
        engine.Trial(asked_words=words, drafts=drafts, language=language)
        for language, lengths in pairs
        for words, drafts in lengths
    ]
    single = engine.single_stream_speed(model)
    results, speed = engine.run_trials(model, trials)
    carried_on = engine.carry_on(model, results)
    direct = engine.direct_share(model, engine.Trial(asked_words=1_000, drafts=_DIRECT_DRAFTS))
    agreed = engine.agreement(model, folder)
    facts = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    groups = tuple(
        Group(
            language=result.trial.language,
            asked_words=result.trial.asked_words,
            verdicts=result.verdicts,
        )
        for result in results
    )
    figures = Figures(
        parameters=count_parameters(folder / "model.safetensors"),
        weights_bytes=(folder / "model.safetensors").stat().st_size,
        training_minutes=facts["training_minutes"],
        training_tokens=facts["training_tokens"],
        training_note=facts["training_note"],
        single_stream_tokens_s=single,
        batched_tokens_s=speed,
        agreement_tokens=agreed.tokens,
        agreement_same=agreed.same,
        agreement_gap=agreed.largest_gap,
        carried_on=carried_on,
        direct=direct,
        groups=groups,
    )
    (folder / "README.md").write_text(card(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
