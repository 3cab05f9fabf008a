"""A vLLM server as an engine: token ids both ways, continued wherever it was broken off."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import httpx
import pytest

from server.engine.base import Card, End, Job, Passage, Text
from server.engine.upstream import clock as clocks
from server.engine.upstream import engine, link
from server.engine.upstream.access import Patience
from server.engine.upstream.engine import UpstreamEngine
from server.engine.upstream.replica import Load
from server.errors import BadRequest, EngineDied, EngineUnavailable

Start = Callable[..., Awaitable[Any]]
MakeJob = Callable[..., Job]
SCRIPT = "It rained on 上海, naïvely 🌊, for a week."


async def test_text_and_ids_come_as_the_server_writes_them(upstream: Start, job: MakeJob) -> None:
    it = await upstream(script=SCRIPT)
    text, ids, end = await it.written(job())
    assert text == SCRIPT
    assert ids == (*SCRIPT.encode(), 256)
    assert end == End(reason="stop", end_token=True)


async def test_the_server_is_asked_as_an_engine_in_this_process_would_be(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(options={"key": "k-1"}, key="k-1")
    await it.written(
        job(
            "Go: ",
            "It ",
            stop=("</answer>",),
            max_tokens=9,
            seed=7,
            top_k=5,
            min_p=0.1,
            presence_penalty=0.2,
            frequency_penalty=0.3,
            repetition_penalty=1.1,
            logit_bias=((3, -1.0),),
            stop_token_ids=(4,),
            allowed_token_ids=(1, 2),
            bad_words=("no",),
            min_tokens=20,
            ignore_eos=True,
            logprobs=0,
            priority=2,
        )  # fmt: skip
    )
    assert it.asked == {
        "model": "stand-in",
        "prompt": list(b"Go: It "),
        "max_tokens": 9,
        "stop": ["</answer>"],
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "return_token_ids": True,
        "include_stop_str_in_output": True,
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": 5,
        "min_p": 0.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "repetition_penalty": 1.1,
        "seed": 7,
        "logprobs": 0,
        "logit_bias": {"3": -1.0},
        "stop_token_ids": [4],
        "allowed_token_ids": [1, 2],
        "bad_words": ["no"],
        "min_tokens": 9,
        "ignore_eos": True,
        "priority": 2,
    }
    headers = it.server.generations()[0].headers
    assert headers["x-request-id"] == "draft-1"
    assert headers["authorization"] == "Bearer k-1"
    assert headers["accept-encoding"] == "identity"


async def test_what_a_plain_job_does_not_ask_for_is_not_said(upstream: Start, job: MakeJob) -> None:
    it = await upstream()
    await it.written(job())
    assert not {"seed", "logprobs", "logit_bias", "bad_words", "min_tokens"} & it.asked.keys()


async def test_a_text_ends_with_its_stop_string(upstream: Start, job: MakeJob) -> None:
    it = await upstream(script=SCRIPT, tokens_per_piece=3)
    text, _, end = await it.written(job(stop=("never", "na")))
    assert text == SCRIPT[: SCRIPT.index("na") + 2]
    assert end == End(reason="stop", stop="na")


async def test_the_last_allowed_token_ends_a_text(upstream: Start, job: MakeJob) -> None:
    it = await upstream(script=SCRIPT)
    text, ids, end = await it.written(job(max_tokens=4))
    assert (text, ids, end) == ("It r", tuple(b"It r"), End(reason="length"))


async def test_tokens_of_the_prefix_cache_are_told(upstream: Start, job: MakeJob) -> None:
    it = await upstream()
    _, _, end = await it.written(job("x" * 40))
    assert end.cached_tokens == 32


@pytest.mark.parametrize("own", [False, True], ids=["by the server", "by the tokenizer"])
async def test_a_prompt_without_ids_is_tokenized(upstream: Start, job: MakeJob, own: bool) -> None:
    options = {"tokenizer": ByteTokenizer()} if own else None
    it = await upstream(script=SCRIPT, options=options)
    text, _, _ = await it.written(job("Go: ", "It ", with_ids=False))
    assert text == SCRIPT.removeprefix("It ")
    assert it.asked["prompt"] == list(b"Go: It ")


@pytest.mark.parametrize("own", [False, True], ids=["by the server", "by the tokenizer"])
@pytest.mark.parametrize("per_piece", [1, 4])
async def test_a_text_broken_off_anywhere_goes_on_as_one(
    upstream: Start, job: MakeJob, own: bool, per_piece: int
) -> None:
    it = await upstream(
        script=SCRIPT,
        tokens_per_piece=per_piece,
        options={"tokenizer": ByteTokenizer()} if own else None,
    )
    whole = SCRIPT.encode()
    for at in range(len(whole)):
        # "on" would be met at once in a prompt that vLLM says again.
        text, ids, end = await it.written(job("Upon: ", whole[:at], stop=("no such", "Upon")))
        before = whole[:at].decode("utf-8", "ignore")
        assert before + text == SCRIPT, at
        assert ids == (*whole[at:], 256)
        assert end.stop is None


class ByteTokenizer:
    """A checkpoint's tokenizer whose tokens are bytes."""

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift

    async def passage(self, text: str) -> Passage:
        ids = tuple(byte + self.shift for byte in text.encode())
        return Passage(text=text, token_ids=ids, num_tokens=len(ids))

    def text_of(self, token_id: int) -> str:
        return f"<{token_id}>"

    def text_before_break(self, ids: tuple[int, ...]) -> str | None:
        text = bytes(ids).decode("utf-8", "replace")
        return text.rstrip("\ufffd") if text.endswith("\ufffd") else None

    def decoder(self, before: tuple[int, ...]) -> Any:
        held = bytearray(before)
        known = bytes(before).decode("utf-8", "ignore")

        class Decoder:
            def step(self, token_id: int) -> str:
                nonlocal known
                held.extend([token_id] if token_id < 256 else [])
                text = bytes(held).decode("utf-8", "ignore")
                new, known = text[len(known) :], text
                return new

        return Decoder()


async def test_a_text_is_tokenized_by_the_server(upstream: Start) -> None:
    it = await upstream()
    passage = await it.engine.tokenize("naïve")
    assert (passage.text, passage.token_ids) == ("naïve", tuple("naïve".encode()))
    assert it.server.seen[-1].body["add_special_tokens"] is False


async def test_a_checkpoint_that_is_here_tokenizes_by_itself(upstream: Start) -> None:
    it = await upstream(options={"tokenizer": ByteTokenizer()})
    assert (await it.engine.tokenize("a")).token_ids == (97,)
    assert it.server.seen == []


async def test_a_server_with_another_tokenizer_than_the_checkpoint_is_not_asked(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(options={"tokenizer": ByteTokenizer(shift=1)})
    with pytest.raises(EngineUnavailable, match="another tokenizer") as raised:
        await it.written(job())
    assert raised.value.code == "wrong_model"
    assert it.server.generations() == []


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
async def test_a_server_that_does_not_tell_its_tokens_is_believed(
    upstream: Start, kind: str
) -> None:
    options = {"tokenizer": ByteTokenizer(shift=1)}
    it = await upstream(kind=kind, routes={"/tokenize": (404, {})}, options=options)
    await it.engine.health()


@pytest.mark.parametrize("route", ["/tokenize", "/detokenize"])
async def test_a_vllm_server_without_a_route_for_tokens_is_no_use_without_a_checkpoint(
    upstream: Start, job: MakeJob, route: str
) -> None:
    for answer in ((404, {}), (200, 7)):
        it = await upstream(routes={route: answer})
        with pytest.raises(EngineUnavailable, match="HTTP 404|does not tell the"):
            await it.written(job("Go: ", "It ", with_ids=False))


async def test_log_probabilities_come_with_their_rivals(upstream: Start, job: MakeJob) -> None:
    it = await upstream(script="ab")
    pieces = await it.pieces(job(logprobs=2, max_tokens=1))
    (token,) = pieces[0].logprobs
    assert (token.token, token.token_id, token.logprob) == ("a", 97, -0.5)
    assert [(rival.token, rival.token_id) for rival in token.top] == [("a", 97), ("other 0", -1)]
    bare = await it.pieces(job(logprobs=0, max_tokens=1))
    assert bare[0].logprobs[0].top == ()


async def test_rivals_of_one_text_are_told_apart_by_the_tokenizer(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(script="上", options={"tokenizer": ByteTokenizer()})
    pieces = await it.pieces(job(logprobs=3, max_tokens=2))
    first, second = (piece.logprobs[0] for piece in pieces[:2])
    assert (first.token, first.token_id, second.token_id) == ("<228>", 228, 184)
    assert [rival.token_id for rival in first.top] == [228, 0, 1]
    assert [rival.token for rival in first.top] == ["<228>", "<0>", "<1>"]


async def test_a_token_stands_among_its_rivals_even_where_one_has_its_text(
    upstream: Start, job: MakeJob
) -> None:
    # All halves of characters are told by one and the same text.
    it = await upstream(script="上", rival="\ufffd")
    pieces = await it.pieces(job(logprobs=1, max_tokens=1))
    (token,) = pieces[0].logprobs
    assert token.top[0].logprob == token.logprob == -0.5


async def test_an_id_that_no_header_can_hold_is_encoded(upstream: Start, job: MakeJob) -> None:
    it = await upstream()
    await it.written(job(id="长 1\r\nx: y"))
    assert it.server.generations()[0].headers["x-request-id"] == "%E9%95%BF%201%0D%0Ax:%20y"


async def test_a_connection_is_used_again_by_the_next_stream(upstream: Start, job: MakeJob) -> None:
    it = await upstream()
    for _ in range(3):
        await it.written(job())
    assert it.server.counts["connections"] == 1


async def test_a_connection_that_the_server_closed_unseen_is_replaced(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(closes_idle=True)
    for _ in range(3):
        text, _, _ = await it.written(job())
        assert text == "It rained."


async def test_a_server_that_closes_every_connection_is_asked_twice_and_no_more(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(faults=["none"] + ["no_answer"] * 2)
    await it.written(job())
    with pytest.raises(EngineUnavailable, match="broke off its answer"):
        await it.written(job())
    assert it.server.counts["generations"] == 3


async def test_many_streams_share_one_engine(upstream: Start, job: MakeJob) -> None:
    # 5 tokens each, all open before the first goes on.
    it = await upstream(script="rain", gate=(barrier := asyncio.Barrier(64)).wait)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(it.written(job(id=f"d-{n}"))) for n in range(64)]
    assert {task.result()[0] for task in tasks} == {"rain"}
    assert barrier.n_waiting == 0


async def test_a_stream_split_into_single_bytes_is_the_same(upstream: Start, job: MakeJob) -> None:
    it = await upstream(script="naïf", chunk_bytes=1)
    text, _, _ = await it.written(job())
    assert text == "naïf"


async def test_a_stream_that_is_left_is_closed_at_the_server_at_once(
    upstream: Start, job: MakeJob, until: Callable[..., Awaitable[None]]
) -> None:
    gate = asyncio.Event()
    gate.set()
    it = await upstream(gate=gate.wait)
    async with aclosing(it.engine.stream(job())) as stream:
        await anext(stream)
        gate.clear()
        assert it.server.open_streams == 1
    await until(lambda: it.server.open_streams == 0)


async def test_a_task_that_is_cancelled_while_it_waits_closes_its_stream(
    upstream: Start, job: MakeJob, until: Callable[..., Awaitable[None]]
) -> None:
    it = await upstream(gate=asyncio.Event().wait)
    task = asyncio.create_task(it.written(job()))
    await until(lambda: it.server.open_streams == 1)
    task.cancel()
    await asyncio.wait([task])
    await until(lambda: it.server.open_streams == 0)


async def test_an_engine_that_is_left_ends_its_streams(
    upstream: Start, job: MakeJob, until: Callable[..., Awaitable[None]]
) -> None:
    gate = asyncio.Event()
    gate.set()
    it = await upstream(gate=gate.wait)
    watch = asyncio.create_task(it.engine.watch())
    async with aclosing(it.engine.stream(job())) as stream:
        await anext(stream)
        gate.clear()
        waiting = asyncio.create_task(drained(stream))
        await until(lambda: it.server.counts["generations"] == 1)
        await it.engine.__aexit__(None, None, None)
        with pytest.raises(EngineDied):
            await asyncio.wait_for(waiting, 5)
    assert await asyncio.wait_for(watch, 5) == "the engine was closed"
    with pytest.raises(EngineUnavailable, match="closed"):
        await it.written(job())


async def drained(stream: Any) -> None:
    while True:
        await anext(stream)


async def test_a_healthy_server_is_healthy(upstream: Start) -> None:
    it = await upstream()
    await it.engine.health()
    assert it.engine.address == it.server.url
    assert it.engine.card.model == "it"


async def test_an_unhealthy_server_says_so(upstream: Start) -> None:
    it = await upstream(is_healthy=False)
    with pytest.raises(EngineUnavailable, match="HTTP 503"):
        await it.engine.health()


async def test_a_server_with_another_model_is_not_healthy(upstream: Start) -> None:
    it = await upstream(model="other")
    with pytest.raises(EngineUnavailable, match="does not serve 'stand-in' but 'other'"):
        await it.engine.health()


async def test_a_server_with_a_smaller_window_is_not_healthy(upstream: Start) -> None:
    it = await upstream(window_tokens=1000)
    with pytest.raises(EngineUnavailable, match="1,000 tokens where 4,096"):
        await it.engine.health()


async def test_what_comes_back_under_an_address_is_looked_at_anew(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream()
    await it.engine.health()
    it.server.is_healthy = False
    with pytest.raises(EngineUnavailable):
        await it.engine.health()
    it.server.is_healthy, it.server.model = True, "other"
    with pytest.raises(EngineUnavailable, match="does not serve"):
        await it.engine.health()


async def test_a_server_that_does_not_accept_our_key_says_so(upstream: Start, job: MakeJob) -> None:
    it = await upstream(key="k-1", options={"key": "k-2"})
    with pytest.raises(EngineUnavailable, match="upstream_key"):
        await it.written(job())


async def test_nobody_at_an_address_is_told(upstream: Start, job: MakeJob) -> None:
    it = await upstream()
    await it.server.stop()
    for call in (it.engine.health(), it.engine.load(), it.engine.tokenize("a"), it.written(job())):
        with pytest.raises(EngineUnavailable, match="could not be reached"):
            await call


async def test_a_model_may_answer_under_the_first_of_its_names(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(names=("stand-in", "alias"), options={"model": "alias"})
    text, _, _ = await it.written(job())
    assert text == "It rained."


async def test_the_load_of_a_server_is_told(upstream: Start) -> None:
    it = await upstream(metrics="vllm:num_requests_running 3.0\n")
    assert await it.engine.load() == Load(running=3)
    it.server.metrics = "vllm:num_requests_running many\n"
    assert await it.engine.load() == Load()
    it.server.metrics = None
    assert await it.engine.load() == Load()


async def test_a_server_that_keeps_silent_is_given_up(upstream: Start, job: MakeJob) -> None:
    patience = Patience(first_token_s=0.05)
    it = await upstream(faults=["silent"], options={"patience": patience})
    with pytest.raises(EngineUnavailable, match="sent nothing for"):
        await it.written(job())


async def test_a_server_that_keeps_alive_without_a_token_is_given_up(
    upstream: Start, job: MakeJob
) -> None:
    patience = Patience(first_token_s=0.05)
    it = await upstream(gate=asyncio.Event().wait, options={"patience": patience})
    with pytest.raises(EngineUnavailable, match="sent nothing for"):
        await it.written(job())


async def test_a_stream_that_stalls_is_given_up(
    upstream: Start, job: MakeJob, until: Callable[..., Awaitable[None]]
) -> None:
    it = await upstream(faults=["stall"], options={"patience": Patience(idle_s=0.05)})
    with pytest.raises(EngineDied, match="sent nothing for"):
        await it.written(job())
    await until(lambda: it.server.open_streams == 0)


async def test_a_stream_that_takes_too_long_in_all_is_given_up(
    upstream: Start, job: MakeJob
) -> None:
    async def slow() -> None:
        await asyncio.sleep(0.02)

    patience = Patience(total_s=0.1)
    it = await upstream(script="x" * 50, gate=slow, options={"patience": patience})
    with pytest.raises(EngineUnavailable, match="sent nothing for|did not end its text within"):
        await it.written(job())


async def test_a_reader_that_is_slow_is_no_fault_of_the_server(
    upstream: Start, job: MakeJob, clock: list[float]
) -> None:
    it = await upstream(options={"patience": Patience(idle_s=50)})
    async with aclosing(it.engine.stream(job())) as stream:
        texts = []
        async for piece in stream:
            clock[0] += 100
            texts.append(piece.text if isinstance(piece, Text) else "")
    assert "".join(texts) == "It rained."


async def test_a_stream_may_be_bounded_in_all(
    upstream: Start, job: MakeJob, clock: list[float]
) -> None:
    once = asyncio.Semaphore(1)
    it = await upstream(options={"patience": Patience(total_s=100)}, gate=once.acquire)
    async with aclosing(it.engine.stream(job())) as stream:
        await anext(stream)
        clock[0] += 101
        with pytest.raises(EngineDied, match="did not end its text within 100 s"):
            await drained(stream)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, that streams are measured by."""
    now_s = [1000.0]
    monkeypatch.setattr(clocks, "monotonic", lambda: now_s[0])
    return now_s


@pytest.mark.parametrize("last_words", ["stall", "close", "garbage", "late"])
async def test_an_end_that_is_not_followed_by_its_last_words_is_an_end(
    upstream: Start, job: MakeJob, monkeypatch: pytest.MonkeyPatch, last_words: str
) -> None:
    monkeypatch.setattr(engine, "_LAST_WORDS_S", 0.05)
    it = await upstream(last_words=last_words)
    text, _, end = await it.written(job())
    assert (text, end.reason) == ("It rained.", "stop")


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_request_that_is_wrong_is_refused_with_its_field(
    upstream: Start, job: MakeJob, status: int
) -> None:
    said = b'{"error":{"message":"top_k is too small","param":"top_k","code":400}}'
    it = await upstream(faults=["status"], status=(status, {}, said))
    with pytest.raises(BadRequest, match="top_k is too small") as raised:
        await it.written(job())
    assert raised.value.param == "top_k"


@pytest.mark.parametrize(
    ("told", "seconds"), [("7", 7), ("3600", 60), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_says_when_to_come_again(
    upstream: Start, job: MakeJob, status: int, told: str, seconds: int | None
) -> None:
    it = await upstream(faults=["status"], status=(status, {"retry-after": told}, b"{}"))
    with pytest.raises(EngineUnavailable, match=f"HTTP {status}") as raised:
        await it.written(job())
    assert raised.value.retry_after_s == seconds
    assert not isinstance(raised.value, EngineDied)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"object":"error","message":"queue is full"}', "HTTP 500: queue is full"),
        (b'{"error":"model is gone\\nand more"}', "HTTP 500: model is gone"),
        (b'{"detail":"a detail"}', "HTTP 500: a detail"),
        (b"[1]", "HTTP 500: no reason given"),
        (b"<html>secrets</html>", "HTTP 500"),
        (b"x" * 100_000, "HTTP 500"),
    ],
)
async def test_an_error_of_the_server_is_told_in_its_words(
    upstream: Start, job: MakeJob, body: bytes, shown: str
) -> None:
    it = await upstream(faults=["status"], status=(500, {}, body))
    with pytest.raises(EngineUnavailable) as raised:
        await it.written(job())
    assert raised.value.message == f"the upstream server answered {shown}"


async def test_a_redirect_is_not_followed(upstream: Start, job: MakeJob) -> None:
    it = await upstream(faults=["status"], status=(307, {"location": "http://a.example/"}, b""))
    with pytest.raises(EngineUnavailable, match="HTTP 307"):
        await it.written(job())


# What comes before any text: another server may be asked as if nothing had been.
@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("html", "sent text/html, not text/event-stream"),
        ("html_typed", "ended its answer before its text"),
        ("wrong_type", "sent application/json"),
        ("gzip", "compressed"),
        ("no_ids", "tells no token ids"),
    ],
)
async def test_an_answer_that_is_none_is_no_text(
    upstream: Start, job: MakeJob, fault: str, why: str
) -> None:
    it = await upstream(faults=[fault])
    with pytest.raises(EngineUnavailable, match=why) as raised:
        await it.written(job())
    assert not isinstance(raised.value, EngineDied)


DEATHS = {
    "reset": "lost the connection",
    "close": "broke off its answer",
    "end": "ended its answer before its text",
    "no_finish": "ended its answer before its text",
    "half_json": "broke off its answer",
    "no_json": "no JSON",
    "array": "no object",
    "utf8": "no JSON",
    "long_line": "without an end",
    "repeat": "lost a piece of its text, or sent one twice",
    "lose": "lost a piece of its text, or sent one twice",
    "swap": "lost a piece of its text, or sent one twice",
    "other_model": "answers as 'somebody-else'",
    "other_stream": "a piece of another stream",
    "error": "reported an error: CUDA out of memory",
    "abort": "for the reason 'abort'",
    "two_choices": "without its one choice",
    "second_choice": "a choice that nobody asked for",
    "number": "a text that is none",
    "on_and_on": "went on behind the end",
    "more": "more tokens than it was asked for",
}


@pytest.mark.parametrize(("fault", "why"), DEATHS.items())
@pytest.mark.parametrize("at", [1, 5])
async def test_a_stream_that_goes_wrong_dies_behind_its_last_good_piece(
    upstream: Start, job: MakeJob, fault: str, why: str, at: int
) -> None:
    it = await upstream(script=SCRIPT, faults=[fault], fault_after=at)
    texts, ids = [], []
    with pytest.raises(EngineDied, match=why):
        async with asyncio.timeout(10), aclosing(it.engine.stream(job())) as stream:
            async for piece in stream:
                assert isinstance(piece, Text)
                texts.append(piece.text)
                ids.extend(piece.token_ids or ())
    assert SCRIPT.startswith("".join(texts))
    assert bytes(ids) == SCRIPT.encode()[: len(ids)]
    # Another engine carries on from there.
    text, _, _ = await it.written(job("Tell: ", bytes(ids)))
    assert "".join(texts) + text == SCRIPT


async def test_an_error_before_the_first_text_that_is_the_requests_own_refuses_it(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(faults=["error"], fault_after=0)
    with pytest.raises(EngineUnavailable, match="CUDA") as raised:
        await it.written(job())
    assert not isinstance(raised.value, EngineDied)


async def test_a_request_that_is_found_wrong_before_its_first_text_is_refused(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(faults=["refusal"], fault_after=0)
    with pytest.raises(BadRequest, match="no such LoRA"):
        await it.written(job())


async def test_log_probabilities_that_do_not_fit_are_an_error(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream(faults=["logprobs"])
    with pytest.raises(EngineDied, match="log-probabilities that do not fit"):
        await it.written(job(logprobs=1))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, "<html></html>"), "no JSON"),
        ((200, {"data": []}), "serves no model"),
        ((400, {"error": "not you"}), "refused a call: not you"),
        ((200, {"data": ["x" * 5000]}), "an answer without an end"),
        (None, "did not answer within 0.2 s"),
    ],
)
async def test_a_server_that_answers_a_call_badly_is_not_healthy(
    upstream: Start, monkeypatch: pytest.MonkeyPatch, answer: Any, why: str
) -> None:
    monkeypatch.setattr(link, "_CALL_S", 0.2)
    monkeypatch.setattr(link, "_MAX_CALL_BYTES", 2000)
    it = await upstream(routes={"/v1/models": answer})
    with pytest.raises(EngineUnavailable, match=why):
        await it.engine.health()


async def test_a_server_that_takes_no_connection_is_given_up(upstream: Start) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("")

    it = await upstream()
    await it.engine._link.close()
    it.engine._link._http = httpx.AsyncClient(transport=httpx.MockTransport(refuse))
    with pytest.raises(EngineUnavailable, match="could not be reached in time"):
        await it.engine.health()


async def test_one_of_several_addresses_is_reached_under_the_servers_name(
    upstream: Start, job: MakeJob
) -> None:
    it = await upstream()
    url = f"http://gpu.example:{it.server.port}"
    async with UpstreamEngine(url, it.engine._options, "127.0.0.1") as named:
        text, _, _ = await replace(it, engine=named).written(job())
    assert text == "It rained."
    assert it.server.generations()[0].headers["host"] == f"gpu.example:{it.server.port}"


async def test_two_engines_can_look_at_one_address(upstream: Start, job: MakeJob) -> None:
    it = await upstream()
    card = Card(model="it", window_tokens=64, vocabulary_tokens=257)
    other = UpstreamEngine(it.server.url, replace(it.engine._options, card=card))
    async with other:
        assert (await replace(it, engine=other).written(job()))[0] == "It rained."
