"""`longhand drafts`: stored drafts listed, shown, ended, removed, exported. It parses nothing."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.pen.address import Address
from server.pen.client import Client
from server.pen.events import CANCELLED
from server.pen.outcomes import Broken, Exit, Lost, Refused
from server.pen.sinks import Sink
from server.pen.wording import printable

What = Literal["answer", "reasoning", "json"]
Found = TypeVar("Found")
# The most that a page of the list holds.
_PAGE = 100
_COLUMNS = ("id", "state", "kind", "created", "words", "characters")
# Long texts, shown by ``export``.
_TEXTS = frozenset({"reasoning", "answer", "choices", "request"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Printer:
    """Where results go. ``write`` takes text as it is; ``console`` is there if a person looks."""

    write: Callable[[str], object]
    tell: Callable[[str], object]
    console: Console | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """The stored drafts of one key on one server. Each command gives its exit code."""

    address: Address
    printer: Printer

    def newest(self, *, limit: int, as_json: bool) -> int:
        """The newest drafts, one a line."""
        return self._listed(self._ask(lambda client: _newest(client, limit)), as_json)

    def _listed(self, found: list[Mapping[str, Any]], as_json: bool) -> int:
        if as_json:
            self._print_json(found)
        elif self.printer.console is not None:
            table = Table(*_COLUMNS, box=None, pad_edge=False, header_style="dim")
            for row in map(_row, found):
                table.add_row(*(Text(cell, overflow="fold") for cell in row))
            self.printer.console.print(table)
        else:
            self.printer.write("".join("\t".join(row) + "\n" for row in map(_row, found)))
        return Exit.WRITTEN

    def show(self, draft_id: str, *, as_json: bool) -> int:
        """One draft: all that is known of it but its texts."""
        return self._shown(self._ask(lambda client: client.draft(draft_id)), as_json)

    def _shown(self, draft: Mapping[str, Any], as_json: bool) -> int:
        if as_json:
            self._print_json(draft)
        else:
            rows = _fields(draft)
            width = max((len(name) for name, _ in rows), default=0)
            lines = [f"{name:<{width}}  {printable(told)}\n" for name, told in rows]
            self.printer.write("".join(lines))
        return Exit.WRITTEN

    def cancel(self, draft_id: str) -> int:
        """Ends a draft that is being written; what there is of it stays."""
        return self._cancelled(draft_id, self._ask(lambda client: client.cancel(draft_id)))

    def _cancelled(self, draft_id: str, told: Mapping[str, Any]) -> int:
        self.printer.tell(f"{draft_id} is {printable(str(told.get('state') or CANCELLED))}.")
        return Exit.WRITTEN

    def remove(self, draft_ids: tuple[str, ...]) -> int:
        """Removes drafts; goes on after one that cannot be removed, and ends with 1 then."""
        return self._removed(self._ask(lambda client: _not_removed(client, draft_ids)))

    def _removed(self, complaints: list[str]) -> int:
        for complaint in complaints:
            self.printer.tell(f"{printable(complaint)}.")
        return Exit.REFUSED if complaints else Exit.WRITTEN

    def export(self, draft_id: str, *, what: What, sink: Sink | None) -> int:
        """One text of a draft as it is now, byte for byte, or all of it as JSON. Without a sink it
        is shown, less what a terminal would obey."""
        return self._exported(self._ask(lambda client: client.draft(draft_id)), what, sink)

    def _exported(self, draft: Mapping[str, Any], what: What, sink: Sink | None) -> int:
        text = _json(draft) if what == "json" else _text(draft, what)
        if sink is None:
            self.printer.write(printable(text) + "\n")
        else:
            sink.write(text)
            sink.finish(text)
        return Exit.WRITTEN

    def _print_json(self, told: Any) -> None:
        self.printer.write(_json(told))

    def _ask(self, question: Callable[[Client], Awaitable[Found]]) -> Found:
        """
        Raises:
            PenError: the server cannot be reached, or says no.
        """
        return asyncio.run(_answered(self.address, question))


async def _answered(address: Address, question: Callable[[Client], Awaitable[Found]]) -> Found:
    async with Client(address) as client:
        try:
            return await question(client)
        except Broken as error:
            raise Lost(str(error)) from None


async def _not_removed(client: Client, draft_ids: tuple[str, ...]) -> list[str]:
    """Removes drafts; a complaint for each that could not be."""
    complaints = []
    for draft_id in draft_ids:
        try:
            await client.delete(draft_id)
        except Refused as error:
            complaints.append(f"{draft_id}: {error}")
    return complaints


async def _newest(client: Client, limit: int) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    before: str | None = None
    while len(found) < limit:
        page = await client.drafts(limit=min(_PAGE, limit - len(found)), before=before)
        drafts = [draft for draft in page.get("data") or () if isinstance(draft, dict)]
        found += drafts
        if not drafts or not page.get("has_more"):
            break
        before = str(drafts[-1].get("id"))
    return found


def _row(draft: Mapping[str, Any]) -> tuple[str, ...]:
    report = draft.get("writing")
    words = report.get("words") if isinstance(report, dict) else None
    told = {**draft, "words": words, "characters": draft.get("position")}
    return tuple(printable(_told(name, told.get(name))) for name in _COLUMNS)


def _text(draft: Mapping[str, Any], channel: str) -> str:
    """A channel's text; of several choices the first one's."""
    choices = draft.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else draft
    return str(first.get(channel) or "")


def _fields(draft: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every field on a line; of an object within, each of its own."""
    rows: list[tuple[str, str]] = []
    for name, value in draft.items():
        if name in _TEXTS:
            if isinstance(value, str):
                rows.append((name, f"{len(value):,} characters"))
        elif isinstance(value, dict):
            rows += [(f"{name}.{key}", _told(key, each)) for key, each in value.items()]
        else:
            rows.append((name, _told(name, value)))
    return rows


def _told(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in ("created", "updated", "expires") and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json(told: Any) -> str:
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"
