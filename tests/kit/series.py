"""The series that processes tell Prometheus of, by name."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry

from serving.http import metrics as endpoint
from stream import metrics as worker

_ENDINGS: Final = ("", "_total", "_created", "_sum", "_count", "_bucket")


def told() -> set[str]:
    """By a worker or by a process of the endpoint, which have some in common."""
    names: set[str] = set()
    for kind in (worker.Metrics, endpoint.Metrics):
        registry = CollectorRegistry()
        kind(registry)
        names |= {f"{metric.name}{ending}" for metric in registry.collect() for ending in _ENDINGS}
    return names
