"""The dashboard of what writes and what keeps: processes, vLLM, the store of drafts."""

from helm.dashboards.board import Board, Choice, Panel, Row
from helm.dashboards.promql import heat, highest, lowest, or_none, quantile, rate, share, total
from helm.dashboards.traffic import INSTANCE, JOB

_MODEL = Choice(
    name="model",
    label="Model (vLLM)",
    of="label_values(vllm:kv_cache_usage_perc, model_name)",
)


def _halves(histogram: str) -> dict[str, str]:
    return {f"p{q * 100:.0f}": quantile(q, histogram) for q in (0.5, 0.99)}


_PROCESSES = Row(
    title="Processes",
    panels=(
        Panel(
            title="Takes work",
            description="1 while the engine of a process takes work.",
            docs="runbook.md#longhandenginedown",
            unit="none",
            columns=6,
            lines={"{{instance}}": total("longhand_engine_up", by="instance")},
        ),
        Panel(
            title="CPU of the gateway",
            description="Cores of the process that answers; vLLM's own processes are not in it. "
            "Near 1 its event loop is full: more replicas.",
            docs="observe.md#engine-and-process",
            unit="none",
            columns=6,
            warn_over=0.8,
            lines={"{{instance}}": rate("process_cpu_seconds_total", by="instance")},
        ),
        Panel(
            title="Memory of the gateway",
            description="Resident memory of the same process.",
            docs="observe.md#engine-and-process",
            unit="bytes",
            columns=6,
            lines={"{{instance}}": total("process_resident_memory_bytes", by="instance")},
        ),
        Panel(
            title="Age",
            description="Time since each process began; a saw is a process that keeps dying.",
            docs="runbook.md#longhandrestarts",
            unit="s",
            columns=6,
            lines={
                "{{instance}}": "time() - " + highest("process_start_time_seconds", by="instance")
            },
        ),
    ),
)

_REPLICAS = Row(
    title="Replicas behind the gateways",
    panels=(
        Panel(
            title="Replica takes work",
            description="0 where one gateway at least does not get through to it.",
            docs="runbook.md#longhandreplicadown",
            unit="none",
            lines={"{{replica}}": lowest("longhand_replica_up", by="replica")},
        ),
        Panel(
            title="Streams of a replica",
            description="Drafts it writes for all gateways. Uneven for long: affinity to one "
            "prefix, or a replica that is slower.",
            docs="observe.md#replicas",
            unit="none",
            stacked=True,
            lines={"{{replica}}": total("longhand_replica_streams", by="replica")},
        ),
        Panel(
            title="KV tokens claimed of a replica",
            description="What its streams may come to take.",
            docs="observe.md#replicas",
            unit="short",
            stacked=True,
            lines={"{{replica}}": total("longhand_replica_reserved_tokens", by="replica")},
        ),
        Panel(
            title="Breaker",
            description="0 closed, 1 half open: one request tries it, 2 open: it gets none.",
            docs="runbook.md#longhandreplicadown",
            unit="none",
            lines={"{{replica}}": highest("longhand_replica_breaker", by="replica")},
        ),
        Panel(
            title="Streams moved to another replica",
            description="Their readers see no more than a pause.",
            docs="observe.md#replicas",
            unit="ops",
            stacked=True,
            lines={"{{why}}": or_none(rate("longhand_moves_total", by="why"), "why")},
        ),
    ),
)

_VLLM = Row(
    title="vLLM",
    panels=(
        Panel(
            title="Requests in the engine",
            description="Drafts that are computed, and those that wait inside vLLM.",
            docs="observe.md#vllm",
            unit="none",
            stacked=True,
            lines={
                "running": total("vllm:num_requests_running"),
                "waiting": total("vllm:num_requests_waiting"),
            },
        ),
        Panel(
            title="KV cache in use",
            description="At 1 vLLM throws drafts out and computes them again.",
            docs="runbook.md#longhandkvcachefull",
            unit="percentunit",
            warn_over=0.9,
            lines={
                "{{instance}} {{engine}}": highest(
                    "vllm:kv_cache_usage_perc", by="instance, engine"
                )
            },
        ),
        Panel(
            title="Drafts thrown out (preemptions)",
            description="Each costs a prefill of all it had written.",
            docs="runbook.md#longhandkvcachefull",
            unit="ops",
            lines={"preempted": rate("vllm:num_preemptions_total")},
        ),
        Panel(
            title="Prefix cache hits",
            description="Share of prompt tokens found there. Candidates of one request and drafts "
            "that are carried on live from it.",
            docs="observe.md#vllm",
            unit="percentunit",
            lines={
                "hits": share(
                    rate("vllm:prefix_cache_hits_total"),
                    rate("vllm:prefix_cache_queries_total"),
                )
            },
        ),
        Panel(
            title="Tokens of the engine",
            description="Generated, and read as prompts. More generated than answered: text that "
            "was taken back, or candidates that lost.",
            docs="observe.md#vllm",
            unit="tokens/s",
            lines={
                "generated": rate("vllm:generation_tokens_total"),
                "prompts": rate("vllm:prompt_tokens_total"),
            },
        ),
        Panel(
            title="Streams ended, by reason",
            description="`abort`: Longhand closed it, because it turned the draft or nobody reads.",
            docs="observe.md#vllm",
            unit="ops",
            stacked=True,
            lines={"{{finished_reason}}": rate("vllm:request_success_total", by="finished_reason")},
        ),
        Panel(
            title="Engine: time to the first token",
            description="As vLLM measures it; what the gateway's has more is spent before it.",
            docs="runbook.md#longhandfirsttokenslow",
            unit="s",
            lines=_halves("vllm:time_to_first_token_seconds"),
        ),
        Panel(
            title="Engine: time between tokens",
            description="As vLLM measures it; what the gateway's has more is spent behind it.",
            docs="runbook.md#longhandtokengapsslow",
            unit="s",
            lines=_halves("vllm:inter_token_latency_seconds"),
        ),
        Panel(
            title="Engine: time in its queue",
            description="Over a second for long: max_running is larger than what fits.",
            docs="observe.md#vllm",
            unit="s",
            lines=_halves("vllm:request_queue_time_seconds"),
        ),
        Panel(
            title="Tokens in a step",
            description="What the scheduler computes at once: the batch, and prompts beside it.",
            docs="observe.md#vllm",
            unit="none",
            kind="heatmap",
            lines={"{{le}}": heat("vllm:iteration_tokens_total")},
        ),
        Panel(
            title="Time to read a prompt",
            description="Prefill. It holds up the tokens of all other drafts unless it is chunked.",
            docs="observe.md#vllm",
            unit="s",
            lines=_halves("vllm:request_prefill_time_seconds"),
        ),
    ),
)

_STORE = Row(
    title="Store of drafts",
    panels=(
        Panel(
            title="Kept drafts being written",
            description="By process; a draft has one writer.",
            docs="observe.md#kept-drafts",
            unit="none",
            stacked=True,
            lines={"{{instance}}": total("longhand_drafts_live", by="instance")},
        ),
        Panel(
            title="Kept drafts by how they ended here",
            description="`interrupted` ones are to be carried on.",
            docs="runbook.md#longhanddraftsinterrupted",
            unit="ops",
            stacked=True,
            lines={"{{state}}": rate("longhand_drafts_kept_total", by="state")},
        ),
        Panel(
            title="Time of a commit",
            description="What is shown of kept drafts waits for it.",
            docs="runbook.md#longhandcommitsslow",
            unit="s",
            warn_over=0.5,
            lines=_halves("longhand_drafts_commit_duration_seconds"),
        ),
        Panel(
            title="Commits",
            description="Per second. One takes what all live drafts have added.",
            docs="observe.md#kept-drafts",
            unit="ops",
            lines={
                "commits": rate("longhand_drafts_commit_duration_seconds_count"),
                "failed": rate("longhand_drafts_store_failures_total"),
            },
        ),
        Panel(
            title="Written to the store",
            description="Bytes of commits, per second.",
            docs="observe.md#kept-drafts",
            unit="bytes",
            lines={"bytes/s": rate("longhand_drafts_commit_bytes_sum")},
        ),
        Panel(
            title="Written on without their store",
            description="Drafts that were to be kept while the store was away "
            "(drafts_on_failure=stream). They do not outlive their gateway.",
            docs="runbook.md#longhanddraftsunstored",
            unit="ops",
            lines={"not stored": rate("longhand_drafts_unstored_total")},
        ),
        Panel(
            title="Drafts deleted",
            description="For their age or for room. Sudden: drafts_max_bytes is reached.",
            docs="observe.md#kept-drafts",
            unit="ops",
            lines={"deleted": rate("longhand_drafts_evicted_total")},
        ),
    ),
)

ENGINES = Board(
    uid="longhand-engines",
    title="Longhand: engines and store",
    description="The processes, vLLM inside or behind them, and the store of kept drafts.",
    choices=(JOB, INSTANCE, _MODEL),
    rows=(_PROCESSES, _REPLICAS, _VLLM, _STORE),
)
