"""The dashboard of long writing: how text arrives, its length, how drafts go on, best-of."""

from helm.dashboards.board import Board, Panel, Row
from helm.dashboards.promql import heat, mean, or_none, per, quantile, rate, share, under
from helm.dashboards.traffic import INSTANCE, JOB

_LOOPS = 'why=~"loop|thinking_loop"'


def _quantiles(histogram: str, *labels: str) -> dict[str, str]:
    return {f"p{q * 100:.0f}": quantile(q, histogram, *labels) for q in (0.5, 0.9, 0.99)}


_ARRIVAL = Row(
    title="How text arrives",
    panels=(
        Panel(
            title="Time to the first token",
            description="From acceptance, with a place, to the first text of either channel. Where "
            "the best of several drafts is shown, that is when all are written.",
            docs="runbook.md#longhandfirsttokenslow",
            unit="s",
            warn_over=10,
            lines=_quantiles("longhand_time_to_first_token_seconds"),
        ),
        Panel(
            title="Time to the first token of the answer",
            description="The reader sees text from here on; the time before is the plan's.",
            docs="observe.md#how-text-arrives",
            unit="s",
            lines=_quantiles("longhand_time_to_first_answer_token_seconds"),
        ),
        Panel(
            title="Time between tokens",
            description="Between two pieces of text of one draft; not of drafts that compete.",
            docs="runbook.md#longhandtokengapsslow",
            unit="s",
            warn_over=0.25,
            lines=_quantiles("longhand_inter_token_latency_seconds"),
        ),
        Panel(
            title="Gaps between tokens",
            description="Each cell: gaps per second of that size. A second band above the first is "
            "one engine, or one kind of request, that is slower.",
            docs="observe.md#how-text-arrives",
            unit="s",
            kind="heatmap",
            lines={"{{le}}": heat("longhand_inter_token_latency_seconds")},
        ),
        Panel(
            title="Tokens",
            description="Counted when a draft ends, so a long draft shows as a step.",
            docs="observe.md#how-text-arrives",
            unit="tokens/s",
            stacked=True,
            lines={
                kind: rate(f"longhand_{kind}_tokens_total")
                for kind in ("prompt", "reasoning", "answer")
            },
        ),
        Panel(
            title="Stalls",
            description="Gaps of over five seconds in a stream, as a share of all gaps.",
            docs="runbook.md#longhandstalls",
            unit="percentunit",
            warn_over=0.001,
            lines={"over 5 s": f"1 - {under('longhand_inter_token_latency_seconds', '5.0')}"},
        ),
    ),
)

_LENGTH = Row(
    title="Length",
    panels=(
        Panel(
            title="Words of answers",
            description="Each cell: answers per second of that length.",
            docs="length.md",
            unit="words",
            kind="heatmap",
            lines={"{{le}}": heat("longhand_answer_words")},
        ),
        Panel(
            title="Words written for each word asked",
            description="1 is what was asked; by where the length was read (field, prompt, "
            "predicted).",
            docs="length-control.md",
            unit="none",
            lines={
                f"{{{{source}}}} p{q * 100:.0f}": quantile(q, "longhand_length_ratio", by="source")
                for q in (0.1, 0.5, 0.9)
            },
        ),
        Panel(
            title="Answers by their length",
            description="Of those whose length was asked: short is at most 0.8 of it, near up to "
            "1.2, long above.",
            docs="runbook.md#longhandshortanswersrise",
            unit="percentunit",
            lines={
                "short": under("longhand_length_ratio", "0.8"),
                "near": f"{under('longhand_length_ratio', '1.2')}"
                f" - {under('longhand_length_ratio', '0.8')}",
                "long": f"1 - {under('longhand_length_ratio', '1.2')}",
            },
        ),
        Panel(
            title="Mean words of an answer",
            description="Of all answers, asked for a length or not.",
            docs="length.md",
            unit="words",
            lines={"words": mean("longhand_answer_words")},
        ),
        Panel(
            title="How drafts ended",
            description="`length`: cut by max_tokens or the window.",
            docs="runbook.md#longhandanswerscut",
            unit="ops",
            stacked=True,
            lines={"{{reason}}": rate("longhand_drafts_finished_total", by="reason")},
        ),
        Panel(
            title="Share of the plan in what is written",
            description="Reasoning tokens of all tokens written.",
            docs="observe.md#how-text-arrives",
            unit="percentunit",
            lines={
                "reasoning": f"{rate('longhand_reasoning_tokens_total')} / "
                f"({rate('longhand_reasoning_tokens_total')}"
                f" + {rate('longhand_answer_tokens_total')})"
            },
        ),
    ),
)

_GOING_ON = Row(
    title="How drafts go on",
    panels=(
        Panel(
            title="Carried on from their log, by why",
            description="Per draft. `pace`: led to its next section; `extend`: it ended short; "
            "`window`: it outgrew its window; `loop`: a repeat was cut out.",
            docs="observe.md#how-drafts-go",
            unit="none",
            stacked=True,
            lines={
                "{{why}}": per(
                    rate("longhand_continuations_total", by="why"),
                    rate("longhand_drafts_finished_total"),
                )
            },
        ),
        Panel(
            title="Loops",
            description="Loops cut out, per draft, in the thinking and in the text.",
            docs="runbook.md#longhandloopsrise",
            unit="none",
            lines={
                "loops per draft": share(
                    rate("longhand_continuations_total", _LOOPS),
                    rate("longhand_drafts_finished_total"),
                )
            },
        ),
        Panel(
            title="Format faults",
            description="Drafts with a fault of their tags. Many: another checkpoint or template "
            "than the one that was trained.",
            docs="runbook.md#longhandformatfaultsrise",
            unit="ops",
            stacked=True,
            lines={"{{kind}}": rate("longhand_format_faults_total", by="kind")},
        ),
        Panel(
            title="Interrupted, and carried on",
            description="Kept drafts whose writing stopped here, and those that were taken up "
            "again. The first without the second: nobody writes them.",
            docs="runbook.md#longhanddraftsinterrupted",
            unit="ops",
            lines={
                "interrupted": rate("longhand_drafts_kept_total", 'state="interrupted"')
                + " or vector(0)",
                "carried on": rate("longhand_drafts_carried_on_total"),
            },
        ),
        Panel(
            title="Moved to another replica",
            description="Streams whose replica went, carried on by another one.",
            docs="observe.md#replicas",
            unit="ops",
            stacked=True,
            lines={"{{why}}": or_none(rate("longhand_moves_total", by="why"), "why")},
        ),
        Panel(
            title="Asked twice",
            description="Requests answered with the draft of an earlier one.",
            docs="drafts.md#asking-twice",
            unit="ops",
            lines={"replayed": rate("longhand_drafts_replayed_total")},
        ),
    ),
)

_BEST_OF = Row(
    title="Best of several",
    panels=(
        Panel(
            title="Candidates by what became of them",
            description="Many that failed: look at the engine. None pruned: pruning is off or all "
            "are alike.",
            docs="best-of.md",
            unit="ops",
            stacked=True,
            lines={"{{outcome}}": rate("longhand_best_of_drafts_total", by="outcome")},
        ),
        Panel(
            title="Spread of scores",
            description="Best less worst, in standard deviations. Near 0: more drafts buy nothing.",
            docs="best-of.md#how-they-are-judged",
            unit="none",
            lines=_quantiles("longhand_best_of_score_spread"),
        ),
        Panel(
            title="Tokens saved by stopping drafts",
            description="What stopped candidates would still have taken to be as long as the best.",
            docs="best-of.md#which-drafts-stop",
            unit="tokens/s",
            lines={"saved": rate("longhand_best_of_saved_tokens_total")},
        ),
        Panel(
            title="Rewards, median",
            description="Of candidates judged to the end.",
            docs="rewards.md",
            unit="none",
            lines={"{{reward}}": quantile(0.5, "longhand_reward", by="reward")},
        ),
        Panel(
            title="Time to judge, p95",
            description="Of one reward, for all drafts it was given at once.",
            docs="runbook.md#longhandjudgedown",
            unit="s",
            lines={"{{reward}}": quantile(0.95, "longhand_judge_duration_seconds", by="reward")},
        ),
        Panel(
            title="Drafts that a reward could not judge",
            description="Its model is away: drafts are chosen without it.",
            docs="runbook.md#longhandjudgedown",
            unit="ops",
            lines={"{{reward}}": rate("longhand_judge_failures_total", by="reward")},
        ),
    ),
)

LONG_FORM = Board(
    uid="longhand-long-form",
    title="Longhand: long-form writing",
    description="How text arrives, how long it becomes, how drafts go on, what choosing buys.",
    choices=(JOB, INSTANCE),
    rows=(_ARRIVAL, _LENGTH, _GOING_ON, _BEST_OF),
)
