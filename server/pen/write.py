"""`longhand write`: a draft, from a wish to a file, a pipe or a terminal. It parses nothing."""

import asyncio
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from planner.length import from_field
from server.pen.address import Address
from server.pen.client import Client
from server.pen.events import CANCELLED, Channel, Ended, Standings
from server.pen.outcomes import Broken, Exit, Failed, Lost, PenError, Refused
from server.pen.progress import Progress
from server.pen.pursuit import Connected, News, Pursuit, Said
from server.pen.screen import REFRESH_S, Display
from server.pen.sinks import Sink
from server.pen.wish import Wish
from server.pen.wording import counted, printable

_QUESTION = "Let the draft be finished in the background? [Y]es, [n]o: cancel it, [c]ontinue here: "


@dataclass(slots=True, kw_only=True)
class Terminal:
    """The person in front of it. ``tell`` prints a sentence that must be seen, ``note`` one for
    which somebody must be looking; ``ask`` is None where nobody can answer.
    """

    tell: Callable[[str], object]
    note: Callable[[str], object]
    ask: Callable[[str], str] | None


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Ctrl-C was pressed."""


# Values, not exceptions: what was written is told of wherever a run ends.
Outcome = Ended | PenError | BrokenPipeError | Interrupted


@dataclass(slots=True, kw_only=True)
class Writing:
    """One run of ``longhand write``. ``wish`` is None where a draft is resumed; ``sink`` where the
    screen alone shows the answer."""

    address: Address
    wish: Wish | None
    pursuit: Pursuit
    progress: Progress
    display: Display
    sink: Sink | None
    terminal: Terminal

    def run(self) -> int:
        """Writes until the draft is over or somebody leaves; the exit code."""
        return self._after(asyncio.run(self.take()))

    def _after(self, outcome: Outcome) -> int:
        match outcome:
            case Ended():
                return self._finish(outcome)
            case PenError():
                return self._give_up(outcome)
            case BrokenPipeError():
                self.terminal.tell("nobody reads standard output any more.")
                return self._leave()
            case _:
                code = self._interrupted()
                return self.run() if code is None else code

    async def take(self) -> Outcome:
        """Receives the draft until it is over or cannot be received further."""
        self.display.start()
        ticking = asyncio.create_task(self._tick())
        try:
            async with Client(self.address) as client:
                await self._prepare(client)
                ended = await self._follow(client)
                if self.sink is not None:
                    self.sink.finish(self.pursuit.transcript.answer)
                return ended
        except asyncio.CancelledError:
            # Ctrl-C: ``asyncio.run`` cancels what it runs, which happens only where that waits.
            # Whole pieces were received till then, and shown; the question is asked afterwards.
            return Interrupted()
        except (PenError, BrokenPipeError) as error:
            return error
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])
            self.display.stop()

    async def _tick(self) -> None:
        while True:
            self.display.refresh()
            await asyncio.sleep(REFRESH_S)

    async def _prepare(self, client: Client) -> None:
        if self.wish is None:
            await self._find_target(client)
            return
        if self.pursuit.body:
            return
        try:
            served = await client.served(self.wish.model)
        except Broken as error:
            # Nothing is under way that would be worth waiting for.
            raise Lost(str(error)) from None
        body = self.wish.body(served)
        self.pursuit.body, self.pursuit.is_stored = body, "store" in body

    async def _find_target(self, client: Client) -> None:
        """The length that was asked for when the draft was begun, where the server tells it."""
        if self.progress.target.range is not None or self.pursuit.draft_id is None:
            return
        try:
            told = await client.draft(self.pursuit.draft_id)
        except Broken:
            return
        except Refused as error:
            # One that does not know the draft says so; one that starts anew is waited for below.
            if error.status < 500:
                raise
            return
        match {**(told.get("writing") or {}), **told}:
            case {"asked": [int(low), int(high)]}:
                self.progress.target = from_field((low, high))

    async def _follow(self, client: Client) -> Ended:
        try:
            return await self.pursuit.follow(client, self._hear)
        except Refused as error:
            if error.param != "store" or not self.pursuit.is_stored:
                raise
        self.display.remarks("This server keeps no drafts: a lost connection would end this one.")
        body = {name: value for name, value in self.pursuit.body.items() if name != "store"}
        self.pursuit.body, self.pursuit.is_stored = body, False
        return await self.pursuit.follow(client, self._hear)

    def _hear(self, news: News) -> None:
        match news:
            case Connected():
                self.display.connects()
            case Said(channel=channel, text=text):
                if channel is Channel.ANSWER:
                    self.progress.feed(text)
                    if self.sink is not None:
                        self.sink.write(text)
                self.display.said(channel, text)
            case Standings(candidates=candidates):
                self.display.stands(candidates)
            case _:
                self.display.waits(news.why, news.wait_s)

    def _finish(self, ended: Ended) -> int:
        if ended.state == CANCELLED:
            self.terminal.tell(f"the draft was cancelled; {self._kept()}.")
            return Exit.CANCELLED
        if ended.finish_reason == "length":
            self.terminal.tell(f"the draft was cut at its token limit; {self._kept()}.")
            return Exit.CUT
        self.terminal.note(self._summary(ended))
        return Exit.WRITTEN

    def _summary(self, ended: Ended) -> str:
        words = ended.report.get("words")
        shown = words if isinstance(words, int) else self.progress.tally.words
        told = [f"written: {counted(shown, 'word')}"]
        asked = self.progress.target.range
        if asked is not None:
            told.append(f"asked for {asked[0]:,} to {asked[1]:,}")
        if self.pursuit.num_breaks:
            told.append(counted(self.pursuit.num_breaks, "break") + " mended")
        if self.sink is not None:
            told.append(f"in {self.sink.name}")
        return ", ".join(told) + "."

    def _kept(self) -> str:
        """What there is of the draft, and where."""
        words = counted(self.progress.tally.words, "word")
        if not self.pursuit.transcript.answer:
            return "there is no answer of it yet"
        verb = "is" if words == "1 word" else "are"
        where = "above" if self.sink is None else f"in {self.sink.name}"
        return f"{words} of it {verb} {where}"

    def _give_up(self, error: PenError) -> int:
        self.terminal.tell(f"{printable(str(error))}.")
        if self.pursuit.has_begun:
            self.terminal.tell(f"{self._kept()}.")
        if self.pursuit.draft_id is not None and not isinstance(error, Failed | Refused):
            self._tell_how_to_resume()
        return error.exit_code

    def _interrupted(self) -> int | None:
        """What becomes of the draft after Ctrl-C; None: it is to be received further."""
        if self.pursuit.draft_id is None:
            return self._left_without_id()
        try:
            answer = self.terminal.ask(_QUESTION) if self.terminal.ask else ""
        except KeyboardInterrupt:
            answer = ""
        match answer.strip().lower()[:1]:
            case "n":
                return self._cancel(self.pursuit.draft_id)
            case "c":
                return None
            case _:
                return self._leave()

    def _left_without_id(self) -> int:
        if self.pursuit.can_go_on and self.pursuit.body:
            self.terminal.tell(
                "left before the server answered; `longhand drafts list` shows whether it began."
            )
        else:
            self.terminal.tell(f"stopped; {self._kept()}.")
        return Exit.LEFT

    def _leave(self) -> int:
        if self.pursuit.draft_id is not None:
            self.terminal.tell("the draft goes on in the background.")
            self._tell_how_to_resume()
        return Exit.LEFT

    def _cancel(self, draft_id: str) -> int:
        return self._after_cancel(asyncio.run(_cancelled(self.address, draft_id)))

    def _after_cancel(self, why_not: str | None) -> int:
        if why_not is not None:
            self.terminal.tell(f"the draft could not be cancelled: {printable(why_not)}.")
            return self._leave()
        self.terminal.tell(f"the draft is cancelled; {self._kept()}.")
        return Exit.CANCELLED

    def _tell_how_to_resume(self) -> None:
        out = ""
        if self.sink is not None and self.sink.is_file:
            out = f" --out {shlex.quote(self.sink.name)}"
        draft_id = self.pursuit.draft_id
        self.terminal.tell(f"longhand drafts resume {draft_id}{out}{self.address.flag}")


async def _cancelled(address: Address, draft_id: str) -> str | None:
    """Has a draft cancelled; why it could not be, or None."""
    try:
        async with Client(address) as client:
            await client.cancel(draft_id)
    except asyncio.CancelledError:
        return "left before the server answered"
    except (Broken, PenError) as error:
        return str(error)
    return None
