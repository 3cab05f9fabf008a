"""HTTP/1.1 as a stand-in server speaks it: answers whole or in chunks. It knows no models."""

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Talk:
    """A connection, and an answer of unknown length on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    chunk_bytes: int = 0

    @property
    def socket(self) -> Any:
        return self.writer.get_extra_info("socket")

    async def begin(self, kind: str) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
        self.writer.write(head.encode())
        await self.writer.drain()

    async def send(self, data: bytes) -> None:
        size = self.chunk_bytes or len(data)
        for at in range(0, len(data), size or 1):
            part = data[at : at + size]
            self.writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await self.writer.drain()

    async def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def while_heard(self, work: Any) -> bool:
        """``work``, ended when the client goes: what a server does by aborting."""
        doing = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._gone())
        try:
            await asyncio.wait([doing, gone], return_when=asyncio.FIRST_COMPLETED)
            return bool(doing.result()) if doing.done() else False
        finally:
            for task in (doing, gone):
                task.cancel()
            await asyncio.wait([doing, gone])

    async def _gone(self) -> None:
        # A reader has no event for its end, and reading would take the next request's first byte.
        while not self.reader.at_eof() and not self.writer.is_closing():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)


async def reply(
    writer: asyncio.StreamWriter,
    code: int,
    content: bytes,
    kind: str = "application/json",
    headers: dict[str, str] | None = None,
) -> bool:
    named = {"content-type": kind, "content-length": str(len(content)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    writer.write(f"HTTP/1.1 {code} Told\r\n{lines}\r\n".encode() + content)
    await writer.drain()
    return True
