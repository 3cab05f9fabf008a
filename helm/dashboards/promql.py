"""The few forms of PromQL that the dashboards are made of. It must not know panels."""

# The labels that the readers' choices fill in.
OURS = 'job=~"$job",instance=~"$instance"'
# vLLM's metrics may come from other processes than ours, so they are chosen by model.
VLLM = 'model_name=~"$model"'
# Long enough for four scrapes, whatever the zoom; Grafana's own variable.
WINDOW = "$__rate_interval"


def picked(metric: str, *labels: str) -> str:
    """The series of a metric that were chosen, and whose labels are such.

    >>> picked("longhand_engine_up")
    'longhand_engine_up{job=~"$job",instance=~"$instance"}'
    """
    chosen = VLLM if metric.startswith("vllm:") else OURS
    return f"{metric}{{{','.join((chosen, *labels))}}}"


def rate(metric: str, *labels: str, by: str = "") -> str:
    """Increase per second of a counter, summed; one series for each value of ``by``."""
    return f"sum{_by(by)} (rate({picked(metric, *labels)}[{WINDOW}]))"


def total(metric: str, *labels: str, by: str = "") -> str:
    """The sum of a gauge."""
    return f"sum{_by(by)} ({picked(metric, *labels)})"


def highest(metric: str, by: str = "") -> str:
    """The largest value of a gauge, one for each value of ``by``."""
    return f"max{_by(by)} ({picked(metric)})"


def lowest(metric: str, by: str = "") -> str:
    """The smallest value of a gauge, one for each value of ``by``."""
    return f"min{_by(by)} ({picked(metric)})"


def per(part: str, whole: str) -> str:
    """Series of the part for each one of the whole, which has no labels."""
    return f"{part} / on () group_left () {whole}"


def share(part: str, whole: str) -> str:
    """One rate in another; 0 where there was nothing of the part, nothing where no whole."""
    return f"({part} or 0 * {whole}) / {whole}"


def or_none(series: str, label: str) -> str:
    """A 0 called "none" where there is no series yet: an empty panel looks like a broken one."""
    return f'{series} or label_replace(vector(0), "{label}", "none", "", "")'


def quantile(q: float, histogram: str, *labels: str, by: str = "") -> str:
    """A quantile of a histogram, by the buckets of the window."""
    groups = ", ".join(filter(None, ("le", by)))
    buckets = f"rate({picked(f'{histogram}_bucket', *labels)}[{WINDOW}])"
    return f"histogram_quantile({q}, sum by ({groups}) ({buckets}))"


def mean(histogram: str, *labels: str, by: str = "") -> str:
    """The mean of a histogram over the window."""
    return (
        f"{rate(f'{histogram}_sum', *labels, by=by)} / {rate(f'{histogram}_count', *labels, by=by)}"
    )


def under(histogram: str, bound: str, *labels: str) -> str:
    """The share of a histogram's values that are ``bound`` or less, which is one of its buckets."""
    counted = rate(f"{histogram}_bucket", f'le="{bound}"', *labels)
    return f"{counted} / {rate(f'{histogram}_count', *labels)}"


def heat(histogram: str, *labels: str) -> str:
    """Values per second by bucket, for a heatmap."""
    return rate(f"{histogram}_bucket", *labels, by="le")


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
