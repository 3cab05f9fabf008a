"""The transformers engine by itself: loading, memory, back-pressure, death."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.engine import local
from server.engine.base import NOTHING_WRITTEN, Card, End, Job, Sampling, Text
from server.engine.local import LocalEngine
from server.errors import BadRequest, CannotServe, EngineDied, EngineUnavailable

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

GREEDY = Sampling(temperature=0.0, top_p=1.0)
CARD = Card(model="tiny", window_tokens=1024, vocabulary_tokens=320)
_BOUND_S = 60.0


@pytest.fixture
async def engine(checkpoint: Callable[[str], Path]) -> AsyncIterator[LocalEngine]:
    directory = checkpoint("sliding")
    async with LocalEngine(CARD, str(directory), directory) as entered:
        yield entered


async def job_of(engine: LocalEngine, prompt: str, **fields: Any) -> Job:
    given = {"id": prompt, "sampling": GREEDY, "max_tokens": 60, **fields}
    return Job(prompt=await engine.tokenize(prompt), written=NOTHING_WRITTEN, **given)


async def ids_of(engine: LocalEngine, job: Job) -> list[int]:
    async with asyncio.timeout(_BOUND_S), aclosing(engine.stream(job)) as stream:
        pieces = [piece async for piece in stream]
    assert isinstance(pieces[-1], End)
    return [i for piece in pieces if isinstance(piece, Text) for i in piece.token_ids]


@pytest.mark.parametrize("name", ["plain", "sliding", "pocket"])
async def test_greedy_text_is_what_transformers_generates(
    name: str, checkpoint: Callable[[str], Path]
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    directory = checkpoint(name)
    network = AutoModelForCausalLM.from_pretrained(directory, dtype="auto")
    async with LocalEngine(CARD, str(directory), directory) as engine:
        job = await job_of(engine, "The lighthouse keeper", max_tokens=100)
        ids = await ids_of(engine, job)
    prompt = torch.tensor([job.prompt.token_ids])
    generated = network.generate(prompt, do_sample=False, max_new_tokens=100)
    assert ids == generated[0, prompt.shape[1] :].tolist()


@pytest.mark.parametrize("name", ["plain", "sliding"])
async def test_a_prompt_read_in_parts_is_read_as_a_whole(
    name: str, checkpoint: Callable[[str], Path], learnt: tuple[str, ...]
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    directory = checkpoint(name)
    # Longer than one part; the last part begins far behind the sliding window.
    async with LocalEngine(CARD, str(directory), directory) as engine:
        rules = replace(GREEDY, logprobs=5)
        job = await job_of(engine, learnt[1] * 3, sampling=rules, max_tokens=1)
        assert job.prompt.num_tokens > 700
        async with asyncio.timeout(_BOUND_S), aclosing(engine.stream(job)) as stream:
            piece = await anext(stream)
    assert isinstance(piece, Text)
    network = AutoModelForCausalLM.from_pretrained(directory, dtype="auto")
    with torch.inference_mode():
        whole = network(torch.tensor([job.prompt.token_ids])).logits[0, -1].float()
    expected = whole.log_softmax(-1)
    for entry in piece.logprobs[0].top:
        # Logits of 8 to 16 have steps of a sixteenth in bfloat16.
        assert entry.logprob == pytest.approx(float(expected[entry.token_id]), abs=0.15)


async def test_a_closed_stream_frees_its_place_before_the_next_step(engine: LocalEngine) -> None:
    stream = engine.stream(await job_of(engine, "The lighthouse", max_tokens=900))
    await anext(stream)
    assert engine.open_streams == 1
    await stream.aclose()
    assert engine.open_streams == 0


async def test_a_reader_that_does_not_read_pauses_its_text_and_no_other(
    engine: LocalEngine,
) -> None:
    endless = replace(GREEDY, ignore_eos=True)
    slow = engine.stream(await job_of(engine, "A good", max_tokens=900, sampling=endless))
    await anext(slow)
    quick = await job_of(engine, "The lighthouse", max_tokens=200, sampling=endless)
    assert len(await ids_of(engine, quick)) == 200
    await slow.aclose()
    again = await job_of(engine, "A good", max_tokens=200, sampling=endless)
    async with asyncio.timeout(_BOUND_S), aclosing(engine.stream(again)) as stream:
        await anext(stream)
        await ids_of(engine, replace(quick, id="other"))
        # By now the text would be at its end if it had not paused; it goes on from where it was.
        rest = [piece async for piece in stream]
    assert len(rest) == 200


async def test_a_failed_step_ends_the_engine_and_every_stream(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Qwen2ForCausalLM

    streams = [
        engine.stream(await job_of(engine, text, max_tokens=900)) for text in ("The", "A good")
    ]
    for stream in streams:
        await anext(stream)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(Qwen2ForCausalLM, "forward", fail)
    async with asyncio.timeout(_BOUND_S):
        assert "RuntimeError" in await engine.watch()
        for stream in streams:
            with pytest.raises(EngineDied):
                [piece async for piece in stream]
    with pytest.raises(EngineUnavailable):
        await anext(engine.stream(await job_of(engine, "The")))


async def test_a_text_that_runs_out_of_memory_ends_alone(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import Qwen2ForCausalLM

    whole = Qwen2ForCausalLM.forward

    def short_of_memory(self: Any, input_ids: Any, **given: Any) -> Any:
        if input_ids.shape[1] > 100:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, input_ids=input_ids, **given)

    monkeypatch.setattr(Qwen2ForCausalLM, "forward", short_of_memory)
    with pytest.raises(EngineDied, match="memory"):
        await ids_of(engine, await job_of(engine, "The lighthouse" * 60))
    assert len(await ids_of(engine, await job_of(engine, "The lighthouse", max_tokens=9))) == 9


async def test_leaving_the_engine_ends_every_stream_and_the_watch(
    checkpoint: Callable[[str], Path],
) -> None:
    directory = checkpoint("sliding")
    engine = LocalEngine(CARD, str(directory), directory)
    async with asyncio.timeout(_BOUND_S):
        async with engine:
            stream = engine.stream(await job_of(engine, "The", max_tokens=900))
            await anext(stream)
            watch = asyncio.ensure_future(engine.watch())
            await asyncio.wait([watch], timeout=0)
        with pytest.raises(EngineDied):
            [piece async for piece in stream]
        assert "closed" in await watch
    with pytest.raises(EngineUnavailable):
        await anext(engine.stream(replace(await job_of(engine, "The"), id="late")))


async def test_rules_that_leave_no_token_are_refused(engine: LocalEngine) -> None:
    rules = replace(GREEDY, allowed_token_ids=(0,), min_tokens=5)
    with pytest.raises(BadRequest, match="no token"):
        await ids_of(engine, await job_of(engine, "The", sampling=rules))


async def test_a_checkpoint_that_does_not_load_says_so_in_a_sentence(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.json").write_bytes((checkpoint("plain") / "tokenizer.json").read_bytes())
    engine = LocalEngine(CARD, str(tmp_path), tmp_path)
    with pytest.raises(EngineUnavailable, match="did not load"):
        await engine.__aenter__()


def test_without_transformers_the_engine_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "has", lambda package: package != "transformers")
    with pytest.raises(CannotServe, match="transformers"):
        LocalEngine(CARD, str(tmp_path), tmp_path)


async def test_an_engine_that_was_not_started_is_unavailable(
    checkpoint: Callable[[str], Path],
) -> None:
    directory = checkpoint("plain")
    engine = LocalEngine(CARD, str(directory), directory)
    with pytest.raises(EngineUnavailable):
        await anext(engine.stream(await job_of(engine, "The")))
