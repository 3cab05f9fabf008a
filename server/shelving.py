"""The part of the composition root that keeps drafts: settings to a shelf. Built here only."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from server.drafts.committer import Committer
from server.drafts.memory import MemoryStore
from server.drafts.scribe import Scribe
from server.drafts.store import Store
from server.drafts.tending import Policy
from server.drafts.writing import Writer
from server.engine.supervised import Supervised
from server.events import Choice
from server.routes.desk import Desk
from server.routes.kept import Shelf
from server.routes.restore import restorers
from server.routes.service import Defaults
from server.settings import Settings

_REDIS = "redis://127.0.0.1:6379/0"


def shelf(settings: Settings, engine: Supervised, desk: Desk, defaults: Defaults) -> Shelf | None:
    """Where drafts are kept; None where none are."""
    store = _store(settings)
    if store is None:
        return None
    counted = desk.metrics.drafts

    def observe(
        choices: AsyncGenerator[Choice, None], prompt_tokens: int
    ) -> AsyncGenerator[Choice, None]:
        return desk.metrics.observe(choices, prompt_tokens=prompt_tokens)

    strict = settings.drafts_on_failure == "refuse"
    committer = Committer(
        store=store,
        strict=strict,
        on_commit=counted.count_commit,
        on_unstored=counted.unstored.inc,
    )
    writer = Writer(
        store=store,
        engine=engine,
        answerer=desk.answerer,
        restore=restorers(desk, defaults),
        observe=observe,
        carried_on=counted.carried_on.inc,
        ended=lambda state: counted.kept.labels(state=state.value).inc(),
    )
    scribe = Scribe(
        store=store,
        committer=committer,
        writer=writer,
        policy=_policy(settings, strict),
        model=engine.card.model,
        on_evict=counted.evicted.inc,
    )
    counted.watch(lambda: scribe.num_live)
    return Shelf(
        scribe=scribe,
        desk=desk,
        ttl_s=settings.drafts_ttl_s or None,
        on_replay=counted.replayed.inc,
    )


@asynccontextmanager
async def opened(shelf: Shelf | None) -> AsyncGenerator[None, None]:
    """Keeps drafts meanwhile. Leave it before the engine ends: what is still written then is
    handed over."""
    if shelf is None:
        yield
        return
    await shelf.scribe.open()
    try:
        yield
    finally:
        await shelf.scribe.close()


def _policy(settings: Settings, strict: bool) -> Policy:
    return Policy(
        max_bytes=settings.drafts_max_bytes or None,
        carry_on=settings.drafts_recover == "carry_on",
        strict=strict,
        lease_s=settings.drafts_lease_s,
    )


def _store(settings: Settings) -> Store | None:
    if settings.drafts == "off":
        return None
    if settings.drafts == "memory":
        return MemoryStore()
    if settings.drafts == "sqlite":
        # Here and not above: only the backend that is set is needed.
        from server.drafts.sqlite import SqliteStore

        return SqliteStore(settings.drafts_path, full_sync=settings.drafts_sync == "power")
    from server.drafts.redis import RedisStore

    url = settings.drafts_url
    return RedisStore(_REDIS if url is None else url.get_secret_value())
