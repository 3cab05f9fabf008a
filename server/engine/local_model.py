"""A Hugging Face causal language model and one text being written by it, a step at a time.

It must not know threads or streams. Written against transformers 5.19 (``AutoModelForCausalLM``,
``DynamicCache``) and any decoder that has a cache; nothing here is Qwen2's alone.
"""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from server.engine.base import End, Job, Piece, Text
from server.engine.local_sampling import Ranked, Sampler, rank
from server.engine.tokenizer import Decoder, Tokenizer
from server.errors import EngineDied
from server.events import TokenLogprob

# A long prompt is read in parts of so many tokens: other texts get a turn in between, and the
# attention weights of 512 x 32,768 tokens still fit a laptop.
_READ_TOKENS = 512
# What JSON cannot carry, minus infinity, as vLLM's OpenAI server writes it.
_LOWEST_LOGPROB = -9999.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The network with what its checkpoint says of itself. ``ends`` are its end-of-text ids."""

    network: Any
    ends: frozenset[int]
    vocabulary_tokens: int

    def read(self, ids: list[int], cache: DynamicCache) -> torch.Tensor:
        """Appends ``ids`` to ``cache``; the logits after the last one, shape ``(vocabulary,)``."""
        there = torch.tensor([ids], device=self.network.device)
        out = self.network(input_ids=there, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[0, -1]


def load(location: str, directory: Path) -> Model:
    """The model on the best device there is, in the type that its checkpoint has (bfloat16 also
    on a CPU: half the memory of float32, and what vLLM computes in).

    Raises:
        Exception: anything that transformers raises for what it cannot load.
    """
    # For a Hugging Face id ``directory`` is a snapshot, named after its commit: the weights are to
    # be those the facts were read beside.
    revision = None if Path(location).is_dir() else directory.name
    network = AutoModelForCausalLM.from_pretrained(
        location, revision=revision, dtype="auto", trust_remote_code=False
    )
    network = network.to(best_device()).eval()
    return Model(
        network=network,
        ends=_ends(network, directory),
        vocabulary_tokens=network.config.get_text_config().vocab_size,
    )


def best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _ends(network: Any, directory: Path) -> frozenset[int]:
    """vLLM's rule: the tokenizer's end-of-text token, and all that generation_config.json has."""
    told = network.generation_config.eos_token_id
    if told is None:
        told = network.config.get_text_config().eos_token_id
    ends = set(told) if isinstance(told, list) else {told}
    with contextlib.suppress(OSError, ValueError):
        ends.add(AutoTokenizer.from_pretrained(directory).eos_token_id)
    return frozenset(ends - {None})


@dataclass(slots=True, kw_only=True)
class Writing:
    """One job under way: its cache, its sampler, its decoder.

    window_tokens: prompt and writing together. bad_words: the job's, as token ids.
    """

    model: Model
    tokenizer: Tokenizer
    job: Job
    prompt: tuple[int, ...]
    written: tuple[int, ...]
    window_tokens: int
    bad_words: tuple[tuple[int, ...], ...] = ()
    _unread: list[int] = field(init=False)
    _tail: str = ""
    _num_tokens: int = 0
    _cache: DynamicCache = field(init=False)
    _sampler: Sampler = field(init=False)
    _decoder: Decoder = field(init=False)

    def __post_init__(self) -> None:
        self._unread = [*self.prompt, *self.written]
        self._cache = DynamicCache(config=self.model.network.config)
        self._decoder = self.tokenizer.decoder(tuple(self._unread))
        self._sampler = Sampler(
            self.job.sampling,
            prompt=self.prompt,
            written=self.written,
            ends=sorted(self.model.ends | set(self.job.sampling.stop_token_ids)),
            bad_words=self.bad_words,
        )

    def step(self) -> tuple[Piece, ...]:
        """Reads a part of what is unread and, once all is read, writes one token.

        Raises:
            BadRequest: the sampling rules leave no token.
            EngineDied: this text cannot go on; others may.
        """
        try:
            with torch.inference_mode():
                return self._step()
        except torch.OutOfMemoryError as error:
            raise EngineDied("there is no memory left for this text") from error

    def _step(self) -> tuple[Piece, ...]:
        part, self._unread = self._unread[:_READ_TOKENS], self._unread[_READ_TOKENS:]
        logits = self.model.read(part, self._cache)
        if self._unread:
            return ()
        token_id = self._sampler.next(logits)
        self._unread = [token_id]
        self._num_tokens += 1
        text = self._decoder.step(token_id)
        cut, stop = self._cut_at_stop(text)
        end = End(reason="stop", stop=stop) if stop is not None else self._end(token_id)
        if end is not None and end.reason == "stop" and stop is None:
            # At a length limit it waits in the ids: a continuation writes the whole character.
            cut += self._decoder.finish()
        logprobs = self._logprobs(logits, token_id)
        piece = Text(text=cut, token_ids=(token_id,), logprobs=logprobs)
        return (piece,) if end is None else (piece, end)

    def _cut_at_stop(self, text: str) -> tuple[str, str | None]:
        """The text up to the end of the stop string that ends first in it, and that string."""
        stops = self.job.stop
        before, whole = self._tail, self._tail + text
        self._tail = whole[-max(map(len, stops), default=0) :] if stops else ""
        if self._num_tokens <= self.job.sampling.min_tokens:
            return text, None
        met = []
        for order, stop in enumerate(stops):
            at = whole.find(stop, max(0, len(before) - len(stop) + 1))
            if at >= 0:
                met.append((at + len(stop), order, stop))
        if not met:
            return text, None
        ends_at, _, stop = min(met)
        return whole[len(before) : ends_at], stop

    def _end(self, token_id: int) -> End | None:
        rules = self.job.sampling
        if token_id in rules.stop_token_ids:
            return End(reason="stop", end_token=True)
        if token_id in self.model.ends and not rules.ignore_eos:
            return End(reason="stop", end_token=True)
        total_tokens = len(self.prompt) + len(self.written) + self._num_tokens
        if self._num_tokens >= self.job.max_tokens or total_tokens >= self.window_tokens:
            return End(reason="length")
        return None

    def _logprobs(self, logits: torch.Tensor, token_id: int) -> tuple[TokenLogprob, ...]:
        rivals = self.job.sampling.logprobs
        if rivals is None:
            return ()
        ranked: Ranked = rank(logits.to(torch.float32), token_id, rivals)
        top = tuple(self._logprob(rival, logprob) for rival, logprob in ranked.top)
        return (self._logprob(token_id, ranked.logprob, top),)

    def _logprob(
        self, token_id: int, logprob: float, top: tuple[TokenLogprob, ...] = ()
    ) -> TokenLogprob:
        return TokenLogprob(
            token=self.tokenizer.text_of(token_id),
            token_id=token_id,
            logprob=max(logprob, _LOWEST_LOGPROB),
            top=top,
        )
