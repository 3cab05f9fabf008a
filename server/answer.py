"""From a brief to events: plans, starts the drafts, merges them. It must not know HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from planner.brief import Brief
from planner.budget import DoesNotFit, split_window
from planner.outline import Outline
from planner.outline_request import AskOutline
from planner.plan import Plan
from rewards.panel import Panel
from server.best_of import ROOM_FOR_ALL, Race, Room
from server.contest import BestOf, Contest
from server.draft import Draft
from server.engine.base import NOTHING_WRITTEN, Engine, Job, Passage, Sampling
from server.errors import BadRequest, ContextTooLong
from server.events import Choice, Ended
from server.jury import Jury
from server.layout import Layout
from server.outliner import Outliner
from server.policies.assembly import wants_outline
from server.rules import ENGINE_STOPS, Rules, rules_of
from server.tasks import end
from server.write import write

Choices = AsyncGenerator[Choice, None]
# A reader that falls behind holds its drafts back instead of filling memory.
_MAX_WAITING_EVENTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a caller wants beside the text itself: how many drafts, how drawn, where cut."""

    id: str
    sampling: Sampling
    n: int = 1
    stops: tuple[str, ...] = ()
    priority: int = 0
    best_of: BestOf | None = None

    @property
    def drafts(self) -> int:
        """How many are written for it."""
        return self.n if self.best_of is None else self.best_of.drafts


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """Work ready to start: one job per draft, and the rules they share.

    contest, panel: there where the drafts are candidates, of which the best are shown. outline: the
    one that a model was asked for. answer_tokens: what the asked length takes, None: none is asked.
    left_out: how many of the conversation's oldest turns are not in the prompt, for want of room.
    """

    jobs: tuple[Job, ...]
    rules: Rules
    contest: Contest | None = None
    panel: Panel | None = None
    outline: Outline | None = None
    answer_tokens: int | None = None
    left_out: int = 0

    @property
    def choices(self) -> int:
        """How many drafts the caller is shown."""
        return len(self.jobs) if self.contest is None else self.contest.kept

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompts, prefill included, each counted once however many drafts it has."""
        distinct = {id(job.prompt): job for job in self.jobs}.values()
        return sum(job.prompt.num_tokens + job.written.num_tokens for job in distinct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """Accepts work for one engine, laid out by one layout, and writes it.

    asks_outline: when an outline is asked for. outliner: who is asked where there is no thinking.
    """

    engine: Engine
    layout: Layout
    jury: Jury = field(default_factory=Jury)
    asks_outline: AskOutline = "off"
    outliner: Outliner | None = None

    async def accept(self, brief: Brief, order: Order) -> Commission:
        """Plans a conversation's next turn; every check that needs no engine is done here.

        Raises:
            ContextTooLong: the prompt does not fit the window; the message has the numbers.
            BadRequest: a token id outside the vocabulary.
            EngineUnavailable: no tokenizer yet.
        """
        _check_token_ids(order.sampling, self.engine.card.vocabulary_tokens)
        panel = self._panel(order.best_of)
        laid = await self.layout.plan(_steered(brief, order.sampling))
        job = Job(
            id=order.id,
            prompt=laid.prompt,
            written=laid.written,
            sampling=order.sampling,
            max_tokens=laid.plan.budget.max_tokens,
            stop=ENGINE_STOPS,
            priority=order.priority,
        )
        outline = await self._outline(brief, laid.plan)
        rules = rules_of(
            laid.plan, order.stops, outline=outline, asks_outline=self.asks_outline != "off"
        )
        contest = None
        if order.best_of is not None:
            task = brief.messages[-1].content
            contest = Contest(prompt=task, rules=rules, wish=order.best_of, kept=order.n)
        return Commission(
            jobs=_copies(job, order.drafts),
            rules=rules,
            contest=contest,
            panel=panel,
            outline=outline,
            answer_tokens=laid.plan.budget.answer_tokens,
        )

    async def _outline(self, brief: Brief, plan: Plan) -> Outline | None:
        """An outline for an answer that is paced and long, and written without thinking."""
        asks = self.asks_outline == "always" and not plan.thinking
        if self.outliner is None or not asks or not wants_outline(plan.control, plan.asked):
            return None
        return await self.outliner.outline(brief, plan.asked)

    def _panel(self, wish: BestOf | None) -> Panel | None:
        return None if wish is None else self.jury.panel(wish.weights)

    async def accept_raw(
        self, prompts: Sequence[str | tuple[int, ...]], order: Order, *, max_tokens: int
    ) -> Commission:
        """Raw texts (or token ids) to be carried on as they are: no template, no channels.

        Raises:
            ContextTooLong, BadRequest, EngineUnavailable: as ``accept``.
        """
        _check_token_ids(order.sampling, self.engine.card.vocabulary_tokens)
        jobs: list[Job] = []
        for at, given in enumerate(prompts):
            prompt = await self._passage(given)
            allowed_tokens = self._allowed(prompt, max_tokens)
            job = Job(
                id=order.id if len(prompts) == 1 else f"{order.id}-p{at}",
                prompt=prompt,
                written=NOTHING_WRITTEN,
                sampling=order.sampling,
                max_tokens=allowed_tokens,
                stop=order.stops,
                priority=order.priority,
            )
            jobs.extend(_copies(job, order.n))
        rules = Rules(
            max_tokens=max_tokens,
            reasoning_tokens=0,
            thinking=False,
            stops=order.stops,
            raw=True,
        )
        return Commission(jobs=tuple(jobs), rules=rules)

    async def _passage(self, given: str | tuple[int, ...]) -> Passage:
        if isinstance(given, str):
            return await self.engine.tokenize(given)
        vocabulary_tokens = self.engine.card.vocabulary_tokens
        if max(given) >= vocabulary_tokens:
            raise BadRequest(
                f"prompt: token id {max(given)} is outside the vocabulary, 0 to "
                f"{vocabulary_tokens - 1}",
                param="prompt",
            )
        return Passage(text="", token_ids=given, num_tokens=len(given))

    def _allowed(self, prompt: Passage, max_tokens: int) -> int:
        try:
            budget = split_window(
                window_tokens=self.engine.card.window_tokens,
                prompt_tokens=prompt.num_tokens,
                max_tokens=max_tokens,
                reasoning_tokens=0,
            )
        except DoesNotFit as error:
            raise ContextTooLong(f"{error}", param="prompt") from None
        return budget.max_tokens

    def write(self, commission: Commission, room: Room = ROOM_FOR_ALL) -> Choices:
        """Every event of every draft, each with the index of its draft; each draft ends once.

        Of candidates only the best are shown; ``room`` is what they share with other requests.

        Raises:
            EngineUnavailable, BadRequest: as ``write.write``; the other drafts are closed.
        """
        if commission.contest is not None and commission.panel is not None:
            race = Race(
                engine=self.engine,
                jobs=commission.jobs,
                contest=commission.contest,
                jury=self.jury,
                panel=commission.panel,
                room=room,
            )
            return race.run()
        if len(commission.jobs) == 1:
            return _one(self.engine, commission, 0, room)
        return _together(self.engine, commission, room)


def _steered(brief: Brief, sampling: Sampling) -> Brief:
    """A caller who keeps the model from ending steers the length alone: the policies stand back,
    unless ``length_control`` says otherwise."""
    if brief.length_control is not None or not (sampling.ignore_eos or sampling.min_tokens):
        return brief
    return replace(brief, length_control="off", loop_guard=False)


def _copies(job: Job, n: int) -> tuple[Job, ...]:
    """``n`` jobs over one prompt; a seed is raised by one per draft, as vLLM does for ``n``, and
    stays within the 64 bits that it allows."""
    seed = job.sampling.seed
    return tuple(
        replace(
            job,
            id=job.id if n == 1 else f"{job.id}-{index}",
            sampling=job.sampling
            if seed is None
            else replace(job.sampling, seed=(seed + index + 2**63) % 2**64 - 2**63),
        )
        for index in range(n)
    )


def _check_token_ids(sampling: Sampling, vocabulary_tokens: int) -> None:
    for name, ids in (
        ("logit_bias", [token_id for token_id, _ in sampling.logit_bias]),
        ("stop_token_ids", sampling.stop_token_ids),
        ("allowed_token_ids", sampling.allowed_token_ids),
    ):
        wrong = [token_id for token_id in ids if not 0 <= token_id < vocabulary_tokens]
        if wrong:
            raise BadRequest(
                f"{name}: token id {wrong[0]} is outside the vocabulary, 0 to "
                f"{vocabulary_tokens - 1}",
                param=name,
            )


async def _one(engine: Engine, commission: Commission, index: int, room: Room) -> Choices:
    """The events of one draft; ``room`` is told of it."""
    draft, took_tokens = Draft(commission.rules), None
    try:
        events = write(engine, commission.jobs[index], commission.rules, draft)
        async with aclosing(events):
            async for event in events:
                room.wrote(index, draft.num_tokens)
                if isinstance(event, Ended):
                    took_tokens = draft.num_tokens
                yield Choice(index=index, event=event)
    finally:
        room.freed(index, took_tokens)


async def _together(engine: Engine, commission: Commission, room: Room) -> Choices:
    """All drafts at once. The first failure ends the others: a choice is never missing silently."""
    queue: asyncio.Queue[Choice | BaseException | None] = asyncio.Queue(_MAX_WAITING_EVENTS)

    async def pump(index: int) -> None:
        try:
            async with aclosing(_one(engine, commission, index, room)) as choices:
                async for choice in choices:
                    await queue.put(choice)
            await queue.put(None)
        except Exception as error:  # handed to the reader, who raises it
            await queue.put(error)

    tasks = [asyncio.create_task(pump(index)) for index in range(len(commission.jobs))]
    running = len(tasks)
    try:
        while running:
            item = await queue.get()
            if isinstance(item, Choice):
                yield item
            elif item is None:
                running -= 1
            else:
                raise item
    finally:
        await end(*tasks)
