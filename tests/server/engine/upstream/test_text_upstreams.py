"""SGLang, llama.cpp, Ollama and others as engines: text, and what each lacks."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.engine.base import End, Job, Text
from server.engine.upstream.text_hearing import StopWatch, tokens_of_piece
from server.errors import BadRequest, EngineDied, EngineUnavailable

Start = Callable[..., Awaitable[Any]]
MakeJob = Callable[..., Job]
SCRIPT = "It rained on 上海, naïvely 🌊, for a week."
KINDS = ("sglang", "llama.cpp", "ollama", "openai")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_text_comes_without_ids_and_is_counted(
    upstream: Start, job: MakeJob, kind: str
) -> None:
    it = await upstream(kind=kind, script=SCRIPT)
    pieces = await it.pieces(job(with_ids=False))
    *texts, end = pieces
    assert "".join(piece.text for piece in texts) == SCRIPT
    assert {piece.token_ids for piece in texts} == {None}
    # The server's own count corrects what was guessed piece by piece.
    assert sum(piece.num_tokens for piece in texts) == len(SCRIPT.encode()) + 1
    assert (end.reason, end.stop, end.end_token) == ("stop", None, False)


async def test_a_text_goes_on_behind_what_is_written(
    upstream: Start, job: MakeJob, kind: str
) -> None:
    it = await upstream(kind=kind, script=SCRIPT)
    for at in range(0, len(SCRIPT), 5):
        text, ids, _ = await it.written(job("Tell: ", SCRIPT[:at], with_ids=False))
        assert SCRIPT[:at] + text == SCRIPT
        assert ids is None
    assert it.asked["prompt"] == "Tell: " + SCRIPT[:at]


@pytest.mark.parametrize("per_piece", [1, 7])
async def test_a_text_ends_with_the_stop_string_that_ends_first(
    upstream: Start,
    job: MakeJob,
    kind: str,
    per_piece: int,
    until: Callable[..., Awaitable[None]],
) -> None:
    it = await upstream(kind=kind, script=SCRIPT, tokens_per_piece=per_piece)
    text, _, end = await it.written(job(stop=("never", "naïvely 🌊", "ly", "海, n")))
    assert text == SCRIPT[: SCRIPT.index("海, n") + 4]
    assert (end.reason, end.stop) == ("stop", "海, n")
    assert "stop" not in it.asked and "stop" not in it.asked.get("options", {})
    await until(lambda: it.server.open_streams == 0)


async def test_the_last_allowed_token_ends_a_text(upstream: Start, job: MakeJob, kind: str) -> None:
    it = await upstream(kind=kind, script=SCRIPT)
    text, _, end = await it.written(job(max_tokens=4))
    assert (text, end.reason) == ("It r", "length")


async def test_the_window_is_the_servers(upstream: Start, kind: str) -> None:
    it = await upstream(kind=kind, window_tokens=1000)
    if kind == "openai":
        await it.engine.health()
        return
    with pytest.raises(EngineUnavailable, match="1,000 tokens"):
        await it.engine.health()


async def test_a_healthy_server_is_healthy(upstream: Start, kind: str) -> None:
    it = await upstream(kind=kind)
    await it.engine.health()
    await it.server.stop()
    with pytest.raises(EngineUnavailable, match="could not be reached"):
        await it.engine.health()


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llama.cpp", "ollama"])
async def test_a_server_behind_another_owner_is_known_by_its_routes(
    upstream: Start, kind: str
) -> None:
    it = await upstream(kind=kind, owner="our team")
    await it.engine.health()
    assert it.engine._server.kind == kind


async def test_a_route_that_says_something_else_tells_no_kind(upstream: Start) -> None:
    it = await upstream(kind="openai", routes={"/version": (200, 7), "/props": (200, {})})
    await it.engine.health()
    assert it.engine._server.kind == "openai"


async def test_a_server_of_no_kind_we_know_is_asked_by_the_book(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(kind="openai")
    await it.written(job(seed=3, logit_bias=((7, 1.0),), presence_penalty=0.5))
    assert it.asked == {
        "model": "stand-in",
        "prompt": "Tell: ",
        "max_tokens": 1000,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "top_p": 1.0,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.0,
        "seed": 3,
        "logit_bias": {"7": 1.0},
    }


async def test_each_server_is_told_everything_in_its_own_words(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(kind="sglang")
    await it.written(job(min_p=0.1, repetition_penalty=1.1, stop_token_ids=(5,), min_tokens=2))
    assert it.asked["top_k"] == -1
    assert (it.asked["min_p"], it.asked["repetition_penalty"]) == (0.1, 1.1)
    assert (it.asked["stop_token_ids"], it.asked["min_tokens"]) == ([5], 2)
    assert it.asked["stream_options"]["continuous_usage_stats"] is True
    it = await upstream(kind="llama.cpp")
    await it.written(job(top_k=7, repetition_penalty=1.1, logit_bias=((5, -1.0),)))
    assert (it.asked["top_k"], it.asked["min_p"], it.asked["repeat_penalty"]) == (7, 0.0, 1.1)
    assert (it.asked["repeat_last_n"], it.asked["logit_bias"]) == (-1, [[5, -1.0]])


async def test_ollama_is_asked_for_a_raw_text_in_a_whole_window(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(kind="ollama")
    await it.written(job(top_k=7, seed=3))
    assert it.server.generations()[0].path == "/api/generate"
    assert (it.asked["raw"], it.asked["think"], it.asked["truncate"]) == (True, False, False)
    assert it.asked["options"]["num_ctx"] == 4096
    assert (it.asked["options"]["top_k"], it.asked["options"]["seed"]) == (7, 3)


LACKS = {
    "sglang": {"allowed_token_ids": (1,), "bad_words": ("x",), "logprobs": 1, "priority": 1},
    "llama.cpp": {"stop_token_ids": (1,), "min_tokens": 3, "logprobs": 0, "priority": -1},
    "ollama": {"logit_bias": ((1, 1.0),), "ignore_eos": True, "bad_words": ("x",)},
    "openai": {"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.1, "ignore_eos": True},
}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(kind, name, value) for kind, lacks in LACKS.items() for name, value in lacks.items()],
)
async def test_what_a_server_lacks_is_refused_by_its_name(
    upstream: Start, job: MakeJob, kind: str, name: str, value: Any
) -> None:
    it = await upstream(kind=kind)
    with pytest.raises(BadRequest, match=f"^{name}: ") as raised:
        await it.written(job(**{name: value}))
    assert raised.value.param == name
    assert it.server.generations() == []


async def test_a_prompt_of_token_ids_is_refused(upstream: Start, job: MakeJob, kind: str) -> None:
    it = await upstream(kind=kind)
    with pytest.raises(BadRequest, match="takes a text") as raised:
        await it.written(job(prompt=b"\xff"))
    assert raised.value.param == "prompt"


@pytest.mark.parametrize(
    ("kind", "num_tokens"), [("llama.cpp", 21), ("sglang", 7), ("ollama", 7), ("openai", 7)]
)
async def test_a_text_is_counted_by_the_server_or_by_its_size(
    upstream: Start, kind: str, num_tokens: int
) -> None:
    it = await upstream(kind=kind)
    passage = await it.engine.tokenize("The lighthouse keeper")
    assert (passage.token_ids, passage.num_tokens) == (None, num_tokens)
    assert (await it.engine.tokenize("")).num_tokens == 0


@pytest.mark.parametrize("fault", ["other_model", "error", "no_json", "array", "utf8", "close"])
async def test_a_stream_that_goes_wrong_dies(
    upstream: Start, job: MakeJob, kind: str, fault: str
) -> None:
    it = await upstream(kind=kind, script=SCRIPT, faults=[fault], fault_after=5)
    with pytest.raises(EngineDied):
        await it.written(job())


async def test_a_line_of_ollama_that_is_no_plain_text_is_an_error(job: MakeJob) -> None:
    from server.engine.upstream.faults import Broken
    from server.engine.upstream.text_dialects import OllamaDialect

    dialect = OllamaDialect(model="it", names=frozenset({"it"}), window_tokens=64)
    for line in (
        b'{"model":"it","response":1}',
        b'{"model":"it","response":"","thinking":"hm"}',
        b'{"model":"it","response":"","done":true,"done_reason":"unload"}',
    ):
        with pytest.raises(Broken):
            dialect.hear(job()).take(line)
    hearing = dialect.hear(job())
    hearing.take(b'{"model":"it","response":"a","done":true,"done_reason":"stop","eval_count":2}')
    assert hearing.end == End(reason="stop")
    with pytest.raises(Broken, match="went on"):
        hearing.take(b'{"model":"it","response":"b"}')


async def test_a_text_behind_a_stop_string_is_not_heard(job: MakeJob) -> None:
    from server.engine.upstream.text_dialects import OPENAI, CompletionDialect

    dialect = CompletionDialect(tongue=OPENAI, model="it", names=frozenset({"it"}))
    hearing = dialect.hear(job(stop=("b",)))
    chunk = b'{"model":"it","choices":[{"text":"%b"}]}'
    assert hearing.take(chunk % b"abc") == [Text(text="ab", token_ids=None, estimated_tokens=1)]
    assert hearing.take(chunk % b"d") == []


@pytest.mark.parametrize(
    ("text", "num_tokens"),
    [("", 0), ("a", 1), (" lighthouse", 1), ("The lighthouse keeper wrote", 7), ("上海" * 10, 15)],
)
def test_the_tokens_of_a_piece_are_guessed(text: str, num_tokens: int) -> None:
    assert tokens_of_piece(text) == num_tokens


def test_a_stop_string_is_found_wherever_it_is_split() -> None:
    text = "one <|user|> two"
    for at in range(len(text) + 1):
        for then in range(at, len(text) + 1):
            watch, kept = StopWatch(("<|user|>", "two")), ""
            for part in (text[:at], text[at:then], text[then:]):
                if watch.met is None:
                    kept += watch.take(part)
            assert (kept, watch.met) == ("one <|user|>", "<|user|>")


async def test_a_task_that_leaves_closes_the_stream(
    upstream: Start, job: MakeJob, kind: str, until: Callable[..., Awaitable[None]]
) -> None:
    it = await upstream(kind=kind, gate=asyncio.Event().wait)
    task = asyncio.create_task(it.written(job()))
    await until(lambda: it.server.open_streams == 1)
    task.cancel()
    await asyncio.wait([task])
    await until(lambda: it.server.open_streams == 0)
