"""A server that stands in for vLLM, SGLang, llama.cpp or Ollama: real sockets, faults on request.

    async with StandIn(script="It rained.", faults=["none", "reset"]) as server:
        ...  # server.url

Written from their sources (vLLM 0.32; SGLang 0.5; llama.cpp tools/server and ollama of 2026); it
is no test of them, and no model runs in it.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson

from loadtest.stand_in_faults import BEFORE, spoilt
from loadtest.stand_in_http import Talk, reply
from loadtest.stand_in_text import Kind, Writing, decoded

_OWNERS = {"vllm": "vllm", "sglang": "sglang", "llama.cpp": "llamacpp", "ollama": "library"}
_HTML = b"<html><body>It works!</body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it came; header names in small letters."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any = None


@dataclass(slots=True, kw_only=True)
class StandIn:
    """One server on a loopback port of its own.

    faults: of each generation in turn, "none" or one of BEFORE and BEHIND; none behind the last.
    status: what "status" answers: code, headers, body. closes_idle: it closes every connection
    behind an answer, without a word in it. gate: waited for before every piece.
    routes: other answers than its own: a status and a value, or None for none at all.
    rival: text of all rivals of a token, so that they are one. last_words: what follows a text:
    "said", "stall", "close", "garbage", "late".
    """

    kind: Kind = "vllm"
    script: str = "It rained."
    model: str = "stand-in"
    names: tuple[str, ...] = ()
    owner: str | None = None
    key: str | None = None
    window_tokens: int = 4096
    metrics: str | None = None
    faults: list[str] = field(default_factory=list)
    fault_after: int = 2
    status: tuple[int, dict[str, str], bytes] = (500, {}, b"{}")
    tokens_per_piece: int = 1
    rival: str = ""
    chunk_bytes: int = 0
    routes: dict[str, tuple[int, Any] | None] = field(default_factory=dict)
    last_words: str = "said"
    closes_idle: bool = False
    is_healthy: bool = True
    gate: Callable[[], Any] | None = None
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    open_streams: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._met, "127.0.0.1", self.port, limit=2**24)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """As a process that was killed: every connection ends at once. Safe to call twice."""
        assert self._server is not None
        self._server.close()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def generations(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.path in ("/v1/completions", "/api/generate")]

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts["connections"] += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._answer(reader, writer) and not self.closes_idle:
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection may carry another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        named = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in named}
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        body = orjson.loads(content) if content else None
        self.seen.append(Seen(method=method, path=path, headers=headers, body=body))
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return await reply(writer, 401, b'{"error":"Unauthorized"}')
        if path in ("/v1/completions", "/api/generate"):
            return await self._generate(Talk(reader, writer), path, headers, body)
        answer = self.routes.get(path, self._told(path, body))
        if answer is None:
            await reader.read()
            return False
        code, told = answer
        if isinstance(told, str):
            return await reply(writer, code, told.encode(), "text/plain")
        return await reply(writer, code, orjson.dumps(told))

    def _told(self, path: str, body: Any) -> tuple[int, Any]:
        """What is answered on the routes that generate nothing."""
        vllm, llamacpp, ollama = (self.kind == k for k in ("vllm", "llama.cpp", "ollama"))
        there = {
            "/health": (not ollama, {} if self.is_healthy else None),
            "/v1/models": (True, {"object": "list", "data": self._cards()}),
            "/version": (vllm, {"version": "0.32.0"}),
            "/api/version": (ollama, {"version": "0.13.0"}),
            "/api/show": (ollama, {"model_info": {"qwen2.context_length": self.window_tokens}}),
            "/props": (llamacpp, {"default_generation_settings": {"n_ctx": self.window_tokens}}),
            "/get_model_info": (self.kind == "sglang", {"model_path": "/models/it"}),
            "/metrics": (self.metrics is not None, self.metrics),
            "/tokenize": (vllm or llamacpp, self._tokens(body)),
            "/detokenize": (vllm, {"prompt": decoded((body or {}).get("tokens", ()))}),
        }
        exists, told = there.get(path, (False, None))
        if not exists:
            return 404, {"error": {"message": "Not Found", "type": "NotFoundError", "code": 404}}
        return (200, told) if told is not None else (503, {})

    def _cards(self) -> list[dict[str, Any]]:
        owner = self.owner or _OWNERS.get(self.kind, "somebody")
        card: dict[str, Any] = {"object": "model", "owned_by": owner, "root": "/models/it"}
        if self.kind in ("vllm", "sglang"):
            card["max_model_len"] = self.window_tokens
        if self.kind == "llama.cpp":
            card["meta"] = {"n_vocab": 257}
        return [{"id": name, **card} for name in (self.names or (self.model,))]

    def _tokens(self, body: Any) -> dict[str, Any]:
        given = body or {}
        ids = list((given.get("prompt") or given.get("content") or "").encode())
        return {"tokens": ids, "count": len(ids), "max_model_len": self.window_tokens}

    async def _generate(self, talk: Talk, path: str, headers: dict[str, str], body: Any) -> bool:
        at = self.counts["generations"]
        self.counts["generations"] += 1
        fault = self.faults[at] if at < len(self.faults) else "none"
        self.open_streams += 1
        try:
            if fault in BEFORE and fault != "no_ids":
                return await self._refuse(talk, fault)
            writing = Writing(
                kind=self.kind,
                body=body if fault != "no_ids" else body | {"return_token_ids": False},
                script=self.script.encode(),
                tokens_per_piece=self.tokens_per_piece,
                rival=self.rival,
                id=f"cmpl-{headers.get('x-request-id', at)}",
            )
            return await talk.while_heard(self._write(talk, writing, fault))
        finally:
            self.open_streams -= 1

    async def _refuse(self, talk: Talk, fault: str) -> bool:
        writer = talk.writer
        if fault == "silent":
            await talk.reader.read()
            return False
        if fault == "no_answer":
            return False
        if fault == "status":
            code, headers, content = self.status
            return await reply(writer, code, content, "application/json", headers)
        kinds = {
            "html": "text/html",
            "html_typed": "text/event-stream",
            "gzip": "text/event-stream",
        }
        more = {"content-encoding": "gzip"} if fault == "gzip" else {}
        return await reply(writer, 200, _HTML, kinds.get(fault, "application/json"), more)

    async def _write(self, talk: Talk, writing: Writing, fault: str) -> bool:
        kind = "application/x-ndjson" if self.kind == "ollama" else "text/event-stream"
        talk.chunk_bytes = self.chunk_bytes
        await talk.begin(f"{kind}; charset=utf-8")
        held = b""
        for at, piece in enumerate(writing.pieces()):
            if self.gate is not None:
                await self.gate()
            if fault == "no_finish" and piece.finish:
                break
            frame = writing.frame(writing.event(piece))
            if at != self.fault_after or fault in ("none", "no_ids", "no_finish"):
                await talk.send(frame + held)
                held = b""
            elif fault == "lose":
                continue
            elif fault == "swap":
                held = frame
            elif not await self._spoil(talk, writing, fault, frame):
                return False
        if fault != "no_finish":
            return await self._end(talk, writing)
        await talk.end()
        return True

    async def _end(self, talk: Talk, writing: Writing) -> bool:
        if self.last_words == "stall":
            await talk.reader.read()
        if self.last_words in ("stall", "close"):
            return False
        if self.last_words == "garbage":
            await talk.send(b"data: {\n\n")
        await talk.send(b"".join(writing.last_events()))
        if self.last_words == "late":
            await asyncio.sleep(0.02)
            await talk.send(b": bye\n\n")
        await talk.end()
        return True

    async def _spoil(self, talk: Talk, writing: Writing, fault: str, frame: bytes) -> bool:
        """Whether the stream goes on behind the fault."""
        if fault == "stall":
            await talk.reader.read()
        elif fault == "reset":
            # Linger for no time: the connection ends with an RST.
            talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault == "half_json":
            await talk.send(frame[: len(frame) // 2])
        elif fault == "end":
            await talk.end()
        elif fault != "close":
            await talk.send(spoilt(writing, fault, frame))
            return True
        return False
