"""The table of docs/metrics.md, from what the stats server tells."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import Metric

from generating.markers import table, with_part
from goophry.events import BrokerBack
from goophry.stats.counters import Counters
from goophry.stats.metrics import Metrics


class _NoQueues:
    def lengths(self) -> Mapping[str, Mapping[str, int]]:
        return {}


#: What stands behind the name of a metric when it is told.
_ENDINGS: Final = {"counter": "_total", "info": "_info"}


def with_table(page: str) -> str:
    """Put the table between its markers."""
    counters = Counters(["a type"])
    counters.notify(BrokerBack("Intake", 0.0))  # there are none of Kafka's metrics without Kafka
    metrics = Metrics(counters, workers=dict, views=_NoQueues(), may_evict=lambda: False)
    collected = metrics._registry.collect()  # noqa: SLF001 # told to nobody else but as text
    rows = [_row(metric) for metric in collected if metric.name.startswith("goophry_")]
    return with_part(page, name="metrics", text=table(["name", "type", "labels", "meaning"], *rows))


def _row(metric: Metric) -> list[str]:
    labels = ", ".join(f"`{name}`" for name in _labels(metric))
    kind = "gauge" if metric.type == "info" else metric.type
    return [f"`{metric.name}{_ENDINGS.get(metric.type, '')}`", kind, labels, metric.documentation]


def _labels(metric: Metric) -> tuple[str, ...]:
    if metric.type == "info":
        return tuple(metric.samples[0].labels)
    return tuple(metric._labelnames)  # noqa: SLF001 # the library tells it nowhere else without a sample
