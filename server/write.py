"""The one loop that turns a job into events. It must not decide: ``draft`` does."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from planner.budget import LEAST_ROOM_SHARE
from server.draft import Draft
from server.engine.base import End, Engine, Job, Sampling
from server.errors import EngineDied
from server.events import CarriedOn, Event, Fragment
from server.rules import WINDOW, Carry, Rules
from server.window import Window, head_text, pages_from_chars

_MAX_TEMPERATURE = 1.5
# Other drafts of one request have seeds one apart.
_SEED_STRIDE = 1_000_003
_MAX_SEED = 2**63


async def write(
    engine: Engine, job: Job, rules: Rules, draft: Draft | None = None
) -> AsyncGenerator[Event, None]:
    """Fragments and, last, one ``Ended``; carries the draft on for as long as it needs it.

    Closing the generator closes the engine's stream, which frees its slot. A caller who wants to
    look at the draft while it is written brings it, new and of the same rules.

    Raises:
        EngineUnavailable: the engine cannot answer or died; nothing more follows.
        BadRequest: the engine would never take this job.
    """
    draft, ordered = draft or Draft(rules), job
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
        put = await _put(engine, draft, step)
        following = await _following(engine, ordered, draft, step)
        if following is not None:
            yield CarriedOn(why=step.why)
        for fragment in put:
            yield fragment
        if following is None:
            # No room and no new window: as if the engine had ended for want of room.
            draft.close(None)
            break
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


async def _put(engine: Engine, draft: Draft, step: Carry) -> list[Fragment]:
    """Appends the step's words to the log; returns what they add to the answer."""
    if not step.rest + step.words:
        return []
    return draft.put(await engine.tokenize(step.rest + step.words), rest_chars=len(step.rest))


async def _following(engine: Engine, ordered: Job, draft: Draft, step: Carry) -> Job | None:
    """The job that goes on from the log, or None where the window has no room for more."""
    window_tokens = engine.card.window_tokens
    script = draft.script()
    # The words put in were not part of the budget.
    room_tokens = window_tokens - ordered.prompt.num_tokens - script.num_tokens
    if step.why == WINDOW or room_tokens < 1:
        if not await _open_window(engine, draft):
            return None
        script = draft.script()
        room_tokens = window_tokens - ordered.prompt.num_tokens - script.num_tokens
        if room_tokens < window_tokens * LEAST_ROOM_SHARE:
            return None
    job = ordered.after(script, max_tokens=min(draft.tokens_left, room_tokens))
    sampling = reseeded(ordered.sampling, sum(draft.carried.values()))
    return replace(job, sampling=otherwise(sampling, step.other_sampling))


async def _open_window(engine: Engine, draft: Draft) -> bool:
    """Turns to a new window, where the draft may; without an answer there is nothing to recap."""
    if not draft.rules.paged or not draft.answer_begun:
        return False
    window_tokens, start = engine.card.window_tokens, draft.answer_from_chars
    head = await engine.tokenize(head_text(draft.log, start, window_tokens))
    pages = pages_from_chars(draft.log, start, window_tokens)
    draft.window = Window(head=head, from_chars=pages)
    draft.num_windows += 1
    return True


def otherwise(sampling: Sampling, times: int) -> Sampling:
    """The sampling by which a draft leaves a loop, the ``times``-th time; as it is for 0.

    Warmer by 0.3, then 0.15 more each time, and never greedy: a model that looped would write the
    same again. Worked number: temperature 0.6, first time: 0.9; 0.0: 0.6.
    """
    if not times:
        return sampling
    warmer = max(sampling.temperature, 0.3) + 0.3 + 0.15 * (times - 1)
    # What was to be the same each time stays so.
    seed = times if sampling.temperature == 0 and sampling.seed is None else sampling.seed
    return replace(sampling, temperature=min(warmer, _MAX_TEMPERATURE), seed=seed)


def reseeded(sampling: Sampling, times: int) -> Sampling:
    """The sampling of the ``times``-th continuation of a seeded draft.

    An engine begins each stream anew with its seed: the same draws behind a like heading wrote
    the same section twice in a draft of 100,000 words.
    """
    if sampling.seed is None:
        return sampling
    return replace(sampling, seed=(sampling.seed + times * _SEED_STRIDE) % _MAX_SEED)
