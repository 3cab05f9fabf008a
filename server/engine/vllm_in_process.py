"""vLLM in this process, by its public ``AsyncLLM``; the only module that imports vLLM.

Written against vLLM 0.32 (vllm/v1/engine/async_llm.py). The model itself runs in processes that
vLLM starts; ``lifeline`` makes sure that none of them outlives the gateway.
"""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import ExitStack, aclosing, suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from server.engine.base import Card, End, Job, Passage, Piece, Sampling, Text
from server.engine.daemon_thread import first_line, in_daemon_thread
from server.engine.lifeline import lifeline
from server.engine.tokenizer import Tokenizer
from server.engine.vllm_options import VllmOptions, engine_arguments, environment
from server.errors import BadRequest, CannotServe, EngineDied, EngineUnavailable
from server.events import TokenLogprob
from server.settings import export

logger = logging.getLogger(__name__)

# How long vLLM's processes get to end, and how often the engine is asked whether it is alive.
_SHUTDOWN_S = 3.0
_WATCH_S = 0.25


class VllmEngine:
    """One model in vLLM: tensor and pipeline parallel, quantised, on several nodes, as set."""

    def __init__(self, options: VllmOptions) -> None:
        self._options = options
        self._tokenizer = Tokenizer(options.directory)
        self._stack = ExitStack()
        self._left = asyncio.Event()
        self._llm: Any = None
        self._kv_tokens: int | None = None

    @property
    def card(self) -> Card:
        return replace(self._options.card, kv_tokens=self._kv_tokens)

    async def tokenize(self, text: str) -> Passage:
        return await self._tokenizer.passage(text)

    async def __aenter__(self) -> Self:
        # Before vLLM is imported: it reads most of them then.
        export(environment(self._options))
        self._stack.enter_context(lifeline())
        try:
            await in_daemon_thread(self._build, name="vllm-start")
            # vLLM asks its engine process this before the first request; if the process dies just
            # then, nobody answers and the request hangs (0.32). Asked here, it is remembered.
            await self._llm.get_supported_tasks()
            self._kv_tokens = _kv_tokens(self._llm.vllm_config)
        except BaseException:
            await asyncio.to_thread(self._stack.close)
            raise
        return self

    def _build(self) -> None:
        try:
            arguments = engine_arguments(self._options)
        except CannotServe as error:
            raise EngineUnavailable(str(error)) from error
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        try:
            self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        except Exception as error:
            # vLLM raises anything from ValueError to RuntimeError here; its own log has more.
            logger.exception("vLLM did not start")
            raise EngineUnavailable(f"vLLM did not start: {first_line(error)}") from error

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        llm, self._llm = self._llm, None
        self._left.set()
        # vLLM ends its processes but not the streams that wait for them (0.32).
        llm.output_processor.propagate_error(EngineDeadError())
        await asyncio.to_thread(llm.shutdown, _SHUTDOWN_S)
        await asyncio.to_thread(self._stack.close)
        # It is part of reference cycles; left to the interpreter's end its finaliser fails there.
        # (So it did not come through the thread's future either, which is kept longer.)
        del llm
        gc.collect()

    async def watch(self) -> str:
        llm = self._llm
        while not llm.errored and not self._left.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), _WATCH_S)
        return "the engine was closed" if self._left.is_set() else "vLLM's engine process ended"

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        if self._llm is None:
            raise EngineUnavailable("vLLM is not running")
        ids = await self._ids(job)
        repeated = self._tokenizer.text_before_break(ids)
        if repeated is not None:
            # See _without; a stop string in what is repeated would end the text at once.
            job = replace(job, stop=tuple(stop for stop in job.stop if stop not in repeated))
        params = _sampling_params(job)
        outputs = self._llm.generate(
            {"prompt_token_ids": ids}, params, job.id, priority=job.priority
        )
        try:
            async with aclosing(outputs):
                async for output in outputs:
                    for piece in self._pieces(output, job.sampling):
                        if repeated and isinstance(piece, Text) and piece.text:
                            piece, repeated = _without(piece, repeated), None
                        yield piece
        except EngineDeadError as error:
            raise EngineDied("vLLM's engine process ended while it was writing") from error
        except (VLLMClientError, ValueError) as error:
            raise BadRequest(first_line(error)) from error
        except EngineGenerateError as error:
            logger.exception("vLLM failed on a request")
            raise EngineDied("vLLM failed on this request") from error

    async def _ids(self, job: Job) -> list[int]:
        ids: list[int] = []
        for passage in (job.prompt, job.written):
            if passage.token_ids is None:
                passage = await self.tokenize(passage.text)
            ids.extend(passage.token_ids or ())
        return ids

    def _pieces(self, output: Any, sampling: Sampling) -> Iterator[Piece]:
        completion = output.outputs[0]
        if completion.token_ids or completion.text:
            logprobs: tuple[TokenLogprob, ...] = ()
            if sampling.logprobs is not None and completion.logprobs:
                logprobs = self._logprobs(completion, sampling.logprobs)
            yield Text(
                text=completion.text, token_ids=tuple(completion.token_ids), logprobs=logprobs
            )
        if completion.finish_reason is not None:
            stop = completion.stop_reason
            by_string = isinstance(stop, str)
            by_length = completion.finish_reason == "length"
            yield End(
                reason="length" if by_length else "stop",
                stop=stop if by_string else None,
                cached_tokens=output.num_cached_tokens or 0,
                end_token=not by_string and not by_length,
            )

    def _logprobs(self, completion: Any, rivals: int) -> tuple[TokenLogprob, ...]:
        return tuple(
            self._logprob(token_id, ranked, rivals)
            for token_id, ranked in zip(completion.token_ids, completion.logprobs, strict=False)
        )

    def _logprob(self, token_id: int, ranked: Mapping[int, Any], rivals: int) -> TokenLogprob:
        best = sorted(ranked.items(), key=lambda entry: entry[1].rank)[:rivals]
        return replace(
            self._one(token_id, ranked[token_id]),
            top=tuple(self._one(rival, entry) for rival, entry in best),
        )

    def _one(self, token_id: int, entry: Any) -> TokenLogprob:
        token = entry.decoded_token
        return TokenLogprob(
            token=self._tokenizer.text_of(token_id) if token is None else token,
            token_id=token_id,
            logprob=max(float(entry.logprob), -9999.0),
        )


def _kv_tokens(config: Any) -> int | None:
    """What vLLM says that its KV cache holds (vllm/config/cache.py, 0.32): for each engine; data
    parallelism has several. Blocks times their size would be wrong for hybrid models."""
    tokens = getattr(config.cache_config, "kv_cache_size_tokens", None)
    return tokens and tokens * config.parallel_config.data_parallel_size


def _sampling_params(job: Job) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    s = job.sampling
    return SamplingParams(
        temperature=s.temperature,
        top_p=s.top_p,
        top_k=s.top_k,
        min_p=s.min_p,
        presence_penalty=s.presence_penalty,
        frequency_penalty=s.frequency_penalty,
        repetition_penalty=s.repetition_penalty,
        seed=s.seed,
        logprobs=s.logprobs,
        logit_bias=dict(s.logit_bias) or None,
        stop_token_ids=list(s.stop_token_ids),
        allowed_token_ids=list(s.allowed_token_ids) or None,
        bad_words=list(s.bad_words) or None,
        min_tokens=min(s.min_tokens, job.max_tokens),
        ignore_eos=s.ignore_eos,
        max_tokens=job.max_tokens,
        stop=list(job.stop),
        # Without this vLLM holds back as many characters as the longest stop has, all the time.
        include_stop_str_in_output=True,
        output_kind=RequestOutputKind.DELTA,
    )


def _without(piece: Text, repeated: str) -> Text:
    """vLLM 0.32 hands tokenizers' DecodeStream the prompt's ids; where those break off inside a
    character, the first text it writes is the whole prompt once more."""
    return replace(piece, text=piece.text.removeprefix(repeated))
