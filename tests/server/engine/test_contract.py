"""What every engine that runs a model must do: the same tests against transformers and vLLM."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from server.engine.base import Card, End, Engine, Job, Passage, Piece, Sampling, Text
from server.engine.local import LocalEngine
from server.engine.tokenizer import Tokenizer
from server.engine.upstream.access import UpstreamOptions
from server.engine.upstream.engine import UpstreamEngine
from server.engine.vllm_in_process import VllmEngine, VllmOptions
from server.engine.vllm_options import environment
from server.errors import BadRequest, EngineUnavailable
from server.machine import has

# One event loop for all of them: an engine is started once and serves every test.
pytestmark = [
    pytest.mark.engine,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
]

GREEDY = Sampling(temperature=0.0, top_p=1.0)
WINDOW_TOKENS = 1024
TINY = Card(model="tiny", window_tokens=WINDOW_TOKENS, vocabulary_tokens=320)
OPENINGS = ("The lighthouse keeper", "A good stew")


def build(kind: str, directory: Path) -> Engine:
    if kind == "local":
        return LocalEngine(card=TINY, location=str(directory), directory=directory)
    if not has("vllm"):
        pytest.skip("vLLM is not installed")
    return VllmEngine(
        VllmOptions(card=TINY, location=str(directory), directory=directory, revision=None)
    )


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="session",
    params=["local-plain", "local-sliding", "vllm-sliding", "upstream-sliding", "bare-sliding"],
)
async def engine(
    request: pytest.FixtureRequest, checkpoint: Callable[[str], Path]
) -> AsyncIterator[Engine]:
    kind, name = request.param.split("-")
    if kind in ("upstream", "bare"):
        directory = checkpoint(name)
        url = request.getfixturevalue("vllm_server")
        tokenizer = Tokenizer(directory) if kind == "upstream" else None
        options = UpstreamOptions(card=TINY, model=TINY.model, tokenizer=tokenizer)
        async with UpstreamEngine(url, options) as entered:
            async with asyncio.timeout(200):
                while not await is_healthy(entered):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.5)
            yield entered
        return
    async with build(kind, checkpoint(name)) as entered:
        yield entered


@pytest.fixture(scope="module")
def vllm_server(checkpoint: Callable[[str], Path]) -> Iterator[str]:
    """The URL of vLLM's own server, which may still be loading."""
    if not has("vllm"):
        pytest.skip("vLLM is not installed")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = started(checkpoint("sliding"), port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(20)


def started(directory: Path, port: int) -> "subprocess.Popen[bytes]":
    """The server as an operator would start it for a processor."""
    options = VllmOptions(card=TINY, location=str(directory), directory=directory, revision=None)
    window = str(WINDOW_TOKENS)
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", str(directory), "--served-model-name", TINY.model),
            *("--host", "127.0.0.1", "--port", str(port), "--max-model-len", window),
            *("--max-num-batched-tokens", window, "--no-enable-chunked-prefill"),
            *("--enforce-eager", "--enable-prompt-tokens-details"),
        ],
        env={**os.environ, **environment(options), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


async def is_healthy(engine: UpstreamEngine) -> bool:
    try:
        await engine.health()
    except EngineUnavailable:
        return False
    return True


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reference(checkpoint: Callable[[str], Path]) -> AsyncIterator[Engine]:
    async with build("local", checkpoint("sliding")) as entered:
        yield entered


async def opened(engine: Engine, opening: str = OPENINGS[0], **fields: Any) -> Job:
    """A job that goes on from an opening; ``fields`` are a Job's or a Sampling's."""
    of_sampling = {name: fields.pop(name) for name in [*fields] if hasattr(GREEDY, name)}
    given = {"id": f"{opening} {fields} {of_sampling}", "max_tokens": 500, **fields}
    return Job(
        prompt=await engine.tokenize(opening),
        written=Passage(text="", token_ids=(), num_tokens=0),
        sampling=replace(GREEDY, **of_sampling),
        **given,
    )


async def all_of(engine: Engine, job: Job) -> tuple[list[Text], End]:
    async with asyncio.timeout(120), aclosing(engine.stream(job)) as stream:
        pieces: list[Piece] = [piece async for piece in stream]
    *texts, end = pieces
    assert isinstance(end, End)
    assert all(isinstance(piece, Text) for piece in texts)
    return [piece for piece in texts if isinstance(piece, Text)], end


def text_of(pieces: list[Text]) -> str:
    return "".join(piece.text for piece in pieces)


def ids_of(pieces: list[Text]) -> tuple[int, ...]:
    return tuple(token_id for piece in pieces for token_id in piece.token_ids or ())


async def test_a_text_comes_in_pieces_and_ends_once(
    engine: Engine, learnt: tuple[str, ...]
) -> None:
    for opening, text in zip(OPENINGS, learnt, strict=True):
        pieces, end = await all_of(engine, await opened(engine, opening))
        assert opening + text_of(pieces) == text
        assert end.reason == "stop"
        assert end.stop is None
        # A busy machine puts several tokens into one.
        assert len(pieces) > 50


async def test_the_text_is_what_its_ids_decode_to(
    engine: Engine, checkpoint: Callable[[str], Path]
) -> None:
    pieces, _ = await all_of(engine, await opened(engine))
    decoder = Tokenizer(checkpoint("sliding")).decoder(())
    decoded = "".join(decoder.step(token_id) for token_id in ids_of(pieces))
    assert text_of(pieces) == decoded + decoder.finish()


async def test_max_tokens_is_the_exact_number_of_tokens(engine: Engine) -> None:
    for max_tokens in (1, 2, 7):
        pieces, end = await all_of(engine, await opened(engine, max_tokens=max_tokens))
        assert len(ids_of(pieces)) == max_tokens
        assert end.reason == "length"


@pytest.mark.parametrize("stop", ["ship", "封长", "🌊", "smaller. In Mar", "k", "»"])
async def test_a_text_ends_with_its_stop_string(
    engine: Engine, learnt: tuple[str, ...], stop: str
) -> None:
    job = await opened(engine, stop=("never written", stop))
    pieces, end = await all_of(engine, job)
    rest = learnt[0].removeprefix(OPENINGS[0])
    assert text_of(pieces) == rest[: rest.index(stop) + len(stop)]
    assert end.reason == "stop"
    assert end.stop == stop


async def test_the_stop_string_that_ends_first_is_met(engine: Engine) -> None:
    job = await opened(engine, stop=("wrote 一封", "wrote", "every"))
    pieces, end = await all_of(engine, job)
    assert end.stop == "wrote"
    assert text_of(pieces) == " wrote"


async def test_a_stop_string_on_the_last_allowed_token_is_a_stop(engine: Engine) -> None:
    whole, _ = await all_of(engine, await opened(engine, stop=("ships",)))
    job = await opened(engine, stop=("ships",), max_tokens=len(ids_of(whole)))
    _, end = await all_of(engine, job)
    assert (end.reason, end.stop) == ("stop", "ships")


async def test_a_closed_stream_leaves_its_place(engine: Engine) -> None:
    # Under the same id, which an engine refuses while it is still writing the first.
    job = await opened(engine)
    for _ in range(3):
        stream = engine.stream(job)
        await anext(stream)
        await stream.aclose()
    pieces, end = await all_of(engine, job)
    assert end.reason == "stop"
    assert len(pieces) > 50


async def test_two_streams_are_written_side_by_side(
    engine: Engine, learnt: tuple[str, ...]
) -> None:
    texts = ["", ""]
    async with asyncio.timeout(120):
        streams = [engine.stream(await opened(engine, opening)) for opening in OPENINGS]
        open_ = dict(enumerate(streams))
        while open_:
            for index, stream in list(open_.items()):
                piece = await anext(stream)
                if isinstance(piece, End):
                    assert await anext(stream, None) is None
                    del open_[index]
                else:
                    texts[index] += piece.text
            # Neither waits for the other: after the first round both have begun.
            assert len(streams) == 2 and all(texts)
    assert [o + t for o, t in zip(OPENINGS, texts, strict=True)] == list(learnt)


async def test_carrying_on_from_any_token_writes_the_unbroken_text(engine: Engine) -> None:
    job = await opened(engine, max_tokens=90)
    unbroken, _ = await all_of(engine, job)
    ids, text = ids_of(unbroken), text_of(unbroken)
    for at in [*range(10, 20), 60]:
        first, _ = await all_of(engine, replace(job, id=f"first {at}", max_tokens=at))
        written = Passage(text=text_of(first), token_ids=ids_of(first), num_tokens=len(first))
        assert written.token_ids == ids[:at]
        rest, _ = await all_of(
            engine, replace(job, id=f"rest {at}").after(written, max_tokens=90 - at)
        )
        assert ids_of(first) + ids_of(rest) == ids
        assert text_of(first) + text_of(rest) == text


async def test_carrying_on_from_text_alone_writes_the_rest(
    engine: Engine, learnt: tuple[str, ...]
) -> None:
    begun = learnt[0][len(OPENINGS[0]) : 120]
    written = Passage(text=begun, token_ids=None, num_tokens=0)
    rest, end = await all_of(engine, (await opened(engine)).after(written, max_tokens=500))
    assert OPENINGS[0] + begun + text_of(rest) == learnt[0]
    assert end.reason == "stop"


async def test_a_seed_gives_the_same_text_again(engine: Engine) -> None:
    texts = []
    for index, seed in enumerate((1, 1, 2)):
        job = await opened(engine, temperature=2.0, seed=seed, max_tokens=60, ignore_eos=True)
        pieces, _ = await all_of(engine, replace(job, id=f"seed {index}"))
        texts.append(ids_of(pieces))
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


async def test_logprobs_are_given_for_every_token_with_the_best_rivals(
    engine: Engine, request: pytest.FixtureRequest
) -> None:
    if "bare" in request.node.callspec.params["engine"]:
        pytest.skip("without a tokenizer, rivals of one text are one (docs/upstream.md)")
    pieces, _ = await all_of(engine, await opened(engine, logprobs=3, max_tokens=20))
    logprobs = [entry for piece in pieces for entry in piece.logprobs]
    assert tuple(entry.token_id for entry in logprobs) == ids_of(pieces)
    for entry in logprobs:
        assert [rival.logprob for rival in entry.top] == sorted(
            (rival.logprob for rival in entry.top), reverse=True
        )
        assert len(entry.top) == 3
        assert entry.top[0].token_id == entry.token_id
        assert entry.top[0].logprob == entry.logprob <= 0.0


async def test_logprobs_without_rivals_are_those_of_the_tokens(engine: Engine) -> None:
    pieces, _ = await all_of(engine, await opened(engine, logprobs=0, max_tokens=5))
    logprobs = [entry for piece in pieces for entry in piece.logprobs]
    assert [entry.top for entry in logprobs] == [()] * 5


async def test_the_end_of_text_is_written_over_when_it_is_ignored(engine: Engine) -> None:
    plain, _ = await all_of(engine, await opened(engine))
    more = len(ids_of(plain)) + 20
    pieces, end = await all_of(engine, await opened(engine, ignore_eos=True, max_tokens=more))
    assert len(ids_of(pieces)) == more
    assert end.reason == "length"


async def test_a_stop_token_ends_the_text(engine: Engine) -> None:
    pieces, _ = await all_of(engine, await opened(engine, max_tokens=9))
    ids = ids_of(pieces)
    cut, end = await all_of(engine, await opened(engine, stop_token_ids=(ids[5],)))
    assert ids_of(cut) == ids[: ids.index(ids[5]) + 1]
    assert end.reason == "stop"


async def test_min_tokens_puts_off_the_end(engine: Engine) -> None:
    plain, _ = await all_of(engine, await opened(engine))
    wanted = len(ids_of(plain)) + 5
    pieces, _ = await all_of(engine, await opened(engine, min_tokens=wanted, max_tokens=wanted))
    assert len(ids_of(pieces)) == wanted
    assert ids_of(pieces)[: wanted - 6] == ids_of(plain)[:-1]


async def test_only_allowed_tokens_are_written(engine: Engine) -> None:
    pieces, _ = await all_of(engine, await opened(engine, allowed_token_ids=(40, 41), max_tokens=9))
    assert set(ids_of(pieces)) <= {40, 41}


async def test_a_logit_bias_forbids_and_forces_tokens(engine: Engine) -> None:
    job = await opened(engine, logit_bias=((50, 100.0),), max_tokens=4)
    pieces, _ = await all_of(engine, job)
    assert ids_of(pieces) == (50,) * 4


async def test_a_bad_word_is_not_written(engine: Engine, learnt: tuple[str, ...]) -> None:
    assert "gulls" in learnt[0]
    pieces, _ = await all_of(engine, await opened(engine, bad_words=("gulls",), max_tokens=200))
    assert "gulls" not in text_of(pieces)


async def test_a_request_the_model_cannot_take_is_refused_and_the_others_go_on(
    engine: Engine, learnt: tuple[str, ...]
) -> None:
    stream = engine.stream(await opened(engine))
    pieces = [await anext(stream)]
    for wrong in (
        Passage(text="", token_ids=(9999,), num_tokens=1),
        Passage(text="", token_ids=(), num_tokens=0),
        Passage(text="", token_ids=(40,) * WINDOW_TOKENS, num_tokens=WINDOW_TOKENS),
    ):
        job = replace(await opened(engine), id=f"wrong {len(wrong.text)}", prompt=wrong)
        with pytest.raises(BadRequest):
            await all_of(engine, job)
    for param in ({"allowed_token_ids": (9999,)}, {"logit_bias": ((9999, 1.0),)}):
        with pytest.raises(BadRequest):
            await all_of(engine, await opened(engine, **param))
    pieces += [piece async for piece in stream]
    text = text_of([piece for piece in pieces if isinstance(piece, Text)])
    assert OPENINGS[0] + text == learnt[0]


async def test_the_window_is_filled_to_its_last_token(engine: Engine) -> None:
    prompt = Passage(text="", token_ids=(40,) * (WINDOW_TOKENS - 3), num_tokens=WINDOW_TOKENS - 3)
    job = replace(await opened(engine, ignore_eos=True), prompt=prompt, id="window")
    pieces, end = await all_of(engine, job)
    assert len(ids_of(pieces)) == 3
    assert end.reason == "length"


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"repetition_penalty": 1.3},
        {"presence_penalty": 1.5},
        {"frequency_penalty": 1.0},
        {"logit_bias": ((262, 3.0), (300, -2.0))},
        {"temperature": 1.0, "top_k": 1},
        {"temperature": 1.0, "top_p": 0.001},
        {"temperature": 1.0, "min_p": 1.0},
    ],
    ids=str,
)
async def test_every_rule_of_sampling_means_what_it_means_to_transformers(
    engine: Engine, reference: Engine, rules: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    if "plain" in request.node.callspec.params["engine"]:
        pytest.skip("the reference serves the other checkpoint")
    job = await opened(engine, logprobs=2, max_tokens=24, **rules)
    theirs, _ = await all_of(engine, job)
    ours, _ = await all_of(reference, job)
    assert ids_of(theirs) == ids_of(ours)
    # How many tokens a piece holds is the engine's affair: a busy machine puts two into one.
    entries = [entry for piece in theirs for entry in piece.logprobs]
    expected = [entry for piece in ours for entry in piece.logprobs]
    for entry, other in zip(entries, expected, strict=True):
        # Eight bits of mantissa: logits of 8 to 16 are rounded to sixteenths.
        assert entry.logprob == pytest.approx(other.logprob, abs=0.15)
