"""The dashboard of traffic and objectives: what comes in, what goes wrong, what is promised."""

from helm.dashboards.board import Board, Choice, Panel, Row, stat
from helm.dashboards.promql import highest, or_none, picked, quantile, rate, total

JOB = Choice(name="job", label="Job", of="label_values(longhand_build_info, job)")
INSTANCE = Choice(
    name="instance",
    label="Instance",
    of='label_values(longhand_build_info{job=~"$job"}, instance)',
)
WRITING = 'route=~"/v1/(chat/completions|completions|responses)"'


def _recorded(name: str, *labels: str) -> str:
    chosen = ",".join(('job=~"$job"', *labels))
    return f"{name}{{{chosen}}}"


def _burn(window: str) -> str:
    bad = f"max by (slo) ({_recorded(f'longhand:slo_bad:ratio_rate{window}')})"
    return f"{bad} / on (slo) max by (slo) ({_recorded('longhand:slo_budget:ratio')})"


def _left() -> str:
    bad, met = (
        f"sum by (slo) (sum_over_time({_recorded(f'longhand:slo_{name}:rate5m')}[30d]))"
        for name in ("bad", "all")
    )
    return f"1 - {bad} / {met} / on (slo) max by (slo) ({_recorded('longhand:slo_budget:ratio')})"


_NOW = Row(
    title="Now",
    panels=(
        stat(
            "Ready",
            "Processes whose engine takes work.",
            "runbook.md#longhandnoreadyreplica",
            "none",
            f"sum({picked('longhand_engine_up')})",
        ),
        stat(
            "Requests being answered",
            "Streams and whole answers under way; each scrape counts itself.",
            "observe.md#requests",
            "none",
            total("longhand_requests_in_flight"),
        ),
        stat(
            "Drafts that wait",
            "More for minutes: more replicas, or a larger max_running if the KV cache has room.",
            "runbook.md#longhandqueuewait",
            "none",
            total("longhand_queue_depth"),
            warn_over=1,
        ),
        stat(
            "Kept drafts being written",
            "They go on when their clients leave.",
            "observe.md#kept-drafts",
            "none",
            total("longhand_drafts_live"),
        ),
        stat(
            "Answers a minute",
            "Drafts that came to an end of their own or to their limit.",
            "observe.md#how-drafts-go",
            "none",
            f"60 * {rate('longhand_drafts_finished_total')}",
        ),
        stat(
            "Versions",
            "More than one for long: a roll-out has stopped half way.",
            "observe.md#engine-and-process",
            "none",
            f"count(count by (version) ({picked('longhand_build_info')}))",
            warn_over=2,
        ),
    ),
)

_OBJECTIVES = Row(
    title="Objectives",
    panels=(
        Panel(
            title="Error budget left, 30 days",
            description="1: nothing of the budget is used; 0 and below: the objective was missed.",
            docs="observe.md#objectives",
            unit="percentunit",
            kind="stat",
            lines={"{{slo}}": _left()},
        ),
        Panel(
            title="Burn rate, 1 hour",
            description="1 uses up the budget in just 30 days; over 14.4, also in the last five "
            "minutes, somebody is paged.",
            docs="runbook.md#longhandsloburnsfast",
            unit="none",
            warn_over=14.4,
            lines={"{{slo}}": _burn("1h")},
        ),
        Panel(
            title="Burn rate, 6 hours",
            description="Over 6, also in the last half hour, somebody is paged; over 1 for three "
            "days is a ticket.",
            docs="runbook.md#longhandsloburnsslowly",
            unit="none",
            warn_over=6,
            lines={"{{slo}}": _burn("6h")},
        ),
    ),
)

_REQUESTS = Row(
    title="Requests",
    panels=(
        Panel(
            title="Requests by status",
            description="499: the client left before the headers. 429: its key has its share. "
            "503: the queue is full, the engine is away, or the server ends.",
            docs="observe.md#requests",
            unit="reqps",
            stacked=True,
            lines={"{{code}}": rate("longhand_requests_total", by="code")},
        ),
        Panel(
            title="Requests by route",
            description="What callers use.",
            docs="observe.md#requests",
            unit="reqps",
            stacked=True,
            lines={"{{route}}": rate("longhand_requests_total", by="route")},
        ),
        Panel(
            title="Time to the last byte, writing routes",
            description="A 10,000-word answer takes minutes; this is no measure of health.",
            docs="observe.md#requests",
            unit="s",
            lines={
                f"p{q * 100:.0f}": quantile(q, "longhand_request_duration_seconds", WRITING)
                for q in (0.5, 0.9, 0.99)
            },
        ),
        Panel(
            title="Errors by code",
            description="Requests answered with an error, by the code that their callers read.",
            docs="observe.md#requests",
            unit="reqps",
            stacked=True,
            lines={"{{reason}}": rate("longhand_requests_refused_total", by="reason")},
        ),
        Panel(
            title="Streams that broke off",
            description="Streams that ended in an error of the server's; their status was 200.",
            docs="runbook.md#longhandsloburnsfast",
            unit="ops",
            lines={"{{code}}": or_none(rate("longhand_broken_streams_total", by="code"), "code")},
        ),
        Panel(
            title="Clients that left",
            description="By how far their draft was. Many in `queued`: they wait too long. "
            "`kept`: the draft goes on without them.",
            docs="observe.md#requests",
            unit="ops",
            stacked=True,
            lines={"{{stage}}": rate("longhand_disconnects_total", by="stage")},
        ),
        Panel(
            title="Fields that were ignored",
            description="Known fields of other servers that callers send and Longhand ignores.",
            docs="observe.md#requests",
            unit="ops",
            lines={"{{field}}": rate("longhand_unknown_fields_total", by="field")},
        ),
    ),
)

_ROOM = Row(
    title="Room",
    panels=(
        Panel(
            title="Waiting",
            description="Drafts in the queue, by process.",
            docs="runbook.md#longhandqueuewait",
            unit="none",
            stacked=True,
            lines={"{{instance}}": total("longhand_queue_depth", by="instance")},
        ),
        Panel(
            title="Time in the queue",
            description="Of drafts that got their place.",
            docs="runbook.md#longhandqueuewait",
            unit="s",
            warn_over=60,
            lines={
                f"p{q * 100:.0f}": quantile(q, "longhand_queue_wait_seconds") for q in (0.5, 0.95)
            },
        ),
        Panel(
            title="Refused for want of room",
            description="`queue_full`: the server has no room; `caller_share`: a caller has its "
            "share already; `closing`: the server ends.",
            docs="runbook.md#longhandrefusals",
            unit="reqps",
            stacked=True,
            lines={"{{reason}}": rate("longhand_admission_refusals_total", by="reason")},
        ),
        Panel(
            title="KV tokens",
            description="Claimed by drafts that are written and by those that wait, and how many "
            "there are (0: not known). A claim is what a draft may at most become.",
            docs="observe.md#room",
            unit="short",
            lines={
                "written": total("longhand_kv_tokens_reserved"),
                "waiting": total("longhand_queue_tokens"),
                "there are": total("longhand_kv_tokens_capacity"),
            },
        ),
        Panel(
            title="KV tokens given back",
            description="What waits divided by this is how long it will wait.",
            docs="observe.md#room",
            unit="tokens/s",
            lines={"given back": total("longhand_drain_tokens_per_second")},
        ),
        Panel(
            title="Places in the queue",
            description="That requests got when they came.",
            docs="observe.md#room",
            unit="none",
            lines={f"p{q * 100:.0f}": quantile(q, "longhand_queue_position") for q in (0.5, 0.95)},
        ),
    ),
)

_CALLERS = Row(
    title="Callers",
    panels=(
        Panel(
            title="Requests by caller",
            description="By the names of the key file; `anyone` on an open server.",
            docs="observe.md#callers",
            unit="reqps",
            stacked=True,
            lines={"{{caller}}": rate("longhand_caller_requests_total", by="caller")},
        ),
        Panel(
            title="Tokens by caller",
            description="Of prompts and of what was written.",
            docs="observe.md#callers",
            unit="tokens/s",
            stacked=True,
            lines={"{{caller}}": rate("longhand_caller_tokens_total", by="caller")},
        ),
        Panel(
            title="Keys",
            description="In force, and readings of the key file that failed: the old keys hold on.",
            docs="runbook.md#longhandreloadfailed",
            unit="none",
            lines={
                "keys": highest("longhand_keys"),
                "failed readings": total("longhand_keys_reload_failures_total"),
            },
        ),
        Panel(
            title="Connections that the server ended",
            description="By why.",
            docs="observe.md#callers",
            unit="ops",
            lines={
                "{{reason}}": or_none(rate("longhand_connections_cut_total", by="reason"), "reason")
            },
        ),
    ),
)

TRAFFIC = Board(
    uid="longhand-traffic",
    title="Longhand: traffic and objectives",
    description="What comes in, how it is answered, and how much of the error budget is left.",
    choices=(JOB, INSTANCE),
    rows=(_NOW, _OBJECTIVES, _REQUESTS, _ROOM, _CALLERS),
)
