"""Draws the next token from a model's logits as vLLM 0.32 does; it must not know models or jobs.

Steps and their order are vLLM's (vllm/v1/sample/sampler.py): log-probabilities are taken from the
raw logits, then come allowed ids, bad words, the ids held back by min_tokens, logit bias, the
penalties, and after them the arg max, or temperature, min_p, top_k, top_p and a draw.
All logits here are of one position, shape ``(vocabulary,)``, float32.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from server.engine.base import Sampling
from server.errors import BadRequest, EngineDied

# vllm/sampling_params.py: colder than the first is greedy, colder than the second is the second.
_GREEDY_BELOW = 1e-5
_COLDEST = 1e-2


def penalise_repetition(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Makes what was ``seen`` (bool) less likely: positive logits divided, negative multiplied.

    Worked number: logits (2, -2, 1), the first two seen, penalty 2 -> (1, -4, 1).
    Source: Keskar et al. 2019 (CTRL), section 4.1, with the sign handled as vLLM does.
    """
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def penalise_output(logits: Tensor, counts: Tensor, *, frequency: float, presence: float) -> Tensor:
    """Subtracts ``frequency`` for every time, ``presence`` once, that a token was written.

    Worked number: logits (3, 3, 3), counts (2, 1, 0), frequency 0.5, presence 1 -> (1, 1.5, 3).
    Source: platform.openai.com/docs/api-reference, frequency and presence penalties.
    """
    return logits - frequency * counts - presence * (counts > 0)


def keep_min_p(logits: Tensor, min_p: float) -> Tensor:
    """Drops what is less likely than ``min_p`` times the likeliest.

    Worked number: probabilities (0.6, 0.3, 0.1), min_p 0.4: the bar is 0.24, the third goes.
    """
    probabilities = logits.softmax(dim=-1)
    return logits.masked_fill(probabilities < min_p * probabilities.max(), -torch.inf)


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Keeps the ``top_k`` likeliest and what ties with the last of them; 0 or less keeps all.

    Worked number: logits (3, 1, 2), top_k 2 -> (3, -inf, 2).
    """
    if not 0 < top_k < logits.numel():
        return logits
    return logits.masked_fill(logits < logits.topk(top_k).values[-1], -torch.inf)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keeps the smallest set of the likeliest that holds ``top_p`` of the probability.

    Worked number: probabilities (0.5, 0.3, 0.2), top_p 0.7: added up from the least likely they
    are (1.0, 0.5, 0.2); what is at most 1 - 0.7 goes, so the third.
    """
    if top_p >= 1.0:
        return logits
    ascending, order = logits.sort()
    dropped = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
    dropped[-1] = False
    return logits.scatter(-1, order, ascending.masked_fill(dropped, -torch.inf))


def draw(logits: Tensor, generator: torch.Generator) -> int:
    """One id, each as likely as the softmax says (the exponential race: p / Exp(1), arg max).

    Worked number: logits (0, ln 3) -> id 1 in three draws out of four.
    Source: Maddison et al. 2014, "A* Sampling", section 2; vLLM's ``random_sample`` is the same.
    """
    probabilities = logits.softmax(dim=-1)
    noise = torch.empty_like(probabilities).exponential_(generator=generator)
    return int((probabilities / noise).argmax())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A token's log-probability (natural logarithm) and the likeliest rivals, best first."""

    logprob: float
    top: tuple[tuple[int, float], ...]


def rank(logits: Tensor, token_id: int, rivals: int) -> Ranked:
    """The log-probability of ``token_id`` and of the ``rivals`` likeliest ids.

    Worked number: logits (0, ln 3), token 0, one rival -> ln 0.25 and ((1, ln 0.75),).
    """
    logprobs = logits.log_softmax(dim=-1)
    best = logprobs.topk(min(rivals, logprobs.numel()))
    top = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return Ranked(logprob=float(logprobs[token_id]), top=tuple(top))


class Sampler:
    """Draws one text's tokens and remembers them, as the penalties and bad words need.

    ends: the ids that ``min_tokens`` holds back. bad_words: each as the ids it is made of.
    written: what stands already; it counts as written by the penalties, not by min_tokens.
    """

    def __init__(
        self,
        rules: Sampling,
        *,
        prompt: Sequence[int],
        written: Sequence[int],
        ends: Sequence[int] = (),
        bad_words: Sequence[Sequence[int]] = (),
    ) -> None:
        self._rules = rules
        self._prompt = prompt
        self._written = list(written)
        self._before = len(written)
        self._ends = list(ends)
        self._bad_words = [list(word) for word in bad_words]
        self._generator: torch.Generator | None = None
        self._in_prompt: Tensor | None = None
        self._counts: Tensor | None = None

    def next(self, raw: Tensor) -> int:
        """The id that follows.

        Raises:
            BadRequest: the rules leave no token that may be written.
            EngineDied: the model computed no numbers to choose by.
        """
        logits = self._penalise(self._restrict(raw.to(torch.float32).clone()))
        best = float(logits.max())
        if math.isnan(best):
            raise EngineDied("the model's logits are not numbers")
        if best == -math.inf:
            raise BadRequest("the sampling rules leave no token that may be written")
        token_id = self._pick(logits)
        self._written.append(token_id)
        if self._counts is not None:
            self._counts[token_id] += 1
        return token_id

    def _restrict(self, logits: Tensor) -> Tensor:
        rules = self._rules
        if rules.allowed_token_ids:
            allowed = list(rules.allowed_token_ids)
            kept = logits[allowed]
            logits = torch.full_like(logits, -torch.inf)
            logits[allowed] = kept
        for word in self._bad_words:
            if self._written[len(self._written) - len(word) + 1 :] == word[:-1] or len(word) == 1:
                logits[word[-1]] = -torch.inf
        if len(self._written) - self._before < rules.min_tokens:
            logits[self._ends] = -torch.inf
        for token_id, bias in rules.logit_bias:
            logits[token_id] += bias
        return logits

    def _penalise(self, logits: Tensor) -> Tensor:
        rules = self._rules
        if not (rules.repetition_penalty != 1 or rules.frequency_penalty or rules.presence_penalty):
            return logits
        in_prompt, counts = self._seen(logits)
        logits = penalise_repetition(logits, in_prompt | (counts > 0), rules.repetition_penalty)
        return penalise_output(
            logits, counts, frequency=rules.frequency_penalty, presence=rules.presence_penalty
        )

    def _seen(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Which ids the prompt has (bool), and how often each was written (float32)."""
        if self._in_prompt is None or self._counts is None:
            self._in_prompt = torch.zeros_like(logits, dtype=torch.bool)
            self._in_prompt[list(self._prompt)] = True
            written = torch.tensor(self._written, dtype=torch.long)
            counts = torch.bincount(written, minlength=logits.numel())
            self._counts = counts.to(logits.device, logits.dtype)
        return self._in_prompt, self._counts

    def _pick(self, logits: Tensor) -> int:
        rules = self._rules
        if rules.temperature < _GREEDY_BELOW:
            return int(logits.argmax())
        logits = logits / max(rules.temperature, _COLDEST)
        if rules.min_p > 0:
            logits = keep_min_p(logits, rules.min_p)
        logits = keep_top_p(keep_top_k(logits, rules.top_k), rules.top_p)
        if self._generator is None:
            self._generator = torch.Generator(device=logits.device)
            if rules.seed is None:
                self._generator.seed()
            else:
                self._generator.manual_seed(rules.seed)
        return draw(logits, self._generator)
