"""A long answer and a crowd, through the doors users have: the ``openai`` package and HTTP.

``python -m loadtest.acceptance --url http://127.0.0.1:8000`` against a server that runs. It checks
what it measures and exits with 1 when anything is wrong. It must not import the server.
"""

import argparse
import asyncio
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from openai import OpenAI
from openai.types.chat import ChatCompletionChunk

from loadtest.client import stream

_TAGS = ("<think>", "</think>", "<answer>", "</answer>", "<|user|>", "<|endoftext|>")
_FREE_S = 2.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for."""

    model: str
    task: str
    most_tokens: int


@dataclass(slots=True)
class Heard:
    """What a client has read of one answer."""

    reasoning: list[str] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)
    mixed_chunks: int = 0
    num_chunks: int = 0
    finish_reason: str | None = None
    completion_tokens: int = 0
    reasoning_tokens: int = 0

    def add(self, chunk: ChatCompletionChunk) -> None:
        self.num_chunks += 1
        if chunk.usage is not None:
            self.completion_tokens = chunk.usage.completion_tokens
            details = chunk.usage.completion_tokens_details
            self.reasoning_tokens = (details.reasoning_tokens or 0) if details else 0
        for choice in chunk.choices:
            reasoning = getattr(choice.delta, "reasoning", None)
            if reasoning:
                self.reasoning.append(reasoning)
            if choice.delta.content:
                self.answer.append(choice.delta.content)
            self.mixed_chunks += bool(reasoning and choice.delta.content)
            self.finish_reason = choice.finish_reason or self.finish_reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the report."""

    what: str
    figure: str
    holds: bool


def metric(url: str, name: str) -> float:
    """The sum of a metric over its labels."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as page:
        lines = page.read().decode().splitlines()
    matching = [line for line in lines if line.split("{")[0].split(" ")[0] == name]
    return sum(float(line.rsplit(" ", 1)[1]) for line in matching)


def long_answer(url: str, task: str, least_tokens: int) -> Iterator[Check]:
    """One greedy answer, streamed and whole, against the engine's own counter.

    Both are bounded at 1.6 times the least length, so that a text without end costs little.
    """
    client = OpenAI(base_url=f"{url}/v1", api_key="none", timeout=1200, max_retries=0)
    wish = Wish(model=client.models.list().data[0].id, task=task, most_tokens=least_tokens * 8 // 5)
    before = metric(url, "vllm:generation_tokens_total")
    heard, seconds = _listen(client, wish)
    counted = metric(url, "vllm:generation_tokens_total") - before
    tokens = heard.completion_tokens
    yield Check(
        what=f"completion tokens of one stream (at least {least_tokens:,})",
        figure=f"{tokens:,} in {seconds:.1f} s, {tokens / seconds:.0f} tokens/s, "
        f"{heard.num_chunks:,} chunks, ended by {heard.finish_reason}",
        holds=tokens >= least_tokens,
    )
    yield from _channels(heard)
    if counted:
        yield Check(
            what="usage and the engine's own counter",
            figure=f"{tokens:,} and {counted:,.0f}",
            holds=tokens == counted,
        )
    yield _whole(client, wish, heard)


def _listen(client: OpenAI, wish: Wish) -> tuple[Heard, float]:
    heard = Heard()
    started = time.monotonic()
    chunks = client.chat.completions.create(
        model=wish.model,
        messages=[{"role": "user", "content": wish.task}],
        temperature=0,
        max_completion_tokens=wish.most_tokens,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in chunks:
        heard.add(chunk)
    return heard, time.monotonic() - started


def _channels(heard: Heard) -> Iterator[Check]:
    reasoning, answer = "".join(heard.reasoning), "".join(heard.answer)
    yield Check(
        what="reasoning and answer in their own fields, never both in one chunk",
        figure=f"{len(reasoning):,} and {len(answer):,} characters, {heard.mixed_chunks} mixed",
        holds=bool(reasoning and answer) and not heard.mixed_chunks,
    )
    visible = [tag for tag in _TAGS if tag in reasoning or tag in answer]
    yield Check(what="tags visible", figure=str(visible), holds=not visible)


def _whole(client: OpenAI, wish: Wish, heard: Heard) -> Check:
    whole = client.chat.completions.create(
        model=wish.model,
        messages=[{"role": "user", "content": wish.task}],
        temperature=0,
        max_completion_tokens=wish.most_tokens,
    )
    message, usage = whole.choices[0].message, whole.usage
    same = (
        message.content == "".join(heard.answer)
        and getattr(message, "reasoning", "") == "".join(heard.reasoning)
        and usage is not None
        and usage.completion_tokens == heard.completion_tokens
    )
    return Check(
        what="the stream equals the whole answer at temperature 0",
        figure=f"{len(message.content or ''):,} characters",
        holds=same,
    )


def crowd(url: str, num_streams: int, num_tokens: int) -> Iterator[Check]:
    """Many streams to their end; then as many that hang up half way."""
    # Raw text, as a chat may end before its limit.
    body = {
        "prompt": "Harbours",
        "max_tokens": num_tokens,
        "min_tokens": num_tokens,
        "ignore_eos": True,
    }
    tokens, seconds = asyncio.run(_together(url, body, num_streams, None))
    yield Check(
        what=f"{num_streams} concurrent streams of {num_tokens:,} tokens",
        figure=f"{tokens:,} tokens in {seconds:.1f} s, {tokens / seconds:,.0f} tokens/s",
        holds=tokens == num_streams * num_tokens,
    )
    asyncio.run(_together(url, body, num_streams, num_tokens // 2))
    running = "vllm:num_requests_running"
    freed_s = _until(lambda: metric(url, running) == 0)
    yield Check(
        what=f"{num_streams} clients hang up half way: no running request within {_FREE_S:.0f} s",
        figure="never" if freed_s is None else f"{freed_s:.2f} s",
        holds=freed_s is not None,
    )


async def _together(
    url: str, body: dict[str, object], num_streams: int, leave_after_events: int | None
) -> tuple[int, float]:
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                stream(
                    f"{url}/v1/completions",
                    {**body, "seed": seed},
                    leave_after_events=leave_after_events,
                )
            )
            for seed in range(num_streams)
        ]
    done = [outcome for task in tasks if (outcome := task.result()) is not None]
    return sum(outcome.completion_tokens for outcome in done), time.monotonic() - started


def _until(holds: Callable[[], bool]) -> float | None:
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > _FREE_S:
            return None
        time.sleep(_POLL_S)
    return time.monotonic() - started


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--task", default="Write a 9,000-word essay about tidal energy.")
    parser.add_argument("--least-tokens", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=2_000)
    options = parser.parse_args(argv)
    failed = 0
    checks = [long_answer(options.url, options.task, options.least_tokens)]
    if options.streams:
        checks.append(crowd(options.url, options.streams, options.tokens))
    for series in checks:
        for check in series:
            failed += not check.holds
            print(f"{'ok  ' if check.holds else 'FAIL'} {check.what}: {check.figure}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
