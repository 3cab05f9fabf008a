"""The composition root: settings in, application out. All parts are built here and only here."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import REGISTRY, CollectorRegistry

from planner.prompts import ours
from rewards.base import Judge
from server import __version__, checkpoint
from server.admission.admission import Admission
from server.answer import Answerer
from server.callers.caller import ANYONE
from server.checkpoint import Checkpoint
from server.engine.base import Card, Engine
from server.engine.pool.pool import Pool
from server.engine.scripted import ScriptedEngine, read_script
from server.engine.supervised import Health, Supervised
from server.errors import CannotServe
from server.jury import Jury, appointed
from server.layout import Layout
from server.machine import has
from server.metrics import Metrics
from server.outliner import Outliner
from server.predictor import Predictor
from server.quality import QualityModel, quality_judge
from server.reception import bounds, register, stand_before
from server.routes import chat, completions, drafts, health, models, plan, refusals, responses
from server.routes import metrics as metrics_route
from server.routes.desk import Desk, Pace
from server.routes.service import Defaults, Service, seconds_since_1970
from server.serving import TEMPERATURE, TOP_P
from server.serving import Serving as Serving
from server.serving import identify as identify
from server.settings import Settings
from server.shelving import opened, shelf
from server.upstreams import upstreams
from server.wire.chat import Candidates, Efforts

_SCRIPTED_WINDOW_TOKENS = 32_768


def choose(settings: Settings) -> Serving:
    """Reads the checkpoint and picks the engine; nothing is loaded yet.

    Raises:
        CannotServe: it cannot work as set; the sentence says why.
    """
    if settings.engine == "upstream":
        return upstreams(settings)
    if settings.upstream:
        # Anybody who names servers means to use them.
        raise CannotServe(f"upstream is for the engine upstream, and engine is {settings.engine}")
    if settings.engine == "scripted":
        return _scripted(settings)
    found, card = identify(settings)
    name = _engine_name(settings)
    return Serving(
        engine_name=name,
        checkpoint=found,
        card=card,
        prompter=checkpoint.prompter(found, settings.prompt_template),
        build=_vllm(settings, found, card) if name == "vllm" else _local(found, card, settings),
        temperature=found.temperature if settings.temperature is None else settings.temperature,
        top_p=found.top_p if settings.top_p is None else settings.top_p,
    )


def _engine_name(settings: Settings) -> str:
    if settings.engine != "auto":
        return settings.engine
    return "vllm" if has("vllm") else "transformers"


def _scripted(settings: Settings) -> Serving:
    name = settings.served_model_name or "scripted"
    card = Card(
        model=name,
        window_tokens=settings.max_model_len or _SCRIPTED_WINDOW_TOKENS,
        vocabulary_tokens=1_000_000,
    )
    try:
        plays = (read_script(settings.script),) if settings.script else ScriptedEngine().plays
    except (OSError, ValueError) as error:
        raise CannotServe(f"cannot play the script: {error}") from None
    return Serving(
        engine_name="scripted",
        checkpoint=None,
        card=card,
        prompter=ours(),
        build=lambda: ScriptedEngine(plays=plays, card=card),
        temperature=TEMPERATURE if settings.temperature is None else settings.temperature,
        top_p=TOP_P if settings.top_p is None else settings.top_p,
    )


def _vllm(settings: Settings, found: Checkpoint, card: Card) -> Callable[[], Engine]:
    if not has("vllm"):
        raise CannotServe("vLLM is not installed here; see README.md, or set engine transformers")
    # Here and not above: a gateway without vLLM must still start with another engine.
    from server.engine.vllm_in_process import VllmEngine
    from server.engine.vllm_options import VllmOptions, engine_arguments

    arguments = {
        "tensor_parallel_size": settings.tensor_parallel_size,
        "pipeline_parallel_size": settings.pipeline_parallel_size,
        "quantization": settings.quantization,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "kv_cache_dtype": settings.kv_cache_dtype,
        "max_num_seqs": settings.max_running,
        **settings.vllm,
    }
    options = VllmOptions(
        card=card,
        location=found.location,
        directory=found.directory,
        revision=settings.revision,
        arguments=arguments,
        cpu_kv_cache_gib=settings.cpu_kv_cache_gib,
    )
    if settings.vllm:
        # A misspelt argument is worth the seconds that importing vLLM takes.
        engine_arguments(options)
    return lambda: VllmEngine(options)


def _local(found: Checkpoint, card: Card, settings: Settings) -> Callable[[], Engine]:
    from server.engine.local import LocalEngine

    return lambda: LocalEngine(card=card, location=found.location, directory=found.directory)


def create_app(
    settings: Settings, serving: Serving, *, registry: CollectorRegistry = REGISTRY
) -> FastAPI:
    """The application. Its engine starts with the lifespan and is loading until it is not.

    Raises:
        CannotServe: keys that are none, or none where anybody could come; settings of best-of
            that contradict each other.
    """
    metrics = Metrics(registry, multiproc_dir=settings.prometheus_multiproc_dir)
    engine = Supervised(
        build=lambda: _noted(serving.build(), metrics),
        card=serving.card,
        max_restarts=settings.max_engine_restarts if settings.on_engine_death == "restart" else 0,
        on_health=lambda health: metrics.engine_up.set(health is Health.READY),
    )

    service = _service(settings, serving, engine, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        async with engine, opened(service.shelf):
            yield

    app = FastAPI(
        title="Longhand",
        version=__version__,
        summary="An OpenAI-compatible server for writing at length",
        lifespan=lifespan,
    )
    app.state.service = service
    for module in (chat, completions, responses, drafts, plan, models, health, metrics_route):
        app.include_router(module.router)
    refusals.install(app)
    stand_before(app, settings, service)
    return app


def _noted(engine: Engine, metrics: Metrics) -> Engine:
    """The engine, telling of its replicas if it has some."""
    if isinstance(engine, Pool):
        engine.fleet.notes = metrics.replicas
    return engine


def _service(settings: Settings, serving: Serving, engine: Supervised, metrics: Metrics) -> Service:
    callers = register(settings, metrics)
    admission = Admission(
        max_running=settings.max_running,
        max_queued=settings.max_queued,
        retry_after_s=settings.retry_after_s,
        # On an open server all callers are one and the same to us.
        max_per_caller=callers.max_drafts,
        shares_queue=lambda who: who != ANYONE.name,
        capacity_tokens=lambda: settings.kv_tokens or engine.kv_tokens,
    )
    jury = _jury(settings, metrics)
    layout = _layout(settings, serving, engine)
    timeout_s = settings.ask_outline_timeout_s
    desk = Desk(
        answerer=Answerer(
            engine=engine,
            layout=layout,
            jury=jury,
            asks_outline=settings.ask_outline,
            outliner=Outliner(engine=engine, prompter=serving.prompter, timeout_s=timeout_s),
        ),
        admission=admission,
        metrics=metrics,
        bill=callers.bill,
        pace=Pace(keep_alive_s=settings.keep_alive_s, heartbeat_s=settings.heartbeat_s),
    )
    defaults = _defaults(settings, serving, jury)
    return Service(
        engine=engine,
        desk=desk,
        metrics=metrics,
        defaults=defaults,
        created=seconds_since_1970(),
        register=callers,
        bounds=bounds(settings, metrics),
        shelf=shelf(settings, engine, desk, defaults),
    )


def _defaults(settings: Settings, serving: Serving, jury: Jury) -> Defaults:
    return Defaults(
        temperature=serving.temperature,
        top_p=serving.top_p,
        max_n=min(settings.max_n, settings.max_running),
        candidates=_candidates(settings, jury),
        reasoning_field=settings.reasoning_field,
        efforts=Efforts(
            minimal=settings.reasoning_tokens_minimal,
            low=settings.reasoning_tokens_low,
            medium=settings.reasoning_tokens_medium,
            high=settings.reasoning_tokens_high,
        ),
    )


def _candidates(settings: Settings, jury: Jury) -> Candidates:
    max_drafts = min(settings.max_best_of, settings.max_running)
    if settings.best_of > max_drafts:
        # Every request that does not say would be refused.
        raise CannotServe(
            f"best_of: {settings.best_of} is over the limit of {max_drafts}, the smaller of "
            "max_best_of and max_running"
        )
    return Candidates(
        drafts=settings.best_of,
        max_drafts=max_drafts,
        weights=jury.weights,
        rewards=jury.names,
        progress_s=settings.progress_s,
        heartbeat_s=settings.heartbeat_s,
    )


def _jury(settings: Settings, metrics: Metrics) -> Jury:
    return appointed(
        judges=_judges(settings),
        weights=settings.rewards or None,
        heard=metrics.judging.count_hearing,
    )


def _judges(settings: Settings) -> dict[str, Judge]:
    if settings.quality_model is None:
        return {}
    key = settings.quality_key
    model = QualityModel(
        model=settings.quality_model,
        name=settings.quality_model_name,
        api=settings.quality_api,
        key=None if key is None else key.get_secret_value(),
        timeout_s=settings.quality_timeout_s,
    )
    return {"quality": quality_judge(model)}


def _layout(settings: Settings, serving: Serving, engine: Supervised) -> Layout:
    prompter, timeout_s = serving.prompter, settings.predict_length_timeout_s
    predictor = Predictor(engine=engine, prompter=prompter, timeout_s=timeout_s)
    asked = predictor if settings.predict_length else None
    return Layout(engine=engine, prompter=prompter, predictor=asked)
