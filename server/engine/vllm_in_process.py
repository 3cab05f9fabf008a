"""vLLM in this process, by its public ``AsyncLLM``; the only module that imports vLLM.

Written against vLLM 0.32 (vllm/v1/engine/async_llm.py). The model itself runs in processes that
vLLM starts; ``lifeline`` makes sure that none of them outlives the gateway.
"""

import asyncio
import dataclasses
import difflib
import logging
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from server.engine.base import Card, End, Job, Passage, Piece, Sampling, Text
from server.engine.lifeline import lifeline
from server.engine.tokenizer import Tokenizer
from server.errors import BadRequest, CannotServe, EngineDied, EngineUnavailable
from server.events import TokenLogprob
from server.machine import has_gpu
from server.settings import export, exported

logger = logging.getLogger(__name__)

# How long vLLM's processes get to end, and how often the engine is asked whether it is alive.
_SHUTDOWN_S = 3.0
_WATCH_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmOptions:
    """What the engine is started with. ``arguments`` are AsyncEngineArgs by name and win over
    the defaults here; ``cpu_kv_cache_gib`` matters on the CPU build alone."""

    card: Card
    location: str
    directory: Path
    revision: str | None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    cpu_kv_cache_gib: int = 1


class VllmEngine:
    """One model in vLLM: tensor and pipeline parallel, quantised, on several nodes, as set."""

    def __init__(self, options: VllmOptions) -> None:
        self._options = options
        self._tokenizer = Tokenizer(options.directory)
        self._stack = ExitStack()
        self._left = asyncio.Event()
        self._llm: Any = None

    @property
    def card(self) -> Card:
        return self._options.card

    async def tokenize(self, text: str) -> Passage:
        return await self._tokenizer.passage(text)

    async def __aenter__(self) -> Self:
        # Before vLLM is imported: it reads most of them then.
        export(_environment(self._options))
        self._stack.enter_context(lifeline())
        try:
            self._llm = await _in_daemon_thread(self._build)
        except BaseException:
            await asyncio.to_thread(self._stack.close)
            raise
        return self

    def _build(self) -> Any:
        try:
            arguments = engine_arguments(self._options)
        except CannotServe as error:
            raise EngineUnavailable(str(error)) from error
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        try:
            return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        except Exception as error:
            # vLLM raises anything from ValueError to RuntimeError here; its own log has more.
            logger.exception("vLLM did not start")
            raise EngineUnavailable(f"vLLM did not start: {_first_line(error)}") from error

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        llm, self._llm = self._llm, None
        # vLLM ends its processes but not the streams that wait for them (0.32).
        llm.output_processor.propagate_error(EngineDeadError())
        await asyncio.to_thread(llm.shutdown, _SHUTDOWN_S)
        await asyncio.to_thread(self._stack.close)

    async def watch(self) -> str:
        while not self._llm.errored:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), _WATCH_S)
        return "vLLM's engine process ended"

    async def stream(self, job: Job) -> AsyncGenerator[Piece, None]:
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        if self._llm is None:
            raise EngineUnavailable("vLLM is not running")
        ids = await self._ids(job)
        params = _sampling_params(job)
        outputs = self._llm.generate(
            {"prompt_token_ids": ids}, params, job.id, priority=job.priority
        )
        try:
            async with aclosing(outputs):
                async for output in outputs:
                    for piece in self._pieces(output, job.sampling):
                        yield piece
        except EngineDeadError as error:
            raise EngineDied("vLLM's engine process ended while it was writing") from error
        except (VLLMClientError, ValueError) as error:
            raise BadRequest(_first_line(error)) from error
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
            yield End(
                reason="length" if completion.finish_reason == "length" else "stop",
                stop=stop if isinstance(stop, str) else None,
                cached_tokens=output.num_cached_tokens or 0,
            )

    def _logprobs(self, completion: Any, rivals: int) -> tuple[TokenLogprob, ...]:
        return tuple(
            self._logprob(token_id, ranked, rivals)
            for token_id, ranked in zip(completion.token_ids, completion.logprobs, strict=False)
        )

    def _logprob(self, token_id: int, ranked: Mapping[int, Any], rivals: int) -> TokenLogprob:
        best = sorted(ranked.items(), key=lambda entry: entry[1].rank)[:rivals]
        return dataclasses.replace(
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


def engine_arguments(options: VllmOptions) -> dict[str, Any]:
    """What vLLM is started with. Importing vLLM takes seconds, so this is no part of a constructor.

    Raises:
        CannotServe: vLLM is not installed, or an argument is not one of its.
    """
    try:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.platforms import current_platform
    except ImportError as error:
        raise CannotServe(f"vLLM is not installed here ({error}); see README.md") from None
    known = {f.name for f in dataclasses.fields(AsyncEngineArgs)}
    for name in options.arguments:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise CannotServe(f"[vllm] {name!r} is not an engine argument of this vLLM{hint}")
    return {
        "model": options.location,
        "revision": options.revision,
        "served_model_name": options.card.model,
        "max_model_len": options.card.window_tokens,
        "enable_prefix_caching": True,
        "enable_log_requests": False,
        "disable_log_stats": False,
        "trust_remote_code": False,
        **(_cpu_arguments(options.card.window_tokens) if current_platform.is_cpu() else {}),
        **options.arguments,
    }


def _cpu_arguments(window_tokens: int) -> dict[str, Any]:
    """Where the CPU build needs other values than vLLM's own; a GPU keeps vLLM's.

    enforce_eager: torch.compile needs a C++ compiler, and 18 s more at the start, for 13 % more
    tokens/s (DECISIONS.md). enable_chunked_prefill: a seeded request whose prompt was cut in two
    kills the engine ("CPU Generator does not use offset", vllm/v1/worker/gpu_model_runner.py 0.32,
    _bookkeeping_sync); without chunks a step must be able to hold a whole window.
    """
    return {
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": window_tokens,
    }


def _environment(options: VllmOptions) -> dict[str, str]:
    """Variables vLLM's own processes read; what the operator has set stays."""
    ranks = int(options.arguments.get("tensor_parallel_size", 1))
    ranks *= int(options.arguments.get("pipeline_parallel_size", 1))
    wanted = {
        # The gateway has threads and an event loop: a forked child would inherit their locks.
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_CPU_KVCACHE_SPACE": str(options.cpu_kv_cache_gib),
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CONFIGURE_LOGGING": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if not has_gpu() and options.arguments.get("enforce_eager", True):
        # Eager does not cover the sampler's own torch.compile: the first request with
        # log-probabilities stopped every stream for 12 s, and would fail without a compiler.
        wanted["TORCHDYNAMO_DISABLE"] = "1"
    if ranks > 1:
        wanted["VLLM_CPU_OMP_THREADS_BIND"] = _cpu_ranks(ranks)
    return {name: value for name, value in wanted.items() if exported(name) is None}


def _cpu_ranks(ranks: int) -> str:
    """The processors, dealt out to the CPU engine's ranks: two ranks on four cores, "0,2|1,3"."""
    import psutil

    processors = psutil.Process().cpu_affinity() or [0]
    shares = [
        processors[rank::ranks] or [processors[rank % len(processors)]] for rank in range(ranks)
    ]
    return "|".join(",".join(map(str, share)) for share in shares)


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


async def _in_daemon_thread(build: Any) -> Any:
    """Runs a slow call beside the event loop. Unlike ``asyncio.to_thread`` it does not keep the
    process alive: whoever interrupts a ten-minute load is not made to wait for it."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if result.cancelled():
            return
        if error is None:
            result.set_result(value)
        else:
            result.set_exception(error)

    def run() -> None:
        try:
            value, error = build(), None
        except BaseException as caught:
            value, error = None, caught
        loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name="vllm-start", daemon=True).start()
    return await result


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
