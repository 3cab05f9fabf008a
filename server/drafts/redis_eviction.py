"""Which drafts in a Redis go, when time or room is up. It must not touch those that live."""

from collections.abc import Iterable

from server.drafts import redis_scripts as scripts
from server.drafts.redis_link import Link, told

_AT_ONCE = 100


async def evict_expired(link: Link, at_s: float) -> int:
    """How many went of those whose ``expires_s`` is past. Raises ``StoreUnavailable``."""
    num_evicted = offset = 0
    while draft_ids := await _expired(link, at_s, offset):
        num_gone = await _evict(link, draft_ids)
        num_evicted += num_gone
        offset += len(draft_ids) - num_gone
    return num_evicted


async def evict_beyond(link: Link, max_bytes: int) -> int:
    """How many went, the longest ended first, till the rest takes at most ``max_bytes``.

    The logs of live drafts are not counted. Raises ``StoreUnavailable``.
    """
    num_evicted = 0
    while draft_ids := await _longest_ended(link, max_bytes):
        num_evicted += await _evict(link, draft_ids)
    return num_evicted


async def _expired(link: Link, at_s: float, offset: int) -> list[bytes]:
    with told():
        draft_ids: list[bytes] = await link.client.zrangebyscore(
            link.key("expiring"), "-inf", at_s, start=offset, num=_AT_ONCE
        )
    return draft_ids


async def _longest_ended(link: Link, max_bytes: int) -> list[bytes]:
    """The next of those that must go."""
    with told():
        excess_bytes = int(await link.client.get(link.key("bytes")) or 0) - max_bytes
        draft_ids = await link.client.zrange(link.key("over"), 0, _AT_ONCE - 1)
        async with link.client.pipeline(transaction=False) as pipeline:
            for draft_id in draft_ids:
                pipeline.hget(link.key("draft:" + draft_id.decode()), "size_bytes")
            sizes = await pipeline.execute()
    gone = []
    for draft_id, size in zip(draft_ids, sizes, strict=True):
        if excess_bytes <= 0:
            break
        excess_bytes -= int(size or 0)
        gone.append(draft_id)
    return gone


async def _evict(link: Link, draft_ids: Iterable[bytes]) -> int:
    return sum([await link.run(scripts.EVICT, draft_id) for draft_id in draft_ids])
