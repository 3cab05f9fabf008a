"""The part of the composition root that writes with other servers: settings to a pool of them.

What is served is asked of the servers, before any of them is written with.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from planner.prompts import Prompter, ours
from server import checkpoint
from server.checkpoint import Checkpoint
from server.engine.base import Card
from server.engine.pool.endpoint import Endpoint
from server.engine.pool.fleet import Fleet, Rhythm
from server.engine.pool.pool import Pool
from server.engine.pool.roster import Roster
from server.engine.tokenizer import Tokenizer
from server.engine.upstream.access import Patience, UpstreamOptions, base_url, certificates
from server.engine.upstream.engine import UpstreamEngine
from server.engine.upstream.faults import Broken
from server.engine.upstream.link import Link
from server.engine.upstream.served import Kind, Served, identify
from server.errors import CannotServe
from server.serving import TEMPERATURE, TOP_P, Serving
from server.settings import Settings

logger = logging.getLogger(__name__)

# Between two rounds of asking servers that do not answer yet.
_ASK_AGAIN_S = 2.0
# Ollama lays out its whole window for every draft; what the model holds may be far more.
_OLLAMA_WINDOW_TOKENS = 32_768
# Where nobody tells: the servers themselves refuse a token id that they have not.
_ANY_VOCABULARY_TOKENS = 2**31


def upstreams(settings: Settings) -> Serving:
    """What the servers serve. Waits for one of them, unless model and window are set.

    Raises:
        CannotServe: there is none, none answers in time, or it cannot serve as set.
    """
    urls, found = _urls(settings), _checkpoint(settings)
    options = _options(settings, found)
    served = None
    if settings.upstream_model is None or settings.max_model_len is None:
        served = asyncio.run(_ask(urls, options, settings))
    card = _card(settings, found, served)
    options = replace(options, card=card, model=settings.upstream_model or _name(served))
    return Serving(
        engine_name="upstream",
        checkpoint=found,
        card=card,
        prompter=_prompter(settings, found),
        build=_pool(urls, options, settings),
        temperature=settings.temperature
        if settings.temperature is not None
        else (found.temperature if found else TEMPERATURE),
        top_p=settings.top_p if settings.top_p is not None else (found.top_p if found else TOP_P),
    )


def _pool(
    urls: tuple[str, ...], options: UpstreamOptions, settings: Settings
) -> Callable[[], Pool]:
    def engine(endpoint: Endpoint) -> UpstreamEngine:
        return UpstreamEngine(endpoint.url, options, endpoint.address)

    rhythm = Rhythm(
        resolve_s=settings.upstream_resolve_s, slow_start_s=settings.upstream_slow_start_s
    )
    return lambda: Pool(
        fleet=Fleet(card=options.card, roster=Roster(urls=urls), build=engine, rhythm=rhythm),
        max_moves=settings.upstream_max_moves,
        wait_s=settings.upstream_move_wait_s,
    )


def _urls(settings: Settings) -> tuple[str, ...]:
    if not settings.upstream:
        raise CannotServe("the engine upstream writes with other servers; set upstream to a URL")
    try:
        return tuple(dict.fromkeys(base_url(url) for url in settings.upstream))
    except ValueError as error:
        raise CannotServe(f"upstream: the URL of a server {error}") from None


def _checkpoint(settings: Settings) -> Checkpoint | None:
    """The one that ``model`` names, for its tokenizer and its prompt; none where it is not set."""
    if "model" not in settings.model_fields_set:
        return None
    return checkpoint.find(
        settings.model, revision=settings.revision, name=settings.served_model_name
    )


def _options(settings: Settings, found: Checkpoint | None) -> UpstreamOptions:
    """All but what is served, which nobody has asked yet."""
    try:
        certificates(settings.upstream_ca_file)
    except OSError as error:
        raise CannotServe(f"upstream_ca_file {settings.upstream_ca_file}: {error}") from None
    key = settings.upstream_key
    return UpstreamOptions(
        card=Card(model="", window_tokens=0, vocabulary_tokens=0),
        model="",
        key=None if key is None else key.get_secret_value(),
        ca_file=settings.upstream_ca_file,
        patience=Patience(
            connect_s=settings.upstream_connect_timeout_s,
            first_token_s=settings.upstream_first_token_timeout_s,
            idle_s=settings.upstream_idle_timeout_s,
            total_s=settings.upstream_total_timeout_s,
        ),
        tokenizer=Tokenizer(found.directory) if found and found.has_tokenizer else None,
    )


async def _ask(urls: tuple[str, ...], options: UpstreamOptions, settings: Settings) -> Served:
    """What the first server that answers serves."""
    why = ""
    try:
        async with asyncio.timeout(settings.upstream_wait_s):
            while True:
                for url in urls:
                    try:
                        return await _asked(url, options, settings.upstream_model)
                    except Broken as error:
                        why = f"{url} {error}"
                        logger.warning("waiting for an upstream server: %s", why)
                await asyncio.sleep(_ASK_AGAIN_S)
    except TimeoutError:
        raise CannotServe(
            f"no upstream server answered as it should within {settings.upstream_wait_s:g} s: "
            f"{why or 'no answer'}"
        ) from None


async def _asked(url: str, options: UpstreamOptions, model: str | None) -> Served:
    link = Link(url, options)
    link.open()
    try:
        return await identify(link, model)
    finally:
        await link.close()


def _name(served: Served | None) -> str:
    assert served is not None
    return served.model


def _card(settings: Settings, found: Checkpoint | None, served: Served | None) -> Card:
    told_tokens = None if served is None else served.vocabulary_tokens
    if found is not None:
        told_tokens = found.shape.vocabulary
    name = found.name if found else settings.served_model_name
    return Card(
        model=name or settings.upstream_model or _name(served),
        window_tokens=_window_tokens(settings, served),
        vocabulary_tokens=told_tokens or _ANY_VOCABULARY_TOKENS,
    )


def _window_tokens(settings: Settings, served: Served | None) -> int:
    wanted = settings.max_model_len
    has = None if served is None else served.window_tokens
    if wanted is not None and has is not None and wanted > has:
        raise CannotServe(f"max_model_len {wanted} is over the {has} tokens of the upstream server")
    if wanted is None and has is None:
        raise CannotServe("the upstream server does not tell its window; set max_model_len")
    if wanted is None and served is not None and served.kind is Kind.OLLAMA:
        return min(has or 0, _OLLAMA_WINDOW_TOKENS)
    return wanted or has or 0


def _prompter(settings: Settings, found: Checkpoint | None) -> Prompter:
    if found is not None:
        return checkpoint.prompter(found, settings.prompt_template)
    if settings.prompt_template in ("readme", "chat"):
        raise CannotServe(
            f"prompt_template {settings.prompt_template} is read from a checkpoint; set model"
        )
    return ours()
