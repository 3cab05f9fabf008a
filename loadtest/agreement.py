"""Whether vLLM and transformers write the same text from one checkpoint, and where not, why not.

    python -m loadtest.agreement --model DIR --tokens 2000

First both write greedily from one prompt. Where the texts part, everything after is another text,
so the check proper is teacher-forced: both models read the same tokens, vLLM's, and at every
position their choices are compared.

The rule. A bfloat16 has 8 significant bits, so each engine's logits are the exact ones plus
rounding noise, and whoever adds in another order gets other noise. How much is not guessed: the
same weights are run in float32. The noise is by how much the distance between the two likeliest
tokens differs from the one in float32, its 99.9th percentile over the text; a choice can turn over
only where that distance is smaller than the noise. So two things must hold. vLLM's noise is at most
twice that of transformers: both are bfloat16, and an engine that computes something else would be
excused by its own errors otherwise. And where the choices differ, the tokens lie no further apart
in float32 than this allowance, twice transformers' noise.
It does not import the server: both libraries are asked directly.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from typing import Any

# How many of vLLM's likeliest tokens are compared at each position.
_RIVALS = 8
_READ_TOKENS = 512
_NOISE_QUANTILE = 0.999
_MAX_NOISE_RATIO = 2.0
_PROMPT = "Write a long story about a lighthouse keeper who counts the ships that pass.\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """vLLM's greedy text as ids, and its teacher-forced log-probabilities of the likeliest tokens:
    for every written position, token id to log-probability."""

    prompt: tuple[int, ...]
    written: tuple[int, ...]
    scores: tuple[dict[int, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """A position where the choices differ. gap: their distance in float32 logits; the gaps of the
    two engines are by how much each prefers its own choice."""

    position: int
    gap: float
    vllm_gap: float
    transformers_gap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What was found. Noise is of the distance between the two likeliest tokens, in logits."""

    tokens: int
    first_parting: int | None
    partings: tuple[Parting, ...]
    vllm_noise: float
    transformers_noise: float

    @property
    def bridged(self) -> float:
        """The largest gap that rounding explains. Worked number: noise 0.05 -> 0.1."""
        return _MAX_NOISE_RATIO * self.transformers_noise

    @property
    def largest_gap(self) -> float:
        return max((parting.gap for parting in self.partings), default=0.0)

    @property
    def holds(self) -> bool:
        return self.vllm_noise <= self.bridged and self.largest_gap <= self.bridged


def write_with_vllm(model: str, prompt: str, tokens: int) -> Writing:
    """Writes greedily, then scores what was written in one prefill."""
    from vllm import LLM, SamplingParams

    llm = LLM(
        model=model,
        enforce_eager=True,
        max_logprobs=_RIVALS,
        enable_prefix_caching=False,
        disable_log_stats=True,
    )
    ids = tuple(llm.get_tokenizer().encode(prompt, add_special_tokens=False))
    greedy = SamplingParams(temperature=0.0, max_tokens=tokens, ignore_eos=True)
    output = llm.generate({"prompt_token_ids": list(ids)}, greedy, use_tqdm=False)[0]
    written = tuple(output.outputs[0].token_ids)
    scoring = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=_RIVALS)
    scored = llm.generate({"prompt_token_ids": [*ids, *written]}, scoring, use_tqdm=False)[0]
    scores = tuple(
        {token_id: entry.logprob for token_id, entry in position.items()}
        for position in scored.prompt_logprobs[len(ids) :]
    )
    return Writing(prompt=ids, written=written, scores=scores)


def score_with_transformers(model: str, writing: Writing, dtype: str) -> Any:
    """Teacher-forced logits at every written position, shape ``(tokens, vocabulary)``, float32."""
    import torch
    from transformers import AutoModelForCausalLM, DynamicCache

    network = AutoModelForCausalLM.from_pretrained(model, dtype=dtype).eval()
    cache = DynamicCache(config=network.config)
    ids = torch.tensor([[*writing.prompt, *writing.written]])
    parts = []
    with torch.inference_mode():
        for part in ids.split(_READ_TOKENS, dim=1):
            out = network(input_ids=part, past_key_values=cache, use_cache=True)
            parts.append(out.logits[0].float())
    # The logits at a position choose the token after it.
    return torch.cat(parts)[len(writing.prompt) - 1 : -1]


def write_with_transformers(model: str, writing: Writing) -> tuple[int, ...]:
    """transformers' own greedy text of the same length, never ended before."""
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(model, dtype="auto").eval()
    network.generation_config.eos_token_id = None
    prompt = torch.tensor([writing.prompt])
    generated = network.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        max_new_tokens=len(writing.written),
    )
    return tuple(generated[0, len(writing.prompt) :].tolist())


def compare(writing: Writing, other: tuple[int, ...], ours: Any, exact: Any) -> Agreement:
    """``ours`` and ``exact``: transformers' teacher-forced logits in the checkpoint's type and in
    float32, both ``(tokens, vocabulary)``."""
    vllm_noise, our_noise, partings = [], [], []
    for position, scores in enumerate(writing.scores):
        first, second = sorted(scores, key=lambda token_id: -scores[token_id])[:2]
        distance = float(exact[position, first] - exact[position, second])
        vllm_noise.append(abs(scores[first] - scores[second] - distance))
        mine = float(ours[position, first] - ours[position, second])
        our_noise.append(abs(mine - distance))
        parting = _parting(position, scores, ours[position], exact[position])
        if parting is not None:
            partings.append(parting)
    pairs = zip(writing.written, other, strict=True)
    return Agreement(
        tokens=len(writing.written),
        first_parting=next((at for at, (one, two) in enumerate(pairs) if one != two), None),
        partings=tuple(partings),
        vllm_noise=_high(vllm_noise),
        transformers_noise=_high(our_noise),
    )


def _high(noise: list[float]) -> float:
    return sorted(noise)[math.ceil(_NOISE_QUANTILE * len(noise)) - 1]


def _parting(position: int, scores: dict[int, float], ours: Any, exact: Any) -> Parting | None:
    """Where two logits are equal either choice is right, whichever id an arg max names first."""
    theirs, mine = max(scores, key=lambda token_id: scores[token_id]), int(ours.argmax())
    if theirs == mine or scores.get(mine) == scores[theirs] or ours[theirs] == ours[mine]:
        return None
    # A token that is not even among vLLM's likeliest is at least as far away as the last of them.
    vllm_gap = scores[theirs] - scores.get(mine, min(scores.values()))
    return Parting(
        position=position,
        gap=abs(float(exact[theirs] - exact[mine])),
        vllm_gap=vllm_gap,
        transformers_gap=float(ours[mine] - ours[theirs]),
    )


def table(found: Agreement) -> str:
    parted = "nowhere" if found.first_parting is None else f"at token {found.first_parting}"
    rows = [
        ("tokens compared", f"{found.tokens}"),
        ("the greedy texts part", parted),
        ("other choice, same text read", f"{len(found.partings)} of {found.tokens}"),
        ("largest gap there, float32", f"{found.largest_gap:.4f}"),
        ("largest gap there, vLLM", _largest(part.vllm_gap for part in found.partings)),
        ("largest gap there, transformers", _largest(p.transformers_gap for p in found.partings)),
        ("rounding bridges up to", f"{found.bridged:.4f}"),
        ("noise of vLLM (p99.9)", f"{found.vllm_noise:.4f}"),
        ("noise of transformers (p99.9)", f"{found.transformers_noise:.4f}"),
        ("verdict", "agree" if found.holds else "PART BEYOND ROUNDING"),
    ]
    return "\n".join(f"{name:<34}{value:>12}" for name, value in rows)


def _largest(gaps: Any) -> str:
    return f"{max(gaps, default=0.0):.4f}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare vLLM's and transformers' greedy text.")
    parser.add_argument("--model", required=True, help="directory of a checkpoint")
    parser.add_argument("--tokens", type=int, default=2000, help="tokens to write")
    parser.add_argument("--prompt", default=_PROMPT, help="what to go on from")
    given = parser.parse_args()
    writing = write_with_vllm(given.model, given.prompt, given.tokens)
    other = write_with_transformers(given.model, writing)
    ours = score_with_transformers(given.model, writing, "auto")
    exact = score_with_transformers(given.model, writing, "float32")
    found = compare(writing, other, ours, exact)
    print(table(found))
    return 0 if found.holds else 1


if __name__ == "__main__":
    sys.exit(main())
