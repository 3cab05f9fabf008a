"""Makes work of a stored request again, to carry its draft on. It must not write or answer.

Everything a model was asked for in planning is taken from what was kept: asked again, it might
say otherwise.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from planner.brief import Brief
from planner.length import Asked
from planner.outline import Outline, Section
from server.answer import Answerer, Commission
from server.drafts.report import unpacked
from server.drafts.store import Kind, Record
from server.drafts.writing import Accepted, Restore
from server.outliner import Outliner
from server.routes.desk import Desk, Place
from server.routes.response_work import work_again
from server.routes.service import Defaults
from server.routes.work import chat_work, completion_work, for_kept
from server.wire.chat import ChatRequest
from server.wire.completions import CompletionRequest

# Given the answerer that knows what was planned, the record and the id of its order: how many
# drafts are written, and how they are planned.
Planned = tuple[int, Callable[[], Awaitable[Commission]]]
Plan = Callable[[Answerer, Defaults, Record, str], Planned]


@dataclass(frozen=True, slots=True)
class Foretold:
    """Says the length that was found when the request came."""

    asked: Asked

    async def predict(self, brief: Brief) -> Asked:
        return self.asked


@dataclass(frozen=True, slots=True, kw_only=True)
class ForetoldOutline(Outliner):
    """Says the outline that was found when the request came."""

    known: Outline | None

    async def outline(self, brief: Brief, asked: Asked) -> Outline | None:
        return self.known


def restorer(desk: Desk, defaults: Defaults, plan: Plan) -> Restore:
    """How drafts of one kind are made work again."""
    kept = for_kept(defaults)

    async def restored(record: Record) -> Accepted:
        meta = unpacked(record.meta)
        answerer = knowing(desk.answerer, meta)
        drafts, accept = plan(answerer, kept, record, meta["head"]["id"])
        ticket, commission = await desk.admit(drafts, record.owner or "anyone", accept)
        place = Place(desk=desk, ticket=ticket, draft_id=record.id)
        return Accepted(commission=commission, claim=place, room=desk.room(ticket))

    return restored


def knowing(answerer: Answerer, meta: Mapping[str, Any]) -> Answerer:
    """An answerer that takes from a draft's record what a model was asked for in planning it."""
    outline = meta.get("outline")
    outliner = ForetoldOutline(
        engine=answerer.engine,
        prompter=answerer.layout.prompter,
        timeout_s=0.0,
        known=outline and Outline(sections=tuple(Section(**one) for one in outline["sections"])),
    )
    return replace(
        answerer,
        layout=replace(answerer.layout, predictor=Foretold(Asked(**meta["asked"]))),
        asks_outline=meta.get("asks_outline", answerer.asks_outline),
        outliner=outliner,
    )


def restorers(desk: Desk, defaults: Defaults) -> Mapping[Kind, Restore]:
    """For the drafts that these routes begin."""
    return {
        Kind.CHAT: restorer(desk, defaults, plan_chat),
        Kind.COMPLETION: restorer(desk, defaults, plan_completion),
        Kind.RESPONSE: restorer(desk, defaults, plan_response),
    }


def plan_chat(answerer: Answerer, defaults: Defaults, record: Record, order_id: str) -> Planned:
    body = ChatRequest.model_validate_json(record.request)
    brief, order = chat_work(body, defaults, order_id)
    return order.drafts, lambda: answerer.accept(brief, order)


def plan_completion(
    answerer: Answerer, defaults: Defaults, record: Record, order_id: str
) -> Planned:
    body = CompletionRequest.model_validate_json(record.request)
    order, prompts = completion_work(body, defaults, order_id), body.prompts()
    return order.n * len(prompts), lambda: answerer.accept_raw(
        prompts, order, max_tokens=body.length_tokens
    )


def plan_response(answerer: Answerer, defaults: Defaults, record: Record, order_id: str) -> Planned:
    work = work_again(record.request, order_id, defaults)
    left_out = unpacked(record.meta).get("left_out")
    return work.order.drafts, lambda: work.accept(answerer, left_out)
