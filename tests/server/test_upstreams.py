"""Settings to servers: what is served is asked of them, before one of them is written with."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from loadtest.stand_in import StandIn
from server import upstreams
from server.app import choose, create_app
from server.check import examine
from server.engine.pool.endpoint import Endpoint
from server.errors import CannotServe
from server.machine import Machine
from server.settings import Settings, load


class Elsewhere:
    """A stand-in server on an event loop of its own: settings are read before ours runs."""

    def __init__(self, server: StandIn) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> StandIn:
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self.server.__aenter__(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def server() -> Iterator[Callable[..., StandIn]]:
    """Starts stand-in servers: ``server(kind="vllm", …)``."""
    with ExitStack() as stack:

        def start(**fields: Any) -> StandIn:
            elsewhere = Elsewhere(StandIn(**fields))
            stack.callback(elsewhere.stop)
            return elsewhere.start()

        yield start


@pytest.fixture
def checkpoint(tmp_path: Path, small_tokenizer: Callable[..., Any]) -> Path:
    folder = tmp_path / "letters"
    small_tokenizer(folder, "letters to be read", chat="{{ messages[0].content }}")
    (folder / "config.json").write_text(
        '{"architectures": ["Qwen2ForCausalLM"], "num_hidden_layers": 1, "hidden_size": 8,'
        '"intermediate_size": 8, "num_attention_heads": 1, "vocab_size": 320,'
        '"max_position_embeddings": 64}'
    )
    (folder / "generation_config.json").write_text('{"temperature": 0.3, "top_p": 0.4}')
    return folder


def of(server: StandIn, **fields: Any) -> Settings:
    return Settings(**{"engine": "upstream", "upstream": (server.url,), **fields})


def test_what_is_served_is_read_from_the_server(server: Callable[..., StandIn]) -> None:
    serving = choose(of(server(kind="vllm", model="long-writer", window_tokens=2048)))
    assert (serving.engine_name, serving.checkpoint) == ("upstream", None)
    assert (serving.card.model, serving.card.window_tokens) == ("long-writer", 2048)
    assert serving.card.vocabulary_tokens > 1_000_000
    assert (serving.temperature, serving.top_p) == (0.6, 0.95)
    assert serving.prompter.source


def test_settings_come_before_what_the_server_tells(server: Callable[..., StandIn]) -> None:
    settings = of(
        server(), served_model_name="mine", max_model_len=1000, temperature=0.1, top_p=0.2
    )
    serving = choose(settings)
    assert (serving.card.model, serving.card.window_tokens) == ("mine", 1000)
    assert (serving.temperature, serving.top_p) == (0.1, 0.2)


def test_a_checkpoint_gives_the_tokenizer_the_prompt_and_the_sampling(
    server: Callable[..., StandIn], checkpoint: Path
) -> None:
    serving = choose(of(server(), model=str(checkpoint)))
    assert serving.checkpoint is not None
    assert (serving.card.model, serving.card.vocabulary_tokens) == ("letters", 320)
    # The window is the server's: it may have been started with another one.
    assert serving.card.window_tokens == 4096
    assert (serving.temperature, serving.top_p) == (0.3, 0.4)
    assert serving.prompter.source == "the tokenizer's chat template"
    built: Any = serving.build()
    replica = built.fleet.build(Endpoint(url="http://gpu:8000", address="127.0.0.1"))
    assert replica.address == "http://gpu:8000"


def test_a_server_needs_not_be_there_where_its_model_and_window_are_set() -> None:
    settings = Settings(
        engine="upstream",
        upstream=("http://127.0.0.1:9",),
        upstream_model="org/long-writer",
        max_model_len=512,
    )
    serving = choose(settings)
    assert (serving.card.model, serving.card.window_tokens) == ("org/long-writer", 512)


def test_a_window_of_ollama_is_not_all_that_the_model_holds(
    server: Callable[..., StandIn],
) -> None:
    large = server(kind="ollama", window_tokens=131_072)
    assert choose(of(large)).card.window_tokens == 32_768
    assert choose(of(large, max_model_len=65_536)).card.window_tokens == 65_536


def test_llamacpp_tells_its_vocabulary(server: Callable[..., StandIn]) -> None:
    assert choose(of(server(kind="llama.cpp"))).card.vocabulary_tokens == 257


def test_the_first_server_that_answers_is_asked(
    server: Callable[..., StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = server()
    settings = of(there, upstream=("http://127.0.0.1:9", there.url))
    assert choose(settings).card.model == "stand-in"


def test_a_server_that_is_still_loading_is_waited_for(
    server: Callable[..., StandIn],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    loading = server(routes={"/v1/models": (404, {})})
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        loading.routes.clear()

    monkeypatch.setattr(upstreams.asyncio, "sleep", wait)
    assert choose(of(loading)).card.model == "stand-in"
    assert waits == [2.0]
    assert f"waiting for an upstream server: {loading.url} answered HTTP 404" in caplog.text


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"upstream": ()}, "set upstream to a URL"),
        ({"upstream": ("gpu:8000",)}, "upstream: the URL of a server must begin with http"),
        ({"engine": "scripted", "script": None}, "upstream is for the engine upstream"),
        ({"upstream_model": "other"}, "does not serve 'other' but 'stand-in'"),
        ({"max_model_len": 5000}, "max_model_len 5000 is over the 4096 tokens"),
        ({"prompt_template": "chat"}, "is read from a checkpoint; set model"),
        ({"upstream_ca_file": Path("no-such.pem")}, "upstream_ca_file no-such.pem"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    server: Callable[..., StandIn], fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(CannotServe, match=why):
        choose(of(server(), upstream_wait_s=0.3, **fields) if "upstream" not in fields else
               Settings(**{"engine": "upstream", **fields}))  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"kind": "openai"}, "does not tell its window; set max_model_len"),
        ({"names": ("a", "b")}, "serves 2 models, 'a', 'b': say which with upstream_model"),
        ({"routes": {"/v1/models": (200, 7)}}, "does not list its models"),
        ({"key": "k-1"}, "does not accept our key"),
    ],
)
def test_a_server_that_cannot_be_written_with_is_one_sentence(
    server: Callable[..., StandIn], fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(CannotServe, match=why):
        choose(of(server(**fields), upstream_wait_s=0.3))


def test_a_server_that_never_answers_is_one_sentence(server: Callable[..., StandIn]) -> None:
    with pytest.raises(CannotServe, match="within 0 s: no answer"):
        choose(of(server(), upstream_wait_s=0))


def test_servers_are_named_on_the_command_line_in_a_file_and_in_the_environment(
    tmp_path: Path,
) -> None:
    config = tmp_path / "longhand.toml"
    config.write_text('upstream = ["http://a", "http://b"]')
    assert load({}, config=config, environ={}).upstream == ("http://a", "http://b")
    environ = {"LONGHAND_UPSTREAM": "http://c, http://d"}
    assert load({}, config=config, environ=environ).upstream == ("http://c", "http://d")
    given = {"upstream": ["http://e,http://f", "http://g"]}
    assert load(given, environ=environ).upstream == ("http://e", "http://f", "http://g")
    with pytest.raises(CannotServe, match="'upstream"):
        load({"upstream": [1]}, environ={})


def test_a_check_says_which_servers_and_needs_no_memory(
    server: Callable[..., StandIn], checkpoint: Path
) -> None:
    there = server()
    settings = of(there, model=str(checkpoint))
    none = Machine(free_bytes=0, processors=1, gpu_bytes=())
    report = examine(settings, choose(settings), none)
    assert report.problems == ()
    assert f"upstream     {there.url}" in report.lines
    assert not any(line.startswith(("memory", "parallelism")) for line in report.lines)


async def test_a_gateway_writes_with_a_server(
    until: Callable[[Callable[[], object]], Any],
) -> None:
    import httpx

    text = "<think>\nA plan.\n</think>\n<answer>\nIt rained on 上海.\n</answer>"
    async with StandIn(script=text) as there:
        settings = of(there, upstream_model="stand-in", max_model_len=4096, drafts="off")
        app = create_app(settings, choose(settings), registry=CollectorRegistry())
        async with app.router.lifespan_context(app):
            engine = app.state.service.engine
            await until(lambda: engine.ready.is_set())
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://g") as client:
                body = {"messages": [{"role": "user", "content": "Write a line."}]}
                await until(lambda: there.seen)
                reply = await client.post("/v1/chat/completions", json=body)
    assert reply.status_code == 200, reply.text
    assert "It rained on 上海." in reply.json()["choices"][0]["message"]["content"]
