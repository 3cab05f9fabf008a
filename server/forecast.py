"""``longhand plan``: what would be done for prompts. It needs a tokenizer, and loads no model."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.brief import Brief, Message
from server import checkpoint
from server.app import identify
from server.engine.base import Card, Passage
from server.engine.tokenizer import Tokenizer
from server.errors import CannotServe, ContextTooLong
from server.layout import Layout
from server.settings import Settings
from server.wire.encode_plan import plan_object


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A checkpoint's tokenizer in the place of an engine."""

    card: Card
    tokenizer: Tokenizer

    async def tokenize(self, text: str) -> Passage:
        return await self.tokenizer.passage(text)


def layout_of(settings: Settings) -> Layout:
    """How the checkpoint that is set would lay requests out.

    Raises:
        CannotServe: there is no such checkpoint, or it has no tokenizer.
    """
    found, card = identify(settings)
    reader = Reader(card=card, tokenizer=Tokenizer(found.directory))
    return Layout(engine=reader, prompter=checkpoint.prompter(found, settings.prompt_template))


def forecast(layout: Layout, prompt: str) -> dict[str, Any]:
    """The plan for one prompt as an object; {"error"} where it cannot be done."""
    if not prompt.strip():
        return {"error": "the prompt is empty"}
    brief = Brief(messages=(Message(role="user", content=prompt),))
    try:
        laid = asyncio.run(layout.plan(brief))
    except ContextTooLong as error:
        return {"error": str(error)}
    return plan_object(
        laid.plan, template=layout.prompter.source, window_tokens=layout.engine.card.window_tokens
    )


def describe(shown: dict[str, Any]) -> str:
    """The same, for people."""
    words, budgets = shown["words"], shown["budgets"]
    length = f"{words[0]:,} to {words[1]:,} words" if words else "not stated"
    answer = budgets["answer_tokens"]
    return "\n".join(
        (
            f"length     {length} (source: {shown['source']})",
            f"language   {shown['language']}",
            f"template   {shown['template']}",
            f"prompt     {budgets['prompt_tokens']:,} tokens",
            f"reasoning  {budgets['reasoning_tokens']:,} tokens at most",
            f"answer     {'as it comes' if answer is None else f'about {answer:,} tokens'}",
            f"in all     {budgets['max_tokens']:,} tokens at most",
            f"control    {shown['control']}",
            f"windows    {shown['windows']} of {budgets['window_tokens']:,} tokens",
        )
    )


def run(
    settings: Settings,
    *,
    prompt: str | None,
    prompts: str | None,
    as_json: bool,
    write: Callable[[str], object],
) -> int:
    """Prints the plan of one prompt, or of each line of a file; 1 if one cannot be done.

    Raises:
        CannotServe: no checkpoint, no such file, or a line that holds no prompt.
    """
    layout = layout_of(settings)
    failed = False
    for each in [prompt or ""] if prompts is None else _read(prompts):
        shown = forecast(layout, each)
        failed = failed or "error" in shown
        if as_json or prompts is not None:
            write(json.dumps(shown, ensure_ascii=False) + "\n")
        else:
            write(shown.get("error") or describe(shown))
            write("\n")
    return 1 if failed else 0


def _read(path: str) -> Iterator[str]:
    if path == "-":
        yield from _prompts(sys.stdin, "standard input")
        return
    try:
        with Path(path).open(encoding="utf-8") as lines:
            yield from _prompts(lines, path)
    except OSError as error:
        raise CannotServe(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CannotServe(f"{path} is not UTF-8") from None


def _prompts(lines: Iterable[str], path: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        prompt = row.get("prompt") if isinstance(row, dict) else None
        if not isinstance(prompt, str):
            raise CannotServe(f'{path}, line {number}: not an object with a "prompt"')
        yield prompt
