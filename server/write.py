"""The one loop that turns a job into events. It must not decide: ``draft`` does."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from server.draft import Carry, Draft, Rules
from server.engine.base import End, Engine, Job
from server.errors import EngineDied
from server.events import CarriedOn, Event


async def write(engine: Engine, job: Job, rules: Rules) -> AsyncGenerator[Event, None]:
    """Fragments and, last, one ``Ended``; carries the draft on for as long as it needs it.

    Closing the generator closes the engine's stream, which frees its slot.

    Raises:
        EngineUnavailable: the engine cannot answer or died; nothing more follows.
        BadRequest: the engine would never take this job.
    """
    draft = Draft(rules)
    prompt_tokens = job.prompt.num_tokens + job.written.num_tokens
    if job.written.text:
        draft.put(job.written)
    while True:
        async with aclosing(_stretch(engine, job, draft)) as events:
            async for event in events:
                yield event
        step = draft.step()
        if step is None:
            break
        following = await _carry_on(engine, job, draft, step)
        if following is None:
            # The window is full: as if the engine had ended for want of room.
            draft.close(None)
            break
        yield CarriedOn(why=step.why)
        job = following
    for fragment in draft.finish():
        yield fragment
    yield draft.ended(prompt_tokens)


async def _stretch(engine: Engine, job: Job, draft: Draft) -> AsyncGenerator[Event, None]:
    """One engine stream, up to its end or to where the draft wants to pause."""
    end: End | None = None
    over = False
    async with aclosing(engine.stream(job)) as pieces:
        async for piece in pieces:
            if isinstance(piece, End):
                end = piece
                break
            if over:
                # It went on after a mark it should have stopped at.
                break
            for fragment in draft.take(piece):
                yield fragment
            over = draft.must_pause
            if over and not draft.met_end_mark:
                break
        else:
            # Never take a broken stream for a short answer.
            raise EngineDied("the engine's stream broke off without an end")
    for fragment in draft.close(end):
        yield fragment


async def _carry_on(engine: Engine, job: Job, draft: Draft, step: Carry) -> Job | None:
    """The job that goes on from the log, or None where the window has no room for more."""
    if step.words:
        draft.put(await engine.tokenize(step.words))
    # The words put in were not part of the budget.
    room_tokens = engine.card.window_tokens - job.prompt.num_tokens - draft.log.num_tokens
    if room_tokens < 1:
        return None
    return job.after(draft.log.script(), max_tokens=min(draft.tokens_left, room_tokens))
